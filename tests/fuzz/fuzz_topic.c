/* SPDX-License-Identifier: MIT
 * Topics and the trie: lines of filters, the last line a name. The trie must find what a plain
 * matcher finds, in both directions, and be empty when all was removed.
 */
#include <assert.h>
#include <string.h>

#include "lib/topic.h"
#include "lib/trie.h"
#include "lib/utf8.h"

enum { FILTERS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
count_value(void *arg, void *value)
{
	(void)value;
	(*(size_t *)arg)++;
}

static struct bytes
next_line(struct bytes *left)
{
	const uint8_t *end = left->len > 0 ? memchr(left->data, '\n', left->len) : NULL;
	struct bytes line = *left;

	if (end == NULL) {
		*left = bytes_of(left->data + left->len, 0);
		return line;
	}
	line.len = (size_t)(end - line.data);
	*left = bytes_of(end + 1, left->len - line.len - 1);
	return line;
}

static void
check_filter(struct bytes filter, struct bytes name)
{
	struct trie names = { 0 };
	size_t found = 0;

	assert(topic_covers(filter, filter));
	assert(topic_match(filter, name) == topic_covers(filter, name));
	trie_add(&names, name, &found);
	trie_select(&names, filter, count_value, &found);
	assert(found == (topic_match(filter, name) ? 1u : 0u));
	trie_clear(&names);
}

static void
check_all(const struct bytes *filters, size_t count, struct bytes name)
{
	size_t found = 0, expected = 0;
	struct trie trie = { 0 };

	for (size_t i = 0; i < count; i++) {
		trie_add(&trie, filters[i], &found);
		expected += topic_match(filters[i], name);
		check_filter(filters[i], name);
	}
	trie_match(&trie, name, count_value, &found);
	assert(found == expected);
	for (size_t i = 0; i < count; i++)
		assert(trie_remove(&trie, filters[i], &found));
	assert(trie.count == 0);
	trie_clear(&trie);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes left = bytes_of(data, len), filters[FILTERS_MAX], group, line;
	size_t count = 0;

	while (line = next_line(&left), left.len > 0 && count < FILTERS_MAX) {
		if (topic_filter_check(line) == TOPIC_OK)
			topic_share_split(line, &group, &filters[count++]);
		else
			assert(topic_defect_text(topic_filter_check(line)) != NULL);
	}
	if (topic_name_check(line) != TOPIC_OK)
		return 0;
	assert(utf8_is_mqtt_string(line));
	check_all(filters, count, line);
	return 0;
}
