/* SPDX-License-Identifier: MIT
 * JSON onto Lua's stack and back: what was read can be written, what was written reads back as
 * something of the same length, and whatever fails leaves the stack as it was.
 */
#include <assert.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>

#include "sandbox/json.h"
#include "sandbox/lua_hooks.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What the built-in Lua asks of the worker. */
unsigned int
sandbox_seed(void)
{
	return 1;
}

int
sandbox_snprintf(char *out, size_t size, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(out, size, format, ap);
	va_end(ap);
	return len;
}

uintptr_t
sandbox_place(const void *at)
{
	return (uintptr_t)at;
}

const void *
sandbox_ordinal(lua_State *lua, int index)
{
	return lua_topointer(lua, index);
}

static uint8_t first_text[TEXT_BYTES_MAX], second_text[TEXT_BYTES_MAX];

static bool
encode(lua_State *lua, struct sink *sink)
{
	struct json_error error = { { 0 } };
	bool written = json_encode(lua, -1, "value", sink, &error);

	assert(written || error.text[0] != '\0');
	return written;
}

static int
check(lua_State *lua)
{
	const struct bytes *input = lua_touserdata(lua, 1);
	struct sink first = { first_text, 0, sizeof(first_text) };
	struct sink second = { second_text, 0, sizeof(second_text) };
	const char *error = NULL;
	size_t at = 0;
	bool read;

	if (!json_decode(lua, *input, &error, &at)) {
		assert(error != NULL && at <= input->len && lua_gettop(lua) == 1);
		return 0;
	}
	assert(lua_gettop(lua) == 2);
	if (!encode(lua, &first))
		return 0; /* too large */
	read = json_decode(lua, bytes_of(first.data, first.len), &error, &at);
	assert(read && lua_gettop(lua) == 3);
	read = encode(lua, &second);
	assert(read && first.len == second.len);
	return 0;
}

static lua_State *
state_new(void)
{
	lua_State *lua = luaL_newstate();

	assert(lua != NULL);
	lua_newtable(lua);
	lua_pushboolean(lua, 1);
	lua_rawsetp(lua, -2, &json_array_mark);
	lua_rawsetp(lua, LUA_REGISTRYINDEX, &json_array_mark);
	return lua;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static lua_State *lua;
	struct bytes input = bytes_of(data, len);

	if (lua == NULL)
		lua = state_new();
	lua_settop(lua, 0);
	lua_pushcfunction(lua, check);
	lua_pushlightuserdata(lua, &input);
	(void)lua_pcall(lua, 1, 0, 0);
	return 0;
}
