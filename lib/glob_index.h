/* SPDX-License-Identifier: MIT
 * Many patterns (lib/glob.h): those without a star are found by hash, the others one after another.
 */
#ifndef LIB_GLOB_INDEX_H
#define LIB_GLOB_INDEX_H

#include "lib/glob.h"
#include "lib/hash.h"
#include "lib/queue.h"

struct glob_name;

/* Embedded in what is found. */
struct glob_entry {
	TAILQ_ENTRY(glob_entry) link;
	struct glob_name *name; /* NULL: the pattern has a star */
	struct bytes pattern;	/* its owner's; must last */
};

TAILQ_HEAD(glob_entries, glob_entry);

struct glob_index {
	struct hash_map names;
	struct glob_entries wild;
};

void glob_index_init(struct glob_index *index);
void glob_index_clear(struct glob_index *index); /* nothing may be in it */

void glob_index_add(struct glob_index *index, struct glob_entry *entry, struct bytes pattern);
void glob_index_remove(struct glob_index *index, struct glob_entry *entry);

/* Calls `found` for every entry whose pattern takes the name; it must not change the index. */
typedef void glob_found_fn(void *arg, struct glob_entry *entry);
void glob_index_match(
    const struct glob_index *index, struct bytes name, glob_found_fn *found, void *arg);

#endif
