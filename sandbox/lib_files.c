/* SPDX-License-Identifier: MIT
 * files: pieces of files below the folder of files, read by the host.
 */
#include <lauxlib.h>

#include "sandbox/world.h"

static int
read_answered(lua_State *lua, struct cursor *reply)
{
	int64_t size = cursor_i64(reply);
	struct bytes content = cursor_bytes(reply);

	lua_pushlstring(lua, (const char *)content.data, content.len);
	lua_pushinteger(lua, size);
	return 2;
}

/* files.read(path[, offset[, length]]) -> bytes, the file's size */
static int
files_read(lua_State *lua)
{
	struct bytes path = world_string(lua, 1);
	lua_Integer offset = luaL_optinteger(lua, 2, 0);
	lua_Integer length = luaL_optinteger(lua, 3, FILES_READ_BYTES_MAX);
	struct sink *out;

	(void)world_run(lua, "files.read");
	world_permit(lua, "files", "files.read", path);
	luaL_argcheck(lua, path.len > 0 && path.len < 1024, 1, "a path has 1 to 1023 bytes");
	luaL_argcheck(lua, memchr(path.data, 0, path.len) == NULL, 1, "a path has no zero byte");
	luaL_argcheck(lua, offset >= 0, 2, "an offset is 0 or more");
	luaL_argcheck(
	    lua, length >= 1 && length <= FILES_READ_BYTES_MAX, 3, "a length is 1 to 262144 bytes");
	out = world_call(lua, CALL_FILES_READ, "files.read");
	sink_bytes(lua, out, path);
	sink_i64(lua, out, offset);
	sink_u32(lua, out, (uint32_t)length);
	return world_wait(lua, read_answered);
}

int
lib_files(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "read", files_read }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
