/* SPDX-License-Identifier: MIT
 * Runs of handlers to bytes and back.
 */
#include "runtime/traces/trace_record.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, FLAG_CUT = 1, FLAG_REDACTED = TRACE_FLAG_REDACTED };

const char *const trace_end_names[TRACE_ENDS] = {
	[TRACE_DONE] = "done",
	[TRACE_FAILED] = "failed",
	[TRACE_REFUSED] = "refused",
	[TRACE_CONFLICT] = "conflict",
	[TRACE_LOST] = "lost",
};

void
trace_record_write(const struct trace_record *record, struct buf *out)
{
	frame_u8(out, FORMAT);
	frame_u8(out, (uint8_t)record->end);
	frame_u8(
	    out, (record->cut ? FLAG_CUT : 0) | (uint8_t)(record->redacted ? FLAG_REDACTED : 0));
	frame_u8(out, record->hops);
	frame_u32(out, record->version);
	frame_u32(out, record->conflicts);
	frame_i64(out, record->begun_ms);
	frame_i64(out, record->took_us);
	frame_u64(out, record->seed[0]);
	frame_u64(out, record->seed[1]);
	frame_bytes(out, record->program);
	frame_bytes(out, record->function_name);
	frame_bytes(out, record->file);
	frame_bytes(out, record->key);
	frame_bytes(out, record->invoke);
	frame_bytes(out, record->message);
	frame_bytes(out, record->entries);
}

bool
trace_record_read(struct bytes bytes, struct trace_record *record)
{
	struct cursor cursor = cursor_of(bytes);
	uint8_t format = cursor_u8(&cursor), flags;

	*record = (struct trace_record){ .end = (enum trace_end)cursor_u8(&cursor) };
	flags = cursor_u8(&cursor);
	record->cut = (flags & FLAG_CUT) != 0;
	record->redacted = (flags & FLAG_REDACTED) != 0;
	record->hops = cursor_u8(&cursor);
	record->version = cursor_u32(&cursor);
	record->conflicts = cursor_u32(&cursor);
	record->begun_ms = cursor_i64(&cursor);
	record->took_us = cursor_i64(&cursor);
	record->seed[0] = cursor_u64(&cursor);
	record->seed[1] = cursor_u64(&cursor);
	record->program = cursor_bytes(&cursor);
	record->function_name = cursor_bytes(&cursor);
	record->file = cursor_bytes(&cursor);
	record->key = cursor_bytes(&cursor);
	record->invoke = cursor_bytes(&cursor);
	record->message = cursor_bytes(&cursor);
	record->entries = cursor_bytes(&cursor);
	return cursor_end(&cursor) && format == FORMAT && record->end >= TRACE_DONE &&
	       record->end < TRACE_ENDS;
}

void
trace_entry_write(const struct trace_entry *entry, struct buf *out)
{
	frame_u8(out, (uint8_t)entry->kind);
	frame_i64(out, entry->at_us);
	frame_bytes(out, entry->fields);
}

bool
trace_entry_read(struct cursor *cursor, struct trace_entry *entry)
{
	if (cursor->bad || cursor->at == cursor->end)
		return false;
	entry->kind = (enum trace_entry_kind)cursor_u8(cursor);
	entry->at_us = cursor_i64(cursor);
	entry->fields = cursor_bytes(cursor);
	return !cursor->bad && entry->kind >= TRACE_CALL && entry->kind < TRACE_ENTRIES;
}

bool
trace_invoke_read(struct bytes fields, struct trace_invoke *invoke)
{
	struct cursor cursor = cursor_of(fields);

	(void)cursor_u64(&cursor); /* invocation, function, lane and epoch are that host's */
	(void)cursor_u32(&cursor);
	(void)cursor_u32(&cursor);
	(void)cursor_u32(&cursor);
	*invoke = (struct trace_invoke){ .timeout_ms = cursor_u32(&cursor) };
	invoke->attempt = cursor_u16(&cursor);
	invoke->payload_kind = cursor_u8(&cursor);
	invoke->qos = cursor_u8(&cursor);
	invoke->retain = cursor_u8(&cursor);
	invoke->time_ms = cursor_i64(&cursor);
	cursor_copy(&cursor, invoke->id, sizeof(invoke->id));
	invoke->seed[0] = cursor_u64(&cursor);
	invoke->seed[1] = cursor_u64(&cursor);
	invoke->trigger = cursor_bytes(&cursor);
	invoke->subject = cursor_bytes(&cursor);
	invoke->client_id = cursor_bytes(&cursor);
	invoke->extra = cursor_bytes(&cursor);
	invoke->payload = cursor_bytes(&cursor);
	return cursor_end(&cursor);
}

static struct bytes
rest_of(const struct cursor *cursor)
{
	return bytes_of(cursor->at, (size_t)(cursor->end - cursor->at));
}

bool
trace_call_read(struct bytes fields, struct trace_call *call)
{
	struct cursor cursor = cursor_of(fields);

	*call = (struct trace_call){ .number = cursor_u32(&cursor) };
	call->elapsed_us = cursor_i64(&cursor);
	call->kind = (enum call_kind)cursor_u8(&cursor);
	call->fields = rest_of(&cursor);
	return !cursor.bad;
}

bool
trace_reply_read(struct bytes fields, struct trace_reply *reply)
{
	struct cursor cursor = cursor_of(fields);

	*reply = (struct trace_reply){ .number = cursor_u32(&cursor) };
	reply->elapsed_us = cursor_i64(&cursor);
	reply->ok = cursor_u8(&cursor) != 0;
	reply->fields = rest_of(&cursor);
	return !cursor.bad;
}
