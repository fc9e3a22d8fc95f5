/* SPDX-License-Identifier: MIT
 * Between the broker and the rest of the host: messages to functions and shadows, writes to the
 * store.
 */
#ifndef RUNTIME_GATEWAY_H
#define RUNTIME_GATEWAY_H

#include "runtime/host.h"

/* Makes host->broker. */
void gateway_open(struct host *host);
/* The options have changed. */
void gateway_configure(struct host *host);
/* The store has done something: who waited because it was full goes on. */
void gateway_store_polled(struct host *host);

#endif
