/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"

static void
buffer_grows_and_keeps_what_was_appended(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&buf, "%d,", i % 10);
	assert_int_equal(buf.len, 2000);
	assert_memory_equal(buf.data, "0,1,2,", 6);
	buf_drain(&buf, 1990);
	assert_string_equal(buf_string(&buf), "5,6,7,8,9,");
	buf_clear(&buf);
	assert_null(buf.data);
}

static void
views_compare_as_memory_with_the_prefix_first(void **state)
{
	(void)state;
	assert_int_equal(bytes_compare(bytes_of_string("a"), bytes_of_string("ab")), -1);
	assert_int_equal(bytes_compare(bytes_of_string("ab"), bytes_of_string("ab")), 0);
	assert_true(bytes_compare(bytes_of_string("b"), bytes_of_string("ab")) > 0);
	assert_true(bytes_equal_string(bytes_of(NULL, 0), ""));
}

static void
block_is_freed_with_its_last_reference(void **state)
{
	struct blob *blob = blob_new(bytes_of_string("shared"));

	(void)state;
	blob_ref(blob);
	blob_unref(blob);
	assert_true(bytes_equal_string(blob_bytes(blob), "shared"));
	blob_unref(blob);
}

static void
error_gains_what_each_level_knew(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, "no such file"), -1);
	assert_int_equal(err_prefix(&err, "open %s", "x"), -1);
	assert_string_equal(err.text, "open x: no such file");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_grows_and_keeps_what_was_appended),
		cmocka_unit_test(views_compare_as_memory_with_the_prefix_first),
		cmocka_unit_test(block_is_freed_with_its_last_reference),
		cmocka_unit_test(error_gains_what_each_level_knew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
