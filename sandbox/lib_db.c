/* SPDX-License-Identifier: MIT
 * db: items of tables. What was read or written stands in a table of the registry for the rest of
 * the run, so that a handler sees its own writes and reads an item once; what it read goes to the
 * host among the effects, which must still be so when it commits.
 */
#include <math.h>
#include <string.h>

#include "sandbox/db.h"

const char db_absent;
static const char seen_key;
static const char written_key;

const struct table_def *
db_table(lua_State *lua, const char *what)
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

struct db_attribute
db_hash(const struct table_def *def)
{
	return (struct db_attribute){ def->name, def->hash, "the table's key",
		ITEM_KEY_STRING_BYTES_MAX };
}

struct db_attribute
db_sort(const struct table_def *def)
{
	return (struct db_attribute){ def->name, def->sort, "the table's sort key",
		ITEM_SORT_STRING_BYTES_MAX };
}

static void
put_string(lua_State *lua, const struct db_attribute *attribute, struct db_key *key)
{
	struct bytes text = world_string(lua, -1);
	uint8_t *at = key->bytes + key->len;

	if (text.len == 0 || text.len > attribute->bytes_max)
		(void)luaL_error(lua,
		    "db: %s: \"%s\" must be a number or a string of 1 to %d bytes",
		    attribute->owner, attribute->name, (int)attribute->bytes_max);
	*at++ = 's';
	for (size_t i = 0; i < text.len; i++) {
		*at++ = text.data[i];
		if (text.data[i] == 0)
			*at++ = 0xff;
	}
	*at++ = 0;
	*at++ = 1;
	key->len = (size_t)(at - key->bytes);
}

static void
put_number(lua_State *lua, const struct db_attribute *attribute, struct db_key *key)
{
	struct item_key_number number;

	if (lua_isinteger(lua, -1)) {
		number = item_key_of_integer(lua_tointeger(lua, -1));
	} else {
		if (!isfinite(lua_tonumber(lua, -1)))
			(void)luaL_error(lua, "db: %s: \"%s\" is not a finite number",
			    attribute->owner, attribute->name);
		number = item_key_of_double(lua_tonumber(lua, -1));
	}
	memcpy(key->bytes + key->len, number.bytes, sizeof(number.bytes));
	key->len += sizeof(number.bytes);
}

void
db_take_value(lua_State *lua, const struct db_attribute *attribute, struct db_key *key)
{
	int type = lua_type(lua, -1);

	if (type == LUA_TSTRING)
		put_string(lua, attribute, key);
	else if (type == LUA_TNUMBER)
		put_number(lua, attribute, key);
	else if (type == LUA_TNIL)
		(void)luaL_error(lua, "db: %s: \"%s\" is missing, which is %s", attribute->owner,
		    attribute->name, attribute->role);
	else
		(void)luaL_error(lua,
		    "db: %s: \"%s\" must be a number or a string of 1 to %d bytes, not %s",
		    attribute->owner, attribute->name, (int)attribute->bytes_max,
		    luaL_typename(lua, -1));
	lua_pop(lua, 1);
}

static void
take_member(lua_State *lua, int index, const struct db_attribute *attribute, struct db_key *key)
{
	lua_pushstring(lua, attribute->name);
	lua_rawget(lua, index);
	db_take_value(lua, attribute, key);
}

void
db_take_key(lua_State *lua, const struct table_def *def, int index, struct db_key *key)
{
	struct db_attribute hash = db_hash(def), sort = db_sort(def);

	key->len = 0;
	if (!lua_istable(lua, index) && def->sort == NULL) {
		lua_pushvalue(lua, index);
		db_take_value(lua, &hash, key);
		return;
	}
	if (!lua_istable(lua, index))
		(void)luaL_error(lua, "db: %s: a key is a table: { %s = ..., %s = ... }", def->name,
		    def->hash, def->sort);
	take_member(lua, index, &hash, key);
	if (def->sort != NULL)
		take_member(lua, index, &sort, key);
}

static void
push_kept(lua_State *lua, const char *which)
{
	if (lua_rawgetp(lua, LUA_REGISTRYINDEX, which) == LUA_TTABLE)
		return;
	lua_pop(lua, 1);
	lua_newtable(lua);
	lua_pushvalue(lua, -1);
	lua_rawsetp(lua, LUA_REGISTRYINDEX, which);
}

void
db_push_seen(lua_State *lua)
{
	push_kept(lua, &seen_key);
}

void
db_push_written(lua_State *lua)
{
	push_kept(lua, &written_key);
}

/* Pushes the table of what was seen, and the name of an item in it. */
static void
push_seen(lua_State *lua, const struct table_def *def, const struct db_key *key)
{
	db_push_seen(lua);
	lua_pushfstring(lua, "%s/", def->name);
	lua_pushlstring(lua, (const char *)key->bytes, key->len);
	lua_concat(lua, 2);
}

/* The run itself has written the item whose seen name stands at `index`. */
static void
note_written(lua_State *lua, int index)
{
	db_push_written(lua);
	lua_pushvalue(lua, index);
	lua_pushboolean(lua, 1);
	lua_rawset(lua, -3);
	lua_pop(lua, 1);
}

/* Notes the text at the top of the stack (nil: there is no item) under the seen name below it, and
 * pops both and the table. */
static void
note_seen(lua_State *lua)
{
	if (lua_isnil(lua, -1)) {
		lua_pop(lua, 1);
		lua_pushlightuserdata(lua, (void *)(uintptr_t)&db_absent);
	}
	lua_rawset(lua, -3);
	lua_pop(lua, 1);
}

int
db_push_item(lua_State *lua, struct bytes item)
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
	if (item.len == 0)
		lua_pushnil(lua);
	else
		lua_pushlstring(lua, (const char *)item.data, item.len);
	note_seen(lua);
	return db_push_item(lua, item);
}

/* db.get(table, key) -> item or nil */
static int
db_get(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.get");
	struct sink *out;
	struct db_key key;
	size_t len;

	lua_settop(lua, 2);
	db_take_key(lua, def, 2, &key);
	push_seen(lua, def, &key);
	lua_pushvalue(lua, 4);
	if (lua_rawget(lua, 3) != LUA_TNIL) {
		const char *text = lua_tolstring(lua, -1, &len);

		return db_push_item(lua, text != NULL ? bytes_of(text, len) : bytes_of(NULL, 0));
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
	const struct table_def *def = db_table(lua, "db.put");
	struct sink *out;
	struct db_key key;
	size_t begun;

	lua_settop(lua, 2);
	luaL_checktype(lua, 2, LUA_TTABLE);
	db_take_key(lua, def, 2, &key);
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
	note_written(lua, 4);
	lua_pushlstring(lua, (const char *)out->data + begun, out->len - begun);
	note_seen(lua);
	return 0;
}

/* db.delete(table, key) */
static int
db_delete(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.delete");
	struct sink *out;
	struct db_key key;

	lua_settop(lua, 2);
	db_take_key(lua, def, 2, &key);
	push_seen(lua, def, &key);
	out = world_effect(lua, EFFECT_DB_DELETE);
	sink_bytes(lua, out, bytes_of_string(def->name));
	sink_bytes(lua, out, bytes_of(key.bytes, key.len));
	world_effect_end(lua);
	note_written(lua, 4);
	lua_pushnil(lua);
	note_seen(lua);
	return 0;
}

/* The key's attributes, as an item that has nothing else: (table, key) -> item */
static int
db_fresh(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.update");

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
		{ "delete", db_delete }, { "query", db_query }, { "scan", db_scan },
		{ NULL, NULL } };

	luaL_newlib(lua, functions);
	push_update(lua);
	lua_setfield(lua, -2, "update");
	return 1;
}
