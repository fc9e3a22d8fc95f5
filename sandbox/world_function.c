/* SPDX-License-Identifier: MIT
 * A function's table becomes its manifest, and its handler the body of each run.
 */
#include <lauxlib.h>
#include <string.h>

#include "sandbox/lua_hooks.h"
#include "sandbox/stage.h"
#include "sandbox/world.h"

enum { MANIFEST_DEPTH_MAX = 8 };

/* A copy of the table at the top with functions as `true`: what can be JSON of a manifest. */
static void
push_plain(lua_State *lua, int depth)
{
	int from = lua_gettop(lua);

	if (depth > MANIFEST_DEPTH_MAX)
		(void)luaL_error(
		    lua, "the function's table is more than %d levels deep", MANIFEST_DEPTH_MAX);
	luaL_checkstack(lua, 8, NULL);
	lua_newtable(lua);
	lua_pushnil(lua);
	while (lua_next(lua, from) != 0) {
		lua_pushvalue(lua, -2);
		lua_insert(lua, -2);
		if (lua_isfunction(lua, -1)) {
			lua_pop(lua, 1);
			lua_pushboolean(lua, 1);
		} else if (lua_istable(lua, -1)) {
			push_plain(lua, depth + 1);
			lua_remove(lua, -2);
		}
		lua_rawset(lua, from + 1);
	}
}

static void
keep_allow(lua_State *lua, int table)
{
	lua_pushliteral(lua, "allow");
	if (lua_rawget(lua, table) == LUA_TTABLE &&
	    (lua_pushliteral(lua, "db"), lua_rawget(lua, -2)) != LUA_TNIL)
		db_prepare(lua);
	lua_settop(lua, table);
	lua_pushliteral(lua, "allow");
	lua_rawget(lua, table);
	lua_setfield(lua, LUA_REGISTRYINDEX, "allow");
}

/* Notes the `where` of an element of `on` under its table's name. */
static void
keep_where(lua_State *lua, int element, int kept)
{
	lua_pushliteral(lua, "table");
	lua_rawget(lua, element);
	lua_pushliteral(lua, "where");
	lua_rawget(lua, element);
	if (lua_type(lua, -2) == LUA_TSTRING && lua_isfunction(lua, -1))
		lua_rawset(lua, kept);
	else
		lua_pop(lua, 2);
}

/* `on` is one element or a list of them. */
static void
keep_wheres(lua_State *lua, int table)
{
	int on, kept;

	lua_pushliteral(lua, "on");
	lua_rawget(lua, table);
	on = lua_gettop(lua);
	lua_newtable(lua);
	kept = on + 1;
	if (lua_istable(lua, on)) {
		keep_where(lua, on, kept);
		for (lua_Integer i = 1; lua_rawgeti(lua, on, i) == LUA_TTABLE; i++) {
			keep_where(lua, lua_gettop(lua), kept);
			lua_settop(lua, kept);
		}
	}
	lua_settop(lua, kept);
	lua_setfield(lua, LUA_REGISTRYINDEX, "where");
	lua_settop(lua, table);
}

void
world_take_function(lua_State *lua, const char *file, struct sink *manifest)
{
	struct json_error error;
	int table = lua_gettop(lua);

	if (!lua_istable(lua, table))
		(void)luaL_error(lua,
		    "%s: the file returns a %s; it must return the function's table: "
		    "return { on = ..., handler = function(event, context) ... end }",
		    file, luaL_typename(lua, table));
	lua_pushliteral(lua, "handler");
	if (lua_rawget(lua, table) != LUA_TFUNCTION)
		(void)luaL_error(lua,
		    "%s: the function's table has no handler: "
		    "handler = function(event, context) ... end",
		    file);
	lua_setfield(lua, LUA_REGISTRYINDEX, "handler");
	keep_allow(lua, table);
	keep_wheres(lua, table);
	lua_settop(lua, table);
	push_plain(lua, 0);
	if (!json_encode(lua, lua_gettop(lua), "function", manifest, &error))
		(void)luaL_error(lua, "%s: %s", file, error.text);
	lua_settop(lua, table - 1);
}

static void
push_event(lua_State *lua, const struct run *run)
{
	const char *error;
	size_t at;

	if (run->payload_kind == PAYLOAD_AUTO && run->payload.len > 0 &&
	    json_decode(lua, run->payload, &error, &at))
		return;
	lua_pushlstring(lua, (const char *)run->payload.data, run->payload.len);
}

static int
take_result(lua_State *lua, int status, lua_KContext context)
{
	struct worker *worker = worker_of(lua);
	struct sink *result = &worker->result;
	struct json_error error;
	size_t len;

	(void)status;
	(void)context;
	result->len = 0;
	worker->run->result_kind = RESULT_NONE;
	if (lua_isnoneornil(lua, 1))
		return 0;
	if (lua_type(lua, 1) == LUA_TSTRING) {
		const char *text = lua_tolstring(lua, 1, &len);

		if (len > result->cap)
			return luaL_error(
			    lua, "the result has more than %d bytes", RESULT_BYTES_MAX);
		memcpy(result->data, text, len);
		result->len = len;
		worker->run->result_kind = RESULT_RAW;
		return 0;
	}
	if (!json_encode(lua, 1, "result", result, &error))
		return luaL_error(lua, "%s", error.text);
	worker->run->result_kind = RESULT_JSON;
	return 0;
}

void
world_seed_random(lua_State *lua, const uint64_t seed[2])
{
	sandbox_set_time((int64_t)seed[0]);
	lua_getfield(lua, LUA_REGISTRYINDEX, "randomseed");
	lua_pushinteger(lua, (lua_Integer)seed[0]);
	lua_pushinteger(lua, (lua_Integer)seed[1]);
	lua_call(lua, 2, 0);
}

/* Calls the handler with the event, which is the only thing on the stack. */
static int
call_handler(lua_State *lua)
{
	lua_getfield(lua, LUA_REGISTRYINDEX, "handler");
	lua_insert(lua, 1);
	lua_getfield(lua, LUA_REGISTRYINDEX, "context");
	lua_callk(lua, 2, 1, 0, take_result);
	return take_result(lua, LUA_OK, 0);
}

/* Where the stack has what a trigger's `where` is asked about. */
enum { WHERE = 1, EVENT, TAKEN };

static int
end_without_handler(lua_State *lua)
{
	lua_settop(lua, 0);
	return take_result(lua, LUA_OK, 0);
}

/* What its trigger's `where` does not take is not for the handler. */
static int
where_answered(lua_State *lua, int status, lua_KContext context)
{
	bool takes = lua_toboolean(lua, -1);

	(void)status;
	(void)context;
	if (!takes)
		return end_without_handler(lua);
	/* The handler sees the change as it is, whatever `where` has done to it. */
	lua_settop(lua, 0);
	push_event(lua, worker_of(lua)->run);
	return call_handler(lua);
}

/* The change at `at` of a batch was asked about: the answer is on top. */
static void
note_answer(lua_State *lua, lua_Integer at)
{
	if (lua_toboolean(lua, -1)) {
		lua_rawgeti(lua, EVENT, at);
		lua_rawseti(lua, TAKEN, (lua_Integer)lua_rawlen(lua, TAKEN) + 1);
	}
	lua_settop(lua, TAKEN);
}

/* Of a batch each change is asked about. `context` is the one whose answer is on top, from 1; 0:
 * none yet. */
static int
where_answered_of_batch(lua_State *lua, int status, lua_KContext context)
{
	lua_Integer at = (lua_Integer)context;

	(void)status;
	if (at > 0)
		note_answer(lua, at);
	for (;; note_answer(lua, at)) {
		lua_pushvalue(lua, WHERE);
		if (lua_rawgeti(lua, EVENT, ++at) == LUA_TNIL)
			break;
		lua_callk(lua, 1, 1, (lua_KContext)at, where_answered_of_batch);
	}
	if (lua_rawlen(lua, TAKEN) == 0)
		return end_without_handler(lua);
	lua_settop(lua, TAKEN);
	lua_replace(lua, 1);
	lua_settop(lua, 1);
	return call_handler(lua);
}

/* Pushes the `where` of the change's table; false: it has none. */
static bool
push_where(lua_State *lua, const struct run *run)
{
	if (!bytes_equal_string(run->trigger, "table"))
		return false;
	lua_getfield(lua, LUA_REGISTRYINDEX, "where");
	lua_pushlstring(lua, (const char *)run->subject.data, run->subject.len);
	lua_rawget(lua, -2);
	lua_remove(lua, -2);
	return lua_isfunction(lua, -1);
}

int
world_run_handler(lua_State *lua)
{
	const struct run *run = worker_of(lua)->run;

	lua_settop(lua, 0);
	world_seed_random(lua, run->seed);
	if (!push_where(lua, run)) {
		lua_settop(lua, 0);
		push_event(lua, run);
		return call_handler(lua);
	}
	push_event(lua, run);
	if (run->payload.len > 0 && run->payload.data[0] == '[') {
		lua_newtable(lua);
		return where_answered_of_batch(lua, LUA_OK, 0);
	}
	lua_callk(lua, 1, 1, 0, where_answered);
	return where_answered(lua, LUA_OK, 0);
}
