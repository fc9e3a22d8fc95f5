/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "lib/item_key.h"
#include "lib/table_def.h"

/* In the order in which they must stand. */
static const char *const ordered[] = { "-9223372036854775808", "-9223372036854775807", "-1e15",
	"-3.5", "-1", "-0.5", "0", "1e-300", "0.5", "1", "1.5", "2", "10", "9007199254740991",
	"9007199254740992", "9007199254740993", "9007199254740994", "9223372036854775806",
	"9223372036854775807", "1e300", "\"\\u0000\"", "\"\\u0000a\"", "\"\\u0001\"", "\"a\"",
	"\"a\\u0000\"", "\"ab\"", "\"b\"", "\"\\u00e9\"" };

enum { ORDERED = sizeof(ordered) / sizeof(*ordered) };

static void
encode(const char *json, struct buf *key)
{
	buf_reset(key);
	if (!item_key_json(key, bytes_of_string(json)))
		fail_msg("%s", json);
}

static void
keys_stand_in_the_order_of_their_values(void **state)
{
	struct buf a = { 0 }, b = { 0 };

	(void)state;
	for (int i = 0; i < ORDERED; i++) {
		for (int j = 0; j < ORDERED; j++) {
			int order;

			encode(ordered[i], &a);
			encode(ordered[j], &b);
			order = bytes_compare(buf_bytes(&a), buf_bytes(&b));
			if ((order < 0) != (i < j) || (order == 0) != (i == j))
				fail_msg("%s and %s", ordered[i], ordered[j]);
		}
	}
	buf_clear(&a);
	buf_clear(&b);
}

static void
same_number_has_one_key_however_it_is_written(void **state)
{
	static const char *const same[][2] = { { "1", "1.0" }, { "10", "1e1" }, { "0", "-0.0" },
		{ "\"a\"", "\"\\u0061\"" }, { "-2", "-2.000" } };
	struct buf a = { 0 }, b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		encode(same[i][0], &a);
		encode(same[i][1], &b);
		assert_true(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
	}
	buf_clear(&a);
	buf_clear(&b);
}

static void
key_is_read_back(void **state)
{
	struct buf key = { 0 }, json = { 0 };

	(void)state;
	for (int i = 0; i < ORDERED; i++) {
		struct bytes rest;
		struct buf again = { 0 };

		encode(ordered[i], &key);
		rest = buf_bytes(&key);
		buf_reset(&json);
		assert_true(item_key_next(&rest, &json));
		assert_int_equal(rest.len, 0);
		encode(buf_string(&json), &again);
		assert_true(bytes_equal(buf_bytes(&key), buf_bytes(&again)));
		for (size_t cut = 0; cut < key.len; cut++) {
			rest = bytes_of(key.data, cut);
			assert_false(item_key_next(&rest, NULL));
		}
		buf_clear(&again);
	}
	buf_clear(&key);
	buf_clear(&json);
}

static void
definition_is_read_and_written(void **state)
{
	static const char text[] =
	    "{\"name\":\"cars\",\"key\":\"id\",\"sort\":\"ts\",\"ttl\":\"expires\",\"indexes\":"
	    "[{\"name\":\"by_place\",\"key\":\"place\",\"sort\":\"ts\"}]}";
	struct table_def def, again;
	struct buf json = { 0 }, frame = { 0 };
	struct cursor cursor;
	struct err err;

	(void)state;
	assert_int_equal(table_def_read(bytes_of_string(text), &def, &err), 0);
	table_def_encode(&def, &frame);
	cursor = cursor_of(buf_bytes(&frame));
	assert_true(table_def_decode(&cursor, &again));
	table_def_write(&again, &json);
	assert_string_equal(buf_string(&json), text);
	table_def_clear(&def);
	table_def_clear(&again);
	buf_clear(&json);
	buf_clear(&frame);
}

static void
wrong_definition_is_named(void **state)
{
	static const char *const wrong[][2] = { { "[]", "object" },
		{ "{\"name\":\"cars\"}", "key" }, { "{\"name\":\"1\",\"key\":\"id\"}", "table" },
		{ "{\"name\":\"a\",\"key\":\"id\",\"sort\":\"id\"}", "same" },
		{ "{\"name\":\"a\",\"key\":7}", "\"key\" must be" },
		{ "{\"name\":\"a\",\"key\":\"id\",\"x\":1}", "\"x\" is unknown" },
		{ "{\"name\":\"a\",\"key\":\"id\",\"indexes\":[{\"name\":\"i\"}]}",
		    "key of an index" },
		{ "{\"name\":\"a\",\"key\":\"id\",\"indexes\":[{\"name\":\"i\",\"key\":\"x\"},"
		  "{\"name\":\"i\",\"key\":\"x\"}]}",
		    "twice" } };
	struct table_def def;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(table_def_read(bytes_of_string(wrong[i][0]), &def, &err), -1);
		if (strstr(err.text, wrong[i][1]) == NULL)
			fail_msg("%s: %s", wrong[i][0], err.text);
	}
}

static void
item_without_a_proper_key_is_refused(void **state)
{
	static const struct {
		const char *item;
		enum item_defect defect;
	} cases[] = { { "{\"id\":\"a\",\"ts\":1}", ITEM_OK },
		{ "{\"id\":7,\"ts\":\"x\"}", ITEM_OK }, { "{\"ts\":1}", ITEM_NO_HASH },
		{ "{\"id\":null,\"ts\":1}", ITEM_BAD_HASH },
		{ "{\"id\":\"\",\"ts\":1}", ITEM_BAD_HASH },
		{ "{\"id\":{},\"ts\":1}", ITEM_BAD_HASH }, { "{\"id\":\"a\"}", ITEM_NO_SORT },
		{ "{\"id\":\"a\",\"ts\":true}", ITEM_BAD_SORT }, { "[]", ITEM_NOT_OBJECT },
		{ "{\"id\":\"a\",\"ts\":1", ITEM_NOT_OBJECT } };
	struct table_def def;
	struct buf key = { 0 }, json = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
	    table_def_read(
		bytes_of_string("{\"name\":\"t\",\"key\":\"id\",\"sort\":\"ts\"}"), &def, &err),
	    0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_reset(&key);
		assert_int_equal(
		    table_item_key(&def, bytes_of_string(cases[i].item), &key), cases[i].defect);
		assert_int_equal(key.len > 0, cases[i].defect == ITEM_OK);
		assert_int_equal(
		    table_key_is_valid(&def, buf_bytes(&key)), cases[i].defect == ITEM_OK);
	}
	buf_reset(&key);
	(void)table_item_key(&def, bytes_of_string(cases[1].item), &key);
	table_key_write(&def, buf_bytes(&key), &json);
	assert_string_equal(buf_string(&json), cases[1].item);
	table_def_clear(&def);
	buf_clear(&key);
	buf_clear(&json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_stand_in_the_order_of_their_values),
		cmocka_unit_test(same_number_has_one_key_however_it_is_written),
		cmocka_unit_test(key_is_read_back),
		cmocka_unit_test(definition_is_read_and_written),
		cmocka_unit_test(wrong_definition_is_named),
		cmocka_unit_test(item_without_a_proper_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
