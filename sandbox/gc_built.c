/* SPDX-License-Identifier: MIT
 * The collector's debt, for the Lua that is built in.
 */
#include <lstate.h>

#include "sandbox/lua_hooks.h"

void
sandbox_gc_after(lua_State *lua, size_t bytes)
{
	luaE_setdebt(G(lua), -(l_mem)bytes);
}
