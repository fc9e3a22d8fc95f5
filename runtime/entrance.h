/* SPDX-License-Identifier: MIT
 * The gate of all listeners, by the options, and the descriptors behind it.
 */
#ifndef RUNTIME_ENTRANCE_H
#define RUNTIME_ENTRANCE_H

#include "runtime/host.h"

/* Makes host->gate, before anything listens. -1: an option cannot be read. */
int entrance_open(struct host *host, struct err *err) __attribute__((warn_unused_result));
/* The options have changed. What cannot be read leaves the gate as it is, and is logged. */
void entrance_configure(struct host *host);
/* Opens host->mqtt, paused, unless it is off. */
int entrance_listen(struct host *host, struct err *err) __attribute__((warn_unused_result));
/* After all that came in by it. */
void entrance_close(struct host *host);
void entrance_figures(const struct host *host, struct buf *out);

#endif
