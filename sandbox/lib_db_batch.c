/* SPDX-License-Identifier: MIT
 * db.batch: many items in one call, and all its writes or none. First all that is read is fetched
 * together; then conditions are looked at; then all is encoded, and only then written.
 */
#include <string.h>

#include "sandbox/db.h"

static const char *const batch_options[] = { "get", "put", "delete", "key", "item", "if_absent",
	"if_version", "condition", NULL };

/* One operation of the list. */
struct op {
	struct db_place place;
	enum { OP_GET, OP_PUT, OP_DELETE } kind;
	int operand; /* index on the stack of the key or item */
	bool conditional;
};

static bool
has_field(lua_State *lua, int index, const char *name)
{
	bool has = world_option(lua, index, name) != LUA_TNIL;

	lua_pop(lua, 1);
	return has;
}

/* Reads the operation at the top of the stack, and leaves the table's name and the operand there.
 */
static void
read_op(lua_State *lua, lua_Integer number, struct op *op)
{
	static const char *const words[] = { "get", "put", "delete" };
	int index = lua_gettop(lua), found = 0;
	const char *what = lua_pushfstring(lua, "db.batch: operation %I", number);

	if (!lua_istable(lua, index))
		(void)world_error(lua,
		    "%s: it is { get = TABLE, key = ... }, { put = TABLE, item = ... } or { delete "
		    "= TABLE, key = ... }",
		    what);
	world_check_options(lua, index, batch_options, what);
	for (int i = 0; i < 3; i++) {
		if (!has_field(lua, index, words[i]))
			continue;
		op->kind = i;
		found++;
	}
	if (found != 1)
		(void)world_error(lua, "%s: it has one of get, put and delete", what);
	(void)world_option(lua, index, words[op->kind]);
	op->place = (struct db_place){ what, db_table_at(lua, what, index + 2) };
	(void)world_option(lua, index, op->kind == OP_PUT ? "item" : "key");
	op->operand = index + 3;
	if (op->kind == OP_PUT && !lua_istable(lua, op->operand))
		(void)world_error(lua, "%s: put needs an item, which is a table", what);
	op->conditional = has_field(lua, index, "if_absent") ||
			  has_field(lua, index, "if_version") || has_field(lua, index, "condition");
}

static lua_Integer
list_length(lua_State *lua)
{
	lua_Integer count;

	if (!lua_istable(lua, 1))
		(void)world_error(
		    lua, "db.batch: a list of operations, not %s", luaL_typename(lua, 1));
	count = (lua_Integer)lua_rawlen(lua, 1);
	lua_pushnil(lua);
	if (count == 0 && lua_next(lua, 1) != 0)
		(void)world_error(lua,
		    "db.batch: a list of operations: { { put = TABLE, item = ... }, "
		    "... }");
	lua_settop(lua, 1);
	if (count > DB_GETS_MAX)
		(void)world_error(lua, "db.batch: at most %d at a time", DB_GETS_MAX);
	return count;
}

/* The stack has the list at 1, the table of what was seen at 2, the names that were asked for at 3.
 */
static int
fetched(lua_State *lua, struct cursor *reply)
{
	lua_Integer count = (lua_Integer)lua_rawlen(lua, 3);

	for (lua_Integer i = 1; i <= count; i++) {
		lua_settop(lua, 3);
		(void)lua_rawgeti(lua, 3, i);
		db_note_read(lua, 4, reply);
	}
	return 0;
}

/* Checks all operations, and reads together what has not been seen yet. */
int
db_fetch(lua_State *lua)
{
	lua_Integer count = list_length(lua), asked = 0;
	struct sink *out;
	struct db_key key;
	size_t len;

	lua_settop(lua, 1);
	db_push_seen(lua);
	lua_newtable(lua);
	for (lua_Integer i = 1; i <= count; i++) {
		struct op op;

		lua_settop(lua, 3);
		(void)lua_rawgeti(lua, 1, i);
		read_op(lua, i, &op);
		db_take_key(lua, &op.place, op.operand, &key);
		if (op.kind != OP_GET && !op.conditional)
			continue;
		db_push_name(lua, op.place.def, &key);
		lua_pushvalue(lua, -1);
		if (lua_rawget(lua, 2) == LUA_TNIL) {
			lua_pop(lua, 1);
			lua_rawseti(lua, 3, ++asked);
		}
	}
	lua_settop(lua, 3);
	if (asked == 0)
		return 0;
	out = world_call(lua, CALL_DB_GET, "db.batch");
	sink_u16(lua, out, (uint16_t)asked);
	for (lua_Integer i = 1; i <= asked; i++) {
		const char *name, *slash;

		(void)lua_rawgeti(lua, 3, i);
		name = lua_tolstring(lua, -1, &len);
		slash = strchr(name, '/');
		sink_bytes(lua, out, bytes_of(name, (size_t)(slash - name)));
		sink_bytes(lua, out, bytes_of(slash + 1, len - (size_t)(slash + 1 - name)));
		lua_pop(lua, 1);
	}
	return world_wait(lua, fetched);
}

/* Pushes the item's JSON; the area of calls is free meanwhile. */
static void
push_json(lua_State *lua, const struct db_place *place, int index)
{
	struct sink *scratch = &worker_of(lua)->call.fields;

	scratch->len = 0;
	db_put_item(lua, place, index, scratch);
	lua_pushlstring(
	    lua, (const char *)scratch->data + sizeof(uint32_t), scratch->len - sizeof(uint32_t));
}

/* Appends the name and the JSON (false: it is deleted) of each write to the table at 2. */
static lua_Integer
prepare(lua_State *lua, lua_Integer count, size_t *bytes)
{
	lua_Integer prepared = 0;
	struct db_key key;
	size_t len;

	for (lua_Integer i = 1; i <= count; i++) {
		struct op op;

		lua_settop(lua, 2);
		(void)lua_rawgeti(lua, 1, i);
		read_op(lua, i, &op);
		if (op.kind == OP_GET)
			continue;
		db_take_key(lua, &op.place, op.operand, &key);
		if (op.kind == OP_PUT)
			push_json(lua, &op.place, op.operand);
		else
			lua_pushboolean(lua, 0);
		(void)lua_tolstring(lua, -1, &len);
		*bytes += (op.kind == OP_PUT ? len : key.len) + TABLE_NAME_BYTES_MAX + 16;
		db_push_name(lua, op.place.def, &key);
		lua_rawseti(lua, 2, ++prepared);
		lua_rawseti(lua, 2, ++prepared);
	}
	return prepared / 2;
}

/* All writes of the list, or none: what can fail has been done before the first. */
int
db_apply(lua_State *lua)
{
	const struct worker *worker = worker_of(lua);
	lua_Integer count = list_length(lua);
	size_t bytes = 0;

	lua_settop(lua, 1);
	lua_newtable(lua);
	count = prepare(lua, count, &bytes);
	if (worker->run->effect_count + count > EFFECTS_MAX ||
	    worker->run->effect_bytes + bytes > worker->effects.cap)
		return world_error(lua, "db.batch: a run has at most %d effects with %d bytes",
		    EFFECTS_MAX, (int)worker->effects.cap);
	for (lua_Integer i = 1; i <= count; i++) {
		lua_settop(lua, 2);
		(void)lua_rawgeti(lua, 2, 2 * i - 1);
		(void)lua_rawgeti(lua, 2, 2 * i);
		db_write(lua, 3, 4);
	}
	return 0;
}
