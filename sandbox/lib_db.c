/* SPDX-License-Identifier: MIT
 * db: items of tables. What was read or written stands in a table of the registry for the rest of
 * the run, so that a handler sees its own writes and reads an item once; what it read goes to the
 * host among the effects, which must still be so when it commits.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "lib/item_key.h"
#include "lib/table_def.h"
#include "sandbox/world.h"

/* What stands for an item that is not there. */
static const char absent;
static const char seen_key;

static const struct table_def *
find_table(lua_State *lua, const char *what)
{
	struct worker *worker = worker_of(lua);
	struct bytes name = world_string(lua, 1);

	(void)world_run(lua, what);
	world_permit(lua, "db", what, name);
	for (size_t i = 0; i < worker->table_count; i++) {
		if (bytes_equal_string(name, worker->tables[i].name))
			return &worker->tables[i];
	}
	(void)luaL_error(lua, "%s: there is no table \"%s\"; moonlet db create makes one", what,
	    lua_tostring(lua, 1));
	return NULL;
}

/* An encoded key (lib/item_key.h). */
struct key {
	uint8_t bytes[ITEM_KEY_BYTES_MAX];
	size_t len;
};

static int
bad_value(lua_State *lua, const struct table_def *def, const char *attribute, const char *what)
{
	return luaL_error(lua,
	    "%s: %s: \"%s\" must be a number or a string of 1 to %d bytes, not %s", what, def->name,
	    attribute,
	    strcmp(attribute, def->hash) == 0 ? ITEM_KEY_STRING_BYTES_MAX
					      : ITEM_SORT_STRING_BYTES_MAX,
	    luaL_typename(lua, -1));
}

static void
put_string(struct key *key, const char *text, size_t len)
{
	uint8_t *at = key->bytes + key->len;

	*at++ = 's';
	for (size_t i = 0; i < len; i++) {
		*at++ = (uint8_t)text[i];
		if (text[i] == 0)
			*at++ = 0xff;
	}
	*at++ = 0;
	*at++ = 1;
	key->len = (size_t)(at - key->bytes);
}

/* Takes the value at the top of the stack. */
static void
take_value(lua_State *lua, const struct table_def *def, const char *attribute, struct key *key)
{
	size_t max =
	    attribute == def->hash ? ITEM_KEY_STRING_BYTES_MAX : ITEM_SORT_STRING_BYTES_MAX;
	struct item_key_number number;
	size_t len;

	switch (lua_type(lua, -1)) {
	case LUA_TSTRING: {
		const char *text = lua_tolstring(lua, -1, &len);

		if (len == 0 || len > max)
			(void)bad_value(lua, def, attribute, "db");
		put_string(key, text, len);
		break;
	}
	case LUA_TNUMBER:
		if (lua_isinteger(lua, -1))
			number = item_key_of_integer(lua_tointeger(lua, -1));
		else if (isfinite(lua_tonumber(lua, -1)))
			number = item_key_of_double(lua_tonumber(lua, -1));
		else
			number = (luaL_error(lua, "db: %s: \"%s\" is not a finite number",
				      def->name, attribute),
			    item_key_of_double(0));
		memcpy(key->bytes + key->len, number.bytes, sizeof(number.bytes));
		key->len += sizeof(number.bytes);
		break;
	case LUA_TNIL:
		(void)luaL_error(lua, "db: %s: \"%s\" is missing, which is the table's %s",
		    def->name, attribute, attribute == def->hash ? "key" : "sort key");
		break;
	default:
		(void)bad_value(lua, def, attribute, "db");
	}
	lua_pop(lua, 1);
}

/* The key's attributes of the table at `index`, or the key itself where it is one value. */
static void
take_key(lua_State *lua, const struct table_def *def, int index, struct key *key)
{
	key->len = 0;
	if (!lua_istable(lua, index) && def->sort == NULL) {
		lua_pushvalue(lua, index);
		take_value(lua, def, def->hash, key);
		return;
	}
	if (!lua_istable(lua, index))
		(void)luaL_error(lua, "db: %s: a key is a table: { %s = ..., %s = ... }", def->name,
		    def->hash, def->sort);
	lua_pushstring(lua, def->hash);
	lua_rawget(lua, index);
	take_value(lua, def, def->hash, key);
	if (def->sort == NULL)
		return;
	lua_pushstring(lua, def->sort);
	lua_rawget(lua, index);
	take_value(lua, def, def->sort, key);
}

/* Pushes the table of what was seen, and the name of an item in it. */
static void
push_seen(lua_State *lua, const struct table_def *def, const struct key *key)
{
	if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &seen_key) != LUA_TTABLE) {
		lua_pop(lua, 1);
		lua_newtable(lua);
		lua_pushvalue(lua, -1);
		lua_rawsetp(lua, LUA_REGISTRYINDEX, &seen_key);
	}
	lua_pushfstring(lua, "%s/", def->name);
	lua_pushlstring(lua, (const char *)key->bytes, key->len);
	lua_concat(lua, 2);
}

/* Notes the text at the top of the stack (nil: there is no item) under the seen name below it, and
 * pops both and the table. */
static void
note_seen(lua_State *lua)
{
	if (lua_isnil(lua, -1)) {
		lua_pop(lua, 1);
		lua_pushlightuserdata(lua, (void *)(uintptr_t)&absent);
	}
	lua_rawset(lua, -3);
	lua_pop(lua, 1);
}

static int
push_item(lua_State *lua, struct bytes item)
{
	const char *error;
	size_t at;

	if (item.len == 0) {
		lua_pushnil(lua);
		return 1;
	}
	if (!json_decode(lua, item, &error, &at))
		return luaL_error(lua, "db.get: the item is not JSON (%s)", error);
	return 1;
}

/* The stack has the seen table and name at 3 and 4, the table's name at 1. */
static int
get_answered(lua_State *lua, struct cursor *reply)
{
	int64_t version = cursor_i64(reply);
	struct bytes item = cursor_bytes(reply);
	struct sink *out = world_effect(lua, EFFECT_READ);
	size_t len, name_len;
	const char *name = lua_tolstring(lua, 1, &name_len);
	const char *key = lua_tolstring(lua, 4, &len);

	sink_u8(lua, out, READ_ITEM);
	sink_bytes(lua, out, bytes_of(name, name_len));
	sink_bytes(lua, out, bytes_of(key + name_len + 1, len - name_len - 1));
	sink_i64(lua, out, version);
	world_effect_end(lua);
	lua_settop(lua, 4);
	if (version == 0)
		lua_pushnil(lua);
	else
		lua_pushlstring(lua, (const char *)item.data, item.len);
	note_seen(lua);
	return push_item(lua, item);
}

/* db.get(table, key) -> item or nil */
static int
db_get(lua_State *lua)
{
	const struct table_def *def = find_table(lua, "db.get");
	struct sink *out;
	struct key key;
	size_t len;

	lua_settop(lua, 2);
	take_key(lua, def, 2, &key);
	push_seen(lua, def, &key);
	lua_pushvalue(lua, 4);
	if (lua_rawget(lua, 3) != LUA_TNIL) {
		const char *text = lua_tolstring(lua, -1, &len);

		return push_item(lua, text != NULL ? bytes_of(text, len) : bytes_of(NULL, 0));
	}
	lua_settop(lua, 4);
	out = world_call(lua, CALL_DB_GET, "db.get");
	sink_u16(lua, out, 1);
	sink_bytes(lua, out, bytes_of_string(def->name));
	sink_bytes(lua, out, bytes_of(key.bytes, key.len));
	return world_wait(lua, get_answered);
}

/* db.put(table, item) */
static int
db_put(lua_State *lua)
{
	const struct table_def *def = find_table(lua, "db.put");
	struct sink *out;
	struct key key;
	size_t begun;

	lua_settop(lua, 2);
	luaL_checktype(lua, 2, LUA_TTABLE);
	take_key(lua, def, 2, &key);
	push_seen(lua, def, &key);
	out = world_effect(lua, EFFECT_DB_PUT);
	sink_bytes(lua, out, bytes_of_string(def->name));
	begun = out->len + sizeof(uint32_t);
	sink_payload(lua, out, 2, "item");
	if (out->len - begun > ITEM_BYTES_MAX)
		return luaL_error(lua, "db.put: %s: an item has at most %d KiB as JSON", def->name,
		    ITEM_BYTES_MAX / 1024);
	if (out->data[begun] != '{')
		return luaL_error(
		    lua, "db.put: %s: an item is a table with names as keys", def->name);
	world_effect_end(lua);
	lua_pushlstring(lua, (const char *)out->data + begun, out->len - begun);
	note_seen(lua);
	return 0;
}

/* db.delete(table, key) */
static int
db_delete(lua_State *lua)
{
	const struct table_def *def = find_table(lua, "db.delete");
	struct sink *out;
	struct key key;

	lua_settop(lua, 2);
	take_key(lua, def, 2, &key);
	push_seen(lua, def, &key);
	out = world_effect(lua, EFFECT_DB_DELETE);
	sink_bytes(lua, out, bytes_of_string(def->name));
	sink_bytes(lua, out, bytes_of(key.bytes, key.len));
	world_effect_end(lua);
	lua_pushnil(lua);
	note_seen(lua);
	return 0;
}

/* The key's attributes, as an item that has nothing else: (table, key) -> item */
static int
db_fresh(lua_State *lua)
{
	const struct table_def *def = find_table(lua, "db.update");

	lua_createtable(lua, 0, 4);
	lua_pushvalue(lua, 2);
	if (lua_istable(lua, 2)) {
		lua_getfield(lua, 2, def->hash);
		lua_replace(lua, -2);
	}
	lua_setfield(lua, 3, def->hash);
	if (def->sort != NULL) {
		lua_getfield(lua, 2, def->sort);
		lua_setfield(lua, 3, def->sort);
	}
	return 1;
}

/* In Lua, so that the function may wait. */
static const char update_source[] =
    "local get, put, fresh, json_null = ...\n"
    "local type, error, next = type, error, next\n"
    "return function(name, key, change)\n"
    "  local item = get(name, key) or fresh(name, key)\n"
    "  if type(change) == 'function' then\n"
    "    item = change(item)\n"
    "    if item == nil then return nil end\n"
    "    if type(item) ~= 'table' then\n"
    "      error('db.update: the function returns the item, or nil to leave it', 2)\n"
    "    end\n"
    "  elseif type(change) == 'table' then\n"
    "    for name, value in next, change do\n"
    "      if value == json_null then value = nil end\n"
    "      item[name] = value\n"
    "    end\n"
    "  else\n"
    "    error('db.update: the third argument is a function or a table of attributes', 2)\n"
    "  end\n"
    "  put(name, item)\n"
    "  return item\n"
    "end\n";

static void
push_update(lua_State *lua)
{
	if (luaL_loadbuffer(lua, update_source, sizeof(update_source) - 1, "=db.update") != LUA_OK)
		(void)lua_error(lua);
	lua_getfield(lua, -2, "get");
	lua_getfield(lua, -3, "put");
	lua_pushcfunction(lua, db_fresh);
	lua_pushlightuserdata(lua, NULL);
	lua_call(lua, 4, 1);
}

int
lib_db(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "get", db_get }, { "put", db_put },
		{ "delete", db_delete }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	push_update(lua);
	lua_setfield(lua, -2, "update");
	return 1;
}
