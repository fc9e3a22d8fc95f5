/* SPDX-License-Identifier: MIT
 * Recordings of what runs, and the batches in which those that are kept go to the store.
 */
#include "runtime/traces/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/queue.h"
#include "lib/sha.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/pool.h"
#include "runtime/tables.h"
#include "runtime/worker_link.h"
#include "store/traces.h"

enum {
	RUN_BYTES_MAX = 2 << 20,   /* noted of one run */
	LIVE_BYTES_MAX = 64 << 20, /* noted of all that run */
	SPARE_BYTES_MAX = 65536,   /* a recording's memory that is kept for the next */
	BATCH_ROWS_MAX = 256,
	BATCH_BYTES_MAX = 8 << 20,
	LOAD_HEAD_BYTES = FRAME_HEAD_BYTES + 4, /* length, type, function's number */
};

/* Of one invocation, from its first note to its end. */
struct recording {
	TAILQ_ENTRY(recording) link; /* while it is spare */
	struct buf entries;
	bool keep; /* however it ends */
	bool cut;
};

/* What waits to be written, or is being written. */
struct batch {
	struct store_job job;
	struct tracer *tracer;
	struct trace_row rows[BATCH_ROWS_MAX];
	struct buf traces[BATCH_ROWS_MAX];
	struct blob *shared[BATCH_ROWS_MAX][TRACE_SHARED];
	size_t count;
	size_t bytes;
	struct traces_bounds bounds;
};

struct tracer {
	struct host *host;
	TAILQ_HEAD(, recording) spare;
	size_t live_bytes;
	uint64_t begun; /* runs, for the sample */
	struct batch *waiting;
	unsigned writing; /* batches on their way to the disk */
	bool stopping;
	struct task flush;
	struct tracer_figures figures;
	/* The worker's last word on a run, while it is dealt with. */
	const struct invocation *last_of;
	enum trace_entry_kind last_kind;
	struct bytes last;
	struct blob *tables; /* as the last trace had them */
};

static void submit(struct tracer *tracer);

static void
flush_later(void *arg)
{
	submit(arg);
}

struct tracer *
tracer_new(struct host *host)
{
	struct tracer *tracer = xcalloc(1, sizeof(*tracer));

	tracer->host = host;
	TAILQ_INIT(&tracer->spare);
	task_init(&tracer->flush, flush_later, tracer);
	return tracer;
}

static void
batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t i = 0; i < batch->count; i++) {
		buf_clear(&batch->traces[i]);
		for (int k = 0; k < TRACE_SHARED; k++)
			blob_unref(batch->shared[i][k]);
	}
	free(batch);
}

void
tracer_free(struct tracer *tracer)
{
	struct recording *recording;

	if (tracer == NULL)
		return;
	task_cancel(&tracer->flush);
	while ((recording = TAILQ_FIRST(&tracer->spare)) != NULL) {
		TAILQ_REMOVE(&tracer->spare, recording, link);
		buf_clear(&recording->entries);
		free(recording);
	}
	batch_free(tracer->waiting);
	blob_unref(tracer->tables);
	free(tracer);
}

struct tracer_figures
tracer_figures(const struct tracer *tracer)
{
	return tracer->figures;
}

static bool
is_on(const struct tracer *tracer)
{
	return options_number(tracer->host->options, OPTION_TRACE_COUNT_MAX) > 0;
}

static struct recording *
recording_take(struct tracer *tracer)
{
	struct recording *recording = TAILQ_FIRST(&tracer->spare);

	if (recording != NULL)
		TAILQ_REMOVE(&tracer->spare, recording, link);
	else
		recording = xcalloc(1, sizeof(*recording));
	recording->keep = recording->cut = false;
	return recording;
}

static void
recording_empty(struct tracer *tracer, struct recording *recording)
{
	tracer->live_bytes -= recording->entries.len;
	if (recording->entries.cap > SPARE_BYTES_MAX)
		buf_clear(&recording->entries);
	else
		buf_reset(&recording->entries);
}

/* NULL: nothing of it is kept. */
static struct tracer *
tracer_of(const struct invocation *invocation)
{
	return invocation->event->is_secret ? NULL : invocation->dispatch->host->tracer;
}

void
tracer_begin(struct invocation *invocation)
{
	struct tracer *tracer = tracer_of(invocation);
	int64_t sample;

	if (tracer == NULL)
		return;
	if (invocation->recording != NULL) {
		recording_empty(tracer, invocation->recording);
		invocation->recording->cut = false;
		return;
	}
	sample = options_number(tracer->host->options, OPTION_TRACE_SAMPLE);
	if (sample == 0 || ++tracer->begun % (uint64_t)sample != 0 || !is_on(tracer))
		return;
	invocation->recording = recording_take(tracer);
	invocation->recording->keep = true;
}

void
tracer_forget(struct invocation *invocation)
{
	struct tracer *tracer = invocation->dispatch->host->tracer;

	if (invocation->recording == NULL)
		return;
	recording_empty(tracer, invocation->recording);
	TAILQ_INSERT_HEAD(&tracer->spare, invocation->recording, link);
	invocation->recording = NULL;
}

static int64_t
since_begun_us(const struct invocation *invocation)
{
	return loop_now_us(invocation->dispatch->host->loop) - invocation->begun_us;
}

void
tracer_note(struct invocation *invocation, enum trace_entry_kind kind, struct bytes fields)
{
	struct tracer *tracer = tracer_of(invocation);
	const struct trace_entry entry = { kind, 0, fields };
	struct recording *recording = invocation->recording;
	size_t before;

	if (tracer == NULL || !is_on(tracer))
		return;
	if (recording == NULL)
		recording = invocation->recording = recording_take(tracer);
	before = recording->entries.len;
	if (before + fields.len > RUN_BYTES_MAX ||
	    tracer->live_bytes + fields.len > LIVE_BYTES_MAX) {
		recording->cut = true;
		return;
	}
	trace_entry_write(
	    &(struct trace_entry){ entry.kind, since_begun_us(invocation), entry.fields },
	    &recording->entries);
	tracer->live_bytes += recording->entries.len - before;
}

void
tracer_last(struct invocation *invocation, enum trace_entry_kind kind, struct bytes fields)
{
	struct tracer *tracer = tracer_of(invocation);

	if (tracer == NULL)
		return;
	tracer->last_of = invocation;
	tracer->last_kind = kind;
	tracer->last = fields;
	/* Its commit may take until the view is gone. */
	if (invocation->recording == NULL || !invocation->recording->keep)
		return;
	tracer_note(invocation, kind, fields);
	tracer->last_of = NULL;
}

void
tracer_last_over(struct host *host)
{
	if (host->tracer != NULL)
		host->tracer->last_of = NULL;
}

/* --- what is kept --- */

static void
digest_of(struct bytes bytes, uint8_t digest[TRACE_DIGEST_BYTES])
{
	uint8_t whole[SHA_256_BYTES];

	sha_digest(SHA_256, bytes, whole);
	memcpy(digest, whole, TRACE_DIGEST_BYTES);
}

/* Made once for a version: most have no trace ever. */
static struct blob *
source_of(const struct version *version)
{
	struct version *kept = (struct version *)(uintptr_t)version;
	struct bytes load = buf_bytes(&version->load);

	if (kept->traced == NULL) {
		kept->traced =
		    blob_new(bytes_of(load.data + LOAD_HEAD_BYTES, load.len - LOAD_HEAD_BYTES));
		digest_of(blob_bytes(kept->traced), kept->traced_digest);
	}
	return blob_ref(kept->traced);
}

static struct blob *
tables_of(struct tracer *tracer)
{
	struct buf frame = { 0 };
	struct bytes now;

	if (tracer->host->tables != NULL)
		tables_write(tracer->host->tables, &frame);
	now = frame.len > 0 ? bytes_of(frame.data + FRAME_HEAD_BYTES, frame.len - FRAME_HEAD_BYTES)
			    : bytes_of("\0\0", 2);
	if (tracer->tables == NULL || !bytes_equal(blob_bytes(tracer->tables), now)) {
		blob_unref(tracer->tables);
		tracer->tables = blob_new(now);
	}
	buf_clear(&frame);
	return blob_ref(tracer->tables);
}

static void
write_record(struct tracer *tracer, struct invocation *invocation, const struct tracer_end *end,
    struct buf *out)
{
	const struct host *host = tracer->host;
	const struct recording *recording = invocation->recording;
	struct trace_record record = { .end = end->end,
		.cut = recording != NULL && recording->cut,
		.hops = invocation->event->hops,
		.version = end->version->number,
		.conflicts = invocation->conflicts,
		.took_us = since_begun_us(invocation),
		.seed = { host->seed[0], host->seed[1] },
		.function_name = bytes_of_string(invocation->function->name),
		.file = bytes_of_string(end->version->file),
		.key = invocation->event->key,
		.message = end->message };
	struct buf invoke = { 0 }, entries = { 0 }, program = { 0 };

	worker_write_invoke(&invoke, invocation, end->version);
	if (recording != NULL)
		buf_append_bytes(&entries, buf_bytes(&recording->entries));
	if (tracer->last_of == invocation)
		trace_entry_write(
		    &(struct trace_entry){ tracer->last_kind, record.took_us, tracer->last },
		    &entries);
	buf_printf(&program, "moonlet %s, %s", PACKAGE_VERSION, host->pool->lua_version);
	record.begun_ms = loop_wall_ms(host->loop) - record.took_us / 1000;
	record.program = buf_bytes(&program);
	record.invoke = bytes_of(invoke.data + FRAME_HEAD_BYTES, invoke.len - FRAME_HEAD_BYTES);
	record.entries = buf_bytes(&entries);
	trace_record_write(&record, out);
	trace_redact(out);
	if (invocation->event->mask != NULL)
		trace_redact_event(out, invocation->event->mask, invocation->event->arg);
	buf_clear(&invoke);
	buf_clear(&entries);
	buf_clear(&program);
}

static void
keep(struct tracer *tracer, struct invocation *invocation, const struct tracer_end *end)
{
	struct batch *batch = tracer->waiting;
	struct trace_row *row;
	struct buf *trace;

	if (batch == NULL) {
		batch = tracer->waiting = xcalloc(1, sizeof(*batch));
		batch->tracer = tracer;
	}
	if (batch->count == BATCH_ROWS_MAX || batch->bytes > BATCH_BYTES_MAX) {
		tracer->figures.dropped++;
		return;
	}
	row = &batch->rows[batch->count];
	trace = &batch->traces[batch->count];
	write_record(tracer, invocation, end, trace);
	memcpy(row->id, invocation->event->id, sizeof(row->id));
	row->time_ms = loop_wall_ms(tracer->host->loop);
	row->trace = buf_bytes(trace);
	batch->shared[batch->count][0] = source_of(end->version);
	memcpy(row->shared[0].digest, end->version->traced_digest, TRACE_DIGEST_BYTES);
	batch->shared[batch->count][1] = tables_of(tracer);
	digest_of(blob_bytes(tracer->tables), row->shared[1].digest);
	for (int i = 0; i < TRACE_SHARED; i++)
		row->shared[i].bytes = blob_bytes(batch->shared[batch->count][i]);
	batch->bytes += trace->len;
	batch->count++;
	tracer->figures.kept++;
	/* One batch at a time: what comes meanwhile is the next one, or too much. */
	if (tracer->writing == 0)
		task_schedule(&tracer->flush, tracer->host->loop);
}

void
tracer_end(struct invocation *invocation, const struct tracer_end *end)
{
	struct tracer *tracer = tracer_of(invocation);
	bool chosen = invocation->recording != NULL && invocation->recording->keep;

	if (tracer == NULL || !is_on(tracer))
		return;
	if (chosen || (end->end != TRACE_DONE && end->end != TRACE_CONFLICT))
		keep(tracer, invocation, end);
}

static int
run_batch(struct txn *txn, struct store_job *job, struct err *err)
{
	const struct batch *batch = (struct batch *)(void *)job;
	const struct traces_batch traces = { batch->rows, batch->count, batch->bounds };

	return traces_put(txn, &traces, err);
}

static void
batch_done(struct store_job *job)
{
	struct batch *batch = (struct batch *)(void *)job;
	struct tracer *tracer = batch->tracer;

	if (job->status < 0) {
		log_warn("trace", "%zu traces are lost: %s", batch->count, job->err.text);
		tracer->figures.dropped += batch->count;
	}
	tracer->writing--;
	batch_free(batch);
	if (tracer->writing == 0 && !tracer->stopping)
		submit(tracer);
}

static void
submit(struct tracer *tracer)
{
	const struct options *options = tracer->host->options;
	struct batch *batch = tracer->waiting;

	if (batch == NULL)
		return;
	tracer->waiting = NULL;
	tracer->writing++;
	batch->bounds.count_max = (uint64_t)options_number(options, OPTION_TRACE_COUNT_MAX);
	batch->bounds.bytes_max = (uint64_t)options_number(options, OPTION_TRACE_BYTES_MAX);
	batch->bounds.oldest_ms =
	    loop_age_ms(tracer->host->loop) - options_number(options, OPTION_TRACE_AGE_MS_MAX);
	batch->job.run = run_batch;
	batch->job.done = batch_done;
	batch->job.bytes = batch->bytes + sizeof(*batch);
	store_submit(tracer->host->store, &batch->job);
}

void
tracer_flush(struct tracer *tracer)
{
	submit(tracer);
}

void
tracer_stop(struct tracer *tracer)
{
	if (tracer == NULL)
		return;
	tracer->stopping = true;
	submit(tracer);
}
