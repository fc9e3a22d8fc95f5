/* SPDX-License-Identifier: MIT
 * The host's side of one run, out of a record.
 */
#include "runtime/traces/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/lone.h"
#include "runtime/traces/trace_story.h"

enum {
	ANSWER_US = 10000000, /* beside the run's own time */
	CALLS_MAX = 256,
	NUMBER = 1, /* of invocation and function */
};

/* A call of the record, and its answer where it came. */
struct recorded {
	struct trace_call call;
	struct trace_reply reply;
	bool answered;
	bool used;
};

struct replay {
	const struct replay_case *given;
	struct replay_result *result;
	struct lone *lone;
	struct recorded calls[CALLS_MAX];
	size_t call_count;
	int64_t elapsed_us; /* what the handler's clock shows */
	bool loaded, ended;
	struct err err; /* of what happened inside of hooks */
	bool broken;
};

int
replay_case_read(struct bytes raw, struct replay_case *given, struct err *err)
{
	struct cursor cursor = cursor_of(raw);
	struct trace_invoke invoke;
	struct bytes record = cursor_bytes(&cursor);

	given->load = cursor_bytes(&cursor);
	given->tables = cursor_bytes(&cursor);
	if (!cursor_end(&cursor) || !trace_record_read(record, &given->record) ||
	    !trace_invoke_read(given->record.invoke, &invoke))
		return err_set(err, "it is no trace, or one of another version of moonlet");
	if (given->record.cut)
		return err_set(err, "some of it was too large to be kept: it cannot be run again");
	return 0;
}

static void
gather_calls(struct replay *replay)
{
	struct cursor cursor = cursor_of(replay->given->record.entries);
	struct recorded *last = NULL;
	struct trace_entry entry;
	struct trace_reply reply;

	while (trace_entry_read(&cursor, &entry)) {
		if (entry.kind == TRACE_CALL && replay->call_count < CALLS_MAX) {
			last = &replay->calls[replay->call_count];
			replay->call_count += trace_call_read(entry.fields, &last->call);
		} else if (entry.kind == TRACE_REPLY && last != NULL &&
			   trace_reply_read(entry.fields, &reply) &&
			   reply.number == last->call.number) {
			last->reply = reply;
			last->answered = true;
		}
	}
}

static void
note_call(struct replay *replay, const char *what, const struct trace_call *call)
{
	struct buf *notes = &replay->result->notes;
	size_t begun = notes->len;

	buf_printf(notes, "call %u, ", call->number);
	trace_call_text(call, notes);
	/* A note is a line, and does not speak to the terminal. */
	for (size_t i = begun; i < notes->len; i++) {
		if (notes->data[i] < 0x20 || notes->data[i] == 0x7f)
			notes->data[i] = '?';
	}
	buf_printf(notes, ": %s\n", what);
}

static bool
is_same(const struct trace_call *a, const struct trace_call *b)
{
	return a->kind == b->kind && bytes_equal(a->fields, b->fields);
}

/* Requests that go to one place, whatever they carry. */
static bool
is_alike(const struct trace_call *a, const struct trace_call *b)
{
	struct cursor one = cursor_of(a->fields), other = cursor_of(b->fields);
	int names = a->kind == CALL_HTTP ? 2 : a->kind == CALL_INVOKE ? 1 : 0;

	if (a->kind != b->kind || names == 0)
		return false;
	for (int i = 0; i < names; i++) {
		if (!bytes_equal(cursor_bytes(&one), cursor_bytes(&other)))
			return false;
	}
	return true;
}

/* The recorded call that answers this one: first the one in its place. NULL: none. */
static struct recorded *
find_recorded(struct replay *replay, const struct trace_call *call,
    bool (*matches)(const struct trace_call *, const struct trace_call *))
{
	size_t place = call->number - 1;

	if (place < replay->call_count && !replay->calls[place].used &&
	    matches(&replay->calls[place].call, call))
		return &replay->calls[place];
	for (size_t i = 0; i < replay->call_count; i++) {
		if (!replay->calls[i].used && matches(&replay->calls[i].call, call))
			return &replay->calls[i];
	}
	return NULL;
}

static void
send_frames(struct replay *replay, struct buf *out)
{
	if (!replay->broken && lone_send(replay->lone, out, &replay->err) < 0)
		replay->broken = replay->ended = replay->loaded = true;
	buf_clear(out);
}

static void
cancel(struct replay *replay)
{
	struct buf out = { 0 };
	size_t begun = frame_begin(&out, HOST_CANCEL);

	frame_u64(&out, NUMBER);
	frame_finish(&out, begun);
	send_frames(replay, &out);
}

static void
reply(struct replay *replay, const struct trace_call *call, const struct recorded *recorded)
{
	struct buf out = { 0 };
	size_t begun = frame_begin(&out, HOST_REPLY);

	if (recorded != NULL && recorded->reply.elapsed_us > replay->elapsed_us)
		replay->elapsed_us = recorded->reply.elapsed_us;
	frame_u64(&out, NUMBER);
	frame_u32(&out, call->number);
	frame_i64(&out, replay->elapsed_us);
	frame_u8(&out, recorded != NULL && recorded->reply.ok);
	if (recorded != NULL)
		buf_append_bytes(&out, recorded->reply.fields);
	else
		frame_string(&out, "replay: this call was not recorded");
	frame_finish(&out, begun);
	send_frames(replay, &out);
}

static void
answer(struct replay *replay, struct bytes fields)
{
	struct recorded *recorded;
	struct trace_call call;

	if (!trace_call_read(fields, &call))
		return;
	recorded = find_recorded(replay, &call, is_same);
	if (recorded == NULL) {
		recorded = find_recorded(replay, &call, is_alike);
		note_call(replay,
		    recorded != NULL ? "differs from the recorded one, whose answer it gets"
				     : "was not recorded; the handler gets an error",
		    &call);
	}
	if (recorded != NULL)
		recorded->used = true;
	/* Nobody answered then: the host gave the run up. */
	if (recorded != NULL && !recorded->answered)
		cancel(replay);
	else
		reply(replay, &call, recorded);
}

/* As it was in the record, for they are compared. The frame is ours. */
static void
redact(uint8_t type, struct bytes fields)
{
	enum trace_entry_kind kind = type == WORKER_CALL   ? TRACE_CALL
				     : type == WORKER_DONE ? TRACE_RETURNED
							   : TRACE_LOG;

	(void)trace_redact_fields(kind, (uint8_t *)(uintptr_t)fields.data, fields.len);
}

static void
keep_entry(struct replay *replay, enum trace_entry_kind kind, struct bytes fields)
{
	trace_entry_write(
	    &(struct trace_entry){ .kind = kind, .fields = fields }, &replay->result->entries);
}

static void
take_frame(void *arg, const struct frame *frame)
{
	struct replay *replay = arg;
	struct cursor cursor = cursor_of(frame->fields);
	struct bytes rest;
	uint64_t invocation;

	if (frame->type == WORKER_READY) {
		(void)cursor_u32(&cursor);
		(void)cursor_u32(&cursor);
		rest = cursor_bytes(&cursor);
		(void)snprintf(replay->result->lua, sizeof(replay->result->lua), "%.*s",
		    (int)rest.len, (const char *)rest.data);
	} else if (frame->type == WORKER_LOADED) {
		replay->loaded = true;
	} else if (frame->type == WORKER_REFUSED) {
		(void)cursor_u32(&cursor);
		replay->result->state = REPLAY_REFUSED;
		free(replay->result->problem);
		replay->result->problem = bytes_to_string(cursor_bytes(&cursor));
		replay->loaded = true;
	}
	invocation = frame->type >= WORKER_CALL ? cursor_u64(&cursor) : 0;
	rest = bytes_of(cursor.at, (size_t)(cursor.end - cursor.at));
	if (invocation != NUMBER)
		return; /* what a file logs while it is loaded stands in no record */
	redact(frame->type, rest);
	if (frame->type == WORKER_CALL) {
		keep_entry(replay, TRACE_CALL, rest);
		answer(replay, rest);
	} else if (frame->type == WORKER_LOG) {
		keep_entry(replay, TRACE_LOG, rest);
	} else if (frame->type == WORKER_DONE || frame->type == WORKER_FAILED) {
		keep_entry(
		    replay, frame->type == WORKER_DONE ? TRACE_RETURNED : TRACE_RAISED, rest);
		replay->ended = true;
	}
}

static void
worker_gone(void *arg, const char *how)
{
	struct replay *replay = arg;

	replay->result->state = REPLAY_LOST;
	free(replay->result->problem);
	replay->result->problem = xstrdup(how);
	replay->ended = replay->loaded = true;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Which of the recorded files the given one stands for. */
static uint16_t
replaced_file(struct cursor files, uint16_t count, const struct replay_file *file)
{
	for (uint16_t i = 0; i < count; i++) {
		char *path = bytes_to_string(cursor_bytes(&files));
		bool same = strcmp(base_name(path), base_name(file->path)) == 0;

		(void)cursor_bytes(&files);
		free(path);
		if (same)
			return i;
	}
	return 0;
}

static void
write_load(struct bytes load, const struct replay_file *file, struct buf *out)
{
	struct cursor cursor = cursor_of(load);
	size_t begun = frame_begin(out, HOST_LOAD);
	uint16_t count, replaced;

	frame_u32(out, NUMBER);
	frame_u8(out, cursor_u8(&cursor));
	frame_bytes(out, cursor_bytes(&cursor));
	frame_u32(out, cursor_u32(&cursor));
	frame_u32(out, cursor_u32(&cursor));
	count = cursor_u16(&cursor);
	frame_u16(out, count);
	replaced = file != NULL ? replaced_file(cursor, count, file) : UINT16_MAX;
	for (uint16_t i = 0; i < count; i++) {
		struct bytes path = cursor_bytes(&cursor), source = cursor_bytes(&cursor);

		frame_bytes(out, path);
		frame_bytes(out, i == replaced ? file->source : source);
	}
	frame_finish(out, begun);
}

static int
load(struct replay *replay, const struct replay_file *file, struct err *err)
{
	const struct replay_case *given = replay->given;
	struct buf out = { 0 };
	size_t begun = frame_begin(&out, HOST_TABLES);
	int status;

	buf_append_bytes(&out, given->tables);
	frame_finish(&out, begun);
	write_load(given->load, file, &out);
	status = lone_send(replay->lone, &out, err);
	buf_clear(&out);
	return status < 0 ? -1 : lone_wait(replay->lone, &replay->loaded, ANSWER_US, err);
}

static int
invoke(struct replay *replay, struct err *err)
{
	struct bytes fields = replay->given->record.invoke;
	const size_t head = sizeof(uint64_t) + 3 * sizeof(uint32_t);
	struct trace_invoke read;
	struct buf out = { 0 };
	size_t begun = frame_begin(&out, HOST_INVOKE);
	int status;

	(void)trace_invoke_read(fields, &read);
	frame_u64(&out, NUMBER);
	frame_u32(&out, NUMBER);
	frame_u32(&out, 0); /* in no lane */
	frame_u32(&out, 0);
	buf_append(&out, fields.data + head, fields.len - head);
	frame_finish(&out, begun);
	status = lone_send(replay->lone, &out, err);
	buf_clear(&out);
	return status < 0 ? -1
			  : lone_wait(replay->lone, &replay->ended,
				ANSWER_US + (int64_t)read.timeout_ms * 1000, err);
}

static void
note_unused(struct replay *replay)
{
	for (size_t i = 0; i < replay->call_count; i++) {
		if (!replay->calls[i].used)
			note_call(
			    replay, "was recorded and is not made now", &replay->calls[i].call);
	}
}

int
replay_run(const struct replay_case *given, const struct replay_file *file,
    struct replay_result *result, struct err *err)
{
	struct replay *replay = xcalloc(1, sizeof(*replay));
	const struct lone_hooks hooks = { take_frame, worker_gone, replay };
	int status;

	replay->given = given;
	replay->result = result;
	gather_calls(replay);
	replay->lone = lone_start(&hooks, err);
	status = replay->lone != NULL ? lone_worker(replay->lone, given->record.seed, err) : -1;
	if (status == 0)
		status = load(replay, file, err);
	if (status == 0 && result->state == REPLAY_ENDED)
		status = invoke(replay, err);
	if (replay->broken && status == 0) {
		*err = replay->err;
		status = -1;
	}
	if (status == 0 && result->state == REPLAY_ENDED)
		note_unused(replay);
	lone_end(replay->lone);
	free(replay);
	return status;
}

void
replay_result_clear(struct replay_result *result)
{
	free(result->problem);
	buf_clear(&result->entries);
	buf_clear(&result->notes);
	*result = (struct replay_result){ .problem = NULL };
}
