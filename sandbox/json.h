/* SPDX-License-Identifier: MIT
 * JSON (RFC 8259) straight to and from Lua values: no trees between, no libc heap.
 *
 * null is json.null, a light userdata; integers that fit stay integers; of names that stand twice
 * the last counts. A table is an array where its keys are 1 to n, or where json.array marked it;
 * else an object.
 */
#ifndef SANDBOX_JSON_H
#define SANDBOX_JSON_H

#include <lua.h>
#include <stdbool.h>

#include "lib/bytes.h"

enum { JSON_DEPTH_MAX = 64, JSON_PATH_BYTES = 256 };

/* Pushes the value and returns true; else pushes nothing and sets `*error` to a constant text and
 * `*at` to the byte where it stands. May raise for want of memory. */
bool json_decode(lua_State *lua, struct bytes text, const char **error, size_t *at);

/* A fixed area to write to. */
struct sink {
	uint8_t *data;
	size_t len;
	size_t cap;
};

struct json_error {
	char text[JSON_PATH_BYTES + 128]; /* "payload.a[3]: NaN cannot be JSON" */
};

/* Writes the value at `index`. `what` names it in errors. False with the error where it cannot be
 * JSON or does not fit; the sink is then as it was. Raw access only: no metamethod runs. */
bool json_encode(
    lua_State *lua, int index, const char *what, struct sink *sink, struct json_error *error);

/* The key (by lua_rawgetp) that marks an array in its metatable, and under which that metatable
 * stands in the registry. */
extern const char json_array_mark;
/* Marks the table at the top of the stack, so that it is an array even when it is empty. Without
 * the library in the state it does nothing. */
void json_mark_array(lua_State *lua);

#endif
