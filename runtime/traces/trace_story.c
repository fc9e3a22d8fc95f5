/* SPDX-License-Identifier: MIT
 * Frames to words.
 */
#include "runtime/traces/trace_story.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "lib/table_query.h"
#include "lib/utf8.h"
#include "runtime/api/api_parts.h"
#include "runtime/effect_json.h"
#include "store/queue_row.h"

enum { TEXT_BYTES_MAX = 2000 };

static void
append_cut(struct buf *out, struct bytes text)
{
	size_t len = text.len < TEXT_BYTES_MAX ? text.len : TEXT_BYTES_MAX;

	/* Not in the midst of a character. */
	while (len < text.len && len > 0 && (text.data[len] & 0xc0) == 0x80)
		len--;
	buf_append(out, text.data, len);
	if (len < text.len)
		buf_printf(out, "... (%zu bytes)", text.len);
}

static void
append_named(struct cursor *cursor, struct buf *out)
{
	struct bytes first = cursor_bytes(cursor), second = { 0 };

	buf_append_u8(out, ' ');
	append_cut(out, first);
	if (cursor->at < cursor->end)
		second = cursor_bytes(cursor);
	if (second.len > 0)
		buf_append_u8(out, ' ');
	append_cut(out, second);
}

static void
http_text(struct cursor *cursor, struct buf *out)
{
	struct bytes method = cursor_bytes(cursor), url = cursor_bytes(cursor), body;
	uint16_t headers;

	(void)cursor_u32(cursor);
	(void)cursor_u8(cursor);
	headers = cursor_u16(cursor);
	for (uint16_t i = 0; i < headers && !cursor->bad; i++) {
		(void)cursor_bytes(cursor);
		(void)cursor_bytes(cursor);
	}
	body = cursor_bytes(cursor);
	buf_printf(out, " %.*s %.*s", (int)method.len, (const char *)method.data, (int)url.len,
	    (const char *)url.data);
	if (body.len > 0)
		buf_append_u8(out, ' ');
	append_cut(out, body);
}

static void
gets_text(struct cursor *cursor, struct buf *out)
{
	uint16_t count = cursor_u16(cursor);

	for (uint16_t i = 0; i < count && !cursor->bad; i++) {
		struct bytes table = cursor_bytes(cursor);

		buf_printf(
		    out, "%s%.*s ", i > 0 ? ", " : " ", (int)table.len, (const char *)table.data);
		key_text(cursor_bytes(cursor), out);
	}
}

static void
query_text(struct cursor *cursor, struct buf *out)
{
	struct table_query query;

	table_query_decode(cursor, &query);
	buf_printf(out, " %.*s", (int)query.table.len, (const char *)query.table.data);
	if (query.index.len > 0)
		buf_printf(out, " by %.*s", (int)query.index.len, (const char *)query.index.data);
	if (query.hash.len > 0) {
		buf_append_u8(out, ' ');
		key_text(query.hash, out);
	}
	buf_printf(out, "%s, at most %u", query.reverse ? ", backwards" : "", query.limit);
}

static void
file_text(struct cursor *cursor, struct buf *out)
{
	struct bytes path = cursor_bytes(cursor);
	int64_t offset = cursor_i64(cursor);

	buf_printf(out, " %.*s from %lld, %u bytes", (int)path.len, (const char *)path.data,
	    (long long)offset, cursor_u32(cursor));
}

static void
content_text(struct cursor *cursor, struct buf *out)
{
	int64_t size = cursor_i64(cursor);

	buf_printf(out, "of %lld bytes: ", (long long)size);
	append_cut(out, cursor_bytes(cursor));
}

static void
secret_text(struct cursor *cursor, struct buf *out)
{
	(void)cursor_bytes(cursor);
	buf_append_string(out, "(a secret)");
}

static void
http_reply_text(struct cursor *cursor, struct buf *out)
{
	uint16_t status = cursor_u16(cursor), headers = cursor_u16(cursor);

	for (uint16_t i = 0; i < headers && !cursor->bad; i++) {
		(void)cursor_bytes(cursor);
		(void)cursor_bytes(cursor);
	}
	buf_printf(out, "%u ", status);
	append_cut(out, cursor_bytes(cursor));
}

static void
document_text(struct cursor *cursor, struct buf *out)
{
	struct bytes document = cursor_bytes(cursor);

	if (document.len == 0)
		buf_append_string(out, "nil");
	else
		append_cut(out, document);
}

static void
result_text(struct cursor *cursor, struct buf *out)
{
	(void)cursor_u8(cursor);
	document_text(cursor, out);
}

static void
versioned_text(struct cursor *cursor, struct buf *out)
{
	for (bool first = true; cursor->at < cursor->end && !cursor->bad; first = false) {
		uint64_t version = cursor_u64(cursor);

		if (!first)
			buf_append_string(out, ", ");
		document_text(cursor, out);
		if (version > 0)
			buf_printf(out, " (version %llu)", (unsigned long long)version);
	}
}

static void
rows_text(struct cursor *cursor, struct buf *out)
{
	uint32_t items;

	(void)cursor_u32(cursor);
	(void)cursor_u64(cursor);
	for (int i = 0; i < 3; i++)
		(void)cursor_bytes(cursor);
	items = cursor_u32(cursor);
	buf_printf(out, "%u item%s", items, items == 1 ? "" : "s");
	for (uint32_t i = 0; i < items && !cursor->bad && out->len < TEXT_BYTES_MAX; i++) {
		buf_append_string(out, i > 0 ? ", " : ": ");
		append_cut(out, cursor_bytes(cursor));
	}
}

/* Kinds that do not stand here are told by their number and length. */
static const struct {
	const char *name;
	void (*call)(struct cursor *cursor, struct buf *out);
	void (*reply)(struct cursor *cursor, struct buf *out);
} kinds[] = {
	[CALL_HTTP] = { "http", http_text, http_reply_text },
	[CALL_SHADOW_GET] = { "shadow.get", append_named, document_text },
	[CALL_INVOKE] = { "invoke.call", append_named, result_text },
	[CALL_SECRET] = { "secrets.get", append_named, secret_text },
	[CALL_DB_GET] = { "db.get", gets_text, versioned_text },
	[CALL_STATE_GET] = { "state.get", append_named, versioned_text },
	[CALL_DB_QUERY] = { "db.query", query_text, rows_text },
	[CALL_FILES_READ] = { "files.read", file_text, content_text },
};

static bool
is_known(enum call_kind kind)
{
	return kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[kind].name != NULL;
}

void
trace_call_text(const struct trace_call *call, struct buf *out)
{
	struct cursor cursor = cursor_of(call->fields);

	if (is_known(call->kind)) {
		buf_append_string(out, kinds[call->kind].name);
		kinds[call->kind].call(&cursor, out);
	} else {
		buf_printf(out, "call of kind %d, %zu bytes", (int)call->kind, call->fields.len);
	}
}

void
trace_reply_text(enum call_kind kind, const struct trace_reply *reply, struct buf *out)
{
	struct cursor cursor = cursor_of(reply->fields);

	if (!reply->ok) {
		buf_append_string(out, "error: ");
		append_cut(out, cursor_bytes(&cursor));
	} else if (is_known(kind)) {
		kinds[kind].reply(&cursor, out);
	} else {
		buf_printf(out, "%zu bytes", reply->fields.len);
	}
}

bool
trace_outcome_read(const struct trace_entry *entry, struct trace_outcome *outcome)
{
	struct cursor cursor = cursor_of(entry->fields);

	if (entry->kind != TRACE_RETURNED && entry->kind != TRACE_RAISED)
		return false;
	*outcome = (struct trace_outcome){ .returned = entry->kind == TRACE_RETURNED,
		.busy_us = cursor_u32(&cursor) };
	if (!outcome->returned) {
		outcome->reason = (enum fail_reason)cursor_u8(&cursor);
		outcome->message = cursor_bytes(&cursor);
		outcome->traceback = cursor_bytes(&cursor);
		return cursor_end(&cursor);
	}
	(void)cursor_u32(&cursor);
	outcome->result_kind = (enum result_kind)cursor_u8(&cursor);
	outcome->result = cursor_bytes(&cursor);
	outcome->effect_count = cursor_u16(&cursor);
	outcome->effects = bytes_of(cursor.at, (size_t)(cursor.end - cursor.at));
	return !cursor.bad && outcome->result_kind <= RESULT_RAW;
}

/* Why it ended so: what the commit, the pool or the handler says. */
static struct bytes
error_of(const struct trace_record *record)
{
	struct cursor cursor = cursor_of(record->entries);
	struct trace_entry entry;
	struct trace_outcome outcome;

	if (record->message.len > 0 || record->end == TRACE_DONE)
		return record->message;
	while (trace_entry_read(&cursor, &entry)) {
		if (trace_outcome_read(&entry, &outcome) && !outcome.returned)
			return outcome.message;
	}
	return record->message;
}

/* For a person: what is no text has "?" in its place. */
static void
add_words(cJSON *json, const char *name, struct bytes words)
{
	bool is_text = utf8_is_valid(words);
	char *text = bytes_to_string(words);

	for (size_t i = 0; i < words.len; i++) {
		if (text[i] == '\0' || (!is_text && (text[i] & 0x80) != 0))
			text[i] = '?';
	}
	api_add_string(json, name, text);
	free(text);
}

cJSON *
trace_summary(const struct trace_record *record, uint64_t number)
{
	struct trace_invoke invoke = { .attempt = 0 };
	cJSON *json = api_object();
	char id[QUEUE_ID_TEXT], run[24];

	(void)trace_invoke_read(record->invoke, &invoke);
	queue_id_text(invoke.id, id);
	(void)snprintf(run, sizeof(run), "%llu", (unsigned long long)number);
	api_add_string(json, "id", id);
	api_add_string(json, "run", run);
	api_add_bytes(json, "function", record->function_name);
	api_add_number(json, "version", record->version);
	api_add_bytes(json, "file", record->file);
	api_add_number(json, "attempt", invoke.attempt);
	api_add_number(json, "conflicts", record->conflicts);
	api_add_string(json, "end", trace_end_names[record->end]);
	if (error_of(record).len > 0)
		add_words(json, "error", error_of(record));
	api_add_number(json, "time", (double)record->begun_ms);
	api_add_number(json, "took_ms", (double)record->took_us / 1000);
	api_add_bytes(json, "trigger", invoke.trigger);
	api_add_bytes(json, "subject", invoke.subject);
	return json;
}

static void
add_event(cJSON *json, const struct trace_record *record)
{
	struct trace_invoke invoke;
	cJSON *event = api_object();

	if (trace_invoke_read(record->invoke, &invoke)) {
		api_add_bytes(event, "trigger", invoke.trigger);
		api_add_bytes(event, "subject", invoke.subject);
		api_add_bytes(event, "key", record->key);
		api_add_bytes(event, "client_id", invoke.client_id);
		api_add_number(event, "qos", invoke.qos);
		api_add_bool(event, "retain", invoke.retain != 0);
		api_add_number(event, "hops", record->hops);
		api_add_number(event, "time", (double)invoke.time_ms);
		if (invoke.extra.len > 0)
			api_add_bytes(event, "context", invoke.extra);
		api_add_bytes(event, "payload", invoke.payload);
		api_add_number(json, "timeout_ms", invoke.timeout_ms);
	}
	api_add(json, "event", event);
}

static void
add_text(cJSON *step, const char *name, struct buf *text)
{
	add_words(step, name, buf_bytes(text));
	buf_clear(text);
}

/* The calls so far that have no answer yet: one, but for a worker that misbehaves. */
struct pending {
	cJSON *step;
	struct trace_call call;
	int64_t at_us;
};

static cJSON *
call_step(const struct trace_entry *entry, struct pending *pending)
{
	struct buf text = { 0 };

	if (!trace_call_read(entry->fields, &pending->call))
		return NULL;
	trace_call_text(&pending->call, &text);
	pending->step = api_object();
	pending->at_us = entry->at_us;
	api_add_number(pending->step, "call", pending->call.number);
	add_text(pending->step, "asks", &text);
	return pending->step;
}

static void
answer_step(const struct trace_entry *entry, struct pending *pending)
{
	struct trace_reply reply;
	struct buf text = { 0 };

	if (pending->step == NULL || !trace_reply_read(entry->fields, &reply) ||
	    reply.number != pending->call.number)
		return;
	trace_reply_text(pending->call.kind, &reply, &text);
	add_text(pending->step, "answer", &text);
	api_add_bool(pending->step, "ok", reply.ok);
	api_add_number(
	    pending->step, "took_ms", ((double)entry->at_us - (double)pending->at_us) / 1000);
	pending->step = NULL;
}

static cJSON *
log_step(const struct trace_entry *entry)
{
	struct cursor cursor = cursor_of(entry->fields);
	uint8_t level = cursor_u8(&cursor);
	cJSON *step = api_object();

	api_add_string(
	    step, "log", level <= LOG_LEVEL_ERROR ? log_level_name((enum log_level)level) : "info");
	add_words(step, "text", cursor_bytes(&cursor));
	return step;
}

static void
add_outcome(cJSON *json, const struct trace_outcome *outcome, int64_t at_us)
{
	api_add_number(json, "returned_ms", (double)at_us / 1000);
	api_add_number(json, "busy_ms", (double)outcome->busy_us / 1000);
	if (outcome->returned) {
		api_add(json, "effects", effects_json(outcome->effects, outcome->effect_count));
		result_json(json, outcome->result_kind, outcome->result);
	} else if (outcome->traceback.len > 0) {
		add_words(json, "traceback", outcome->traceback);
	}
}

cJSON *
trace_story(const struct trace_record *record, uint64_t number)
{
	struct cursor cursor = cursor_of(record->entries);
	cJSON *json = trace_summary(record, number), *steps = api_array();
	struct pending pending = { .step = NULL };
	struct trace_outcome outcome;
	struct trace_entry entry;

	api_add_bytes(json, "program", record->program);
	add_event(json, record);
	api_add_bool(json, "cut", record->cut);
	api_add_bool(json, "redacted", record->redacted);
	while (trace_entry_read(&cursor, &entry)) {
		cJSON *step = NULL;

		if (entry.kind == TRACE_CALL)
			step = call_step(&entry, &pending);
		else if (entry.kind == TRACE_REPLY)
			answer_step(&entry, &pending);
		else if (entry.kind == TRACE_LOG)
			step = log_step(&entry);
		else if (trace_outcome_read(&entry, &outcome))
			add_outcome(json, &outcome, entry.at_us);
		if (step != NULL) {
			api_add_number(step, "at_ms", (double)entry.at_us / 1000);
			(void)cJSON_AddItemToArray(steps, step);
		}
	}
	api_add(json, "steps", steps);
	return json;
}
