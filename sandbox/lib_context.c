/* SPDX-License-Identifier: MIT
 * The handler's second argument. Its members are made when they are read: an invocation that does
 * not look at its context pays nothing for it.
 */
#include <lauxlib.h>
#include <string.h>

#include "sandbox/deadline.h"
#include "sandbox/world.h"

static void
push_bytes(lua_State *lua, struct bytes bytes)
{
	lua_pushlstring(lua, (const char *)bytes.data, bytes.len);
}

static void
push_id(lua_State *lua, const struct run *run)
{
	static const char digits[] = "0123456789abcdef";
	char text[EVENT_ID_BYTES * 2];

	for (size_t i = 0; i < EVENT_ID_BYTES; i++) {
		text[2 * i] = digits[run->event_id[i] >> 4];
		text[2 * i + 1] = digits[run->event_id[i] & 15];
	}
	lua_pushlstring(lua, text, sizeof(text));
}

static void
push_topic(lua_State *lua, const struct run *run)
{
	push_bytes(lua, run->subject);
}

static void
push_client_id(lua_State *lua, const struct run *run)
{
	push_bytes(lua, run->client_id);
}

static void
push_qos(lua_State *lua, const struct run *run)
{
	lua_pushinteger(lua, run->qos);
}

static void
push_retain(lua_State *lua, const struct run *run)
{
	lua_pushboolean(lua, run->retain);
}

static void
push_time(lua_State *lua, const struct run *run)
{
	lua_pushnumber(lua, (lua_Number)run->time_ms / 1000);
}

static void
push_attempt(lua_State *lua, const struct run *run)
{
	lua_pushinteger(lua, run->attempt);
}

static void
push_trigger(lua_State *lua, const struct run *run)
{
	push_bytes(lua, run->trigger);
}

/* As the clock, it moves only when the invocation waits. */
static int
remaining_ms(lua_State *lua)
{
	const struct run *run = world_run(lua, "context.remaining_ms");

	lua_pushinteger(lua, (lua_Integer)run->timeout_ms - run->clock_us / 1000);
	return 1;
}

static void
push_remaining(lua_State *lua, const struct run *run)
{
	(void)run;
	lua_pushcfunction(lua, remaining_ms);
}

static const struct {
	const char *name;
	void (*push)(lua_State *lua, const struct run *run);
} members[] = {
	{ "id", push_id },
	{ "topic", push_topic },
	{ "client_id", push_client_id },
	{ "qos", push_qos },
	{ "retain", push_retain },
	{ "time", push_time },
	{ "attempt", push_attempt },
	{ "trigger", push_trigger },
	{ "remaining_ms", push_remaining },
};

/* The members that only some triggers have come as JSON and are set all at once. */
static void
set_extra(lua_State *lua, int context, struct bytes extra)
{
	const char *error;
	size_t at;

	if (extra.len == 0 || !json_decode(lua, extra, &error, &at))
		return;
	if (lua_istable(lua, -1)) {
		lua_pushnil(lua);
		while (lua_next(lua, -2) != 0) {
			lua_pushvalue(lua, -2);
			lua_insert(lua, -2);
			lua_rawset(lua, context);
		}
	}
	lua_pop(lua, 1);
}

static void
set_all(lua_State *lua, int context)
{
	const struct run *run = worker_of(lua)->run;

	if (run == NULL)
		return;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		lua_pushstring(lua, members[i].name);
		members[i].push(lua, run);
		lua_rawset(lua, context);
	}
	set_extra(lua, context, run->extra);
	lua_pushnil(lua);
	lua_setmetatable(lua, context);
}

static int
context_index(lua_State *lua)
{
	const struct run *run = worker_of(lua)->run;
	const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : NULL;

	if (run == NULL || name == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(name, members[i].name) == 0) {
			members[i].push(lua, run);
			return 1;
		}
	}
	if (run->extra.len == 0)
		return 0;
	set_all(lua, 1);
	lua_settop(lua, 2);
	lua_rawget(lua, 1);
	return 1;
}

static int
context_pairs(lua_State *lua)
{
	set_all(lua, 1);
	lua_getglobal(lua, "next");
	lua_pushvalue(lua, 1);
	lua_pushnil(lua);
	return 3;
}

int
lib_context(lua_State *lua)
{
	lua_createtable(lua, 0, 2);
	lua_createtable(lua, 0, 4);
	lua_pushcfunction(lua, context_index);
	lua_setfield(lua, -2, "__index");
	lua_pushcfunction(lua, context_pairs);
	lua_setfield(lua, -2, "__pairs");
	lua_pushboolean(lua, 0);
	lua_setfield(lua, -2, "__metatable");
	lua_setmetatable(lua, -2);
	return 1;
}
