/* SPDX-License-Identifier: MIT
 * Tables: encoded keys, definitions as JSON and as frames, and queries out of a frame. The first
 * byte says which. What is taken must come back the same, and a range must be within its table.
 */
#include <assert.h>
#include <string.h>

#include "lib/item_key.h"
#include "lib/json_text.h"
#include "lib/table_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An encoded value that is taken is JSON that has the same encoding, unless it is one that no value
 * has. */
static void
try_key(struct bytes input)
{
	struct buf json = { 0 }, again = { 0 };
	struct bytes rest = input;
	size_t at;

	if (item_key_next(&rest, &json)) {
		assert(rest.len < input.len);
		if (json_text_is_valid(buf_bytes(&json), &at)) {
			assert(item_key_json(&again, buf_bytes(&json)));
			rest = buf_bytes(&again);
			assert(item_key_next(&rest, NULL) && rest.len == 0);
		}
	}
	buf_clear(&json);
	buf_clear(&again);
}

/* Two JSON values, a line each: their encodings are read back, and are in one order. */
static void
try_values(struct bytes input)
{
	const uint8_t *end = input.len > 0 ? memchr(input.data, '\n', input.len) : NULL;
	struct bytes one = bytes_of(input.data, end != NULL ? (size_t)(end - input.data) : 0);
	struct bytes two = bytes_of(input.data + one.len + 1, input.len - one.len - 1);
	struct buf a = { 0 }, b = { 0 }, json = { 0 }, again = { 0 };
	struct bytes left;
	size_t at;

	if (end != NULL && json_text_is_valid(one, &at) && json_text_is_valid(two, &at) &&
	    item_key_json(&a, one) && item_key_json(&b, two)) {
		left = buf_bytes(&a);
		assert(item_key_next(&left, &json) && left.len == 0);
		assert(item_key_json(&again, buf_bytes(&json)));
		assert(bytes_equal(buf_bytes(&a), buf_bytes(&again)));
		/* neither begins with the other */
		if (!bytes_equal(buf_bytes(&a), buf_bytes(&b)))
			assert(memcmp(a.data, b.data, a.len < b.len ? a.len : b.len) != 0);
	}
	buf_clear(&a);
	buf_clear(&b);
	buf_clear(&json);
	buf_clear(&again);
}

static void
try_definition(struct bytes input)
{
	struct table_def def, again, framed;
	struct buf json = { 0 }, frame = { 0 };
	struct cursor cursor;
	struct err err;

	if (table_def_read(input, &def, &err) < 0)
		return;
	table_def_write(&def, &json);
	assert(table_def_read(buf_bytes(&json), &again, &err) == 0);
	assert(table_def_equal(&def, &again));
	table_def_encode(&def, &frame);
	cursor = cursor_of(buf_bytes(&frame));
	assert(table_def_decode(&cursor, &framed) && cursor_end(&cursor));
	assert(table_def_equal(&def, &framed));
	table_def_clear(&def);
	table_def_clear(&again);
	table_def_clear(&framed);
	buf_clear(&json);
	buf_clear(&frame);
}

static void
try_frame(struct bytes input)
{
	struct cursor cursor = cursor_of(input);
	struct table_def def;

	if (table_def_decode(&cursor, &def))
		table_def_clear(&def);
}

static void
read_readings(struct table_def *def)
{
	struct err err;

	if (table_def_read(bytes_of_string("{\"name\":\"readings\",\"key\":\"id\",\"sort\":\"ts\","
					   "\"ttl\":\"ends\",\"indexes\":[{\"name\":\"by_place\","
					   "\"key\":\"place\"}]}"),
		def, &err) < 0)
		assert(false);
}

static void
try_query(struct bytes input)
{
	struct cursor cursor = cursor_of(input);
	struct buf lower = { 0 }, upper = { 0 };
	struct table_query query;
	struct table_def def;
	struct err err;

	read_readings(&def);
	table_query_decode(&cursor, &query);
	if (!cursor.bad && table_query_bounds(&def, &query, &lower, &upper, &err) == 0 &&
	    query.hash.len > 0 && query.after.len == 0) {
		assert(lower.len >= query.hash.len && upper.len > 0);
		assert(memcmp(lower.data, query.hash.data, query.hash.len) == 0);
	}
	buf_clear(&lower);
	buf_clear(&upper);
	table_def_clear(&def);
}

static void
try_item(struct bytes input)
{
	struct buf key = { 0 };
	struct table_def def;
	int64_t end_s;
	size_t at;

	read_readings(&def);
	if (table_item_key(&def, input, &key) == ITEM_OK) {
		assert(json_text_is_valid(input, &at));
		assert(table_key_is_valid(&def, buf_bytes(&key)));
		(void)table_item_ends(&def, input, &end_s);
	} else {
		assert(key.len == 0);
	}
	buf_clear(&key);
	table_def_clear(&def);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const tries[])(struct bytes input) = { try_key, try_values, try_definition,
		try_frame, try_query, try_item };
	enum { TRIES = sizeof(tries) / sizeof(*tries) };

	if (len > 0)
		tries[data[0] % TRIES](bytes_of(data + 1, len - 1)); /* '0' is the first */
	return 0;
}
