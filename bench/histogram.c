/* SPDX-License-Identifier: MIT
 * Logarithmic histogram.
 */
#include "bench/histogram.h"

#include <stddef.h>

static size_t
slot_of(uint64_t value)
{
	int power = value < HISTOGRAM_STEPS ? 0 : 63 - __builtin_clzll(value) - 5;
	size_t slot = (size_t)power * HISTOGRAM_STEPS + (size_t)(value >> power);
	size_t last = (size_t)HISTOGRAM_POWERS * HISTOGRAM_STEPS - 1;

	return slot < last ? slot : last;
}

void
histogram_add(struct histogram *histogram, int64_t value_ns)
{
	histogram->counts[slot_of(value_ns < 0 ? 0 : (uint64_t)value_ns)]++;
	histogram->total++;
}

int64_t
histogram_quantile(const struct histogram *histogram, double quantile)
{
	uint64_t wanted = (uint64_t)((double)histogram->total * quantile), seen = 0;

	for (size_t i = 0; i < sizeof(histogram->counts) / sizeof(histogram->counts[0]); i++) {
		seen += histogram->counts[i];
		if (seen > wanted)
			return (int64_t)(i % HISTOGRAM_STEPS) << (i / HISTOGRAM_STEPS);
	}
	return 0;
}
