/* SPDX-License-Identifier: MIT
 * The link to a worker: frames out, frames in. Nothing that comes in is trusted.
 */
#ifndef RUNTIME_WORKER_LINK_H
#define RUNTIME_WORKER_LINK_H

#include "runtime/pool.h"

extern const struct conn_events worker_link_events;

/* pool_choose.c */
void worker_load(struct worker *worker, struct version *version);
void pool_loader_gone(struct worker *worker);
/* pool.c */
void pool_worker_gone(struct worker *worker, const char *reason);
int fcntl_blocking(int fd);
/* Appends the HOST_INVOKE frame of an invocation of this version, as number 1. */
void worker_write_invoke(
    struct buf *out, const struct invocation *invocation, const struct version *version);

#endif
