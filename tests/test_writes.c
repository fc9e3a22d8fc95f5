/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <string.h>

#include "lib/writes.h"

static void
list_is_walked_in_order_and_keeps_its_kinds_apart(void **state)
{
	struct writes writes = { 0 };
	struct write write;
	size_t at = 0;

	(void)state;
	writes_put(&writes, SPACE_RETAINED, bytes_of_string("a/b"), bytes_of_string("on"));
	writes_put(&writes, SPACE_RETAINED, bytes_of_string("a/c"), bytes_of(NULL, 0));
	writes_delete(&writes, SPACE_SESSION, bytes_of_string("c1"));
	writes_expect(&writes, SPACE_ITEM, bytes_of_string("cars"), 0x123456789abcdef0);
	assert_int_equal(writes.count, 4);
	assert_int_equal(writes.expectations, 1);
	assert_true(writes_next(&writes, &at, &write));
	assert_true(bytes_equal_string(write.key, "a/b") && bytes_equal_string(write.value, "on"));
	assert_true(writes_next(&writes, &at, &write));
	assert_true(write.kind == WRITE_PUT && write.value.len == 0);
	assert_true(writes_next(&writes, &at, &write));
	assert_true(write.kind == WRITE_DELETE && write.space == SPACE_SESSION);
	assert_true(writes_next(&writes, &at, &write));
	assert_true(write.kind == WRITE_EXPECT && write.version == 0x123456789abcdef0);
	assert_false(writes_next(&writes, &at, &write));
	writes_clear(&writes);
}

static void
each_space_is_named_once_and_documented(void **state)
{
	(void)state;
	for (int i = 0; i < SPACE_COUNT; i++) {
		assert_non_null(space_rows[i].name);
		assert_true(strlen(space_rows[i].help) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(space_rows[i].name, space_rows[j].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_is_walked_in_order_and_keeps_its_kinds_apart),
		cmocka_unit_test(each_space_is_named_once_and_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
