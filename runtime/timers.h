/* SPDX-License-Identifier: MIT
 * Handlers' timers on the loop thread: timer.set and timer.cancel, and the firing of what is due.
 *
 * Timers stand in the store; in memory are only those that fire. What fires is an event with a
 * source: its row is deleted in the transaction of its effects, and must be of the version that was
 * read, so that one that was cancelled or set anew meanwhile does not count.
 *
 * Their clock is the wall clock at the start and runs with the monotonic one. It follows the wall
 * clock only where that is put forward; then the timers that this run has set are moved as far, so
 * that they take as long as they should. It never goes back.
 */
#ifndef RUNTIME_TIMERS_H
#define RUNTIME_TIMERS_H

#include "runtime/effect.h"
#include "store/timers.h"

struct host;
struct timers;
struct invocation;
struct version;

struct timers *timers_new(struct host *host);
/* Fires nothing more. Takes NULL. */
void timers_stop(struct timers *timers);
/* When the store is closed. Takes NULL. */
void timers_free(struct timers *timers);

/* At start, when functions are loaded. */
void timers_start(struct timers *timers);

/* An EFFECT_TIMER of this invocation. -1: it is refused. */
int timers_take_effect(struct timers *timers, const struct invocation *invocation,
    const struct effect *effect, struct timer_ops *ops, struct err *err)
    __attribute__((warn_unused_result));
/* They are durable; `version` is their job's. */
void timers_committed(struct timers *timers, const struct timer_ops *ops, uint64_t version);

struct timers_figures {
	uint64_t fired;
	uint64_t dropped; /* cancelled or set anew when they were about to run */
	size_t firing;
};

struct timers_figures timers_figures(const struct timers *timers);
/* Appends them for /metrics. */
void timers_write_figures(const struct timers *timers, struct buf *out);

#endif
