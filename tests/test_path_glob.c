/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <string.h>

#include "lib/path_glob.h"

static const struct {
	const char *pattern, *path;
	bool takes;
} cases[] = {
	{ "inbox/*.csv", "inbox/a.csv", true },
	{ "inbox/*.csv", "inbox/.csv", false },
	{ "inbox/*.csv", "inbox/a.csv.part", false },
	{ "inbox/*.csv", "inbox/sub/a.csv", false },
	{ "*", "a", true },
	{ "*", "a/b", false },
	{ "*", ".hidden", false },
	{ ".*", ".hidden", true },
	{ "a?c", "abc", true },
	{ "a?c", "a/c", false },
	{ "[a-c]x", "bx", true },
	{ "[!a-c]x", "bx", false },
	{ "[!a-c]x", "dx", true },
	{ "[]x]", "]", true },
	{ "**/*.csv", "a.csv", true },
	{ "**/*.csv", "x/y/a.csv", true },
	{ "in/**/a", "in/a", true },
	{ "in/**/a", "in/x/y/a", true },
	{ "in/**/a", "out/x/a", false },
	{ "in/**/x/*.b", "in/x/y/x/q.b", true },
	{ "a*b*c", "aXbYbZc", true },
	{ "a*b*c", "aXbYbZ", false },
	{ "a", "a/b", false },
	{ "a/b", "a", false },
};

static void
pattern_takes_its_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (path_glob_match(cases[i].pattern, cases[i].path) != cases[i].takes)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
	}
}

static void
wrong_pattern_is_refused(void **state)
{
	static const char *const wrong[] = { "", "/etc/*", "../x", "a/../b", "a//b", "a/", "./a",
		"a/[b" };
	static const char *const right[] = { "a", "a/b", "**/x", "[a]", "...", "a/[]]" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(path_glob_check(wrong[i], &err), -1);
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_int_equal(path_glob_check(right[i], &err), 0);
}

static void
many_stars_cost_little(void **state)
{
	char path[4097];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[4096] = '\0';
	assert_false(path_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
	for (int i = 1; i < 4096; i += 2)
		path[i] = '/';
	assert_false(path_glob_match("**/a/**/a/**/a/**/a/**/b", path));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_takes_its_paths),
		cmocka_unit_test(wrong_pattern_is_refused),
		cmocka_unit_test(many_stars_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
