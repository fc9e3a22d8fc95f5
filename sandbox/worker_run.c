/* SPDX-License-Identifier: MIT
 * One invocation, from the image to its end or its next wait.
 */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/deadline.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/stage.h"
#include "sandbox/world.h"

enum { MESSAGE_BYTES_MAX = 2000, TRACEBACK_BYTES_MAX = 4000, TRIM_BYTES = 4 << 20 };

enum outcome { OUTCOME_DONE, OUTCOME_WAITS, OUTCOME_FAILED };

struct failure {
	enum fail_reason reason;
	char message[MESSAGE_BYTES_MAX];
	char traceback[TRACEBACK_BYTES_MAX];
};

static void
copy_text(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		len = size - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

/* Reads what the handler raised, without running any of its metamethods. */
static int
describe(lua_State *lua)
{
	struct failure *failure = lua_touserdata(lua, 1);
	lua_State *handler = stage()->handler;
	const char *text;

	if (lua_type(handler, -1) == LUA_TSTRING) {
		text = lua_tostring(handler, -1);
	} else {
		struct sink sink = { (uint8_t *)failure->message, 0, sizeof(failure->message) - 1 };

		lua_xmove(handler, lua, 1);
		world_append_text(lua, -1, &sink);
		failure->message[sink.len] = '\0';
		text = NULL;
	}
	if (text != NULL)
		copy_text(failure->message, sizeof(failure->message), text);
	luaL_traceback(lua, handler, NULL, 0);
	copy_text(failure->traceback, sizeof(failure->traceback), lua_tostring(lua, -1));
	return 0;
}

static void
read_error(int status, struct failure *failure)
{
	lua_State *lua = stage()->lua;

	failure->reason = status == LUA_ERRMEM ? FAIL_MEMORY : FAIL_ERROR;
	if (status == LUA_ERRMEM) {
		(void)snprintf(failure->message, sizeof(failure->message),
		    "out of memory: more than the function's %zu bytes", stage()->limit);
		return;
	}
	lua_pushcfunction(lua, describe);
	lua_pushlightuserdata(lua, failure);
	if (lua_pcall(lua, 1, 0, 0) != LUA_OK && failure->message[0] == '\0')
		copy_text(failure->message, sizeof(failure->message), "error without a text");
}

/* Runs what is on the stage until it ends, waits or overruns. */
static enum outcome
advance(struct worker *worker, struct failure *failure)
{
	struct run *run = worker->run;
	int status, results;

	worker->call.pending = false;
	failure->message[0] = failure->traceback[0] = '\0';
	if (sigsetjmp(*deadline_jump(), 0) != 0) {
		failure->reason = FAIL_TIMEOUT;
		(void)snprintf(failure->message, sizeof(failure->message),
		    "timeout: the handler ran longer than %u ms", worker->run->timeout_ms);
		return OUTCOME_FAILED;
	}
	deadline_arm(run->deadline_us);
	status = lua_resume(stage()->handler, stage()->lua, 0, &results);
	if (status == LUA_YIELD && !worker->call.pending) {
		failure->reason = FAIL_ERROR;
		copy_text(failure->message, sizeof(failure->message),
		    "the handler yielded: coroutine.yield works only inside coroutines of its own");
	} else if (status != LUA_OK && status != LUA_YIELD) {
		read_error(status, failure);
	}
	deadline_disarm();
	if (status == LUA_OK)
		return OUTCOME_DONE;
	return status == LUA_YIELD && worker->call.pending ? OUTCOME_WAITS : OUTCOME_FAILED;
}

static void
write_done(struct worker *worker, const struct run *run)
{
	struct buf *out = &worker->out;
	size_t begun = frame_begin(out, WORKER_DONE);

	frame_u64(out, run->invocation);
	frame_u32(out, (uint32_t)run->busy_us);
	frame_u32(out, (uint32_t)stage_used());
	frame_u8(out, run->result_kind);
	frame_bytes(out, bytes_of(worker->result.data, worker->result.len));
	frame_u16(out, (uint16_t)run->effect_count);
	buf_append(out, worker->effects.data, run->effect_bytes);
	frame_finish(out, begun);
}

static void
write_call(struct worker *worker, const struct run *run)
{
	struct buf *out = &worker->out;
	size_t begun = frame_begin(out, WORKER_CALL);

	frame_u64(out, run->invocation);
	frame_u32(out, run->calls);
	frame_i64(out, deadline_now_us() - run->started_us);
	frame_u8(out, worker->call.kind);
	buf_append(out, worker->call.fields.data, worker->call.fields.len);
	frame_finish(out, begun);
}

static struct bytes
move_view(uint8_t **at, struct bytes from)
{
	struct bytes to = bytes_of(*at, from.len);

	if (from.len > 0)
		memcpy(*at, from.data, from.len);
	*at += from.len;
	return to;
}

/* The frame that the run's views point to is about to go: they get a copy. */
static uint8_t *
copy_views(struct run *run)
{
	size_t size = run->trigger.len + run->subject.len + run->client_id.len + run->extra.len +
		      run->payload.len;
	uint8_t *copy = xmalloc(size), *at = copy;

	run->trigger = move_view(&at, run->trigger);
	run->subject = move_view(&at, run->subject);
	run->client_id = move_view(&at, run->client_id);
	run->extra = move_view(&at, run->extra);
	run->payload = move_view(&at, run->payload);
	return copy;
}

static uint64_t
waiting_bytes(const struct waiting *waiting)
{
	return waiting->stage_size + waiting->effects.len + waiting->run.payload.len;
}

static void
leave_stage(struct worker *worker, struct waiting *waiting)
{
	uint8_t *effects;

	worker->effects.len = waiting->run.effect_bytes;
	effects = xmalloc(worker->effects.len);
	waiting->stage_size = stage_used();
	waiting->stage = xmalloc(waiting->stage_size);
	stage_save(waiting->stage);
	memcpy(effects, worker->effects.data, worker->effects.len);
	waiting->effects = bytes_of(effects, worker->effects.len);
	worker->image_bytes += waiting_bytes(waiting);
	hash_insert(&worker->waiting, &waiting->link,
	    bytes_of(&waiting->run.invocation, sizeof(waiting->run.invocation)));
}

static void
waiting_free(struct waiting *waiting)
{
	free(waiting->copy);
	free(waiting);
}

static void
fail_run(struct worker *worker, const struct run *run, const struct failure *failure)
{
	worker_write_failed(worker, run, failure->reason, failure->message, failure->traceback);
}

static bool
has_room(const struct worker *worker)
{
	return worker->waiting.count < WAITING_MAX &&
	       worker->image_bytes + stage_used() + worker->effects.len < worker->image_bytes_max;
}

/* After the stage stopped: says how, and makes room. `waiting` is NULL for the first time. */
static void
settle(struct worker *worker, struct run *run, struct waiting *waiting)
{
	static struct failure failure;
	enum outcome outcome = advance(worker, &failure);
	struct run ended;

	run->busy_us += deadline_now_us() - run->resumed_us;
	worker_flush_logs(worker, run->invocation);
	if (outcome == OUTCOME_WAITS && !has_room(worker)) {
		failure.reason = FAIL_LIMIT;
		copy_text(failure.message, sizeof(failure.message),
		    "too many invocations wait in this worker");
		failure.traceback[0] = '\0';
		outcome = OUTCOME_FAILED;
	}
	if (outcome == OUTCOME_WAITS) {
		write_call(worker, run);
		if (waiting == NULL) {
			waiting = xcalloc(1, sizeof(*waiting));
			waiting->run = *run;
			waiting->copy = copy_views(&waiting->run);
		}
		leave_stage(worker, waiting);
		worker_waits(worker, &waiting->run);
		return;
	}
	if (outcome == OUTCOME_DONE)
		write_done(worker, run);
	else
		fail_run(worker, run, &failure);
	stage_trim(TRIM_BYTES);
	worker->run = NULL;
	ended = *run;
	if (waiting != NULL)
		waiting_free(waiting);
	worker_ended(worker, &ended, outcome == OUTCOME_FAILED);
}

void
run_start(struct worker *worker, struct run *run, const struct image *image)
{
	image_restore(&worker->base, image);
	run->started_us = run->resumed_us = deadline_now_us();
	run->deadline_us = run->started_us + (int64_t)run->timeout_ms * 1000;
	worker->run = run;
	worker->effects.len = 0;
	settle(worker, run, NULL);
}

static void
back_on_stage(struct worker *worker, struct waiting *waiting)
{
	stage_restore(waiting->stage, waiting->stage_size);
	memcpy(worker->effects.data, waiting->effects.data, waiting->effects.len);
	worker->effects.len = waiting->effects.len;
	worker->image_bytes -= waiting_bytes(waiting);
	free(waiting->stage);
	free((void *)waiting->effects.data);
	waiting->stage = NULL;
	waiting->effects = bytes_of(NULL, 0);
	hash_remove(&worker->waiting, &waiting->link);
}

void
run_resume(struct worker *worker, struct waiting *waiting, bool ok, struct bytes fields)
{
	back_on_stage(worker, waiting);
	waiting->run.resumed_us = deadline_now_us();
	worker->run = &waiting->run;
	sandbox_set_time((int64_t)waiting->run.seed[0]);
	worker->reply = (struct reply){ ok, fields };
	settle(worker, &waiting->run, waiting);
}

void
run_cancel(struct worker *worker, struct waiting *waiting)
{
	struct run run = waiting->run;

	worker->image_bytes -= waiting_bytes(waiting);
	hash_remove(&worker->waiting, &waiting->link);
	free(waiting->stage);
	free((void *)waiting->effects.data);
	worker_write_failed(worker, &run, FAIL_CANCELLED, "cancelled while it waited", "");
	waiting_free(waiting);
	worker_ended(worker, &run, true);
}
