/* SPDX-License-Identifier: MIT
 * Images: what the stage holds when a function has been loaded, as the difference to what it holds
 * before, which is the same for all functions (the base: a state with all libraries).
 *
 *   image: | u32 offset, u32 length, bytes | u32 offset, u32 length, bytes | ...
 *
 * Putting one back copies the base, which stays in the cache, and then the few kilobytes that are
 * the function's own: ten thousand functions cost neither much memory nor many cache misses.
 */
#ifndef SANDBOX_IMAGE_H
#define SANDBOX_IMAGE_H

#include "lib/bytes.h"
#include "lib/hash.h"

/* What all images build on. All zero: not made yet. */
struct image_base {
	void *bytes;
	size_t size;
};

/* A loaded function. */
struct image {
	struct hash_node link; /* by number */
	uint32_t number;
	uint32_t memory_bytes_max;
	void *patches;
	size_t patches_size;
	size_t size; /* of the stage */
};

/* Takes what is on the stage as the base. */
void image_base_take(struct image_base *base);
/* Puts the base on the stage, with another memory limit. */
void image_base_restore(const struct image_base *base, size_t limit);

/* Takes what is on the stage. */
struct image *image_new(const struct image_base *base, uint32_t number);
void image_free(struct image *image);
void image_restore(const struct image_base *base, const struct image *image);

#endif
