/* SPDX-License-Identifier: MIT
 * The trie's nodes, and the two walks over them.
 */
#include "lib/trie.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/topic.h"

struct trie_node {
	struct hash_node link; /* in the parent's children, by the level's text */
	struct trie_node *parent;
	struct trie_node *plus;
	struct trie_node *hash;
	struct hash_map children;
	void **values;
	uint32_t count;
	uint32_t cap;
	char text[];
};

struct walk {
	void (*each)(void *arg, void *value);
	void *arg;
};

static struct trie_node *
node_new(struct trie_node *parent, struct bytes text)
{
	struct trie_node *node = xcalloc(1, sizeof(*node) + text.len);

	node->parent = parent;
	if (text.len > 0)
		memcpy(node->text, text.data, text.len);
	node->link.key = bytes_of(node->text, text.len);
	return node;
}

static struct trie_node **
wildcard_of(struct trie_node *node, struct bytes level)
{
	if (level.len == 1 && level.data[0] == '+')
		return &node->plus;
	if (level.len == 1 && level.data[0] == '#')
		return &node->hash;
	return NULL;
}

static struct trie_node *
child_of(const struct trie_node *node, struct bytes level)
{
	struct hash_node *found = hash_find(&node->children, level);

	return found != NULL ? HASH_OWNER(found, struct trie_node, link) : NULL;
}

static struct trie_node *
descend(struct trie_node *node, struct bytes level, bool create)
{
	struct trie_node **wildcard = wildcard_of(node, level);
	struct trie_node *child = wildcard != NULL ? *wildcard : child_of(node, level);

	if (child != NULL || !create)
		return child;
	child = node_new(node, level);
	if (wildcard != NULL)
		*wildcard = child;
	else
		hash_insert(&node->children, &child->link, child->link.key);
	return child;
}

static struct trie_node *
find(struct trie_node *node, struct bytes filter, bool create)
{
	bool more = true;

	while (node != NULL && more)
		node = descend(node, topic_level(&filter, &more), create);
	return node;
}

void
trie_add(struct trie *trie, struct bytes filter, void *value)
{
	struct trie_node *node;

	if (trie->root == NULL)
		trie->root = node_new(NULL, bytes_of(NULL, 0));
	node = find(trie->root, filter, true);
	if (node->count == node->cap) {
		node->cap = node->cap == 0 ? 1 : node->cap * 2;
		node->values = xrealloc(node->values, node->cap * sizeof(*node->values));
	}
	node->values[node->count++] = value;
	trie->count++;
}

static bool
is_bare(const struct trie_node *node)
{
	return node->count == 0 && node->plus == NULL && node->hash == NULL &&
	       node->children.count == 0;
}

static void
unlink_node(struct trie_node *node)
{
	struct trie_node *parent = node->parent;

	if (parent->plus == node)
		parent->plus = NULL;
	else if (parent->hash == node)
		parent->hash = NULL;
	else
		hash_remove(&parent->children, &node->link);
	if (parent->children.count == 0)
		hash_clear(&parent->children);
}

static void
prune(struct trie_node *node)
{
	while (node->parent != NULL && is_bare(node)) {
		struct trie_node *parent = node->parent;

		unlink_node(node);
		free(node->values);
		hash_clear(&node->children);
		free(node);
		node = parent;
	}
}

bool
trie_remove(struct trie *trie, struct bytes filter, void *value)
{
	struct trie_node *node = trie->root != NULL ? find(trie->root, filter, false) : NULL;

	for (uint32_t i = 0; node != NULL && i < node->count; i++) {
		if (node->values[i] != value)
			continue;
		memmove(node->values + i, node->values + i + 1,
		    (node->count - i - 1) * sizeof(*node->values));
		node->count--;
		trie->count--;
		prune(node);
		return true;
	}
	return false;
}

void *
trie_get(const struct trie *trie, struct bytes filter)
{
	struct trie_node *node = trie->root != NULL ? find(trie->root, filter, false) : NULL;

	return node != NULL && node->count > 0 ? node->values[0] : NULL;
}

static void
report(const struct trie_node *node, const struct walk *walk)
{
	for (uint32_t i = 0; i < node->count; i++)
		walk->each(walk->arg, node->values[i]);
}

/* `more`: there are levels left in `rest`. "a/#" takes "a" too (MQTT 5.0 §4.7.1.2). */
static void
match_below(const struct trie_node *node, struct bytes rest, bool more, const struct walk *walk)
{
	bool dollar = node->parent == NULL && rest.len > 0 && rest.data[0] == '$';
	const struct trie_node *child;
	struct bytes level;

	if (node->hash != NULL && !dollar)
		report(node->hash, walk);
	if (!more) {
		report(node, walk);
		return;
	}
	level = topic_level(&rest, &more);
	if (node->plus != NULL && !dollar)
		match_below(node->plus, rest, more, walk);
	child = child_of(node, level);
	if (child != NULL)
		match_below(child, rest, more, walk);
}

void
trie_match(
    const struct trie *trie, struct bytes name, void (*each)(void *arg, void *value), void *arg)
{
	const struct walk walk = { each, arg };

	if (trie->root != NULL && trie->count > 0)
		match_below(trie->root, name, true, &walk);
}

static bool
is_hidden(const struct trie_node *parent, const struct trie_node *child)
{
	return parent->parent == NULL && child->link.key.len > 0 && child->text[0] == '$';
}

static void
report_all(const struct trie_node *node, const struct walk *walk)
{
	report(node, walk);
	for (struct hash_node *at = hash_next(&node->children, NULL); at != NULL;
	     at = hash_next(&node->children, at)) {
		const struct trie_node *child = HASH_OWNER(at, struct trie_node, link);

		if (!is_hidden(node, child))
			report_all(child, walk);
	}
}

static void
select_below(const struct trie_node *node, struct bytes rest, bool more, const struct walk *walk)
{
	const struct trie_node *child;
	struct bytes level;

	if (!more) {
		report(node, walk);
		return;
	}
	level = topic_level(&rest, &more);
	if (bytes_equal_string(level, "#")) {
		report_all(node, walk);
	} else if (!bytes_equal_string(level, "+")) {
		child = child_of(node, level);
		if (child != NULL)
			select_below(child, rest, more, walk);
	} else {
		for (struct hash_node *at = hash_next(&node->children, NULL); at != NULL;
		     at = hash_next(&node->children, at)) {
			child = HASH_OWNER(at, struct trie_node, link);
			if (!is_hidden(node, child))
				select_below(child, rest, more, walk);
		}
	}
}

void
trie_select(
    const struct trie *trie, struct bytes filter, void (*each)(void *arg, void *value), void *arg)
{
	const struct walk walk = { each, arg };

	if (trie->root != NULL && trie->count > 0)
		select_below(trie->root, filter, true, &walk);
}

static void
free_below(struct trie_node *node)
{
	struct hash_node *at, *next;

	if (node == NULL)
		return;
	free_below(node->plus);
	free_below(node->hash);
	for (at = hash_next(&node->children, NULL); at != NULL; at = next) {
		next = hash_next(&node->children, at);
		free_below(HASH_OWNER(at, struct trie_node, link));
	}
	hash_clear(&node->children);
	free(node->values);
	free(node);
}

void
trie_clear(struct trie *trie)
{
	free_below(trie->root);
	*trie = (struct trie){ 0 };
}
