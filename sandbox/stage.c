/* SPDX-License-Identifier: MIT
 * The arena's allocator: blocks up to 1 KiB by steps of 16 bytes, larger ones by powers of two
 * with two steps to each; freed ones wait in a list of their class.
 */
#include "sandbox/stage.h"

#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 16, TRIM_BYTES = 1 << 20 };

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

int
stage_reserve(struct err *err)
{
	void *at = mmap(STAGE_BASE, STAGE_BYTES_MAX, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (at != STAGE_BASE)
		return err_errno(err, "reserve the stage's address range");
	return 0;
}

struct stage *
stage_clear(size_t limit)
{
	struct stage *s = stage();

	memset(s, 0, sizeof(*s));
	s->bump = (sizeof(*s) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	s->limit = limit < STAGE_BYTES_MAX ? limit : STAGE_BYTES_MAX;
	if (s->limit < s->bump)
		s->limit = s->bump;
	return s;
}

size_t
stage_used(void)
{
	return stage()->bump;
}

void
stage_save(void *out)
{
	memcpy(out, STAGE_BASE, stage_used());
}

void
stage_restore(const void *saved, size_t size)
{
	memcpy(STAGE_BASE, saved, size);
}

void
stage_trim(size_t keep)
{
	size_t used = stage_used(), from = (keep + TRIM_BYTES - 1) & ~(size_t)(TRIM_BYTES - 1);

	if (used > from + TRIM_BYTES)
		(void)madvise((char *)STAGE_BASE + from, used - from, MADV_DONTNEED);
}

/* Classes of large blocks: for each power of two the power itself and one and a half of it. */
static unsigned
large_class(size_t size, size_t *rounded)
{
	unsigned power = 63 - (unsigned)__builtin_clzl(size - 1);
	size_t half = (size_t)3 << (power - 1);

	if (size <= half) {
		*rounded = half;
		return power * 2 % STAGE_LARGE_CLASSES;
	}
	*rounded = (size_t)2 << power;
	return (power * 2 + 1) % STAGE_LARGE_CLASSES;
}

static void **
list_of(size_t size, size_t *rounded)
{
	struct stage *s = stage();

	if (size <= STAGE_SMALL_MAX) {
		*rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
		return &s->small[*rounded / ALIGN];
	}
	return &s->large[large_class(size, rounded)];
}

static void *
take(size_t size)
{
	struct stage *s = stage();
	size_t rounded;
	void **list, *block;

	if (size > s->limit)
		return NULL;
	list = list_of(size, &rounded);
	block = *list;
	if (block != NULL) {
		/* A list that leads out of the arena was written over: nothing here can be trusted.
		 */
		if ((uintptr_t)block - (uintptr_t)STAGE_BASE >= s->bump ||
		    (uintptr_t)block % ALIGN != 0)
			__builtin_trap();
		memcpy(list, block, sizeof(*list));
		return block;
	}
	if (rounded > s->limit - s->bump)
		return NULL;
	block = (char *)STAGE_BASE + s->bump;
	s->bump += rounded;
	return block;
}

static void
give(void *block, size_t size)
{
	size_t rounded;
	void **list = list_of(size, &rounded);

	memcpy(block, list, sizeof(*list));
	*list = block;
}

void *
stage_allocate(void *unused, void *block, size_t old_size, size_t new_size)
{
	size_t old_rounded, new_rounded;
	void *fresh;

	(void)unused;
	if (block == NULL)
		return new_size > 0 ? take(new_size) : NULL;
	if (new_size == 0) {
		give(block, old_size);
		return NULL;
	}
	if (new_size <= stage()->limit &&
	    list_of(old_size, &old_rounded) == list_of(new_size, &new_rounded))
		return block;
	fresh = take(new_size);
	/* Lua counts on it that shrinking does not fail. */
	if (fresh == NULL)
		return new_size <= old_size ? block : NULL;
	memcpy(fresh, block, old_size < new_size ? old_size : new_size);
	give(block, old_size);
	return fresh;
}
