/* SPDX-License-Identifier: MIT
 * Hooks of the Lua that is built in.
 */
#include "sandbox/lua_hooks.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "sandbox/deadline.h"
#include "sandbox/stage.h"

static unsigned int seed = 0x9e3779b9u;
static int64_t run_time;

/* Where the linker has put this program. */
extern const char __executable_start, _end;

unsigned int
sandbox_seed(void)
{
	return seed;
}

void
sandbox_set_seed(unsigned int value)
{
	seed = value;
}

long
sandbox_time(long *out)
{
	(void)out;
	return (long)run_time;
}

void
sandbox_set_time(int64_t time)
{
	run_time = time;
}

uintptr_t
sandbox_place(const void *at)
{
	uintptr_t place = (uintptr_t)at, begin = (uintptr_t)&__executable_start;

	if (place - (uintptr_t)STAGE_BASE < STAGE_BYTES_MAX)
		return place;
	return place - begin < (uintptr_t)&_end - begin ? place - begin : 0;
}

int
sandbox_snprintf(char *out, size_t size, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	deadline_hold();
	len = vsnprintf(out, size, format, ap);
	deadline_release();
	va_end(ap);
	return len;
}

const void *
sandbox_ordinal(lua_State *lua, int index)
{
	uintptr_t at = (uintptr_t)lua_topointer(lua, index);
	uintptr_t base = (uintptr_t)STAGE_BASE;

	if (at == 0)
		return NULL;
	if (at >= base && at < base + STAGE_BYTES_MAX)
		return (const void *)(uintptr_t)((at - base) / 16);
	/* A function of this binary: its distance from another one. */
	return (
	    const void *)(uintptr_t)(0x100000000 + (at - (uintptr_t)&sandbox_ordinal) % 0x10000000);
}
