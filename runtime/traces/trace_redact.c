/* SPDX-License-Identifier: MIT
 * Secrets in recordings. The record is the caller's own, so what its readers show as borrowed views
 * may be written to.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/redact.h"
#include "runtime/effect.h"
#include "runtime/traces/trace_record.h"

static uint8_t *
own(struct bytes view)
{
	return (uint8_t *)(uintptr_t)view.data;
}

/* --- secrets by their names --- */

/* u16 headers; headers times: bytes name, bytes value. */
static bool
redact_headers(struct cursor *cursor)
{
	uint16_t count = cursor_u16(cursor);
	bool found = false;

	for (uint16_t i = 0; i < count && !cursor->bad; i++) {
		struct bytes name = cursor_bytes(cursor), value = cursor_bytes(cursor);

		if (cursor->bad || value.len == 0 || !redact_is_secret(name))
			continue;
		redact_mask(own(value), value.len);
		found = true;
	}
	return found;
}

/* The fields of CALL_HTTP. */
static bool
redact_request(struct cursor *cursor)
{
	struct bytes url;
	bool found;

	(void)cursor_bytes(cursor);
	url = cursor_bytes(cursor);
	(void)cursor_u32(cursor);
	(void)cursor_u8(cursor);
	found = !cursor->bad && redact_url(own(url), url.len);
	return redact_headers(cursor) || found;
}

bool
trace_redact_call(enum call_kind kind, uint8_t *fields, size_t len)
{
	struct cursor cursor = cursor_of(bytes_of(fields, len));

	return kind == CALL_HTTP && redact_request(&cursor);
}

static bool
redact_response(struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);

	(void)cursor_u16(&cursor);
	return redact_headers(&cursor);
}

static bool
redact_effects(struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	struct effect effect;
	uint16_t count;
	bool found = false;

	(void)cursor_u32(&cursor);
	(void)cursor_u32(&cursor);
	(void)cursor_u8(&cursor);
	(void)cursor_bytes(&cursor);
	count = cursor_u16(&cursor);
	for (uint16_t i = 0; i < count && !cursor.bad && effect_read(&cursor, &effect); i++) {
		struct cursor request = cursor_of(effect.second);

		if (effect.kind != EFFECT_WEBHOOK)
			continue;
		found = redact_url(own(effect.first), effect.first.len) || found;
		found = redact_request(&request) || found;
	}
	return found;
}

bool
trace_redact_fields(enum trace_entry_kind kind, uint8_t *fields, size_t len)
{
	const struct bytes view = bytes_of(fields, len);
	struct trace_call call;

	if (kind == TRACE_CALL && trace_call_read(view, &call))
		return trace_redact_call(call.kind, own(call.fields), call.fields.len);
	return kind == TRACE_RETURNED && redact_effects(view);
}

/* --- secrets that were given --- */

/* `secret` is a view into the record itself. */
static void
redact_given(struct buf *record, struct bytes secret)
{
	uint8_t *copy;

	if (secret.len >= SECRET_BYTES_MIN) {
		copy = xmalloc(secret.len);
		memcpy(copy, secret.data, secret.len);
		(void)redact_find(record->data, record->len, bytes_of(copy, secret.len));
		explicit_bzero(copy, secret.len);
		free(copy);
	} else {
		redact_mask(own(secret), secret.len);
	}
	record->data[TRACE_FLAGS_AT] |= TRACE_FLAG_REDACTED;
}

static bool
redact_reply(struct buf *record, const struct trace_call *call, struct bytes fields)
{
	struct trace_reply reply;
	struct cursor cursor;

	if (!trace_reply_read(fields, &reply) || reply.number != call->number || !reply.ok)
		return false;
	if (call->kind == CALL_HTTP)
		return redact_response(reply.fields);
	if (call->kind == CALL_SECRET) {
		cursor = cursor_of(reply.fields);
		redact_given(record, cursor_bytes(&cursor));
	}
	return false;
}

void
trace_redact_event(
    struct buf *record, void (*mask)(void *arg, uint8_t *text, size_t len), void *arg)
{
	struct trace_record read;
	struct trace_invoke invoke;

	if (trace_record_read(buf_bytes(record), &read) && trace_invoke_read(read.invoke, &invoke))
		(void)redact_json(own(invoke.payload), invoke.payload.len);
	mask(arg, record->data, record->len);
	record->data[TRACE_FLAGS_AT] |= TRACE_FLAG_REDACTED;
}

void
trace_redact(struct buf *record)
{
	struct trace_call call = { .number = 0 };
	struct trace_record read;
	struct trace_invoke invoke;
	struct trace_entry entry;
	struct cursor cursor;
	bool found = false;

	if (!trace_record_read(buf_bytes(record), &read))
		return;
	if (trace_invoke_read(read.invoke, &invoke))
		found = redact_json(own(invoke.extra), invoke.extra.len);
	cursor = cursor_of(read.entries);
	while (trace_entry_read(&cursor, &entry)) {
		if (entry.kind == TRACE_CALL)
			(void)trace_call_read(entry.fields, &call);
		if (entry.kind == TRACE_REPLY)
			found = redact_reply(record, &call, entry.fields) || found;
		else
			found =
			    trace_redact_fields(entry.kind, own(entry.fields), entry.fields.len) ||
			    found;
	}
	if (found)
		record->data[TRACE_FLAGS_AT] |= TRACE_FLAG_REDACTED;
}
