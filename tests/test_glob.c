/* SPDX-License-Identifier: MIT
 * Patterns for names.
 */
#include "lib/glob_index.h"
#include "tests/unit.h"

static const struct {
	const char *pattern;
	const char *name;
	bool matches;
} cases[] = {
	{ "car1", "car1", true },
	{ "car1", "car2", false },
	{ "car", "car1", false },
	{ "car1", "car", false },
	{ "*", "", true },
	{ "*", "anything", true },
	{ "", "", true },
	{ "", "x", false },
	{ "car-*", "car-", true },
	{ "car-*", "car-7", true },
	{ "car-*", "cab-7", false },
	{ "*-7", "car-7", true },
	{ "*-7", "car-77", false },
	{ "a*b*c", "aXbbYc", true },
	{ "a*b*c", "aXYc", false },
	{ "**", "x", true },
	{ "*ab", "aab", true },
	{ "a*a", "a", false },
};

static void
a_star_stands_for_any_bytes_and_all_else_for_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (glob_match(bytes_of_string(cases[i].pattern), bytes_of_string(cases[i].name)) !=
		    cases[i].matches)
			fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].name);
	}
}

static void
count_found(void *arg, struct glob_entry *entry)
{
	(void)entry;
	++*(int *)arg;
}

static int
found(const struct glob_index *index, const char *name)
{
	int count = 0;

	glob_index_match(index, bytes_of_string(name), count_found, &count);
	return count;
}

static void
an_index_finds_what_its_patterns_take(void **state)
{
	static const char *const patterns[] = { "a", "a", "b", "*", "a*", "" };
	enum { COUNT = sizeof(patterns) / sizeof(*patterns) };
	struct glob_entry entries[COUNT];
	struct glob_index index;

	(void)state;
	glob_index_init(&index);
	for (size_t i = 0; i < COUNT; i++)
		glob_index_add(&index, &entries[i], bytes_of_string(patterns[i]));
	assert_int_equal(found(&index, "a"), 4);
	assert_int_equal(found(&index, "ab"), 2);
	assert_int_equal(found(&index, "b"), 2);
	assert_int_equal(found(&index, ""), 2);
	glob_index_remove(&index, &entries[0]);
	assert_int_equal(found(&index, "a"), 3);
	for (size_t i = 1; i < COUNT; i++)
		glob_index_remove(&index, &entries[i]);
	assert_int_equal(found(&index, "a"), 0);
	glob_index_clear(&index);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_star_stands_for_any_bytes_and_all_else_for_itself),
		cmocka_unit_test(an_index_finds_what_its_patterns_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
