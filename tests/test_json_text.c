/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <cjson/cJSON.h>

#include "lib/json_numbers.h"
#include "lib/json_text.h"

static const struct {
	const char *text;
	bool valid;
} cases[] = {
	{ "1", true },
	{ " [ ] ", true },
	{ "{\"a\":[1,2.5e-3,\"x\\u00e9\\n\",null,true]}", true },
	{ "", false },
	{ "01", false },
	{ "1.", false },
	{ "-", false },
	{ "+1", false },
	{ "[1,]", false },
	{ "{\"a\" 1}", false },
	{ "{a:1}", false },
	{ "\"\n\"", false },
	{ "\"\\x\"", false },
	{ "\"\\u12g4\"", false },
	{ "\"\xff\"", false },
	{ "nul", false },
	{ "1 2", false },
	{ "[1", false },
	{ "\"a", false },
	{ "NaN", false },
	{ "1e", false },
	{ "{\"a\":1,}", false },
	{ "{} x", false },
	{ "-0.5E+10", true },
};

static void
text_is_json_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t at;

		if (json_text_is_valid(bytes_of_string(cases[i].text), &at) != cases[i].valid)
			fail_msg("%s", cases[i].text);
	}
}

static void
depth_is_bounded(void **state)
{
	struct buf text = { 0 };
	size_t at;

	(void)state;
	for (int i = 0; i < JSON_TEXT_DEPTH_MAX; i++)
		buf_append_string(&text, "[");
	for (int i = 0; i < JSON_TEXT_DEPTH_MAX; i++)
		buf_append_string(&text, "]");
	assert_true(json_text_is_valid(buf_bytes(&text), &at));
	buf_reset(&text);
	for (int i = 0; i < 100000; i++)
		buf_append_string(&text, "[");
	assert_false(json_text_is_valid(buf_bytes(&text), &at));
	assert_int_equal(at, JSON_TEXT_DEPTH_MAX);
	buf_clear(&text);
}

static void
assert_member(const char *object, const char *name, const char *value)
{
	struct bytes found = json_text_member(bytes_of_string(object), bytes_of_string(name));

	if (!bytes_equal_string(found, value))
		fail_msg("%s %s", object, name);
}

static void
member_is_found_by_what_its_name_says(void **state)
{
	(void)state;
	assert_member("{\"a\": 1 ,\"b\":{\"a\":2}}", "a", "1");
	assert_member("{\"a\": 1 ,\"b\":{\"a\":2}}", "b", "{\"a\":2}");
	assert_member("{\"\\u0061\":\"x\"}", "a", "\"x\"");
	assert_member("{\"a\":1,\"a\":2}", "a", "2");
	assert_member("{}", "a", "");
}

static void
string_is_quoted_and_unescaped(void **state)
{
	struct buf out = { 0 };

	(void)state;
	json_text_unescape(
	    bytes_of_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud83d\""), &out);
	assert_string_equal(
	    buf_string(&out), "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd");
	buf_reset(&out);
	json_text_quote(bytes_of_string("a\"\\\n\x01"), &out);
	assert_string_equal(buf_string(&out), "\"a\\\"\\\\\\u000a\\u0001\"");
	buf_clear(&out);
}

static void
levels_are_counted_outside_of_strings(void **state)
{
	(void)state;
	assert_true(json_text_is_within(bytes_of_string("{\"a[[\\\"{\":[1,[2]],\"b\":[{}]}"), 3));
	assert_false(json_text_is_within(bytes_of_string("{\"a\":[1,[2]],\"b\":[{}]}"), 2));
	assert_true(json_text_is_within(bytes_of_string("7"), 1));
}

static void
numbers_beyond_doubles_are_found(void **state)
{
	static const char *const finite[] = { "7", "-1e308", "{\"a\":[1,\"1e999\",\"\\\"-1e999\"]}",
		"[0.5,1e-999]", "\"1e999\"", "null" };
	static const char *const infinite[] = { "1e999", "-1e999", "{\"a\":[1,{\"b\":2E+400}]}",
		"[\"x\\\\\",1e309]" };
	char digits[401];

	(void)state;
	for (size_t i = 0; i < sizeof(finite) / sizeof(*finite); i++)
		assert_true(json_text_is_finite(bytes_of_string(finite[i])));
	for (size_t i = 0; i < sizeof(infinite) / sizeof(*infinite); i++)
		assert_false(json_text_is_finite(bytes_of_string(infinite[i])));
	memset(digits, '9', sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	assert_false(json_text_is_finite(bytes_of_string(digits)));
}

static void
trees_print_numbers_as_they_were_written(void **state)
{
	static const char *const texts[] = { "9007199254740993", "-9223372036854775808",
		"{\"a\":[1,0.30000000000000004,{\"7\":\"-8\\\"9\",\"b\":18446744073709551615}],"
		"\"c\":0.1}",
		"[100000000000000001,1795374000000123,true,false,null,\"\\\\\",12345678.123456789]",
		"{}" };
	static const struct {
		const char *text, *printed;
	} others[] = { { "[1e999,1.0,1e2]", "[null,1,100]" },
		{ "[ 1 , 9007199254740993 ]", "[1,9007199254740993]" } };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) + sizeof(others) / sizeof(*others);
	     i++) {
		size_t other = i - sizeof(texts) / sizeof(*texts);
		bool same = i < sizeof(texts) / sizeof(*texts);
		const char *text = same ? texts[i] : others[other].text;
		cJSON *tree = cJSON_Parse(text);
		char *printed;

		json_numbers_keep(tree, bytes_of_string(text));
		printed = cJSON_PrintUnformatted(tree);
		assert_string_equal(printed, same ? text : others[other].printed);
		cJSON_free(printed);
		json_numbers_keep(tree, bytes_of_string("[7]")); /* of another text: nothing */
		cJSON_Delete(tree);
	}
	json_numbers_keep(NULL, bytes_of_string("7"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_print_numbers_as_they_were_written),
		cmocka_unit_test(numbers_beyond_doubles_are_found),
		cmocka_unit_test(levels_are_counted_outside_of_strings),
		cmocka_unit_test(text_is_json_or_not),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(member_is_found_by_what_its_name_says),
		cmocka_unit_test(string_is_quoted_and_unescaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
