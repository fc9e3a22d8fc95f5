/* SPDX-License-Identifier: MIT
 * How much of something may happen in a second: a bucket that holds a second's worth and fills
 * evenly. It is one number, the moment at which it will be full again.
 *
 *      now                    full
 *       |----- one second ------|      empty: what comes next waits
 *       |---- room ----|--used--|
 */
#ifndef LIB_RATE_H
#define LIB_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_BURST_US = 1000000 };

/* All zero is a full bucket. */
struct rate {
	int64_t full_ns; /* monotonic */
};

/* Takes `amount`, also where there is less: then who comes next waits longer, an hour at most.
 * `per_s` 0: no limit. */
static inline void
rate_take(struct rate *rate, int64_t now_us, uint64_t per_s, uint64_t amount)
{
	const double ns_max = 3600e9;
	double ns = per_s == 0 ? 0 : (double)amount * 1e9 / (double)per_s;

	if (rate->full_ns < now_us * 1000)
		rate->full_ns = now_us * 1000;
	rate->full_ns += (int64_t)(ns < ns_max ? ns : ns_max);
}

static inline bool
rate_is_full(const struct rate *rate, int64_t now_us)
{
	return rate->full_ns <= now_us * 1000;
}

/* Until there is something in it; 0: there is. */
static inline int64_t
rate_wait_us(const struct rate *rate, int64_t now_us)
{
	int64_t over_us = rate->full_ns / 1000 - now_us - RATE_BURST_US;

	return over_us >= 0 ? over_us + 1 : 0;
}

#endif
