/* SPDX-License-Identifier: MIT
 * Effects, calls and answers between frames and JSON.
 */
#include "tests/handler_frames.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/item_key.h"
#include "lib/table_def.h"
#include "lib/table_query.h"

enum { DEFAULT_REDIRECTS = 5 };

cJSON *
json_of(struct bytes bytes)
{
	char *text = bytes_to_string(bytes);
	cJSON *json = cJSON_Parse(text);

	if (json == NULL)
		json = cJSON_CreateString(text);
	free(text);
	return json;
}

static void
add_text(cJSON *object, const char *name, struct bytes bytes)
{
	char *text = bytes_to_string(bytes);

	if (bytes.len > 0)
		(void)cJSON_AddStringToObject(object, name, text);
	free(text);
}

static void
add_json(cJSON *object, const char *name, struct bytes bytes)
{
	if (bytes.len > 0)
		(void)cJSON_AddItemToObject(object, name, json_of(bytes));
}

static void
add_number(cJSON *object, const char *name, double value)
{
	if (value != 0)
		(void)cJSON_AddNumberToObject(object, name, value);
}

static void
add_hex(cJSON *object, const char *name, struct bytes bytes)
{
	struct buf hex = { 0 };

	for (size_t i = 0; i < bytes.len; i++)
		buf_printf(&hex, "%02x", bytes.data[i]);
	add_text(object, name, buf_bytes(&hex));
	buf_clear(&hex);
}

static void
read_publish(struct cursor *cursor, cJSON *effect)
{
	add_number(effect, "qos", cursor_u8(cursor));
	if (cursor_u8(cursor) != 0)
		(void)cJSON_AddTrueToObject(effect, "retain");
	add_number(effect, "expiry", cursor_u32(cursor));
	add_text(effect, "publish", cursor_bytes(cursor));
	add_json(effect, "payload", cursor_bytes(cursor));
	add_hex(effect, "properties", cursor_bytes(cursor));
}

/* "audi22", or "audi22,5" with a sort key. */
static void
append_key(struct buf *out, struct bytes key)
{
	struct buf json = { 0 };

	while (key.len > 0 && item_key_next(&key, &json)) {
		if (key.len > 0)
			buf_append_u8(&json, ',');
	}
	for (size_t i = 0; i < json.len; i++) {
		if (json.data[i] != '"')
			buf_append_u8(out, json.data[i]);
	}
	buf_clear(&json);
}

static void
add_named_key(cJSON *object, const char *name, struct bytes key)
{
	struct buf text = { 0 };

	append_key(&text, key);
	add_text(object, name, buf_bytes(&text));
	buf_clear(&text);
}

static void
add_key(cJSON *object, struct bytes key)
{
	add_named_key(object, "key", key);
}

static void
read_webhook(struct bytes request, cJSON *effect)
{
	struct cursor cursor = cursor_of(request);
	uint16_t headers;

	add_text(effect, "method", cursor_bytes(&cursor));
	(void)cursor_bytes(&cursor);
	add_number(effect, "timeout_ms", cursor_u32(&cursor));
	(void)cursor_u8(&cursor);
	headers = cursor_u16(&cursor);
	for (uint16_t i = 0; i < headers && !cursor.bad; i++) {
		struct buf line = { 0 };

		buf_append_bytes(&line, cursor_bytes(&cursor));
		buf_append_string(&line, ": ");
		buf_append_bytes(&line, cursor_bytes(&cursor));
		add_text(effect, "header", buf_bytes(&line));
		buf_clear(&line);
	}
	add_json(effect, "payload", cursor_bytes(&cursor));
	if (!cursor_end(&cursor))
		(void)cJSON_AddStringToObject(effect, "bad", "does not decode");
}

static void
read_shadow(struct cursor *cursor, cJSON *effect)
{
	(void)cJSON_AddStringToObject(
	    effect, "shadow", cursor_u8(cursor) == SHADOW_UPDATE ? "update" : "delete");
	add_text(effect, "thing", cursor_bytes(cursor));
	add_text(effect, "name", cursor_bytes(cursor));
	add_json(effect, "document", cursor_bytes(cursor));
}

static void
read_read(struct cursor *cursor, cJSON *effect)
{
	static const char *const names[] = {
		[READ_ITEM] = "read", [READ_STATE] = "read_state", [READ_SHADOW] = "read_shadow"
	};
	uint8_t kind = cursor_u8(cursor);

	add_text(effect, names[kind % 3], cursor_bytes(cursor));
	if (kind == READ_SHADOW)
		add_text(effect, "name", cursor_bytes(cursor));
	else
		add_key(effect, cursor_bytes(cursor));
	add_number(effect, "version", (double)cursor_i64(cursor));
}

void
read_effect(struct cursor *cursor, cJSON *effect)
{
	switch (cursor_u8(cursor)) {
	case EFFECT_PUBLISH:
		read_publish(cursor, effect);
		break;
	case EFFECT_SHADOW:
		read_shadow(cursor, effect);
		break;
	case EFFECT_INVOKE:
		add_text(effect, "invoke", cursor_bytes(cursor));
		add_json(effect, "payload", cursor_bytes(cursor));
		break;
	case EFFECT_METRIC:
		add_text(effect, "metric", cursor_bytes(cursor));
		add_number(effect, "value", (double)cursor_i64(cursor) / 1000);
		break;
	case EFFECT_DB_PUT:
		add_text(effect, "put", cursor_bytes(cursor));
		add_json(effect, "item", cursor_bytes(cursor));
		break;
	case EFFECT_DB_DELETE:
		add_text(effect, "delete", cursor_bytes(cursor));
		add_key(effect, cursor_bytes(cursor));
		break;
	case EFFECT_STATE:
		add_text(effect, "state", cursor_bytes(cursor));
		add_json(effect, "value", cursor_bytes(cursor));
		break;
	case EFFECT_WEBHOOK:
		add_text(effect, "webhook", cursor_bytes(cursor));
		read_webhook(cursor_bytes(cursor), effect);
		break;
	case EFFECT_TIMER:
		(void)cursor_u8(cursor);
		add_text(effect, "timer", cursor_bytes(cursor));
		add_json(effect, "payload", cursor_bytes(cursor));
		add_number(effect, "delay_ms", (double)cursor_i64(cursor));
		break;
	case EFFECT_READ:
		read_read(cursor, effect);
		break;
	case EFFECT_READ_ROWS:
		(void)cursor_u8(cursor);
		add_text(effect, "query", cursor_bytes(cursor));
		add_text(effect, "index", cursor_bytes(cursor));
		(void)cursor_bytes(cursor);
		(void)cursor_bytes(cursor);
		add_number(effect, "rows", cursor_u32(cursor));
		(void)cursor_u64(cursor);
		break;
	default:
		cursor->bad = true;
	}
}

/* "query TABLE/KEY", or "scan TABLE"; the options that are not as they are without. */
static void
read_query(struct cursor *cursor, cJSON *call, struct buf *key)
{
	struct table_query query;
	cJSON *pending;
	uint16_t count;

	table_query_decode(cursor, &query);
	buf_append_string(key, query.hash.len > 0 ? "query " : "scan ");
	buf_append_bytes(key, query.table);
	if (query.hash.len > 0) {
		buf_append_u8(key, '/');
		append_key(key, query.hash);
	}
	add_text(call, "call", buf_bytes(key));
	add_text(call, "index", query.index);
	if (query.from.len > 0)
		add_named_key(call, "from", query.from);
	if (query.to.len > 0)
		add_named_key(call, "to", query.to);
	add_text(call, "prefix", query.prefix);
	if (query.reverse)
		(void)cJSON_AddTrueToObject(call, "reverse");
	if (query.limit != QUERY_LIMIT_MAX)
		add_number(call, "limit", query.limit);
	if (query.after.len > 0)
		add_number(call, "after_bytes", (double)query.after.len);
	count = cursor_u16(cursor);
	pending = count > 0 ? cJSON_AddArrayToObject(call, "pending") : NULL;
	for (uint16_t i = 0; i < count && !cursor->bad; i++) {
		cJSON *one = cJSON_CreateObject();

		add_key(one, cursor_bytes(cursor));
		add_json(one, "item", cursor_bytes(cursor));
		(void)cJSON_AddItemToArray(pending, one);
	}
}

static void
read_http(struct cursor *cursor, cJSON *call, struct buf *key)
{
	cJSON *headers;
	uint8_t redirects;
	uint16_t count;

	buf_append_bytes(key, cursor_bytes(cursor));
	buf_append_string(key, " ");
	buf_append_bytes(key, cursor_bytes(cursor));
	add_text(call, "http", buf_bytes(key));
	add_number(call, "timeout_ms", cursor_u32(cursor));
	redirects = cursor_u8(cursor);
	if (redirects != DEFAULT_REDIRECTS)
		(void)cJSON_AddNumberToObject(call, "redirects", redirects);
	count = cursor_u16(cursor);
	headers = count > 0 ? cJSON_AddObjectToObject(call, "headers") : NULL;
	for (uint16_t i = 0; i < count && !cursor->bad; i++) {
		char *name = bytes_to_string(cursor_bytes(cursor));

		add_text(headers, name, cursor_bytes(cursor));
		free(name);
	}
	add_json(call, "body", cursor_bytes(cursor));
}

void
read_call(enum call_kind kind, struct cursor *cursor, cJSON *call, struct buf *key)
{
	struct bytes subject, detail;

	if (kind == CALL_HTTP) {
		read_http(cursor, call, key);
		return;
	}
	if (kind == CALL_DB_QUERY) {
		read_query(cursor, call, key);
		return;
	}
	if (kind == CALL_FILES_READ) {
		buf_append_string(key, "file ");
		buf_append_bytes(key, cursor_bytes(cursor));
		add_text(call, "call", buf_bytes(key));
		add_number(call, "offset", (double)cursor_i64(cursor));
		add_number(call, "length", cursor_u32(cursor));
		return;
	}
	if (kind == CALL_DB_GET) {
		uint16_t count = cursor_u16(cursor);

		for (uint16_t i = 0; i < count && !cursor->bad; i++) {
			buf_append_string(key, i > 0 ? " " : "db ");
			buf_append_bytes(key, cursor_bytes(cursor));
			buf_append_u8(key, '/');
			append_key(key, cursor_bytes(cursor));
		}
		add_text(call, "call", buf_bytes(key));
		return;
	}
	subject = cursor_bytes(cursor);
	detail = kind == CALL_SECRET || kind == CALL_STATE_GET ? bytes_of(NULL, 0)
							       : cursor_bytes(cursor);
	buf_append_string(key, kind == CALL_SHADOW_GET	? "shadow "
			       : kind == CALL_INVOKE	? "invoke "
			       : kind == CALL_STATE_GET ? "state "
							: "secret ");
	buf_append_bytes(key, subject);
	if (kind == CALL_SHADOW_GET && detail.len > 0) {
		buf_append_string(key, "/");
		buf_append_bytes(key, detail);
	}
	add_text(call, "call", buf_bytes(key));
	if (kind == CALL_INVOKE)
		add_json(call, "payload", detail);
}

static void
put_json(struct buf *out, const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);

	frame_string(out, text);
	free(text);
}

static void
put_http_reply(struct buf *out, const cJSON *reply)
{
	const cJSON *headers = cJSON_GetObjectItem(reply, "headers"), *header;
	const cJSON *json = cJSON_GetObjectItem(reply, "json");
	const cJSON *status = cJSON_GetObjectItem(reply, "status");

	frame_u16(out, status != NULL ? (uint16_t)status->valueint : 200);
	frame_u16(out, (uint16_t)cJSON_GetArraySize(headers));
	cJSON_ArrayForEach(header, headers)
	{
		frame_string(out, header->string);
		frame_string(out, header->valuestring);
	}
	if (json != NULL)
		put_json(out, json);
	else
		frame_string(out, cJSON_GetStringValue(cJSON_GetObjectItem(reply, "body")));
}

cJSON *
default_reply(enum call_kind kind)
{
	switch (kind) {
	case CALL_HTTP:
		return cJSON_Parse("{\"status\":200,\"headers\":{\"Content-Type\":"
				   "\"application/json\"},\"json\":{\"ok\":true}}");
	case CALL_SHADOW_GET:
		return cJSON_Parse("{\"state\":{\"desired\":{\"speed_limit\":120},\"reported\":"
				   "{\"speed_limit\":130},\"delta\":{\"speed_limit\":120}},"
				   "\"metadata\":{},\"version\":3,\"timestamp\":1795435200}");
	case CALL_INVOKE:
		return cJSON_Parse("{\"ok\":true}");
	case CALL_FILES_READ:
		return cJSON_CreateString("id;speed\naudi22;140\n");
	case CALL_SECRET:
		return cJSON_CreateString("s3cret");
	case CALL_DB_GET:
	case CALL_STATE_GET:
		return cJSON_CreateFalse();
	case CALL_DB_QUERY:
		return cJSON_Parse("[{\"id\":\"audi22\",\"ts\":1,\"place\":\"north\","
				   "\"readings\":41}]");
	}
	return NULL;
}

static void
put_item(struct buf *out, const cJSON *item)
{
	frame_u64(out, cJSON_IsFalse(item) ? 0 : 7);
	if (cJSON_IsFalse(item))
		frame_string(out, NULL);
	else
		put_json(out, item);
}

/* One, or a list for a call that asks for many. */
static void
put_items(struct buf *out, const cJSON *reply)
{
	const cJSON *item;

	if (!cJSON_IsArray(reply))
		put_item(out, reply);
	cJSON_ArrayForEach(item, reply)
	{
		put_item(out, item);
	}
}

/* A list of items, or { items =, next = "text" }. */
static void
put_query_reply(struct buf *out, const cJSON *reply)
{
	const cJSON *items = cJSON_IsArray(reply) ? reply : cJSON_GetObjectItem(reply, "items");
	const cJSON *item;

	frame_u32(out, (uint32_t)cJSON_GetArraySize(items));
	frame_u64(out, 99);
	frame_string(out, "low");
	frame_string(out, "up");
	frame_string(out, cJSON_GetStringValue(cJSON_GetObjectItem(reply, "next")));
	frame_u32(out, (uint32_t)cJSON_GetArraySize(items));
	cJSON_ArrayForEach(item, items)
	{
		put_json(out, item);
	}
}

void
put_reply(struct buf *out, enum call_kind kind, const cJSON *reply)
{
	if (kind == CALL_HTTP) {
		put_http_reply(out, reply);
	} else if (kind == CALL_FILES_READ) {
		frame_i64(out, (int64_t)strlen(cJSON_GetStringValue(reply)));
		frame_string(out, cJSON_GetStringValue(reply));
	} else if (kind == CALL_STATE_GET) {
		frame_u64(out, cJSON_IsFalse(reply) ? 0 : 7);
		if (cJSON_IsFalse(reply))
			frame_string(out, NULL);
		else
			put_json(out, reply);
	} else if (kind == CALL_DB_GET) {
		put_items(out, reply);
	} else if (kind == CALL_DB_QUERY) {
		put_query_reply(out, reply);
	} else if (kind == CALL_SECRET) {
		frame_string(out, cJSON_GetStringValue(reply));
	} else if (kind == CALL_INVOKE) {
		frame_u8(out, RESULT_JSON);
		put_json(out, reply);
	} else {
		frame_u64(out, cJSON_IsFalse(reply) ? 0 : 7);
		if (cJSON_IsFalse(reply))
			frame_string(out, NULL);
		else
			put_json(out, reply);
	}
}

void
put_tables(struct buf *out)
{
	static const char *const tables[] = { "{\"name\":\"cars\",\"key\":\"id\"}",
		"{\"name\":\"readings\",\"key\":\"id\",\"sort\":\"ts\",\"ttl\":\"expires\","
		"\"indexes\":[{\"name\":\"by_place\",\"key\":\"place\",\"sort\":\"ts\"}]}" };
	size_t begun = frame_begin(out, HOST_TABLES), count = sizeof(tables) / sizeof(*tables);
	struct table_def def;
	struct err err;

	frame_u16(out, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		if (table_def_read(bytes_of_string(tables[i]), &def, &err) < 0)
			abort();
		table_def_encode(&def, out);
		table_def_clear(&def);
	}
	frame_finish(out, begun);
}
