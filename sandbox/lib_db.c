/* SPDX-License-Identifier: MIT
 * db: items of tables. What was read or written stands in a table of the registry for the rest of
 * the run, so that a handler sees its own writes and reads an item once; what it read goes to the
 * host among the effects, which must still be so when it commits.
 */
#include <math.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/utf8.h"
#include "sandbox/db.h"

const char db_absent;
static const char seen_key;
static const char written_key;
static const char parts_key;	/* what db_source has returned */
static const char versions_key; /* name -> the version that was read */

enum part { PART_UPDATE = 1, PART_PUT_IF, PART_DELETE_IF, PART_BATCH };

const struct table_def *
db_table_at(lua_State *lua, const char *what, int index)
{
	struct worker *worker = worker_of(lua);
	struct bytes name = world_string(lua, index);

	(void)world_run(lua, what);
	world_permit(lua, "db", what, name);
	for (size_t i = 0; i < worker->table_count; i++) {
		if (bytes_equal_string(name, worker->tables[i].name))
			return &worker->tables[i];
	}
	(void)world_error(lua, "%s: there is no table \"%s\"; moonlet db create makes one", what,
	    lua_tostring(lua, index));
	return NULL;
}

const struct table_def *
db_table(lua_State *lua, const char *what)
{
	return db_table_at(lua, what, 1);
}

struct db_attribute
db_hash(const struct table_def *def, const char *what)
{
	return (struct db_attribute){ what, def->name, def->hash, "the table's key",
		ITEM_KEY_STRING_BYTES_MAX };
}

struct db_attribute
db_sort(const struct table_def *def, const char *what)
{
	return (struct db_attribute){ what, def->name, def->sort, "the table's sort key",
		ITEM_SORT_STRING_BYTES_MAX };
}

static void
put_string(lua_State *lua, const struct db_attribute *attribute, struct db_key *key)
{
	struct bytes text = world_string(lua, -1);
	uint8_t *at = key->bytes + key->len;

	if (text.len == 0 || text.len > attribute->bytes_max)
		(void)world_error(lua,
		    "%s: %s: \"%s\" must be a number or a string of 1 to %d bytes, and this one "
		    "has %d",
		    attribute->what, attribute->owner, attribute->name, (int)attribute->bytes_max,
		    (int)text.len);
	if (!utf8_is_valid(text))
		(void)world_error(lua,
		    "%s: %s: \"%s\" is a string that is not UTF-8 (base64.encode it)",
		    attribute->what, attribute->owner, attribute->name);
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
			(void)world_error(lua, "%s: %s: \"%s\" is not a finite number",
			    attribute->what, attribute->owner, attribute->name);
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
		(void)world_error(lua, "%s: %s: \"%s\" is missing, which is %s", attribute->what,
		    attribute->owner, attribute->name, attribute->role);
	else
		(void)world_error(lua,
		    "%s: %s: \"%s\" must be a number or a string of 1 to %d bytes, not %s",
		    attribute->what, attribute->owner, attribute->name, (int)attribute->bytes_max,
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
db_take_key(lua_State *lua, const struct db_place *place, int index, struct db_key *key)
{
	const struct table_def *def = place->def;
	struct db_attribute hash = db_hash(def, place->what), sort = db_sort(def, place->what);

	key->len = 0;
	if (!lua_istable(lua, index) && def->sort == NULL) {
		lua_pushvalue(lua, index);
		db_take_value(lua, &hash, key);
		return;
	}
	if (!lua_istable(lua, index))
		(void)world_error(lua, "%s: %s: a key is a table: { %s = ..., %s = ... }",
		    place->what, def->name, def->hash, def->sort);
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

void
db_push_name(lua_State *lua, const struct table_def *def, const struct db_key *key)
{
	lua_pushfstring(lua, "%s/", def->name);
	lua_pushlstring(lua, (const char *)key->bytes, key->len);
	lua_concat(lua, 2);
}

/* Under the name at `index`, in the table at the top of the stack: what stands below it. Pops both.
 */
static void
note(lua_State *lua, int index)
{
	lua_insert(lua, -2);
	lua_pushvalue(lua, index);
	lua_insert(lua, -2);
	lua_rawset(lua, -3);
	lua_pop(lua, 1);
}

/* The text at the top of the stack, or something else for no item, which it pops. */
static void
note_seen(lua_State *lua, int index)
{
	if (lua_type(lua, -1) != LUA_TSTRING) {
		lua_pop(lua, 1);
		lua_pushlightuserdata(lua, (void *)(uintptr_t)&db_absent);
	}
	db_push_seen(lua);
	note(lua, index);
}

/* A name in two: the table's, and the key. */
static struct bytes
split_name(lua_State *lua, int index, struct bytes *key)
{
	struct bytes name = world_string(lua, index);
	const uint8_t *slash = memchr(name.data, '/', name.len);
	size_t len = (size_t)(slash - name.data);

	*key = bytes_of(slash + 1, name.len - len - 1);
	return bytes_of(name.data, len);
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
		return world_error(lua, "db.get: the item is not JSON (%s)", error);
	return 1;
}

void
db_note_read(lua_State *lua, int index, struct cursor *reply)
{
	int64_t version = cursor_i64(reply);
	struct bytes item = cursor_bytes(reply), key, table = split_name(lua, index, &key);
	struct sink *out = world_effect(lua, EFFECT_READ);

	sink_u8(lua, out, READ_ITEM);
	sink_bytes(lua, out, table);
	sink_bytes(lua, out, key);
	sink_i64(lua, out, version);
	world_effect_end(lua);
	if (item.len == 0)
		lua_pushboolean(lua, 0);
	else
		lua_pushlstring(lua, (const char *)item.data, item.len);
	note_seen(lua, index);
	lua_pushinteger(lua, version);
	push_kept(lua, &versions_key);
	note(lua, index);
}

/* Nil for an item that the run itself has written. */
static void
push_version(lua_State *lua, int index)
{
	db_push_written(lua);
	lua_pushvalue(lua, index);
	if (lua_rawget(lua, -2) != LUA_TNIL) {
		lua_pushnil(lua);
		return;
	}
	push_kept(lua, &versions_key);
	lua_pushvalue(lua, index);
	(void)lua_rawget(lua, -2);
}

/* The item of the name at `index`, which has been seen, and its version: as results. */
static int
push_seen_item(lua_State *lua, int index)
{
	struct bytes item = { 0 };
	int version;

	push_version(lua, index);
	version = lua_gettop(lua);
	db_push_seen(lua);
	lua_pushvalue(lua, index);
	if (lua_rawget(lua, -2) == LUA_TSTRING)
		item = world_string(lua, -1);
	(void)db_push_item(lua, item);
	if (item.len == 0)
		return 1;
	lua_pushvalue(lua, version);
	return 2;
}

static int
get_answered(lua_State *lua, struct cursor *reply)
{
	db_note_read(lua, 3, reply);
	return push_seen_item(lua, 3);
}

/* db.get(table, key) -> item, version; or nil */
static int
db_get(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.get");
	const struct db_place place = { "db.get", def };
	struct sink *out;
	struct db_key key;

	lua_settop(lua, 2);
	db_take_key(lua, &place, 2, &key);
	db_push_name(lua, def, &key);
	db_push_seen(lua);
	lua_pushvalue(lua, 3);
	if (lua_rawget(lua, 4) != LUA_TNIL)
		return push_seen_item(lua, 3);
	lua_settop(lua, 3);
	out = world_call(lua, CALL_DB_GET, "db.get");
	sink_u16(lua, out, 1);
	sink_bytes(lua, out, bytes_of_string(def->name));
	sink_bytes(lua, out, bytes_of(key.bytes, key.len));
	return world_wait(lua, get_answered);
}

/* The attributes of an item that is at fault. */
struct suspect {
	struct bytes deep;    /* the first with too many levels; empty: none */
	struct bytes largest; /* and how large that is */
	size_t bytes;
};

static bool
suspect_attribute(void *arg, struct bytes name, struct bytes value)
{
	struct suspect *suspect = arg;

	if (suspect->deep.len == 0 && !json_text_is_within(value, ITEM_DEPTH_MAX - 1))
		suspect->deep = name;
	if (value.len > suspect->bytes) {
		suspect->largest = name;
		suspect->bytes = value.len;
	}
	return true;
}

static const char *
push_attribute(lua_State *lua, struct bytes name)
{
	return lua_pushlstring(lua, (const char *)name.data, name.len < 200 ? name.len : 200);
}

void
db_put_item(lua_State *lua, const struct db_place *place, int index, struct sink *out)
{
	size_t begun = out->len + sizeof(uint32_t), at;
	const char *path = lua_pushfstring(lua, "%s: %s: item", place->what, place->def->name);
	struct suspect suspect = { .bytes = 0 };
	struct bytes item;

	sink_payload(lua, out, index, path);
	item = bytes_of(out->data + begun, out->len - begun);
	if (item.data[0] != '{')
		(void)world_error(lua, "%s: an item is a table with names as keys", path);
	if (item.len <= ITEM_BYTES_MAX && json_text_is_within(item, ITEM_DEPTH_MAX)) {
		lua_pop(lua, 1);
		return;
	}
	(void)json_text_members(item, suspect_attribute, &suspect, &at);
	if (item.len > ITEM_BYTES_MAX)
		(void)world_error(lua,
		    "%s: an item has at most %d KiB as JSON (%d bytes), and this one has %d; its "
		    "largest attribute is \"%s\"",
		    path, ITEM_BYTES_MAX / 1024, ITEM_BYTES_MAX, (int)item.len,
		    push_attribute(lua, suspect.largest));
	(void)world_error(lua, "%s.%s: an item has at most %d levels", path,
	    push_attribute(lua, suspect.deep), ITEM_DEPTH_MAX);
}

static void
note_written(lua_State *lua, int index)
{
	lua_pushboolean(lua, 1);
	db_push_written(lua);
	note(lua, index);
}

void
db_write(lua_State *lua, int index, int item)
{
	bool is_put = lua_type(lua, item) == LUA_TSTRING;
	struct bytes key, table = split_name(lua, index, &key);
	struct sink *out = world_effect(lua, is_put ? EFFECT_DB_PUT : EFFECT_DB_DELETE);

	sink_bytes(lua, out, table);
	sink_bytes(lua, out, is_put ? world_string(lua, item) : key);
	world_effect_end(lua);
	note_written(lua, index);
	lua_pushvalue(lua, item);
	note_seen(lua, index);
}

static int
pass_on(lua_State *lua, int status, lua_KContext context)
{
	(void)status;
	(void)context;
	return lua_gettop(lua);
}

/* Calls a function of the part in Lua with all that is on the stack; returns its results. */
static int
call_part(lua_State *lua, enum part part)
{
	int count = lua_gettop(lua);

	db_prepare(lua);
	(void)lua_rawgetp(lua, LUA_REGISTRYINDEX, &parts_key);
	(void)lua_rawgeti(lua, -1, part);
	lua_insert(lua, 1);
	lua_pop(lua, 1);
	lua_callk(lua, count, LUA_MULTRET, 0, pass_on);
	return lua_gettop(lua);
}

/* db.put(table, item[, conditions]) -> whether it was put */
static int
db_put(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.put");
	const struct db_place place = { "db.put", def };
	struct sink *out;
	struct db_key key;
	size_t begun;

	if (!lua_istable(lua, 2))
		return world_error(lua, "db.put: %s: the item is a table, not %s", def->name,
		    luaL_typename(lua, 2));
	if (!lua_isnoneornil(lua, 3))
		return call_part(lua, PART_PUT_IF);
	lua_settop(lua, 2);
	db_take_key(lua, &place, 2, &key);
	db_push_name(lua, def, &key);
	out = world_effect(lua, EFFECT_DB_PUT);
	sink_bytes(lua, out, bytes_of_string(def->name));
	begun = out->len + sizeof(uint32_t);
	db_put_item(lua, &place, 2, out);
	world_effect_end(lua);
	note_written(lua, 3);
	lua_pushlstring(lua, (const char *)out->data + begun, out->len - begun);
	note_seen(lua, 3);
	lua_pushboolean(lua, 1);
	return 1;
}

/* db.delete(table, key[, conditions]) -> whether it was deleted */
static int
db_delete(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.delete");
	const struct db_place place = { "db.delete", def };
	struct db_key key;

	if (!lua_isnoneornil(lua, 3))
		return call_part(lua, PART_DELETE_IF);
	lua_settop(lua, 2);
	db_take_key(lua, &place, 2, &key);
	db_push_name(lua, def, &key);
	lua_pushboolean(lua, 0);
	db_write(lua, 3, 4);
	lua_pushboolean(lua, 1);
	return 1;
}

/* --- for the part in Lua --- */

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

/* (table, key, item): raises where the item has another key. */
static int
db_same_key(lua_State *lua)
{
	const struct table_def *def = db_table(lua, "db.update");
	const struct db_place place = { "db.update", def };
	struct db_attribute hash = db_hash(def, place.what);
	struct db_key before, now = { .len = 0 };

	db_take_key(lua, &place, 2, &before);
	take_member(lua, 3, &hash, &now);
	if (now.len > before.len || memcmp(before.bytes, now.bytes, now.len) != 0)
		return world_error(lua,
		    "db.update: %s: \"%s\" is the item's key, which must stay as it is", def->name,
		    def->hash);
	db_take_key(lua, &place, 3, &now);
	if (before.len != now.len || memcmp(before.bytes, now.bytes, now.len) != 0)
		return world_error(lua,
		    "db.update: %s: \"%s\" is part of the item's key, which must stay as it is",
		    def->name, def->sort != NULL ? def->sort : def->hash);
	return 0;
}

/* (what, text, environment) -> the condition as a function */
static int
db_compile(lua_State *lua)
{
	const char *what = luaL_checkstring(lua, 1), *text = luaL_checkstring(lua, 2);
	const char *source = lua_pushfstring(lua, "return %s", text);
	const char *name = lua_pushfstring(lua, "=condition \"%s\"", text);

	if (luaL_loadbufferx(lua, source, strlen(source), name, "t") != LUA_OK)
		return world_error(
		    lua, "%s: the condition cannot be parsed: %s", what, lua_tostring(lua, -1));
	lua_pushvalue(lua, 3);
	(void)lua_setupvalue(lua, -2, 1);
	return 1;
}

/* (what, options): raises where they are none. */
static int
db_check(lua_State *lua)
{
	static const char *const names[] = { "if_absent", "if_version", "condition", NULL };
	const char *what = luaL_checkstring(lua, 1);
	int type;

	if (strncmp(what, "db.batch", strlen("db.batch")) != 0)
		world_check_options(lua, 2, names, what);
	type = world_option(lua, 2, "if_absent");
	if (type != LUA_TNIL && type != LUA_TBOOLEAN)
		return world_error(lua, "%s: if_absent is true or false", what);
	if (world_option(lua, 2, "if_version") != LUA_TNIL &&
	    (!lua_isinteger(lua, -1) || lua_tointeger(lua, -1) < 0))
		return world_error(
		    lua, "%s: if_version is the second result of db.get, or 0", what);
	type = world_option(lua, 2, "condition");
	if (type != LUA_TNIL && type != LUA_TSTRING && type != LUA_TFUNCTION)
		return world_error(lua, "%s: condition is a string or a function", what);
	return 0;
}

/* (message): raises it for the handler's line. */
static int
db_fail(lua_State *lua)
{
	return world_error(lua, "%s", luaL_checkstring(lua, 1));
}

void
db_prepare(lua_State *lua)
{
	static const lua_CFunction parts[] = { db_get, db_put, db_delete, db_fresh, db_same_key,
		db_compile, db_check, db_fetch, db_apply, db_fail };
	enum { PARTS = sizeof(parts) / sizeof(*parts) };

	if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &parts_key) == LUA_TNIL) {
		if (luaL_loadbufferx(lua, db_source, strlen(db_source), "=db", "t") != LUA_OK)
			(void)lua_error(lua);
		for (int i = 0; i < PARTS; i++)
			lua_pushcfunction(lua, parts[i]);
		lua_pushlightuserdata(lua, NULL);
		lua_call(lua, PARTS + 1, 1);
		lua_rawsetp(lua, LUA_REGISTRYINDEX, &parts_key);
	}
	lua_pop(lua, 1);
}

static int
db_update(lua_State *lua)
{
	return call_part(lua, PART_UPDATE);
}

static int
db_batch(lua_State *lua)
{
	return call_part(lua, PART_BATCH);
}

int
lib_db(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "get", db_get }, { "put", db_put },
		{ "delete", db_delete }, { "update", db_update }, { "query", db_query },
		{ "scan", db_scan }, { "batch", db_batch }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
