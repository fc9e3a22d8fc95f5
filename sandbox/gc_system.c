/* SPDX-License-Identifier: MIT
 * The collector's pause, for the system's Lua: the longest that its interface can say.
 */
#include "sandbox/lua_hooks.h"

void
sandbox_gc_after(lua_State *lua, size_t bytes)
{
	(void)bytes;
	(void)lua_gc(lua, LUA_GCINC, 1000, 0, 0);
}
