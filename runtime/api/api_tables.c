/* SPDX-License-Identifier: MIT
 * Tables and their items under /v1/tables. Items and keys stay text, so that their numbers keep all
 * their digits.
 */
#include <stdlib.h>

#include "lib/item_key.h"
#include "lib/json_text.h"
#include "lib/table_query.h"
#include "runtime/api/api_parts.h"
#include "runtime/host.h"
#include "runtime/tables.h"

static struct tables *
tables_of(const struct api *api)
{
	return api->parts.host->tables;
}

static void
send_text(struct http_exchange *exchange, struct buf *json)
{
	http_exchange_json(exchange, 200, buf_string(json));
	buf_clear(json);
}

static void
get_tables(void *arg, struct http_exchange *exchange)
{
	const struct tables *tables = tables_of(arg);
	struct buf json = { 0 };

	buf_append_u8(&json, '[');
	for (size_t i = 0; tables_at(tables, i) != NULL; i++) {
		buf_append_string(&json, i > 0 ? "," : "");
		table_def_write(&tables_at(tables, i)->def, &json);
	}
	buf_append_u8(&json, ']');
	send_text(exchange, &json);
}

static void
on_defined(void *arg, const struct err *err)
{
	struct http_exchange *exchange = arg;

	if (err == NULL)
		api_send_ok(exchange);
	else
		http_exchange_error(exchange, 409, "%s", err->text);
}

static void
put_table(void *arg, struct http_exchange *exchange)
{
	struct bytes name = http_match_param(http_exchange_match(exchange), "table");
	struct table_def def;
	struct err err;

	if (table_def_read(http_exchange_body(exchange), &def, &err) < 0) {
		http_exchange_error(exchange, 400, "%s", err.text);
		return;
	}
	if (!bytes_equal_string(name, def.name)) {
		table_def_clear(&def);
		http_exchange_error(exchange, 400, "\"name\" is not the name in the path");
		return;
	}
	tables_define(tables_of(arg), &def, on_defined, exchange);
}

static void
on_undefined(void *arg, const struct err *err)
{
	struct http_exchange *exchange = arg;

	if (err == NULL)
		api_send_ok(exchange);
	else
		http_exchange_error(exchange, 404, "%s", err->text);
}

static void
delete_table(void *arg, struct http_exchange *exchange)
{
	tables_undefine(tables_of(arg), http_match_param(http_exchange_match(exchange), "table"),
	    on_undefined, exchange);
}

/* --- items --- */

/* The table that the path names; NULL: there is none, and that has been answered. */
static struct table *
table_of(struct api *api, struct http_exchange *exchange)
{
	struct bytes name = http_match_param(http_exchange_match(exchange), "table");
	struct table *table = tables_find(tables_of(api), name);

	if (table == NULL)
		http_exchange_error(exchange, 404,
		    "there is no table \"%.*s\"; moonlet db create makes one",
		    (int)(name.len < 100 ? name.len : 100), name.data);
	return table;
}

/* The body as an object; false: it is none, and that has been answered. */
static bool
check_body(struct http_exchange *exchange)
{
	size_t at;

	if (json_text_members(http_exchange_body(exchange), NULL, NULL, &at))
		return true;
	http_exchange_error(exchange, 400, "the body is not a JSON object (at byte %zu)", at);
	return false;
}

/* A key: an object with its attributes, or the value itself where there is no sort key. */
static int
read_key(const struct table *table, struct bytes json, struct buf *key, struct err *err)
{
	enum item_defect defect;

	if (json.len == 0)
		return err_set(err, "\"key\" is missing");
	if (json_text_kind(json) != JSON_TEXT_OBJECT && table->def.sort == NULL) {
		if (item_key_json(key, json) && key->len <= ITEM_KEY_STRING_BYTES_MAX + 3)
			return 0;
		defect = ITEM_BAD_HASH;
	} else if (json_text_kind(json) != JSON_TEXT_OBJECT) {
		defect = ITEM_NO_SORT;
	} else {
		defect = table_item_key(&table->def, json, key);
	}
	if (defect == ITEM_OK)
		return 0;
	item_defect_text(&table->def, defect, err);
	return -1;
}

static void
on_got(void *arg, bool ok, struct bytes fields)
{
	struct http_exchange *exchange = arg;
	struct cursor cursor = cursor_of(fields);
	uint64_t version = ok ? cursor_u64(&cursor) : 0;
	struct bytes item = cursor_bytes(&cursor);
	struct buf json = { 0 };

	if (!ok) {
		http_exchange_error(exchange, 500, "%.*s", (int)item.len, item.data);
	} else if (item.len == 0) {
		http_exchange_error(exchange, 404, "there is no item of that key");
	} else {
		buf_printf(&json, "{\"version\":%llu,\"item\":", (unsigned long long)version);
		buf_append_bytes(&json, item);
		buf_append_u8(&json, '}');
		send_text(exchange, &json);
	}
}

static void
post_get(void *arg, struct http_exchange *exchange)
{
	struct table *table = table_of(arg, exchange);
	struct buf key = { 0 }, fields = { 0 };
	struct err err;

	if (table == NULL || !check_body(exchange))
		return;
	if (read_key(table, json_text_member(http_exchange_body(exchange), bytes_of_string("key")),
		&key, &err) < 0) {
		http_exchange_error(exchange, 400, "%s", err.text);
	} else {
		frame_u16(&fields, 1);
		frame_string(&fields, table->def.name);
		frame_bytes(&fields, buf_bytes(&key));
		if (!tables_get(tables_of(arg), buf_bytes(&fields), on_got, exchange))
			http_exchange_error(exchange, 400, "the key is not valid");
	}
	buf_clear(&key);
	buf_clear(&fields);
}

static void
on_written(void *arg, const struct tables_result *result)
{
	struct http_exchange *exchange = arg;
	struct buf json = { 0 };

	if (result->conflict) {
		http_exchange_error(exchange, 409, "the item is not as it was expected to be");
	} else if (result->err != NULL) {
		http_exchange_error(exchange, 500, "%s", result->err->text);
	} else {
		buf_printf(&json, "{\"version\":%llu}", (unsigned long long)result->version);
		send_text(exchange, &json);
	}
}

/* if_version=N, if_absent=1. */
static int
read_conditions(const struct http_exchange *exchange, const struct table *table, struct bytes key,
    struct writes *expectations, struct err *err)
{
	char *version = api_query_string(exchange, "if_version");
	struct buf row = { 0 };
	int status = 0;

	table_row_key(table, key, &row);
	if (version != NULL &&
	    (*version == '\0' || strspn(version, "0123456789") < strlen(version)))
		status = err_set(err, "if_version is a number, and is \"%.100s\"", version);
	else if (version != NULL)
		writes_expect(
		    expectations, SPACE_ITEM, buf_bytes(&row), strtoull(version, NULL, 10));
	if (api_query_number(exchange, "if_absent", 0, 1) == 1)
		writes_expect(expectations, SPACE_ITEM, buf_bytes(&row), 0);
	buf_clear(&row);
	free(version);
	return status;
}

/* Without white space around it. */
static struct bytes
trimmed(struct bytes text)
{
	while (text.len > 0 && strchr(" \t\r\n", text.data[0]) != NULL)
		text = bytes_of(text.data + 1, text.len - 1);
	while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL)
		text.len--;
	return text;
}

static bool
find_infinite(void *arg, struct bytes name, struct bytes value)
{
	struct bytes *found = arg;

	if (!json_text_is_finite(value))
		*found = name;
	return found->len == 0;
}

static int
check_numbers(const struct table *table, struct bytes item, struct err *err)
{
	struct bytes found = { 0 };
	size_t at;

	if (json_text_members(item, find_infinite, &found, &at) && found.len == 0)
		return 0;
	return err_set(err, "%s: \"%.*s\" has a number beyond the range of doubles",
	    table->def.name, (int)(found.len < 100 ? found.len : 100), (const char *)found.data);
}

static void
change_item(struct api *api, struct http_exchange *exchange, bool is_delete)
{
	struct table *table = table_of(api, exchange);
	struct bytes item = trimmed(http_exchange_body(exchange));
	struct writes expectations = { 0 };
	struct buf key = { 0 };
	struct table_ops ops;
	struct err err;

	if (table == NULL || !check_body(exchange))
		return;
	if (is_delete)
		item = json_text_member(item, bytes_of_string("key"));
	if (read_key(table, item, &key, &err) < 0 ||
	    (!is_delete && check_numbers(table, item, &err) < 0) ||
	    read_conditions(exchange, table, buf_bytes(&key), &expectations, &err) < 0) {
		http_exchange_error(exchange, 400, "%s", err.text);
	} else {
		table_ops_init(&ops, loop_wall_ms(api->parts.loop));
		if (is_delete)
			table_ops_delete(&ops, table, buf_bytes(&key));
		else
			table_ops_put(&ops, table, buf_bytes(&key), item);
		tables_submit(tables_of(api), &ops, &expectations, on_written, exchange);
	}
	writes_clear(&expectations);
	buf_clear(&key);
}

static void
post_put(void *arg, struct http_exchange *exchange)
{
	change_item(arg, exchange, false);
}

static void
post_delete(void *arg, struct http_exchange *exchange)
{
	change_item(arg, exchange, true);
}

/* --- queries --- */

static void
on_answered(void *arg, bool ok, struct bytes fields)
{
	struct http_exchange *exchange = arg;
	struct cursor cursor = cursor_of(fields);
	struct buf json = { 0 };
	struct bytes next;
	uint32_t count;

	if (!ok) {
		next = cursor_bytes(&cursor);
		http_exchange_error(exchange, 400, "%.*s", (int)next.len, next.data);
		return;
	}
	(void)cursor_u32(&cursor);
	(void)cursor_u64(&cursor);
	(void)cursor_bytes(&cursor);
	(void)cursor_bytes(&cursor);
	next = cursor_bytes(&cursor);
	count = cursor_u32(&cursor);
	buf_append_string(&json, "{\"items\":[");
	for (uint32_t i = 0; i < count; i++) {
		buf_append_string(&json, i > 0 ? "," : "");
		buf_append_bytes(&json, cursor_bytes(&cursor));
	}
	buf_append_string(&json, next.len > 0 ? "],\"after\":\"" : "]");
	table_after_write(next, &json);
	buf_append_string(&json, next.len > 0 ? "\"}" : "}");
	send_text(exchange, &json);
}

/* What a query's body says; the buffers hold what its views point to. */
struct asked {
	struct table_query query;
	struct buf index, hash, from, to, prefix, after;
};

static void
asked_clear(struct asked *asked)
{
	buf_clear(&asked->index);
	buf_clear(&asked->hash);
	buf_clear(&asked->from);
	buf_clear(&asked->to);
	buf_clear(&asked->prefix);
	buf_clear(&asked->after);
}

struct body {
	struct asked *asked;
	const struct table *table;
	struct bytes key; /* raw */
	struct err err;
	bool failed;
};

static bool
refuse(struct body *body, const char *name, const char *why)
{
	(void)err_set(&body->err, "\"%s\" %s", name, why);
	body->failed = true;
	return false;
}

static bool
take_string(struct body *body, const char *name, struct bytes value, struct buf *out)
{
	if (json_text_kind(value) != JSON_TEXT_STRING)
		return refuse(body, name, "is not a string");
	json_text_unescape(value, out);
	return true;
}

static bool
take_bound(struct body *body, const char *name, struct bytes value, struct buf *out)
{
	return item_key_json(out, value) ||
	       refuse(body, name, "is neither a string nor a number in range");
}

static bool
take_after(struct body *body, struct bytes value)
{
	struct buf text = { 0 };
	bool good = take_string(body, "after", value, &text) &&
		    (table_after_read(buf_bytes(&text), &body->asked->after) ||
			refuse(body, "after", "is not what a query gave"));

	buf_clear(&text);
	return good;
}

static bool
take_limit(struct body *body, struct bytes value)
{
	char text[16] = "";

	if (json_text_kind(value) == JSON_TEXT_NUMBER && value.len < sizeof(text))
		memcpy(text, value.data, value.len);
	body->asked->query.limit = (uint32_t)strtoul(text, NULL, 10);
	return true;
}

static bool
take_field(void *arg, struct bytes name, struct bytes value)
{
	struct body *body = arg;
	struct asked *asked = body->asked;

	if (bytes_equal_string(name, "key")) {
		body->key = value;
		return true;
	}
	if (bytes_equal_string(name, "index"))
		return take_string(body, "index", value, &asked->index);
	if (bytes_equal_string(name, "from"))
		return take_bound(body, "from", value, &asked->from);
	if (bytes_equal_string(name, "to"))
		return take_bound(body, "to", value, &asked->to);
	if (bytes_equal_string(name, "prefix"))
		return take_string(body, "prefix", value, &asked->prefix);
	if (bytes_equal_string(name, "after"))
		return take_after(body, value);
	if (bytes_equal_string(name, "limit"))
		return take_limit(body, value);
	if (bytes_equal_string(name, "reverse")) {
		asked->query.reverse = json_text_kind(value) == JSON_TEXT_TRUE;
		return true;
	}
	return refuse(body, "name",
	    "is unknown: there are key, index, from, to, prefix, reverse, "
	    "limit and after");
}

/* The hash key of the table, or of the index. */
static bool
take_hash(struct body *body)
{
	const struct table_def *def = &body->table->def;
	const struct table_index *index = table_def_index(def, buf_bytes(&body->asked->index));
	const char *attribute = index != NULL ? index->hash : def->hash;
	struct bytes value = body->key;

	if (json_text_kind(value) == JSON_TEXT_OBJECT)
		value = json_text_member(value, bytes_of_string(attribute));
	if (value.len == 0)
		return refuse(body, attribute, "is missing in the key");
	return take_bound(body, attribute, value, &body->asked->hash);
}

static int
read_asked(
    const struct table *table, struct http_exchange *exchange, struct asked *asked, struct err *err)
{
	struct body body = { .asked = asked, .table = table };
	size_t at;

	asked->query.limit = QUERY_LIMIT_MAX;
	(void)json_text_members(http_exchange_body(exchange), take_field, &body, &at);
	if (!body.failed && body.key.len > 0)
		(void)take_hash(&body);
	asked->query.table = bytes_of_string(table->def.name);
	asked->query.index = buf_bytes(&asked->index);
	asked->query.hash = buf_bytes(&asked->hash);
	asked->query.from = buf_bytes(&asked->from);
	asked->query.to = buf_bytes(&asked->to);
	asked->query.prefix = buf_bytes(&asked->prefix);
	asked->query.after = buf_bytes(&asked->after);
	*err = body.err;
	return body.failed ? -1 : 0;
}

static void
post_query(void *arg, struct http_exchange *exchange)
{
	struct table *table = table_of(arg, exchange);
	struct asked asked = { 0 };
	struct buf fields = { 0 };
	struct err err;

	if (table == NULL || !check_body(exchange))
		return;
	if (read_asked(table, exchange, &asked, &err) < 0) {
		http_exchange_error(exchange, 400, "%s", err.text);
	} else {
		table_query_encode(&asked.query, &fields);
		frame_u16(&fields, 0);
		if (!tables_query(tables_of(arg), buf_bytes(&fields), on_answered, exchange))
			http_exchange_error(exchange, 400, "the query cannot be read");
	}
	asked_clear(&asked);
	buf_clear(&fields);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/tables", get_tables, "the definitions of all tables" },
	{ HTTP_PUT, "/v1/tables/{table}", put_table,
	    "{name, key, sort, ttl, indexes}: makes a table, or changes its indexes" },
	{ HTTP_DELETE, "/v1/tables/{table}", delete_table, "forgets the table and its items" },
	{ HTTP_POST, "/v1/tables/{table}/get", post_get, "{key}: {item, version}" },
	{ HTTP_POST, "/v1/tables/{table}/put", post_put,
	    "an item; if_version=N, if_absent=1: {version}" },
	{ HTTP_POST, "/v1/tables/{table}/delete", post_delete, "{key}; if_version=N: {version}" },
	{ HTTP_POST, "/v1/tables/{table}/query", post_query,
	    "{key, index, from, to, prefix, reverse, limit, after}: {items, after}; all items "
	    "without a key" },
};

const struct api_table api_tables_table = { routes, sizeof(routes) / sizeof(routes[0]) };
