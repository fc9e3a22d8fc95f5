/* SPDX-License-Identifier: MIT
 * The link to a worker: frames out, frames in. Nothing that comes in is trusted.
 */
#ifndef RUNTIME_WORKER_LINK_H
#define RUNTIME_WORKER_LINK_H

#include "runtime/pool.h"

extern const struct conn_events worker_link_events;

/* pool.c */
void pool_worker_gone(struct worker *worker, const char *reason);
/* worker_link.c: what was being loaded by a worker that has gone is sent to another. */
void pool_load_again(struct pool *pool);
int fcntl_blocking(int fd);

#endif
