/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topic.h"
#include "lib/trie.h"

enum { FILTERS = 300, NAMES = 300 };

static const char *const levels[] = { "a", "b", "c", "", "$d" };

static void
random_topic(char *out, size_t size, bool filter)
{
	int depth = 1 + rand() % 4;

	out[0] = '\0';
	for (int i = 0; i < depth; i++) {
		const char *level = levels[rand() % 5];

		if (filter && rand() % 4 == 0)
			level = "+";
		if (filter && i == depth - 1 && rand() % 4 == 0)
			level = "#";
		(void)snprintf(
		    out + strlen(out), size - strlen(out), "%s%s", i > 0 ? "/" : "", level);
	}
	if (out[0] == '\0')
		(void)snprintf(out, size, "a");
}

static void
count_value(void *arg, void *value)
{
	(void)value;
	(*(int *)arg)++;
}

static void
random_filters_find_what_a_plain_matcher_finds(void **state)
{
	static char filters[FILTERS][64];
	struct trie trie = { 0 };

	(void)state;
	srand(7);
	for (int i = 0; i < FILTERS; i++) {
		random_topic(filters[i], sizeof(filters[i]), true);
		trie_add(&trie, bytes_of_string(filters[i]), filters[i]);
	}
	for (int left = FILTERS; left >= 0; left -= FILTERS / 3) {
		for (int i = 0; i < NAMES; i++) {
			int found = 0, expected = 0;
			char name[64];

			random_topic(name, sizeof(name), false);
			for (int j = 0; j < left; j++)
				expected +=
				    topic_match(bytes_of_string(filters[j]), bytes_of_string(name));
			trie_match(&trie, bytes_of_string(name), count_value, &found);
			assert_int_equal(found, expected);
		}
		for (int j = left - FILTERS / 3; j >= 0 && j < left; j++)
			assert_true(trie_remove(&trie, bytes_of_string(filters[j]), filters[j]));
	}
	assert_int_equal(trie.count, 0);
	trie_clear(&trie);
}

static void
random_names_are_selected_as_a_plain_matcher_selects_them(void **state)
{
	static char names[NAMES][64];
	struct trie trie = { 0 };

	(void)state;
	srand(9);
	for (int i = 0; i < NAMES; i++) {
		random_topic(names[i], sizeof(names[i]), false);
		trie_add(&trie, bytes_of_string(names[i]), names[i]);
	}
	for (int i = 0; i < FILTERS; i++) {
		int found = 0, expected = 0;
		char filter[64];

		random_topic(filter, sizeof(filter), true);
		for (int j = 0; j < NAMES; j++)
			expected += topic_match(bytes_of_string(filter), bytes_of_string(names[j]));
		trie_select(&trie, bytes_of_string(filter), count_value, &found);
		assert_int_equal(found, expected);
	}
	trie_clear(&trie);
}

static void
value_is_gone_when_it_was_removed_as_often_as_added(void **state)
{
	struct bytes filter = bytes_of_string("a/+/c");
	struct trie trie = { 0 };
	int value;

	(void)state;
	trie_add(&trie, filter, &value);
	trie_add(&trie, filter, &value);
	assert_ptr_equal(trie_get(&trie, filter), &value);
	assert_true(trie_remove(&trie, filter, &value));
	assert_ptr_equal(trie_get(&trie, filter), &value);
	assert_true(trie_remove(&trie, filter, &value));
	assert_null(trie_get(&trie, filter));
	assert_false(trie_remove(&trie, filter, &value));
	trie_clear(&trie);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_filters_find_what_a_plain_matcher_finds),
		cmocka_unit_test(random_names_are_selected_as_a_plain_matcher_selects_them),
		cmocka_unit_test(value_is_gone_when_it_was_removed_as_often_as_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
