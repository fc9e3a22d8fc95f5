/* SPDX-License-Identifier: MIT
 * The figures of functions: counters and histograms by powers of two.
 */
#ifndef RUNTIME_METRICS_H
#define RUNTIME_METRICS_H

#include <stdint.h>

#include "lib/bytes.h"
#include "lib/latency.h"

struct function_metrics {
	uint64_t events;
	uint64_t invocations;
	uint64_t errors;
	uint64_t timeouts;
	uint64_t crashes;
	uint64_t retries;
	uint64_t conflicts; /* run again, for what was read had changed */
	uint64_t dead_letters;
	uint64_t shed;
	struct latency latency; /* from event to commit */
	struct latency busy;	/* on the stage */
};

/* A counter of a function's own. */
struct counter {
	struct counter *next;
	int64_t thousandths;
	char name[];
};

struct function;
struct host;

/* Adds to a function's own counter; new names beyond 100 are ignored. */
void metrics_count(struct function *function, struct bytes name, int64_t thousandths);
void metrics_forget(struct function *function);
/* Appends the families of all functions and of the workers. */
void metrics_write(struct host *host, struct buf *out);

#endif
