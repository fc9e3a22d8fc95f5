/* SPDX-License-Identifier: MIT
 * The collector of the Lua that is built in: its debt, and that it calls no finalizers.
 */
#include <lstate.h>

#include <lgc.h>

#include "sandbox/lua_hooks.h"

void sandbox_no_finalizer(lua_State *lua, GCObject *object, Table *metatable);

void
sandbox_gc_after(lua_State *lua, size_t bytes)
{
	luaE_setdebt(G(lua), -(l_mem)bytes);
}

/* Stands in for luaC_checkfinalizer in lapi.c: `__gc` has no effect. A stage is forgotten as a
 * whole, so there is nothing to finalize, and no code of the handler's runs in the middle of a
 * binding.
 */
void
sandbox_no_finalizer(lua_State *lua, GCObject *object, Table *metatable)
{
	(void)lua;
	(void)object;
	(void)metatable;
}
