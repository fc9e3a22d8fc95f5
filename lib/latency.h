/* SPDX-License-Identifier: MIT
 * Histograms of durations by powers of two. All zero is an empty one.
 */
#ifndef LIB_LATENCY_H
#define LIB_LATENCY_H

#include <stdint.h>

enum { LATENCY_SLOTS = 24 }; /* up to 1, 2, 4, ... 2^23 microseconds; beyond counts in the total */

struct latency {
	uint64_t slots[LATENCY_SLOTS];
	uint64_t count;
	uint64_t sum_us;
};

static inline void
latency_add(struct latency *latency, int64_t us)
{
	uint64_t value = us > 0 ? (uint64_t)us : 0;
	unsigned slot = value <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(value - 1);

	latency->count++;
	latency->sum_us += value;
	if (slot < LATENCY_SLOTS)
		latency->slots[slot]++;
}

#endif
