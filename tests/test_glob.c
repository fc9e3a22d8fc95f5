/* SPDX-License-Identifier: MIT
 * Patterns for names.
 */
#include "lib/glob.h"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_star_stands_for_any_bytes_and_all_else_for_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
