/* SPDX-License-Identifier: MIT
 * state and timer: what a function keeps for each ordering key of its own: small values, and times
 * at which its handler runs again.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"
#include "sandbox/world.h"

/* What was read or written in this run: name -> JSON, or false where there is no value. So a
 * handler sees its own writes, and reads a value once. */
static const char seen_key;

/* 1 to KEYED_NAME_BYTES_MAX bytes, so that it can be part of a row's key. */
static struct bytes
take_name(lua_State *lua, const char *what)
{
	struct bytes name = world_string(lua, 1);

	(void)world_run(lua, what);
	if (name.len == 0 || name.len > KEYED_NAME_BYTES_MAX || !utf8_is_mqtt_string(name))
		(void)luaL_error(lua, "%s: a name is UTF-8 of 1 to %d bytes, without a byte 0",
		    what, KEYED_NAME_BYTES_MAX);
	return name;
}

/* The value at `index` as JSON, strings too; nothing at all for nil. Returns its text. */
static struct bytes
put_value(lua_State *lua, struct sink *out, int index, const char *what)
{
	struct json_error error;
	size_t begun = out->len, len;

	sink_u32(lua, out, 0);
	if (!lua_isnoneornil(lua, index) && !json_encode(lua, index, what, out, &error))
		(void)luaL_error(lua, "%s", error.text);
	len = out->len - begun - sizeof(uint32_t);
	if (len > KEYED_VALUE_BYTES_MAX)
		(void)luaL_error(
		    lua, "the %s has at most %d KiB as JSON", what, KEYED_VALUE_BYTES_MAX / 1024);
	out->len = begun;
	sink_u32(lua, out, (uint32_t)len);
	out->len += len;
	return bytes_of(out->data + out->len - len, len);
}

/* --- state --- */

static void
push_seen(lua_State *lua)
{
	if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &seen_key) == LUA_TTABLE)
		return;
	lua_pop(lua, 1);
	lua_newtable(lua);
	lua_pushvalue(lua, -1);
	lua_rawsetp(lua, LUA_REGISTRYINDEX, &seen_key);
}

static void
note_seen(lua_State *lua, struct bytes value)
{
	push_seen(lua);
	lua_pushvalue(lua, 1);
	if (value.len > 0)
		lua_pushlstring(lua, (const char *)value.data, value.len);
	else
		lua_pushboolean(lua, 0);
	lua_rawset(lua, -3);
	lua_pop(lua, 1);
}

static int
push_value(lua_State *lua, struct bytes value)
{
	const char *error;
	size_t at;

	if (value.len == 0)
		lua_pushnil(lua);
	else if (!json_decode(lua, value, &error, &at))
		return luaL_error(lua, "state.get: the stored value is not JSON (%s)", error);
	return 1;
}

static int
state_answered(lua_State *lua, struct cursor *reply)
{
	int64_t version = cursor_i64(reply);
	struct bytes value = cursor_bytes(reply);
	struct sink *out = world_effect(lua, EFFECT_READ);

	sink_u8(lua, out, READ_STATE);
	sink_bytes(lua, out, world_string(lua, 1));
	sink_u32(lua, out, 0);
	sink_i64(lua, out, version);
	world_effect_end(lua);
	note_seen(lua, value);
	return push_value(lua, value);
}

/* state.get(name) -> value or nil */
static int
state_get(lua_State *lua)
{
	struct bytes name = take_name(lua, "state.get");
	struct sink *out;
	size_t len;

	lua_settop(lua, 1);
	push_seen(lua);
	lua_pushvalue(lua, 1);
	if (lua_rawget(lua, 2) != LUA_TNIL) {
		const char *text = lua_tolstring(lua, -1, &len);

		return push_value(lua, text != NULL ? bytes_of(text, len) : bytes_of(NULL, 0));
	}
	lua_settop(lua, 1);
	out = world_call(lua, CALL_STATE_GET, "state.get");
	sink_bytes(lua, out, name);
	return world_wait(lua, state_answered);
}

/* state.set(name, value): nil deletes */
static int
state_set(lua_State *lua)
{
	struct bytes name = take_name(lua, "state.set"), value;
	struct sink *out;

	lua_settop(lua, 2);
	out = world_effect(lua, EFFECT_STATE);
	sink_bytes(lua, out, name);
	value = put_value(lua, out, 2, "value");
	world_effect_end(lua);
	note_seen(lua, value);
	return 0;
}

int
lib_state(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "get", state_get }, { "set", state_set },
		{ NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

/* --- timer --- */

/* Milliseconds; -1: it is no duration, or out of range. */
static double
duration_ms(lua_State *lua, int index)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "min", 6e4 }, { "h", 36e5 },
		{ "d", 864e5 } };
	const char *text;
	char *end;
	double value = -1;

	if (lua_type(lua, index) == LUA_TNUMBER)
		return lua_tonumber(lua, index) * 1000;
	text = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : "";
	if (text[0] < '0' || text[0] > '9')
		return -1;
	value = strtod(text, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0)
			return value * units[i].ms;
	}
	return -1;
}

static int64_t
take_delay(lua_State *lua)
{
	double ms = duration_ms(lua, 2);

	if (!(ms >= 0 && ms <= (double)TIMER_DELAY_MS_MAX))
		(void)luaL_error(lua,
		    "timer.set: a delay is a number of seconds or a text as \"500ms\", \"30s\", "
		    "\"5m\", \"2h\" or \"1d\", at most ten years");
	return (int64_t)ms;
}

/* timer.set(name, delay[, payload]) */
static int
set(lua_State *lua)
{
	struct bytes name = take_name(lua, "timer.set");
	int64_t delay_ms = take_delay(lua);
	struct sink *out;

	lua_settop(lua, 3);
	out = world_effect(lua, EFFECT_TIMER);
	sink_u8(lua, out, TIMER_SET);
	sink_bytes(lua, out, name);
	(void)put_value(lua, out, 3, "payload");
	sink_i64(lua, out, delay_ms);
	world_effect_end(lua);
	return 0;
}

/* timer.cancel(name) */
static int
cancel(lua_State *lua)
{
	struct bytes name = take_name(lua, "timer.cancel");
	struct sink *out = world_effect(lua, EFFECT_TIMER);

	sink_u8(lua, out, TIMER_CANCEL);
	sink_bytes(lua, out, name);
	sink_u32(lua, out, 0);
	sink_i64(lua, out, 0);
	world_effect_end(lua);
	return 0;
}

int
lib_timer(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "set", set }, { "cancel", cancel },
		{ NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
