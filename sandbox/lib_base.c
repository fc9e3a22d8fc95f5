/* SPDX-License-Identifier: MIT
 * Lua's basic functions without what reaches outside, `os` with its clock alone, and `require`.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "sandbox/world.h"

static const char *const removed[] = { "dofile", "loadfile", "warn", "collectgarbage", "print",
	"load" };

/* Text only: a binary chunk could break the VM. The environment is the caller's own by default. */
static int
base_load(lua_State *lua)
{
	bool has_environment = !lua_isnone(lua, 4);
	struct bytes text = world_string(lua, 1);
	const char *name = luaL_optstring(lua, 2, "=(load)");

	if (luaL_loadbufferx(lua, (const char *)text.data, text.len, name, "t") != LUA_OK) {
		lua_pushnil(lua);
		lua_insert(lua, -2);
		return 2;
	}
	if (has_environment) {
		lua_pushvalue(lua, 4);
		if (lua_setupvalue(lua, -2, 1) == NULL)
			lua_pop(lua, 1);
	}
	return 1;
}

static int
base_collectgarbage(lua_State *lua)
{
	const char *what = luaL_optstring(lua, 1, "count");

	if (strcmp(what, "count") != 0)
		return luaL_error(lua, "collectgarbage: only \"count\" is to be had");
	lua_pushnumber(lua,
	    (lua_Number)lua_gc(lua, LUA_GCCOUNT) + (lua_Number)lua_gc(lua, LUA_GCCOUNTB) / 1024);
	return 1;
}

int
lib_base(lua_State *lua)
{
	(void)luaopen_base(lua);
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		lua_pushnil(lua);
		lua_setfield(lua, -2, removed[i]);
	}
	lua_pushcfunction(lua, base_load);
	lua_setfield(lua, -2, "load");
	lua_pushcfunction(lua, base_collectgarbage);
	lua_setfield(lua, -2, "collectgarbage");
	return 1;
}

/* Whether `path` is what require(`name`) asks for: beside the function or in lib/, dots as "/". */
static bool
is_file_of(struct bytes path, const char *name)
{
	char wanted[256];
	size_t len = strlen(name);
	struct bytes rest = path;

	if (len + 5 > sizeof(wanted))
		return false;
	for (size_t i = 0; i <= len; i++)
		wanted[i] = name[i] == '.' ? '/' : name[i];
	memcpy(wanted + len, ".lua", 5);
	while (rest.len > 0) {
		const uint8_t *slash = memchr(rest.data, '/', rest.len);

		if (bytes_equal_string(rest, wanted))
			return true;
		if (slash == NULL)
			return false;
		rest = bytes_of(slash + 1, rest.len - (size_t)(slash + 1 - rest.data));
	}
	return false;
}

static bool
find_file(const struct worker *worker, const char *name, struct bytes *path, struct bytes *source)
{
	struct cursor cursor = cursor_of(worker->files);

	for (uint16_t i = 0; i < worker->file_count; i++) {
		*path = cursor_bytes(&cursor);
		*source = cursor_bytes(&cursor);
		if (i > 0 && is_file_of(*path, name))
			return true;
	}
	return false;
}

static int
require_file(lua_State *lua)
{
	struct worker *worker = worker_of(lua);
	const char *name = luaL_checkstring(lua, 1);
	struct bytes path, source;

	luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	if (lua_getfield(lua, -1, name) != LUA_TNIL)
		return 1;
	if (worker->run != NULL)
		return luaL_error(lua,
		    "require \"%s\": files are loaded once, when the function is: "
		    "call require at the top of the file, not in the handler",
		    name);
	if (!find_file(worker, name, &path, &source))
		return luaL_error(lua,
		    "require \"%s\": there is no such file beside the function or in "
		    "functions/lib/",
		    name);
	lua_pushliteral(lua, "@");
	lua_pushlstring(lua, (const char *)path.data, path.len);
	lua_concat(lua, 2);
	if (luaL_loadbufferx(
		lua, (const char *)source.data, source.len, lua_tostring(lua, -1), "t") != LUA_OK)
		return lua_error(lua);
	lua_pushvalue(lua, 1);
	lua_call(lua, 1, 1);
	if (lua_isnil(lua, -1)) {
		lua_pop(lua, 1);
		lua_pushboolean(lua, 1);
	}
	luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_pushvalue(lua, -2);
	lua_setfield(lua, -2, name);
	lua_pop(lua, 1);
	return 1;
}

int
lib_require(lua_State *lua)
{
	lua_pushcfunction(lua, require_file);
	return 1;
}
