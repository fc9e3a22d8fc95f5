/* SPDX-License-Identifier: MIT
 * Names in a map, each with the entries that ask for it; patterns with a star in a list.
 */
#include "lib/glob_index.h"

#include <stdlib.h>

struct glob_name {
	struct hash_node link;
	struct glob_entries entries;
	uint8_t text[];
};

void
glob_index_init(struct glob_index *index)
{
	*index = (struct glob_index){ 0 };
	TAILQ_INIT(&index->wild);
}

void
glob_index_clear(struct glob_index *index)
{
	hash_clear(&index->names);
}

static struct glob_name *
name_find(const struct glob_index *index, struct bytes text)
{
	struct hash_node *node = hash_find(&index->names, text);

	return node != NULL ? HASH_OWNER(node, struct glob_name, link) : NULL;
}

static struct glob_name *
name_get(struct glob_index *index, struct bytes text)
{
	struct glob_name *name = name_find(index, text);

	if (name != NULL)
		return name;
	name = xmalloc(sizeof(*name) + text.len + 1);
	TAILQ_INIT(&name->entries);
	if (text.len > 0)
		memcpy(name->text, text.data, text.len);
	hash_insert(&index->names, &name->link, bytes_of(name->text, text.len));
	return name;
}

void
glob_index_add(struct glob_index *index, struct glob_entry *entry, struct bytes pattern)
{
	bool is_wild = pattern.len > 0 && memchr(pattern.data, '*', pattern.len) != NULL;

	entry->pattern = pattern;
	entry->name = is_wild ? NULL : name_get(index, pattern);
	if (is_wild)
		TAILQ_INSERT_TAIL(&index->wild, entry, link);
	else
		TAILQ_INSERT_TAIL(&entry->name->entries, entry, link);
}

void
glob_index_remove(struct glob_index *index, struct glob_entry *entry)
{
	struct glob_name *name = entry->name;

	if (name == NULL) {
		TAILQ_REMOVE(&index->wild, entry, link);
		return;
	}
	TAILQ_REMOVE(&name->entries, entry, link);
	if (!TAILQ_EMPTY(&name->entries))
		return;
	hash_remove(&index->names, &name->link);
	free(name);
}

void
glob_index_match(const struct glob_index *index, struct bytes name, glob_found_fn *found, void *arg)
{
	const struct glob_name *plain = name_find(index, name);
	struct glob_entry *entry;

	if (plain != NULL) {
		TAILQ_FOREACH (entry, &plain->entries, link)
			found(arg, entry);
	}
	TAILQ_FOREACH (entry, &index->wild, link) {
		if (glob_match(entry->pattern, name))
			found(arg, entry);
	}
}
