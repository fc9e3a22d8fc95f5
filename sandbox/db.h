/* SPDX-License-Identifier: MIT
 * Inside of the library db: what its files share.
 */
#ifndef SANDBOX_DB_H
#define SANDBOX_DB_H

#include <lauxlib.h>

#include "lib/item_key.h"
#include "lib/table_def.h"
#include "sandbox/world.h"

/* An encoded key (lib/item_key.h). */
struct db_key {
	uint8_t bytes[ITEM_KEY_BYTES_MAX];
	size_t len;
};

/* An attribute that is part of a key. */
struct db_attribute {
	const char *what;  /* "db.put", as errors begin */
	const char *owner; /* the table, or the table's index, as errors name it */
	const char *name;
	const char *role; /* "the table's key" */
	size_t bytes_max;
};

/* The table that the string at `index` names; raises unless the function may use it now. */
const struct table_def *db_table_at(lua_State *lua, const char *what, int index);
const struct table_def *db_table(lua_State *lua, const char *what); /* the first argument */
struct db_attribute db_hash(const struct table_def *def, const char *what);
struct db_attribute db_sort(const struct table_def *def, const char *what);
/* Appends the value at the top of the stack, and pops it. */
void db_take_value(lua_State *lua, const struct db_attribute *attribute, struct db_key *key);
/* A table and who asks for it. */
struct db_place {
	const char *what; /* "db.put", as errors begin */
	const struct table_def *def;
};

/* The key's attributes of the table at `index`, or the key itself where it is one value. */
void db_take_key(lua_State *lua, const struct db_place *place, int index, struct db_key *key);

/* What the run has seen, by name: "table/key" -> the item's JSON, or db_absent for none. Pushes the
 * table of that. */
void db_push_seen(lua_State *lua);
extern const char db_absent;
/* The names of those that the run itself has written -> true. Pushes the table. */
void db_push_written(lua_State *lua);
void db_push_name(lua_State *lua, const struct table_def *def, const struct db_key *key);
/* Decodes and pushes an item; nil for an empty one. */
int db_push_item(lua_State *lua, struct bytes item);

/* Takes what CALL_DB_GET has answered for the name at `index`: notes it as seen, and as an effect.
 */
void db_note_read(lua_State *lua, int index, struct cursor *reply);
/* Appends the item at `index` as JSON with its length; raises where it cannot be one. */
void db_put_item(lua_State *lua, const struct db_place *place, int index, struct sink *out);
/* Writes the item of the name at `index`: its JSON stands at `item`, false there deletes it. */
void db_write(lua_State *lua, int index, int item);

int db_query(lua_State *lua);
int db_scan(lua_State *lua);

/* Between C and the part in Lua. */
extern const char db_source[];
int db_fetch(lua_State *lua);
int db_apply(lua_State *lua);

#endif
