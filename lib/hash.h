/* SPDX-License-Identifier: MIT
 * A keyed hash of byte strings and a map whose nodes stand inside what they find.
 *
 * The hash is SipHash-1-3 under a key drawn at start, so that nobody outside can choose names that
 * fall into one slot. A map is a power of two of chains; inserting allocates nothing but, now and
 * then, a larger table.
 */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include "lib/bytes.h"

/* The key of all hashes in this process; set once before the first map is used. */
void hash_seed(const uint8_t key[16]);
uint64_t hash_bytes(struct bytes bytes);
/* The same under a key of the caller's: who sees results learns nothing of the key. */
uint64_t hash_keyed(const uint64_t key[2], struct bytes bytes);

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
	struct bytes key; /* owned by whoever owns the node; must not change while it is in a map */
};

/* All zero is a valid empty map. */
struct hash_map {
	struct hash_node **slots;
	uint32_t count;
	uint32_t mask; /* slots - 1; 0 with `slots` NULL: no table yet */
};

struct hash_node *hash_find(const struct hash_map *map, struct bytes key); /* NULL: not there */
struct hash_node *hash_find_hashed(const struct hash_map *map, struct bytes key, uint64_t hash);
/* `key` must not be in the map yet. */
void hash_insert(struct hash_map *map, struct hash_node *node, struct bytes key);
void hash_insert_hashed(
    struct hash_map *map, struct hash_node *node, struct bytes key, uint64_t hash);
void hash_remove(struct hash_map *map, struct hash_node *node); /* must be in the map */
void hash_clear(struct hash_map *map);				/* frees the table, not the nodes */

/* Walks all nodes in no order: NULL begins, NULL ends. The node given may have been removed only
 * where its `next` and `hash` are still readable. */
struct hash_node *hash_next(const struct hash_map *map, const struct hash_node *node);

#define HASH_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
