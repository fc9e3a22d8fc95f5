/* SPDX-License-Identifier: MIT
 * Messages, retained messages and shadows by HTTP, in the shapes of AWS IoT's data plane: for
 * devices that speak no MQTT. Served by TLS, and to loopback without.
 */
#ifndef RUNTIME_API_DATA_PLANE_H
#define RUNTIME_API_DATA_PLANE_H

#include "runtime/host.h"

struct data_plane;

/* Adds the routes to the host's HTTP server. */
struct data_plane *data_plane_open(struct host *host, struct err *err)
    __attribute__((warn_unused_result));
void data_plane_close(struct data_plane *plane); /* after the HTTP server; takes NULL */

#endif
