/* SPDX-License-Identifier: MIT
 * The registry in the host: joined with the rights of those who are connected.
 */
#ifndef RUNTIME_REGISTRATION_H
#define RUNTIME_REGISTRATION_H

#include "runtime/host.h"

/* Makes host->registry and reads it from the store. */
int registration_open(struct host *host, struct err *err) __attribute__((warn_unused_result));

#endif
