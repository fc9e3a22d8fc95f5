/* SPDX-License-Identifier: MIT
 * A kept run told as JSON: its event, its calls with their answers, its log, what came of it.
 */
#ifndef RUNTIME_TRACES_TRACE_STORY_H
#define RUNTIME_TRACES_TRACE_STORY_H

#include <cjson/cJSON.h>

#include "runtime/traces/trace_record.h"

/* {id, run, function, version, file, attempt, end, error, time, took_ms, trigger, subject}: a line
 * of a list. `number` is the store's. */
cJSON *trace_summary(const struct trace_record *record, uint64_t number);
/* The same with the event, `steps` (calls, log lines), `effects`, `result`, `traceback`. */
cJSON *trace_story(const struct trace_record *record, uint64_t number);

/* What a call asks for in one line ("db.get cars [\"audi22\"]", "http POST http://..."), and what
 * an answer says. */
void trace_call_text(const struct trace_call *call, struct buf *out);
void trace_reply_text(enum call_kind kind, const struct trace_reply *reply, struct buf *out);

/* Of TRACE_RETURNED, and TRACE_RAISED. Views are borrowed. */
struct trace_outcome {
	bool returned;
	uint32_t busy_us;
	enum result_kind result_kind;
	struct bytes result;
	uint16_t effect_count;
	struct bytes effects;
	enum fail_reason reason;
	struct bytes message;
	struct bytes traceback;
};
/* False: the entry is neither, or does not decode. */
bool trace_outcome_read(const struct trace_entry *entry, struct trace_outcome *outcome);

#endif
