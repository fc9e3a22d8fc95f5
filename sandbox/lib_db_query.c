/* SPDX-License-Identifier: MIT
 * db.query and db.scan: many items at a time. What the run has written to the table goes along with
 * the question, so that the answer has it; what the answer stands on goes to the host among the
 * effects, and must still be so when the run commits.
 */
#include <string.h>

#include "lib/table_query.h"
#include "sandbox/db.h"

static const char *const query_options[] = { "index", "from", "to", "prefix", "reverse", "limit",
	"after", NULL };
static const char *const scan_options[] = { "index", "reverse", "limit", "after", NULL };

/* What is asked, as it is gathered from the arguments. */
struct question {
	const char *what; /* "db.query" */
	const struct table_def *def;
	const struct table_index *index; /* NULL: the table's own key */
	int options;			 /* index on the stack */
};

/* Leaves an option on the stack. False: it is not there, and nothing is left. */
static bool
push_option(lua_State *lua, const struct question *question, const char *name)
{
	if (world_option(lua, question->options, name) != LUA_TNIL)
		return true;
	lua_pop(lua, 1);
	return false;
}

static void
take_index(lua_State *lua, struct question *question)
{
	size_t len;
	const char *name;

	if (!push_option(lua, question, "index"))
		return;
	if (lua_type(lua, -1) != LUA_TSTRING)
		(void)world_error(lua, "%s: index is the name of an index", question->what);
	name = lua_tolstring(lua, -1, &len);
	question->index = table_def_index(question->def, bytes_of(name, len));
	if (question->index == NULL)
		(void)world_error(lua, "%s: table %s has no index \"%s\"", question->what,
		    question->def->name, name);
	lua_pop(lua, 1);
}

static struct db_attribute
hash_of(const struct question *question)
{
	if (question->index == NULL)
		return db_hash(question->def, question->what);
	return (struct db_attribute){ question->what, question->index->name, question->index->hash,
		"the index's key", ITEM_KEY_STRING_BYTES_MAX };
}

static struct db_attribute
sort_of(const struct question *question)
{
	if (question->index == NULL)
		return db_sort(question->def, question->what);
	return (struct db_attribute){ question->what, question->index->name, question->index->sort,
		"the index's sort key", ITEM_SORT_STRING_BYTES_MAX };
}

/* { id = ... }, or the value itself. */
static void
take_hash(lua_State *lua, const struct question *question, struct db_key *key)
{
	struct db_attribute hash = hash_of(question);

	key->len = 0;
	if (!lua_istable(lua, 2)) {
		lua_pushvalue(lua, 2);
		db_take_value(lua, &hash, key);
		return;
	}
	lua_pushnil(lua);
	while (lua_next(lua, 2) != 0) {
		if (lua_type(lua, -2) != LUA_TSTRING ||
		    strcmp(lua_tostring(lua, -2), hash.name) != 0)
			(void)world_error(lua,
			    "%s: %s: its key is \"%s\"; for other attributes there are from, to "
			    "and prefix, and indexes",
			    question->what, hash.owner, hash.name);
		lua_pop(lua, 1);
	}
	lua_pushstring(lua, hash.name);
	lua_rawget(lua, 2);
	db_take_value(lua, &hash, key);
}

/* All strings start with an empty prefix: from the least of them on. */
static bool
push_least_string(lua_State *lua, const struct question *question)
{
	bool is_empty = push_option(lua, question, "prefix") && lua_isstring(lua, -1) &&
			lua_rawlen(lua, -1) == 0;

	if (is_empty)
		lua_pushlstring(lua, "", 1);
	return is_empty;
}

/* A bound of the sort key; empty where it is not there. */
static void
put_bound(lua_State *lua, const struct question *question, const char *name, struct sink *out)
{
	struct db_attribute sort = sort_of(question);
	struct db_key key = { .len = 0 };
	int top = lua_gettop(lua);

	if (push_option(lua, question, name) ||
	    (strcmp(name, "from") == 0 && push_least_string(lua, question))) {
		if (sort.name == NULL)
			(void)world_error(lua, "%s: %s has no sort key for \"%s\"", question->what,
			    sort.owner, name);
		sort.name = name;
		db_take_value(lua, &sort, &key);
	}
	lua_settop(lua, top);
	sink_bytes(lua, out, bytes_of(key.bytes, key.len));
}

static void
put_prefix(lua_State *lua, const struct question *question, struct sink *out)
{
	struct bytes prefix = { 0 };

	if (!push_option(lua, question, "prefix")) {
		sink_bytes(lua, out, prefix);
		return;
	}
	if (lua_type(lua, -1) != LUA_TSTRING)
		(void)world_error(lua, "%s: prefix is a string", question->what);
	if (sort_of(question).name == NULL)
		(void)world_error(lua, "%s: %s has no sort key for \"prefix\"", question->what,
		    sort_of(question).owner);
	prefix = world_string(lua, -1);
	sink_bytes(lua, out, prefix);
	lua_pop(lua, 1);
}

static int
hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* As table_after_read has it, without the heap. */
static void
put_after(lua_State *lua, const struct question *question, struct sink *out)
{
	struct bytes text = { 0 };

	if (!push_option(lua, question, "after")) {
		sink_u32(lua, out, 0);
		return;
	}
	if (lua_type(lua, -1) == LUA_TSTRING)
		text = world_string(lua, -1);
	if (text.len == 0 || text.len % 2 != 0)
		(void)world_error(
		    lua, "%s: after is what a query gave as its second result", question->what);
	sink_u32(lua, out, (uint32_t)(text.len / 2));
	for (size_t i = 0; i < text.len; i += 2) {
		int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);

		if (high < 0 || low < 0)
			(void)world_error(lua,
			    "%s: after is what a query gave as its second result", question->what);
		sink_u8(lua, out, (uint8_t)(high << 4 | low));
	}
	lua_pop(lua, 1);
}

/* What the run has written to this table, as it stands now. */
static void
put_pending(lua_State *lua, const struct question *question, struct sink *out)
{
	size_t begun = out->len, end, count = 0, name_len = strlen(question->def->name), len;

	sink_u16(lua, out, 0);
	db_push_seen(lua);
	db_push_written(lua);
	lua_pushnil(lua);
	while (lua_next(lua, -2) != 0) {
		const char *name = lua_tolstring(lua, -2, &len);

		if (len > name_len && name[name_len] == '/' &&
		    memcmp(name, question->def->name, name_len) == 0) {
			sink_bytes(lua, out, bytes_of(name + name_len + 1, len - name_len - 1));
			lua_pushvalue(lua, -2);
			(void)lua_rawget(lua, -5);
			name = lua_tolstring(lua, -1, &len);
			sink_bytes(lua, out, bytes_of(name, name != NULL ? len : 0));
			lua_pop(lua, 1);
			count++;
		}
		lua_pop(lua, 1);
	}
	lua_pop(lua, 2);
	end = out->len;
	out->len = begun;
	sink_u16(lua, out, (uint16_t)count);
	out->len = end;
}

static void
push_items(lua_State *lua, struct cursor *reply)
{
	uint32_t count = cursor_u32(reply);

	lua_createtable(lua, (int)count, 0);
	json_mark_array(lua);
	for (uint32_t i = 1; i <= count; i++) {
		(void)db_push_item(lua, cursor_bytes(reply));
		lua_rawseti(lua, -2, (lua_Integer)i);
	}
}

static void
push_next(lua_State *lua, struct bytes next)
{
	static const char digits[] = "0123456789abcdef";
	luaL_Buffer text;

	if (next.len == 0) {
		lua_pushnil(lua);
		return;
	}
	luaL_buffinit(lua, &text);
	for (size_t i = 0; i < next.len; i++) {
		luaL_addchar(&text, digits[next.data[i] >> 4]);
		luaL_addchar(&text, digits[next.data[i] & 15]);
	}
	luaL_pushresult(&text);
}

/* The stack has the table's name at 1, the index's name at 4, reverse at 5. */
static int
answered(lua_State *lua, struct cursor *reply)
{
	struct sink *out = world_effect(lua, EFFECT_READ_ROWS);
	uint32_t rows = cursor_u32(reply);
	int64_t digest = cursor_i64(reply);
	struct bytes next;

	sink_u8(lua, out, (uint8_t)lua_toboolean(lua, 5));
	sink_bytes(lua, out, world_string(lua, 1));
	sink_bytes(lua, out, world_string(lua, 4));
	sink_bytes(lua, out, cursor_bytes(reply));
	sink_bytes(lua, out, cursor_bytes(reply));
	sink_u32(lua, out, rows);
	sink_i64(lua, out, digest);
	world_effect_end(lua);
	next = cursor_bytes(reply);
	push_items(lua, reply);
	push_next(lua, next);
	return 2;
}

static bool
take_reverse(lua_State *lua, const struct question *question)
{
	bool reverse = false;

	if (push_option(lua, question, "reverse")) {
		if (!lua_isboolean(lua, -1))
			(void)world_error(lua, "%s: reverse is true or false", question->what);
		reverse = lua_toboolean(lua, -1);
		lua_pop(lua, 1);
	}
	return reverse;
}

static int
ask(lua_State *lua, struct question *question, bool has_key)
{
	const struct option_range limit = { question->what, "limit", 1, QUERY_LIMIT_MAX,
		QUERY_LIMIT_MAX };
	struct db_key key = { .len = 0 };
	struct sink *out;
	bool reverse;

	take_index(lua, question);
	if (has_key)
		take_hash(lua, question, &key);
	reverse = take_reverse(lua, question);
	out = world_call(lua, CALL_DB_QUERY, question->what);
	sink_bytes(lua, out, bytes_of_string(question->def->name));
	sink_bytes(lua, out, bytes_of_string(question->index ? question->index->name : NULL));
	sink_bytes(lua, out, bytes_of(key.bytes, key.len));
	put_bound(lua, question, "from", out);
	put_bound(lua, question, "to", out);
	put_prefix(lua, question, out);
	put_after(lua, question, out);
	sink_u8(lua, out, reverse);
	sink_u32(lua, out, (uint32_t)world_option_integer(lua, question->options, &limit));
	put_pending(lua, question, out);
	lua_settop(lua, 3);
	lua_pushstring(lua, question->index != NULL ? question->index->name : "");
	lua_pushboolean(lua, reverse);
	return world_wait(lua, answered);
}

/* db.query(table, key[, options]) -> items, after */
int
db_query(lua_State *lua)
{
	struct question question = { .what = "db.query", .options = 3 };

	question.def = db_table(lua, question.what);
	lua_settop(lua, 3);
	world_check_options(lua, 3, query_options, question.what);
	return ask(lua, &question, true);
}

/* db.scan(table[, options]) -> items, after */
int
db_scan(lua_State *lua)
{
	struct question question = { .what = "db.scan", .options = 2 };

	question.def = db_table(lua, question.what);
	lua_settop(lua, 2);
	world_check_options(lua, 2, scan_options, question.what);
	return ask(lua, &question, false);
}
