/* SPDX-License-Identifier: MIT
 * The host's services: shadow, invoke, secrets, metric.
 */
#include <lauxlib.h>

#include "lib/shadow_doc.h"
#include "lib/shadow_topic.h"
#include "sandbox/world.h"

static const char *const shadow_options[] = { "name", NULL };

/* The name of the shadow in the options at `index`; empty: the classic one. */
static struct bytes
shadow_name(lua_State *lua, int index)
{
	struct bytes name;

	world_check_options(lua, index, shadow_options, "shadow");
	if (world_option(lua, index, "name") == LUA_TNIL)
		return bytes_of(NULL, 0);
	if (lua_type(lua, -1) != LUA_TSTRING)
		(void)luaL_error(lua, "shadow: name is a string");
	name = world_string(lua, -1);
	if (name.len == 0 || !shadow_name_is_valid(name))
		(void)luaL_error(lua,
		    "shadow: a shadow's name has 1 to %d letters, digits, \":\", \"_\" or \"-\"",
		    SHADOW_NAME_BYTES_MAX);
	return name;
}

static struct bytes
thing_name(lua_State *lua)
{
	struct bytes thing = world_string(lua, 1);

	if (!shadow_thing_is_valid(thing))
		(void)luaL_error(lua,
		    "shadow: a thing's name has 1 to %d letters, digits, \":\", \"_\" or \"-\"",
		    SHADOW_THING_BYTES_MAX);
	return thing;
}

static int
push_document(lua_State *lua, struct cursor *reply)
{
	int64_t version = cursor_i64(reply);
	struct bytes document = cursor_bytes(reply);
	struct sink *out = world_effect(lua, EFFECT_READ);
	const char *error;
	size_t at;

	/* The handler relies on it: it must still be so when it commits. */
	sink_u8(lua, out, READ_SHADOW);
	sink_bytes(lua, out, world_string(lua, 1));
	sink_bytes(lua, out, world_string(lua, 3));
	sink_i64(lua, out, version);
	world_effect_end(lua);
	if (document.len == 0) {
		lua_pushnil(lua);
		return 1;
	}
	if (!json_decode(lua, document, &error, &at))
		return luaL_error(lua, "shadow.get: the host's answer is not JSON (%s)", error);
	return 1;
}

static int
shadow_get(lua_State *lua)
{
	struct bytes thing = thing_name(lua), name;
	struct sink *out;

	(void)world_run(lua, "shadow.get");
	world_permit(lua, "shadow", "shadow.get", thing);
	lua_settop(lua, 2);
	name = shadow_name(lua, 2);
	lua_settop(lua, 2);
	lua_pushlstring(lua, (const char *)name.data, name.len);
	out = world_call(lua, CALL_SHADOW_GET, "shadow.get");
	sink_bytes(lua, out, thing);
	sink_bytes(lua, out, name);
	return world_wait(lua, push_document);
}

/* shadow.update(thing, { desired = ..., reported = ... }): the document is the shadow's state. */
static void
put_state(lua_State *lua, struct sink *out, int index)
{
	static const char *const members[] = { "desired", "reported", NULL };

	luaL_checktype(lua, index, LUA_TTABLE);
	lua_createtable(lua, 0, 3);
	if (world_option(lua, index, "state") == LUA_TNIL) {
		world_check_options(lua, index, members, "shadow.update");
		lua_pushvalue(lua, index);
		lua_setfield(lua, -3, "state");
		lua_pop(lua, 1);
	} else {
		lua_pop(lua, 2);
		lua_pushvalue(lua, index);
	}
	sink_payload(lua, out, lua_gettop(lua), "document");
	lua_pop(lua, 1);
}

static int
shadow_effect(lua_State *lua, enum shadow_operation operation, int options)
{
	struct bytes thing = thing_name(lua), name;
	struct sink *out;

	world_permit(lua, "shadow", "shadow", thing);
	lua_settop(lua, options);
	name = shadow_name(lua, options);
	out = world_effect(lua, EFFECT_SHADOW);
	sink_u8(lua, out, (uint8_t)operation);
	sink_bytes(lua, out, thing);
	sink_bytes(lua, out, name);
	if (operation == SHADOW_UPDATE)
		put_state(lua, out, 2);
	else
		sink_u32(lua, out, 0);
	world_effect_end(lua);
	return 0;
}

static int
shadow_update(lua_State *lua)
{
	(void)world_run(lua, "shadow.update");
	luaL_checktype(lua, 2, LUA_TTABLE);
	return shadow_effect(lua, SHADOW_UPDATE, 3);
}

static int
shadow_delete(lua_State *lua)
{
	(void)world_run(lua, "shadow.delete");
	return shadow_effect(lua, SHADOW_DELETE, 2);
}

int
lib_shadow(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "get", shadow_get }, { "update", shadow_update },
		{ "delete", shadow_delete }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

/* invoke(name, payload): an effect; the first argument is the library's table. */
static int
invoke_later(lua_State *lua)
{
	struct bytes name;
	struct sink *out;

	lua_remove(lua, 1);
	(void)world_run(lua, "invoke");
	name = world_string(lua, 1);
	world_permit(lua, "invoke", "invoke", name);
	out = world_effect(lua, EFFECT_INVOKE);
	sink_bytes(lua, out, name);
	sink_payload(lua, out, 2, "payload");
	world_effect_end(lua);
	return 0;
}

static int
push_result(lua_State *lua, struct cursor *reply)
{
	uint8_t kind = cursor_u8(reply);
	struct bytes result = cursor_bytes(reply);
	const char *error;
	size_t at;

	if (kind == RESULT_NONE)
		lua_pushnil(lua);
	else if (kind == RESULT_RAW)
		lua_pushlstring(lua, (const char *)result.data, result.len);
	else if (!json_decode(lua, result, &error, &at))
		return luaL_error(lua, "invoke.call: the result is not JSON (%s)", error);
	return 1;
}

static int
invoke_call(lua_State *lua)
{
	struct bytes name = world_string(lua, 1);
	struct sink *out;

	(void)world_run(lua, "invoke.call");
	world_permit(lua, "invoke", "invoke.call", name);
	out = world_call(lua, CALL_INVOKE, "invoke.call");
	sink_bytes(lua, out, name);
	sink_payload(lua, out, 2, "payload");
	return world_wait(lua, push_result);
}

int
lib_invoke(lua_State *lua)
{
	lua_createtable(lua, 0, 1);
	lua_pushcfunction(lua, invoke_call);
	lua_setfield(lua, -2, "call");
	lua_createtable(lua, 0, 1);
	lua_pushcfunction(lua, invoke_later);
	lua_setfield(lua, -2, "__call");
	lua_setmetatable(lua, -2);
	return 1;
}

static int
push_secret(lua_State *lua, struct cursor *reply)
{
	struct bytes secret = cursor_bytes(reply);

	lua_pushlstring(lua, (const char *)secret.data, secret.len);
	return 1;
}

static int
secrets_get(lua_State *lua)
{
	struct bytes name = world_string(lua, 1);
	struct sink *out;

	(void)world_run(lua, "secrets.get");
	world_permit(lua, "secrets", "secrets.get", name);
	out = world_call(lua, CALL_SECRET, "secrets.get");
	sink_bytes(lua, out, name);
	return world_wait(lua, push_secret);
}

int
lib_secrets(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "get", secrets_get }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

/* metric.add(name[, value]): a counter; three places behind the point are kept. */
static int
metric_add(lua_State *lua)
{
	struct bytes name = world_string(lua, 1);
	lua_Number value = luaL_optnumber(lua, 2, 1);
	struct sink *out;

	(void)world_run(lua, "metric.add");
	luaL_argcheck(lua, name.len > 0 && name.len <= 100, 1, "a name has 1 to 100 bytes");
	luaL_argcheck(lua, value > -1e15 && value < 1e15, 2, "out of range");
	out = world_effect(lua, EFFECT_METRIC);
	sink_bytes(lua, out, name);
	sink_i64(lua, out, (int64_t)(value * 1000));
	world_effect_end(lua);
	return 0;
}

int
lib_metric(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "add", metric_add }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
