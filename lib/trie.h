/* SPDX-License-Identifier: MIT
 * The subscription trie: from a topic name to the values of all filters that take it, and from a
 * filter to the values of all names that it takes.
 *
 * One node for each level; its children by their text in a hash map, the two wildcards apart:
 *
 *      root ─ "iot" ─┬─ "ccar-ad" ─ (+) : values of iot/ccar-ad/+
 *                    └─ (#)             : values of iot/#
 *
 * A lookup costs one hash of each level and what it finds; nothing is allocated. Nodes without
 * values and children are freed at once.
 */
#ifndef LIB_TRIE_H
#define LIB_TRIE_H

#include "lib/bytes.h"

struct trie_node;

/* All zero is a valid empty trie. */
struct trie {
	struct trie_node *root;
	size_t count; /* values in it */
};

void trie_clear(struct trie *trie); /* frees nodes, not values */

/* `filter`: a valid topic filter without "$share", or a topic name. The same value may stand at
 * several filters; twice at one filter counts twice. */
void trie_add(struct trie *trie, struct bytes filter, void *value);
bool trie_remove(struct trie *trie, struct bytes filter, void *value); /* false: not there */

/* Calls `each` for every value whose filter takes `name`. It must not change the trie. */
void trie_match(
    const struct trie *trie, struct bytes name, void (*each)(void *arg, void *value), void *arg);

/* For a trie of topic names: calls `each` for every value whose name `filter` takes. */
void trie_select(
    const struct trie *trie, struct bytes filter, void (*each)(void *arg, void *value), void *arg);

/* The value that stands at exactly this filter or name; NULL where there is none. */
void *trie_get(const struct trie *trie, struct bytes filter);

#endif
