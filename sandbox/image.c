/* SPDX-License-Identifier: MIT
 * Differences, by blocks of a cache line.
 */
#include "sandbox/image.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/stage.h"

enum { BLOCK = 64, HEAD = 2 * sizeof(uint32_t) };

void
image_base_take(struct image_base *base)
{
	base->size = stage_used();
	base->bytes = xmalloc(base->size);
	stage_save(base->bytes);
}

void
image_base_restore(const struct image_base *base, size_t limit)
{
	stage_restore(base->bytes, base->size);
	stage()->limit = limit < STAGE_BYTES_MAX ? limit : STAGE_BYTES_MAX;
}

static size_t
block_length(size_t at, size_t size)
{
	return size - at < BLOCK ? size - at : BLOCK;
}

static bool
block_differs(const struct image_base *base, size_t at, size_t size)
{
	const char *now = STAGE_BASE;

	if (at + BLOCK > base->size)
		return true;
	return memcmp(now + at, (const char *)base->bytes + at, block_length(at, size)) != 0;
}

static void
add_patch(struct buf *out, size_t from, size_t to)
{
	uint32_t head[2] = { (uint32_t)from, (uint32_t)(to - from) };

	buf_append(out, head, sizeof(head));
	buf_append(out, (const char *)STAGE_BASE + from, to - from);
}

struct image *
image_new(const struct image_base *base, uint32_t number)
{
	struct image *image = xcalloc(1, sizeof(*image));
	struct buf patches = { 0 };
	size_t size = stage_used(), at = 0;

	while (at < size) {
		size_t from;

		while (at < size && !block_differs(base, at, size))
			at += BLOCK;
		from = at;
		while (at < size && block_differs(base, at, size))
			at += block_length(at, size);
		if (at > from)
			add_patch(&patches, from, at);
	}
	image->number = number;
	image->size = size;
	image->patches_size = patches.len;
	image->patches = xmalloc(patches.len);
	memcpy(image->patches, patches.data, patches.len);
	buf_clear(&patches);
	return image;
}

void
image_free(struct image *image)
{
	free(image->patches);
	free(image);
}

void
image_restore(const struct image_base *base, const struct image *image)
{
	const char *at = image->patches, *end = at + image->patches_size;

	stage_restore(base->bytes, base->size);
	while (at < end) {
		uint32_t head[2];

		memcpy(head, at, sizeof(head));
		memcpy((char *)STAGE_BASE + head[0], at + HEAD, head[1]);
		at += HEAD + head[1];
	}
}
