/* SPDX-License-Identifier: MIT
 * The stage: an arena at one fixed address that holds all of Lua's memory, its own bookkeeping
 * included. What it holds after a function was loaded is the function's image; every invocation
 * starts from a copy of the image and is forgotten with the stage.
 *
 * Because the address is fixed, an image is plain bytes: putting it back is one memcpy, and every
 * pointer in it is right again. So the heap points only into the arena, into this binary and to
 * light C functions.
 *
 *      STAGE_BASE                                    + bump                + limit
 *      | struct stage | blocks, free and in use ...  | not used yet ...    |
 */
#ifndef SANDBOX_STAGE_H
#define SANDBOX_STAGE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum {
	STAGE_SMALL_MAX = 1024,
	STAGE_SMALL_CLASSES = STAGE_SMALL_MAX / 16 + 1,
	STAGE_LARGE_CLASSES = 64
};

#define STAGE_BASE ((void *)0x200000000000)
#define STAGE_BYTES_MAX ((size_t)1 << 30) /* reserved; a function's limit is below */

struct stage {
	size_t bump;	/* bytes from the base that were ever handed out: the size of an image */
	size_t limit;	/* the function's memory */
	lua_State *lua; /* the state, when one is on the stage */
	lua_State *handler; /* the coroutine that runs the handler */
	void *small[STAGE_SMALL_CLASSES];
	void *large[STAGE_LARGE_CLASSES];
};

/* Reserves the address range, once, before the cage closes. */
int stage_reserve(struct err *err) __attribute__((warn_unused_result));
/* An empty stage. `limit` is cut to STAGE_BYTES_MAX. */
struct stage *stage_clear(size_t limit);
/* Lua's allocator. NULL where the limit is reached: Lua collects and tries again. */
void *stage_allocate(void *unused, void *block, size_t old_size, size_t new_size);
size_t stage_used(void);
/* Copies the stage away, and back. `out` takes stage_used() bytes. */
void stage_save(void *out);
void stage_restore(const void *saved, size_t size);
/* Gives pages above `keep` back to the system when much was used. */
void stage_trim(size_t keep);

static inline struct stage *
stage(void)
{
	return STAGE_BASE;
}

#endif
