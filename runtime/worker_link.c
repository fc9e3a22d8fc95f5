/* SPDX-License-Identifier: MIT
 * Frames to and from workers. A frame that does not decode, that has a number which this worker
 * was not given, or that it may not send now, ends the worker.
 */
#include "runtime/worker_link.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/log.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/traces/tracer.h"

enum { LOG_TEXT_BYTES = 4096 };

/* More than any run lasts. */
#define ELAPSED_US_MAX ((int64_t)86400 * 1000000)

int
fcntl_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static struct sending *
sending_take(struct pool *pool)
{
	struct sending *sending = TAILQ_FIRST(&pool->spare);

	if (sending != NULL) {
		TAILQ_REMOVE(&pool->spare, sending, link);
		sending->number += (uint64_t)1 << 32;
	} else {
		if (pool->sending_count == pool->sending_cap) {
			pool->sending_cap = pool->sending_cap == 0 ? 1024 : pool->sending_cap * 2;
			pool->sendings =
			    xrealloc(pool->sendings, pool->sending_cap * sizeof(*pool->sendings));
		}
		sending = xcalloc(1, sizeof(*sending));
		sending->number = (uint64_t)1 << 32 | pool->sending_count;
		pool->sendings[pool->sending_count++] = sending;
	}
	sending->waits = sending->cancelled = sending->parked = false;
	return sending;
}

/* Out of its worker's lists, to be used again. */
void
sending_put(struct sending *sending)
{
	struct worker *worker = sending->worker;
	struct pool *pool = worker->pool;

	if (sending->waits) {
		TAILQ_REMOVE(&worker->waiting, sending, link);
		worker->waiting_count--;
	} else {
		TAILQ_REMOVE(&worker->sent, sending, link);
		worker->inflight--;
	}
	if (worker->inflight == 0)
		worker->solo = false;
	sending->invocation = NULL;
	sending->worker = NULL;
	sending->waits = false; /* an answer that comes now has nobody to go to */
	TAILQ_INSERT_HEAD(&pool->spare, sending, link);
}

static void
send_cancel(struct sending *sending)
{
	struct buf *out = conn_out(sending->worker->conn);
	size_t begun = frame_begin(out, HOST_CANCEL);

	frame_u64(out, sending->number);
	frame_finish(out, begun);
	conn_wrote(sending->worker->conn);
	sending->cancelled = true;
}

void
sending_cancel(struct sending *sending)
{
	if (!sending->cancelled && !sending->parked && sending->worker->state == WORKER_SERVES)
		send_cancel(sending);
}

/* One that waits would wait for an answer that does not come, and its lane behind it. */
void
sending_revoke(struct sending *sending)
{
	sending->invocation = NULL;
	if (sending->waits)
		sending_cancel(sending);
}

/* NULL: a number that this worker was not given. */
static struct sending *
sending_find(struct worker *worker, uint64_t number)
{
	struct pool *pool = worker->pool;
	size_t index = (size_t)(number & UINT32_MAX);

	if (index >= pool->sending_count || pool->sendings[index]->number != number ||
	    pool->sendings[index]->worker != worker)
		return NULL;
	return pool->sendings[index];
}

void
pool_forget(struct pool *pool, struct version *version)
{
	for (unsigned i = 0; pool != NULL && version->workers != 0 && i < pool->highest; i++) {
		struct worker *worker = &pool->workers[i];
		struct buf *out;
		size_t begun;

		if ((version->workers >> i & 1) == 0 || worker->state != WORKER_SERVES)
			continue;
		out = conn_out(worker->conn);
		begun = frame_begin(out, HOST_DROP);
		frame_u32(out, version->number);
		frame_finish(out, begun);
		conn_wrote(worker->conn);
	}
	version->workers = 0;
}

uint64_t
pool_image_bytes(const struct pool *pool)
{
	struct functions *functions = pool->host->functions;
	uint64_t bytes = 0;

	for (struct hash_node *at = hash_next(&functions->map, NULL); at != NULL;
	     at = hash_next(&functions->map, at)) {
		const struct version *version = HASH_OWNER(at, struct function, link)->current;

		if (version != NULL)
			bytes +=
			    (uint64_t)__builtin_popcountll(version->workers) * version->image_bytes;
	}
	return bytes;
}

/* One random sequence for each function and event: the same again when it is run again. */
static void
write_seed(struct buf *out, const struct function *function, const struct occurrence *event)
{
	const uint64_t turned[2] = { function->seed[1], function->seed[0] };

	frame_u64(out, hash_keyed(function->seed, bytes_of(event->id, sizeof(event->id))));
	frame_u64(out, hash_keyed(turned, bytes_of(event->id, sizeof(event->id))));
}

static void
write_invoke(struct buf *out, const struct invocation *invocation, const struct version *version,
    uint64_t number)
{
	const struct occurrence *event = invocation->event;
	size_t begun = frame_begin(out, HOST_INVOKE);

	(void)buf_reserve(out, 256 + event->subject.len + event->client_id.len + event->extra.len +
				   event->payload.len);
	frame_u64(out, number);
	frame_u32(out, version->number);
	frame_u32(out, invocation->lane != NULL ? invocation->lane->number : 0);
	frame_u32(out, invocation->lane != NULL ? invocation->lane->epoch : 0);
	frame_u32(out, version->manifest->timeout_ms);
	frame_u16(out, (uint16_t)invocation->attempt);
	frame_u8(out, (uint8_t)event->payload_kind);
	frame_u8(out, event->qos);
	frame_u8(out, event->retain);
	frame_i64(out, event->time_ms);
	buf_append(out, event->id, sizeof(event->id));
	write_seed(out, invocation->function, event);
	frame_string(out, event->trigger);
	frame_bytes(out, event->subject);
	frame_bytes(out, event->client_id);
	frame_bytes(out, event->extra);
	frame_bytes(out, event->payload);
	frame_finish(out, begun);
}

void
worker_write_invoke(
    struct buf *out, const struct invocation *invocation, const struct version *version)
{
	write_invoke(out, invocation, version, 1);
}

void
worker_invoke(struct worker *worker, struct invocation *invocation)
{
	struct version *version = invocation->version;
	struct sending *sending = sending_take(worker->pool);

	if ((version->workers >> worker->index & 1) == 0)
		worker_load(worker, version);
	version->used_us = loop_now_us(worker->pool->host->loop);
	sending->worker = worker;
	sending->invocation = invocation;
	sending->lane = invocation->lane != NULL ? invocation->lane->number : 0;
	sending->timeout_ms = version->manifest->timeout_ms;
	sending->deadline_us = version->used_us + (int64_t)sending->timeout_ms * 1000;
	if (worker->inflight == 0)
		worker->progress_us = version->used_us;
	TAILQ_INSERT_TAIL(&worker->sent, sending, link);
	worker->inflight++;
	worker->solo = invocation->suspect;
	invocation->sending = sending;
	pool_wake(worker->pool);
	write_invoke(conn_out(worker->conn), invocation, version, sending->number);
	conn_wrote(worker->conn);
}

/* What stands behind the invocation's number in the frame that was begun there. */
static struct bytes
behind_invocation(const struct buf *out, size_t begun)
{
	size_t at = begun + FRAME_HEAD_BYTES + sizeof(uint64_t);

	return bytes_of(out->data + at, out->len - at);
}

void
worker_reply(
    struct worker *worker, struct sending *sending, uint32_t call, bool ok, struct bytes fields)
{
	struct buf *out = conn_out(worker->conn);
	int64_t took_us = loop_now_us(worker->pool->host->loop) - sending->called_us;
	size_t begun = frame_begin(out, HOST_REPLY);

	frame_u64(out, sending->number);
	frame_u32(out, call);
	frame_i64(out, sending->elapsed_us + took_us);
	frame_u8(out, ok);
	buf_append_bytes(out, fields);
	frame_finish(out, begun);
	if (sending->invocation != NULL)
		tracer_note(sending->invocation, TRACE_REPLY, behind_invocation(out, begun));
	conn_wrote(worker->conn);
	/* It goes on running: its time on the stage counts from here. */
	if (worker->inflight == 0)
		worker->progress_us = loop_now_us(worker->pool->host->loop);
}

static void
progress(struct worker *worker)
{
	worker->progress_us = loop_now_us(worker->pool->host->loop);
	worker_unstick(worker);
}

static bool
on_ready(struct worker *worker, struct cursor *cursor)
{
	struct pool *pool = worker->pool;
	uint32_t version = cursor_u32(cursor), layers = cursor_u32(cursor);
	struct bytes lua = cursor_bytes(cursor);

	if (!cursor_end(cursor) || version != PROTOCOL_VERSION || worker->state != WORKER_STARTING)
		return false;
	worker->state = WORKER_SERVES;
	worker->layers = layers | pool->zygote_layers;
	pool->layers = pool->layers_known ? pool->layers & worker->layers : worker->layers;
	(void)snprintf(
	    pool->lua_version, sizeof(pool->lua_version), "%.*s", (int)lua.len, lua.data);
	if (!pool->layers_known) {
		pool->layers_known = true;
		dispatch_announce_cage(pool);
	}
	pool_load_all(pool);
	dispatch_pump(pool->host->dispatch);
	return true;
}

static struct version *
find_version(struct worker *worker, uint32_t number)
{
	struct version *version;

	/* Workers answer in order: it is among the first. */
	TAILQ_FOREACH (version, &worker->pool->host->functions->unanswered, coming_link) {
		if (version->number == number)
			return version;
	}
	return NULL;
}

/* False: nothing is being loaded. */
static bool
load_answered(struct worker *worker)
{
	if (worker->loads == 0)
		return false;
	worker->loads--;
	worker->solo = false;
	progress(worker);
	return true;
}

/* Versions that serve already are loaded again into other workers: nothing is new then. */
static bool
on_loaded(struct worker *worker, struct cursor *cursor)
{
	uint32_t number = cursor_u32(cursor), image_bytes = cursor_u32(cursor);
	struct bytes manifest = cursor_bytes(cursor);
	struct version *version;

	if (!cursor_end(cursor) || !load_answered(worker))
		return false;
	version = find_version(worker, number);
	if (version != NULL)
		function_loaded(version, image_bytes, manifest);
	return true;
}

static bool
on_refused(struct worker *worker, struct cursor *cursor)
{
	struct version *version = find_version(worker, cursor_u32(cursor));
	char *message = bytes_to_string(cursor_bytes(cursor));
	bool ok = cursor_end(cursor) && load_answered(worker);

	if (ok && version != NULL)
		function_refused(version, message);
	free(message);
	return ok;
}

/* Off the stage, and not next in the worker's order either. */
static void
set_aside(struct sending *sending)
{
	struct worker *worker = sending->worker;

	TAILQ_REMOVE(&worker->sent, sending, link);
	worker->inflight--;
	sending->waits = true;
	TAILQ_INSERT_TAIL(&worker->waiting, sending, link);
	worker->waiting_count++;
}

/* While one of a lane waits the worker keeps those behind it back, and goes on with other lanes. */
static void
park_lane(struct invocation *waiting)
{
	struct invocation *behind = waiting;

	if (waiting->lane == NULL)
		return;
	waiting->lane->held = true;
	while ((behind = TAILQ_NEXT(behind, link)) != NULL) {
		if (behind->state != INVOCATION_SENT)
			continue;
		set_aside(behind->sending);
		behind->sending->parked = true;
	}
}

static void
unpark_one(struct sending *sending)
{
	struct worker *worker = sending->worker;

	TAILQ_REMOVE(&worker->waiting, sending, link);
	worker->waiting_count--;
	sending->waits = sending->parked = false;
	TAILQ_INSERT_HEAD(&worker->sent, sending, link);
	worker->inflight++;
}

/* The one that waited has ended: the worker runs those behind it before anything else. */
static void
unpark_lane(struct sending *ended)
{
	struct sending *sending, *before;

	if (!ended->waits || ended->lane == 0)
		return;
	TAILQ_FOREACH_REVERSE_SAFE(sending, &ended->worker->waiting, sendings, link, before)
	{
		if (sending->parked && sending->lane == ended->lane)
			unpark_one(sending);
	}
	if (ended->invocation != NULL && ended->invocation->lane != NULL) {
		ended->invocation->lane->held = false;
		lane_stall(ended->invocation->dispatch, ended->invocation->lane);
	}
}

static struct bytes
left_of(const struct cursor *cursor)
{
	return bytes_of(cursor->at, (size_t)(cursor->end - cursor->at));
}

static bool
on_call(struct worker *worker, struct cursor *cursor)
{
	struct sending *sending = sending_find(worker, cursor_u64(cursor));
	struct bytes fields = left_of(cursor);
	uint32_t call = cursor_u32(cursor);
	int64_t elapsed_us = cursor_i64(cursor);
	uint8_t kind = cursor_u8(cursor);

	if (sending == NULL || cursor->bad || elapsed_us < 0 || elapsed_us > ELAPSED_US_MAX)
		return false;
	sending->called_us = loop_now_us(worker->pool->host->loop);
	sending->elapsed_us = elapsed_us;
	progress(worker);
	if (sending->parked)
		return false;
	if (sending->invocation != NULL)
		tracer_note(sending->invocation, TRACE_CALL, fields);
	if (!sending->waits) {
		set_aside(sending);
		if (sending->invocation != NULL)
			park_lane(sending->invocation);
	}
	return dispatch_call(
	    worker->pool->host->dispatch, sending, call, (enum call_kind)kind, left_of(cursor));
}

/* In what a handler says, before it goes anywhere: log, trace, dead letters. The frame is ours. */
static void
mask_secrets(const struct worker *worker, struct bytes text)
{
	options_mask_secrets(
	    worker->pool->host->options, (uint8_t *)(uintptr_t)text.data, text.len);
}

static bool
on_log(struct worker *worker, struct cursor *cursor)
{
	uint64_t number = cursor_u64(cursor);
	struct bytes fields = left_of(cursor);
	uint8_t level = cursor_u8(cursor);
	struct bytes text = cursor_bytes(cursor);
	struct sending *sending = number != 0 ? sending_find(worker, number) : NULL;

	if (!cursor_end(cursor) || level > LOG_LEVEL_ERROR || text.len > LOG_TEXT_BYTES)
		return false;
	if (sending == NULL || sending->invocation == NULL)
		return true;
	mask_secrets(worker, text);
	tracer_note(sending->invocation, TRACE_LOG, fields);
	dispatch_log(sending->invocation, (enum log_level)level, text);
	return true;
}

/* DONE, FAILED and SKIPPED answer a sending for good. The order of these lines matters: the
 * sending is used again only after the invocation has been dealt with. */
static bool
on_answer(struct worker *worker, struct cursor *cursor, bool failed)
{
	struct sending *sending = sending_find(worker, cursor_u64(cursor));
	struct invocation *invocation;
	bool ok = true;

	if (sending == NULL)
		return false;
	progress(worker);
	unpark_lane(sending);
	invocation = sending->invocation;
	if (failed)
		mask_secrets(worker, left_of(cursor));
	if (invocation != NULL) {
		tracer_last(invocation, failed ? TRACE_RAISED : TRACE_RETURNED, left_of(cursor));
		ok = failed ? dispatch_failed(invocation, cursor, sending->cancelled)
			    : dispatch_done(invocation, cursor);
	}
	tracer_last_over(worker->pool->host);
	sending_put(sending);
	return ok;
}

static bool
on_done(struct worker *worker, struct cursor *cursor)
{
	return on_answer(worker, cursor, false);
}

static bool
on_failed(struct worker *worker, struct cursor *cursor)
{
	return on_answer(worker, cursor, true);
}

static bool
on_skipped(struct worker *worker, struct cursor *cursor)
{
	struct sending *sending = sending_find(worker, cursor_u64(cursor));

	if (sending == NULL || !cursor_end(cursor))
		return false;
	progress(worker);
	if (sending->invocation != NULL && !dispatch_skipped(sending->invocation))
		return false;
	sending_put(sending);
	return true;
}

static bool (*const handlers[])(struct worker *worker, struct cursor *cursor) = {
	[WORKER_READY] = on_ready,
	[WORKER_LOADED] = on_loaded,
	[WORKER_REFUSED] = on_refused,
	[WORKER_CALL] = on_call,
	[WORKER_LOG] = on_log,
	[WORKER_DONE] = on_done,
	[WORKER_FAILED] = on_failed,
	[WORKER_SKIPPED] = on_skipped,
};

static bool
take_frame(struct worker *worker, const struct frame *frame)
{
	struct cursor cursor = cursor_of(frame->fields);

	if (frame->type >= sizeof(handlers) / sizeof(handlers[0]) || handlers[frame->type] == NULL)
		return false;
	if (worker->state != WORKER_SERVES && frame->type != WORKER_READY)
		return false;
	return handlers[frame->type](worker, &cursor);
}

static size_t
link_input(void *arg, struct bytes in)
{
	struct worker *worker = arg;
	struct frame frame;
	size_t at = 0, used;

	while (!conn_is_ending(worker->conn)) {
		enum frame_result result =
		    frame_next(bytes_of(in.data + at, in.len - at), &frame, &used);

		if (result == FRAME_MORE)
			break;
		if (result == FRAME_BAD || !take_frame(worker, &frame)) {
			log_error("workers", "worker %llu sent what it may not send: it is killed",
			    (unsigned long long)worker->id);
			conn_end(worker->conn, false, "it broke the protocol");
			break;
		}
		at += used;
	}
	pool_load_all(worker->pool);
	dispatch_pump(worker->pool->host->dispatch);
	return conn_is_ending(worker->conn) ? in.len : at;
}

static void
link_ended(void *arg, const char *reason)
{
	pool_worker_gone(arg, reason);
}

const struct conn_events worker_link_events = { .input = link_input, .ended = link_ended };
