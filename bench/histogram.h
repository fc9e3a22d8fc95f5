/* SPDX-License-Identifier: MIT
 * A histogram of durations with 64 steps to each power of two: an error below 1.6%.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_POWERS = 44 };

struct histogram {
	uint64_t total;
	uint64_t counts[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *histogram, int64_t value_ns); /* below 0 counts as 0 */
/* The value below which the part `quantile` (0 to 1) of all lies; 0 for an empty one. */
int64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
