/* SPDX-License-Identifier: MIT
 * Queries as fields and as ranges.
 */
#include "lib/table_query.h"

#include "lib/item_key.h"

void
table_query_encode(const struct table_query *query, struct buf *out)
{
	frame_bytes(out, query->table);
	frame_bytes(out, query->index);
	frame_bytes(out, query->hash);
	frame_bytes(out, query->from);
	frame_bytes(out, query->to);
	frame_bytes(out, query->prefix);
	frame_bytes(out, query->after);
	frame_u8(out, query->reverse);
	frame_u32(out, query->limit);
}

void
table_query_decode(struct cursor *cursor, struct table_query *query)
{
	*query = (struct table_query){ .table = cursor_bytes(cursor) };
	query->index = cursor_bytes(cursor);
	query->hash = cursor_bytes(cursor);
	query->from = cursor_bytes(cursor);
	query->to = cursor_bytes(cursor);
	query->prefix = cursor_bytes(cursor);
	query->after = cursor_bytes(cursor);
	query->reverse = cursor_u8(cursor) != 0;
	query->limit = cursor_u32(cursor);
}

static int
check_value(struct bytes encoded, const char *what, struct err *err)
{
	if (encoded.len == 0)
		return 0;
	if (encoded.len <= ITEM_KEY_BYTES_MAX && item_key_next(&encoded, NULL) && encoded.len == 0)
		return 0;
	return err_set(err, "\"%s\" is not a key's value", what);
}

static int
check(const struct table_def *def, const struct table_query *query, struct err *err)
{
	const struct table_index *index = NULL;
	bool has_range = query->from.len > 0 || query->to.len > 0 || query->prefix.len > 0;

	if (query->index.len > 0) {
		index = table_def_index(def, query->index);
		if (index == NULL)
			return err_set(err, "table %s has no index \"%.*s\"", def->name,
			    (int)(query->index.len < 100 ? query->index.len : 100),
			    query->index.data);
		if (index->building)
			return err_set(err,
			    "index %s of table %s is still being filled; try again later",
			    index->name, def->name);
	}
	if (query->limit == 0 || query->limit > QUERY_LIMIT_MAX)
		return err_set(err, "\"limit\" is a number from 1 to %d", QUERY_LIMIT_MAX);
	if (has_range && query->hash.len == 0)
		return err_set(err, "\"from\", \"to\" and \"prefix\" need a key");
	if (has_range && (index != NULL ? index->sort : def->sort) == NULL)
		return err_set(err, "%s has no sort key for \"from\", \"to\" and \"prefix\"",
		    index != NULL ? index->name : def->name);
	if (query->prefix.len > 0 && (query->from.len > 0 || query->to.len > 0))
		return err_set(err, "\"prefix\" stands alone, without \"from\" and \"to\"");
	if (check_value(query->hash, "key", err) < 0 || check_value(query->from, "from", err) < 0 ||
	    check_value(query->to, "to", err) < 0)
		return -1;
	if (query->prefix.len > ITEM_KEY_STRING_BYTES_MAX)
		return err_set(err, "\"prefix\" has at most %d bytes", ITEM_KEY_STRING_BYTES_MAX);
	if (query->after.len > 2 * ITEM_KEY_BYTES_MAX)
		return err_set(err, "\"after\" is not what a query gave as its end");
	return 0;
}

/* What comes behind all keys that start with the buffer's; empty: nothing does. */
static void
make_end(struct buf *key)
{
	while (key->len > 0 && key->data[key->len - 1] == 0xff)
		key->len--;
	if (key->len > 0)
		key->data[key->len - 1]++;
}

/* The beginning of all encoded strings that start so. */
static void
append_prefix(struct buf *out, struct bytes prefix)
{
	item_key_string(out, prefix);
	out->len -= 2; /* the end mark */
}

static void
clamp(const struct table_query *query, struct buf *lower, struct buf *upper)
{
	if (query->after.len == 0)
		return;
	if (query->reverse &&
	    (upper->len == 0 || bytes_compare(query->after, buf_bytes(upper)) < 0)) {
		buf_reset(upper);
		buf_append_bytes(upper, query->after);
	} else if (!query->reverse && bytes_compare(query->after, buf_bytes(lower)) >= 0) {
		buf_reset(lower);
		buf_append_bytes(lower, query->after);
		buf_append_u8(lower, 0);
	}
}

int
table_query_bounds(const struct table_def *def, const struct table_query *query, struct buf *lower,
    struct buf *upper, struct err *err)
{
	if (check(def, query, err) < 0)
		return -1;
	buf_append_bytes(lower, query->hash);
	buf_append_bytes(upper, query->hash);
	buf_append_bytes(lower, query->from);
	buf_append_bytes(upper, query->to);
	if (query->prefix.len > 0) {
		append_prefix(lower, query->prefix);
		append_prefix(upper, query->prefix);
	}
	make_end(upper);
	clamp(query, lower, upper);
	return 0;
}

void
table_after_write(struct bytes key, struct buf *text)
{
	for (size_t i = 0; i < key.len; i++)
		buf_printf(text, "%02x", key.data[i]);
}

static int
digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool
table_after_read(struct bytes text, struct buf *key)
{
	size_t before = key->len;

	for (size_t i = 0; i + 1 < text.len; i += 2) {
		int high = digit(text.data[i]), low = digit(text.data[i + 1]);

		if (high < 0 || low < 0)
			break;
		buf_append_u8(key, (uint8_t)(high << 4 | low));
	}
	if (text.len > 0 && key->len - before == text.len / 2 && text.len % 2 == 0)
		return true;
	key->len = before;
	return false;
}
