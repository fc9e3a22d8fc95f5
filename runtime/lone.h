/* SPDX-License-Identifier: MIT
 * A confined worker without a host around it, for commands: a loop, a zygote and one worker at a
 * time, and waiting for what it says.
 */
#ifndef RUNTIME_LONE_H
#define RUNTIME_LONE_H

#include "lib/frame.h"
#include "lib/protocol.h"
#include "net/loop.h"

struct lone;

struct lone_hooks {
	/* A frame of the worker's, borrowed. May send. */
	void (*frame)(void *arg, const struct frame *frame);
	/* The worker is gone, or does not speak the protocol: `how` is for a person. There is none
	 * then until lone_worker. */
	void (*gone)(void *arg, const char *how);
	void *arg;
};

struct lone *lone_start(const struct lone_hooks *hooks, struct err *err)
    __attribute__((warn_unused_result));
void lone_end(struct lone *lone); /* takes NULL */

bool lone_has_worker(const struct lone *lone);
/* Starts one, with these seeds in its HOST_SETUP. */
int lone_worker(struct lone *lone, const uint64_t seed[2], struct err *err)
    __attribute__((warn_unused_result));
void lone_drop_worker(struct lone *lone);

/* Sends whole frames; it may wait for the worker to read. */
int lone_send(struct lone *lone, const struct buf *frames, struct err *err)
    __attribute__((warn_unused_result));

/* Until `*settled` is true. -1: the time is over. */
int lone_wait(struct lone *lone, const bool *settled, int64_t timeout_us, struct err *err)
    __attribute__((warn_unused_result));

#endif
