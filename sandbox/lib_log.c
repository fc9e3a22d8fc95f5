/* SPDX-License-Identifier: MIT
 * log.debug, info, warn, error and print: lines that carry the function and the invocation.
 */
#include <lauxlib.h>

#include "lib/log.h"
#include "sandbox/world.h"

static int
write_line(lua_State *lua, int level)
{
	uint8_t text[LOG_LINE_BYTES_MAX];
	struct sink out = { text, 0, sizeof(text) };
	int count = lua_gettop(lua);

	for (int i = 1; i <= count; i++) {
		if (i > 1 && out.len < out.cap)
			out.data[out.len++] = ' ';
		world_append_text(lua, i, &out);
	}
	world_log(lua, level, bytes_of(out.data, out.len));
	return 0;
}

static int
log_line_debug(lua_State *lua)
{
	return write_line(lua, LOG_LEVEL_DEBUG);
}

static int
log_line_info(lua_State *lua)
{
	return write_line(lua, LOG_LEVEL_INFO);
}

static int
log_line_warn(lua_State *lua)
{
	return write_line(lua, LOG_LEVEL_WARN);
}

static int
log_line_error(lua_State *lua)
{
	return write_line(lua, LOG_LEVEL_ERROR);
}

int
lib_log(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "debug", log_line_debug },
		{ "info", log_line_info }, { "warn", log_line_warn }, { "error", log_line_error },
		{ NULL, NULL } };

	luaL_newlib(lua, functions);
	lua_pushcfunction(lua, log_line_info);
	lua_setglobal(lua, "print");
	return 1;
}
