/* SPDX-License-Identifier: MIT
 * SipHash-1-3 (Aumasson and Bernstein, 2012, with one and three rounds) and the chained map.
 */
#include "lib/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 8 };

static uint64_t seed[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };

struct sip {
	uint64_t v0, v1, v2, v3;
};

void
hash_seed(const uint8_t key[16])
{
	memcpy(seed, key, sizeof(seed));
}

static inline uint64_t
rotate(uint64_t value, int by)
{
	return value << by | value >> (64 - by);
}

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void
sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

uint64_t
hash_bytes(struct bytes bytes)
{
	return hash_keyed(seed, bytes);
}

uint64_t
hash_keyed(const uint64_t key[2], struct bytes bytes)
{
	struct sip s = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
		key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
	size_t i = 0;
	uint64_t word;

	for (; i + 8 <= bytes.len; i += 8) {
		memcpy(&word, bytes.data + i, 8);
		sip_word(&s, word);
	}
	word = (uint64_t)bytes.len << 56;
	for (int shift = 0; i < bytes.len; i++, shift += 8)
		word |= (uint64_t)bytes.data[i] << shift;
	sip_word(&s, word);
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

struct hash_node *
hash_find_hashed(const struct hash_map *map, struct bytes key, uint64_t hash)
{
	struct hash_node *node;

	if (map->count == 0)
		return NULL;
	for (node = map->slots[hash & map->mask]; node != NULL; node = node->next) {
		if (node->hash == hash && bytes_equal(node->key, key))
			return node;
	}
	return NULL;
}

struct hash_node *
hash_find(const struct hash_map *map, struct bytes key)
{
	return map->count > 0 ? hash_find_hashed(map, key, hash_bytes(key)) : NULL;
}

static void
resize(struct hash_map *map, uint32_t slots)
{
	struct hash_node **table = xcalloc(slots, sizeof(*table));

	for (size_t i = 0; map->slots != NULL && i <= map->mask; i++) {
		struct hash_node *node = map->slots[i];

		while (node != NULL) {
			struct hash_node *next = node->next;

			node->next = table[node->hash & (slots - 1)];
			table[node->hash & (slots - 1)] = node;
			node = next;
		}
	}
	free(map->slots);
	map->slots = table;
	map->mask = slots - 1;
}

void
hash_insert_hashed(struct hash_map *map, struct hash_node *node, struct bytes key, uint64_t hash)
{
	if (map->slots == NULL)
		resize(map, SLOTS_MIN);
	else if (map->count > map->mask)
		resize(map, (map->mask + 1) * 2);
	node->key = key;
	node->hash = hash;
	node->next = map->slots[hash & map->mask];
	map->slots[hash & map->mask] = node;
	map->count++;
}

void
hash_insert(struct hash_map *map, struct hash_node *node, struct bytes key)
{
	hash_insert_hashed(map, node, key, hash_bytes(key));
}

void
hash_remove(struct hash_map *map, struct hash_node *node)
{
	struct hash_node **at = &map->slots[node->hash & map->mask];

	while (*at != node) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	map->count--;
}

void
hash_clear(struct hash_map *map)
{
	free(map->slots);
	*map = (struct hash_map){ 0 };
}

struct hash_node *
hash_next(const struct hash_map *map, const struct hash_node *node)
{
	size_t slot = 0;

	if (map->slots == NULL)
		return NULL;
	if (node != NULL) {
		if (node->next != NULL)
			return node->next;
		slot = (node->hash & map->mask) + 1;
	}
	for (; slot <= map->mask; slot++) {
		if (map->slots[slot] != NULL)
			return map->slots[slot];
	}
	return NULL;
}
