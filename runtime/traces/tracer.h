/* SPDX-License-Identifier: MIT
 * Keeps what went into invocations and came out, for `moonlet trace` and `moonlet replay --local`.
 *
 * Of an invocation that runs, only what cannot be had again later is noted, as it comes: the calls
 * that it waits for, their answers, its log lines. When it fails, or was chosen to be kept (option
 * trace_sample), the whole is written; else it is forgotten.
 */
#ifndef RUNTIME_TRACES_TRACER_H
#define RUNTIME_TRACES_TRACER_H

#include "runtime/host.h"
#include "runtime/traces/trace_record.h"

struct invocation;
struct version;
struct tracer;
struct recording;

struct tracer *tracer_new(struct host *host);
/* Submits what waits, for the last time; before the store is closed. Takes NULL. */
void tracer_stop(struct tracer *tracer);
/* After the store was closed. Takes NULL. */
void tracer_free(struct tracer *tracer);

struct tracer_figures {
	uint64_t kept;
	uint64_t dropped; /* too many at once, or the store refused them */
};
struct tracer_figures tracer_figures(const struct tracer *tracer);

/* Submits what waits to be written: a job that is submitted then sees it. */
void tracer_flush(struct tracer *tracer);

/* From dispatch. Each takes invocations of hosts without a tracer. */

/* It is about to be sent to a worker: a new run. */
void tracer_begin(struct invocation *invocation);
/* `fields`: of the frame, behind the number of the invocation. */
void tracer_note(struct invocation *invocation, enum trace_entry_kind kind, struct bytes fields);
/* The worker's last word on the run, TRACE_RETURNED or TRACE_RAISED: borrowed until
 * tracer_last_over, within which the run usually ends. */
void tracer_last(struct invocation *invocation, enum trace_entry_kind kind, struct bytes fields);
void tracer_last_over(struct host *host);

/* How a run ended. */
struct tracer_end {
	enum trace_end end;
	const struct version *version; /* that was run */
	struct bytes message;
};
/* Writes the run where it is to be kept: all but those that were done, and of these the chosen. */
void tracer_end(struct invocation *invocation, const struct tracer_end *end);
/* The invocation is no more. */
void tracer_forget(struct invocation *invocation);

#endif
