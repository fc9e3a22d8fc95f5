/* SPDX-License-Identifier: MIT
 * What Lua's own sources call instead of libc and of themselves (sandbox/lua_config.h).
 */
#ifndef SANDBOX_LUA_HOOKS_H
#define SANDBOX_LUA_HOOKS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

unsigned int sandbox_seed(void);
void sandbox_set_seed(unsigned int seed);
/* What math.randomseed() takes for the time where it is given nothing: Lua's own would differ from
 * one run to the next. */
long sandbox_time(long *out);
void sandbox_set_time(int64_t time);
/* In place of an address where Lua hashes it: the same in every process. */
uintptr_t sandbox_place(const void *at);
int sandbox_snprintf(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* In place of lua_topointer where a script can see the result: an ordinal, no address. */
const void *sandbox_ordinal(lua_State *lua, int index);
/* Lets the collector sleep until `bytes` more have been allocated. */
void sandbox_gc_after(lua_State *lua, size_t bytes);

#endif
