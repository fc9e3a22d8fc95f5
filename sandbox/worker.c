/* SPDX-License-Identifier: MIT
 * The worker's loop: a batch of frames in, their results out by one write.
 *
 * Lanes keep order: while one of a lane waits, the later ones queue up behind it; when one fails,
 * the later ones of its epoch are skipped, for the host will send all of them again in order.
 */
#include "sandbox/worker.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/cage.h"
#include "sandbox/deadline.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/stage.h"

enum { READ_BYTES = 262144, AWAKE_US = 50, UNSENT_US_MAX = 200, BROKEN_MAX = 16384 };

static void
write_all(struct worker *worker)
{
	size_t sent = 0;

	while (sent < worker->out.len) {
		ssize_t wrote =
		    write(worker->channel, worker->out.data + sent, worker->out.len - sent);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			_exit(0); /* the host is gone */
		sent += (size_t)wrote;
	}
	buf_reset(&worker->out);
	worker->unsent_since_us = 0;
}

/* Between invocations: results wait for the batch's end, but not for long. */
void
worker_flush(struct worker *worker, bool now)
{
	int64_t now_us;

	if (worker->out.len == 0)
		return;
	if (!now) {
		now_us = deadline_now_us();
		if (worker->unsent_since_us == 0)
			worker->unsent_since_us = now_us;
		now = now_us - worker->unsent_since_us > UNSENT_US_MAX;
	}
	if (now)
		write_all(worker);
}

void
worker_flush_logs(struct worker *worker, uint64_t invocation)
{
	struct cursor cursor = cursor_of(bytes_of(worker->logs.data, worker->logs.len));

	while (cursor.at < cursor.end) {
		uint8_t level = cursor_u8(&cursor);
		struct bytes text = cursor_bytes(&cursor);
		size_t begun;

		if (cursor.bad)
			break; /* the deadline cut it short */
		begun = frame_begin(&worker->out, WORKER_LOG);
		frame_u64(&worker->out, invocation);
		frame_u8(&worker->out, level);
		frame_bytes(&worker->out, text);
		frame_finish(&worker->out, begun);
	}
	worker->logs.len = 0;
}

void
worker_write_failed(struct worker *worker, const struct run *run, enum fail_reason reason,
    const char *message, const char *traceback)
{
	size_t begun = frame_begin(&worker->out, WORKER_FAILED);

	frame_u64(&worker->out, run->invocation);
	frame_u32(&worker->out, (uint32_t)run->busy_us);
	frame_u8(&worker->out, (uint8_t)reason);
	frame_string(&worker->out, message);
	frame_string(&worker->out, traceback);
	frame_finish(&worker->out, begun);
}

static void
skip(struct worker *worker, uint64_t invocation)
{
	size_t begun = frame_begin(&worker->out, WORKER_SKIPPED);

	frame_u64(&worker->out, invocation);
	frame_finish(&worker->out, begun);
}

static struct lane *
lane_find(struct worker *worker, uint32_t number)
{
	struct hash_node *node = hash_find(&worker->lanes, bytes_of(&number, sizeof(number)));

	return node != NULL ? HASH_OWNER(node, struct lane, link) : NULL;
}

static void
lane_free(struct worker *worker, struct lane *lane)
{
	if (lane->broken) {
		TAILQ_REMOVE(&worker->broken, lane, broken_link);
		worker->broken_count--;
	}
	hash_remove(&worker->lanes, &lane->link);
	buf_clear(&lane->queued);
	free(lane);
}

static struct lane *
lane_get(struct worker *worker, uint32_t number)
{
	struct lane *lane = lane_find(worker, number);

	if (lane != NULL)
		return lane;
	lane = xcalloc(1, sizeof(*lane));
	lane->number = number;
	hash_insert(&worker->lanes, &lane->link, bytes_of(&lane->number, sizeof(lane->number)));
	return lane;
}

/* Broken lanes are remembered until the host goes on with them; the oldest are let go in the end:
 * by then the host has long been told. */
static void
lane_break(struct worker *worker, uint32_t number, uint32_t epoch)
{
	struct lane *lane = lane_get(worker, number);

	if (!lane->broken) {
		lane->broken = true;
		TAILQ_INSERT_TAIL(&worker->broken, lane, broken_link);
		worker->broken_count++;
	}
	lane->broken_epoch = epoch;
	if (worker->broken_count > BROKEN_MAX) {
		struct lane *oldest = TAILQ_FIRST(&worker->broken);

		if (oldest != lane && !oldest->busy)
			lane_free(worker, oldest);
	}
}

void
worker_waits(struct worker *worker, const struct run *run)
{
	worker->run = NULL;
	if (run->lane != 0)
		lane_get(worker, run->lane)->busy = true;
}

static void invoke(struct worker *worker, struct bytes fields);

/* What queued up behind one that waited runs now, until one of them waits too. */
static void
drain_lane(struct worker *worker, uint32_t number)
{
	struct lane *lane = lane_find(worker, number);
	struct buf queued;
	struct frame frame;
	size_t at = 0, used;

	if (lane == NULL || lane->busy)
		return;
	queued = lane->queued;
	lane->queued = (struct buf){ 0 };
	if (!lane->broken)
		lane_free(worker, lane);
	while (frame_next(bytes_of(queued.data + at, queued.len - at), &frame, &used) == FRAME_OK) {
		invoke(worker, frame.fields);
		at += used;
		worker_flush(worker, false);
	}
	buf_clear(&queued);
}

void
worker_ended(struct worker *worker, const struct run *run, bool failed)
{
	struct lane *lane;

	if (run->lane == 0)
		return;
	if (failed)
		lane_break(worker, run->lane, run->lane_epoch);
	lane = lane_find(worker, run->lane);
	if (lane == NULL || !lane->busy)
		return;
	lane->busy = false;
	drain_lane(worker, run->lane);
}

static bool
read_invoke(struct bytes fields, struct run *run)
{
	struct cursor cursor = cursor_of(fields);

	*run = (struct run){ .invocation = cursor_u64(&cursor) };
	run->function = cursor_u32(&cursor);
	run->lane = cursor_u32(&cursor);
	run->lane_epoch = cursor_u32(&cursor);
	run->timeout_ms = cursor_u32(&cursor);
	run->attempt = cursor_u16(&cursor);
	run->payload_kind = cursor_u8(&cursor);
	run->qos = cursor_u8(&cursor);
	run->retain = cursor_u8(&cursor);
	run->time_ms = cursor_i64(&cursor);
	cursor_copy(&cursor, run->event_id, sizeof(run->event_id));
	run->seed[0] = cursor_u64(&cursor);
	run->seed[1] = cursor_u64(&cursor);
	run->trigger = cursor_bytes(&cursor);
	run->subject = cursor_bytes(&cursor);
	run->client_id = cursor_bytes(&cursor);
	run->extra = cursor_bytes(&cursor);
	run->payload = cursor_bytes(&cursor);
	return cursor_end(&cursor);
}

static void
queue_behind(struct lane *lane, struct bytes fields)
{
	size_t begun = frame_begin(&lane->queued, HOST_INVOKE);

	buf_append_bytes(&lane->queued, fields);
	frame_finish(&lane->queued, begun);
}

static void
invoke(struct worker *worker, struct bytes fields)
{
	struct hash_node *node;
	struct lane *lane;
	struct run run;

	if (!read_invoke(fields, &run))
		abort();
	lane = run.lane != 0 && worker->lanes.count > 0 ? lane_find(worker, run.lane) : NULL;
	if (lane != NULL && lane->broken && run.lane_epoch <= lane->broken_epoch) {
		skip(worker, run.invocation);
		return;
	}
	if (lane != NULL && lane->busy) {
		queue_behind(lane, fields);
		return;
	}
	if (lane != NULL)
		lane_free(worker, lane);
	node = hash_find(&worker->images, bytes_of(&run.function, sizeof(run.function)));
	if (node == NULL) {
		worker_write_failed(
		    worker, &run, FAIL_NO_FUNCTION, "the function is not loaded here", "");
		worker_ended(worker, &run, true);
		return;
	}
	run_start(worker, &run, HASH_OWNER(node, struct image, link));
}

static struct waiting *
waiting_find(struct worker *worker, uint64_t invocation)
{
	struct hash_node *node =
	    hash_find(&worker->waiting, bytes_of(&invocation, sizeof(invocation)));

	return node != NULL ? HASH_OWNER(node, struct waiting, link) : NULL;
}

static void
on_setup(struct worker *worker, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	uint32_t version = cursor_u32(&cursor);

	worker->seed[0] = cursor_u64(&cursor);
	worker->seed[1] = cursor_u64(&cursor);
	worker->image_bytes_max = cursor_u64(&cursor);
	if (!cursor_end(&cursor) || version != PROTOCOL_VERSION)
		abort();
	sandbox_set_seed((unsigned)(worker->seed[0] ^ worker->seed[1] >> 32));
	hash_seed((const uint8_t *)worker->seed);
}

static void
on_drop(struct worker *worker, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	uint32_t number = cursor_u32(&cursor);
	struct hash_node *node = hash_find(&worker->images, bytes_of(&number, sizeof(number)));
	struct image *image;

	if (node == NULL)
		return;
	image = HASH_OWNER(node, struct image, link);
	hash_remove(&worker->images, node);
	worker->image_bytes -= image->patches_size;
	image_free(image);
}

static void
on_reply(struct worker *worker, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	struct waiting *waiting = waiting_find(worker, cursor_u64(&cursor));
	uint32_t call = cursor_u32(&cursor);
	int64_t elapsed_us = cursor_i64(&cursor);
	bool ok = cursor_u8(&cursor) != 0;

	/* It may have been cancelled meanwhile. */
	if (cursor.bad || waiting == NULL || waiting->run.calls != call)
		return;
	waiting->run.clock_us = elapsed_us;
	run_resume(worker, waiting, ok, bytes_of(cursor.at, (size_t)(cursor.end - cursor.at)));
}

/* Takes the invocation out of the lane's queue, where it stands there. */
static bool
cancel_in_lane(struct worker *worker, struct lane *lane, uint64_t invocation)
{
	size_t at = 0, used;
	struct frame frame;
	struct run run;

	for (; frame_next(bytes_of(lane->queued.data + at, lane->queued.len - at), &frame, &used) ==
	       FRAME_OK;
	     at += used) {
		if (!read_invoke(frame.fields, &run) || run.invocation != invocation)
			continue;
		worker_write_failed(worker, &run, FAIL_CANCELLED, "cancelled before it ran", "");
		memmove(lane->queued.data + at, lane->queued.data + at + used,
		    lane->queued.len - at - used);
		lane->queued.len -= used;
		return true;
	}
	return false;
}

static void
cancel_queued(struct worker *worker, uint64_t invocation)
{
	for (struct hash_node *node = hash_next(&worker->lanes, NULL); node != NULL;
	     node = hash_next(&worker->lanes, node)) {
		if (cancel_in_lane(worker, HASH_OWNER(node, struct lane, link), invocation))
			return;
	}
}

static void
on_cancel(struct worker *worker, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	uint64_t invocation = cursor_u64(&cursor);
	struct waiting *waiting = waiting_find(worker, invocation);

	if (waiting != NULL)
		run_cancel(worker, waiting);
	else if (!cursor.bad)
		cancel_queued(worker, invocation);
}

static void
on_tables(struct worker *worker, struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	size_t count = cursor_u16(&cursor);

	for (size_t i = 0; i < worker->table_count; i++)
		table_def_clear(&worker->tables[i]);
	worker->tables = xrealloc(worker->tables, (count + 1) * sizeof(*worker->tables));
	for (worker->table_count = 0; worker->table_count < count; worker->table_count++) {
		if (!table_def_decode(&cursor, &worker->tables[worker->table_count]))
			abort();
	}
	if (!cursor_end(&cursor))
		abort();
}

static void (*const handlers[])(struct worker *worker, struct bytes fields) = {
	[HOST_SETUP] = on_setup,
	[HOST_LOAD] = worker_load,
	[HOST_DROP] = on_drop,
	[HOST_INVOKE] = invoke,
	[HOST_REPLY] = on_reply,
	[HOST_CANCEL] = on_cancel,
	[HOST_TABLES] = on_tables,
};

static void
handle_batch(struct worker *worker)
{
	struct frame frame;
	size_t at = 0, used;

	for (;;) {
		struct bytes left = bytes_of(worker->in.data + at, worker->in.len - at);

		enum frame_result result = frame_next(left, &frame, &used);

		if (result == FRAME_BAD)
			abort();
		if (result == FRAME_MORE)
			break;
		if (frame.type >= sizeof(handlers) / sizeof(handlers[0]) ||
		    handlers[frame.type] == NULL)
			abort();
		handlers[frame.type](worker, frame.fields);
		at += used;
		worker_flush(worker, false);
	}
	buf_drain(&worker->in, at);
	worker_flush(worker, true);
}

static void
say_ready(struct worker *worker, uint32_t layers)
{
	size_t begun = frame_begin(&worker->out, WORKER_READY);

	frame_u32(&worker->out, PROTOCOL_VERSION);
	frame_u32(&worker->out, layers);
	frame_string(&worker->out, LUA_RELEASE);
	frame_finish(&worker->out, begun);
	worker_flush(worker, true);
}

static struct sink
sink_new(size_t size)
{
	/* Not touched until it is used: mapped, not filled. */
	return (struct sink){ xmalloc(size), 0, size };
}

static int64_t
monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t)1000000 + now.tv_nsec / 1000;
}

/* To be woken takes longer than most handlers run: a worker that has just worked stays awake for a
 * moment, and lets everybody else have the processor meanwhile. */
static ssize_t
await_input(struct worker *worker)
{
	uint8_t *room = buf_reserve(&worker->in, READ_BYTES);
	int64_t until_us = monotonic_us() + AWAKE_US;
	ssize_t got;

	do {
		got = recv(worker->channel, room, READ_BYTES, MSG_DONTWAIT);
		if (got >= 0)
			return got;
		if (errno != EAGAIN)
			break;
		(void)sched_yield();
	} while (monotonic_us() < until_us);
	return read(worker->channel, room, READ_BYTES);
}

int
worker_run(int channel)
{
	struct worker worker = { .channel = channel };
	uint32_t layers = 0;
	struct err err;

	TAILQ_INIT(&worker.broken);
	worker.effects = sink_new(EFFECT_BYTES_MAX);
	worker.result = sink_new(RESULT_BYTES_MAX);
	worker.logs = sink_new(LOG_BYTES_MAX * 2);
	worker.call.fields = sink_new(CALL_BYTES_MAX);
	if (stage_reserve(&err) < 0 || deadline_start(&err) < 0 ||
	    cage_close(channel, &layers, &err) < 0)
		return 1;
	say_ready(&worker, layers);
	for (;;) {
		ssize_t got = await_input(&worker);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		worker.in.len += (size_t)got;
		handle_batch(&worker);
	}
}
