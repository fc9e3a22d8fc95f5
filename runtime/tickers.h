/* SPDX-License-Identifier: MIT
 * Functions that run by a schedule. The time of the last tick stands in the store (SPACE_TICK) and
 * is written in the transaction of the tick's effects: each tick takes effect once. A function's
 * next tick waits until the one before it has ended; those that fall due meanwhile become one.
 */
#ifndef RUNTIME_TICKERS_H
#define RUNTIME_TICKERS_H

#include "lib/schedule.h"
#include "runtime/host.h"

struct tick_wish {
	const char *text; /* of the schedule */
	const char *zone; /* its name; NULL: UTC */
	int64_t jitter_ms;
	bool skip_missed; /* ticks that fell due while the host was down do not run; else once */
};

struct tickers *tickers_new(struct host *host);
/* Nothing ticks any more. */
void tickers_stop(struct tickers *tickers);
/* After dispatch_free, and when the store has nothing of theirs any more. Takes NULL. */
void tickers_free(struct tickers *tickers);
/* A function that is no more: what is known of it goes. False: a tick of it is under way. */
bool tickers_forget(struct tickers *tickers, const char *function_name);
void tickers_start(struct tickers *tickers); /* the host is ready */

/* The time zone of this name. NULL with the error: the system has none. Shared; freed with what has
 * it by zone_free. */
struct zone *ticker_zone(const char *name, struct err *err) __attribute__((warn_unused_result));

/* NULL with the error: there is one for the same function and schedule, or no such zone. */
struct ticker *ticker_attach(struct tickers *tickers, struct function *function,
    const struct tick_wish *wish, struct err *err) __attribute__((warn_unused_result));
void ticker_detach(struct ticker *ticker);

#endif
