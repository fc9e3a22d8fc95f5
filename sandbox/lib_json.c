/* SPDX-License-Identifier: MIT
 * json.encode, decode, array, null.
 */
#include <lauxlib.h>

#include "sandbox/world.h"

static int
encode(lua_State *lua)
{
	struct worker *worker = worker_of(lua);
	struct sink sink = { worker->result.data, 0, worker->result.cap };
	struct json_error error;

	luaL_checkany(lua, 1);
	if (!json_encode(lua, 1, "value", &sink, &error))
		return luaL_error(lua, "json.encode: %s", error.text);
	lua_pushlstring(lua, (const char *)sink.data, sink.len);
	return 1;
}

static int
decode(lua_State *lua)
{
	struct bytes text = world_string(lua, 1);
	const char *error;
	size_t at;

	if (json_decode(lua, text, &error, &at))
		return 1;
	lua_pushnil(lua);
	lua_pushfstring(lua, "byte %I: %s", (lua_Integer)at + 1, error);
	return 2;
}

/* Marks a table (or a new one), so that it is an array in JSON even when it is empty. */
static int
array(lua_State *lua)
{
	if (lua_isnoneornil(lua, 1)) {
		lua_settop(lua, 0);
		lua_newtable(lua);
	}
	luaL_checktype(lua, 1, LUA_TTABLE);
	lua_settop(lua, 1);
	json_mark_array(lua);
	return 1;
}

int
lib_json(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "encode", encode }, { "decode", decode },
		{ "array", array }, { NULL, NULL } };

	lua_newtable(lua);
	lua_pushboolean(lua, 1);
	lua_rawsetp(lua, -2, &json_array_mark);
	lua_rawsetp(lua, LUA_REGISTRYINDEX, &json_array_mark);
	luaL_newlib(lua, functions);
	lua_pushlightuserdata(lua, NULL);
	lua_setfield(lua, -2, "null");
	return 1;
}
