/* SPDX-License-Identifier: MIT
 * The encoder: into a fixed area, with the path to what cannot be JSON in its error.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"
#include "sandbox/json.h"
#include "sandbox/lua_hooks.h"

enum { NUMBER_BYTES = 32, NAMED_DEPTH = 3 };

const char json_array_mark = 0;

/* Where we are, innermost first: how an error finds its name. */
struct step {
	const struct step *outer;
	const char *name; /* NULL: `index` counts */
	lua_Integer index;
	int depth;
};

struct writer {
	lua_State *lua;
	struct sink *sink;
	struct json_error *error;
};

static bool write_value(struct writer *w, const struct step *step);

static size_t
put_path(char *out, size_t size, const struct step *step)
{
	size_t len = step->outer != NULL ? put_path(out, size, step->outer) : 0;
	int wrote;

	if (len >= size)
		return len;
	if (step->name == NULL)
		wrote = sandbox_snprintf(out + len, size - len, "[%lld]", (long long)step->index);
	else
		wrote = sandbox_snprintf(
		    out + len, size - len, "%s%s", step->outer != NULL ? "." : "", step->name);
	return len + (wrote > 0 ? (size_t)wrote : 0);
}

static bool
fail(struct writer *w, const struct step *step, const char *what)
{
	char path[JSON_PATH_BYTES] = "";

	(void)put_path(path, sizeof(path), step);
	(void)sandbox_snprintf(w->error->text, sizeof(w->error->text), "%s: %s", path, what);
	return false;
}

static bool
put(struct writer *w, const struct step *step, const void *data, size_t len)
{
	struct sink *sink = w->sink;

	if (sink->cap - sink->len < len)
		return fail(w, step, "too large");
	memcpy(sink->data + sink->len, data, len);
	sink->len += len;
	return true;
}

static bool
put_char(struct writer *w, const struct step *step, char c)
{
	return put(w, step, &c, 1);
}

static bool
put_escape(struct writer *w, const struct step *step, uint8_t c)
{
	static const char names[] = "\b\f\n\r\t\"\\";
	static const char letters[] = "bfnrt\"\\";
	const char *at = c != 0 ? strchr(names, c) : NULL;
	char out[8];

	if (at != NULL) {
		out[0] = '\\';
		out[1] = letters[at - names];
		return put(w, step, out, 2);
	}
	(void)sandbox_snprintf(out, sizeof(out), "\\u%04x", c);
	return put(w, step, out, 6);
}

static bool
put_string(struct writer *w, const struct step *step, struct bytes text)
{
	size_t from = 0, i;

	if (!utf8_is_valid(text) && text.len > 0)
		return fail(
		    w, step, "a string that is not UTF-8 cannot be JSON (base64.encode it)");
	if (!put_char(w, step, '"'))
		return false;
	for (i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (!put(w, step, text.data + from, i - from) || !put_escape(w, step, c))
			return false;
		from = i + 1;
	}
	return put(w, step, text.data + from, i - from) && put_char(w, step, '"');
}

static bool
put_integer(struct writer *w, const struct step *step, lua_Integer value)
{
	char digits[NUMBER_BYTES], *at = digits + sizeof(digits);
	lua_Unsigned rest = value < 0 ? 0 - (lua_Unsigned)value : (lua_Unsigned)value;

	do {
		*--at = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--at = '-';
	return put(w, step, at, (size_t)(digits + sizeof(digits) - at));
}

/* The shortest of 15, 16 and 17 digits that reads back as the same number. */
static bool
put_float(struct writer *w, const struct step *step, double value)
{
	char text[NUMBER_BYTES];
	int len = 0;

	if (isnan(value))
		return fail(w, step, "NaN cannot be JSON");
	if (isinf(value))
		return fail(w, step, "infinity cannot be JSON");
	for (int digits = 15; digits <= 17; digits++) {
		len = sandbox_snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return put(w, step, text, (size_t)len);
}

static bool
put_key(struct writer *w, const struct step *step, const char **name)
{
	size_t len;

	*name = "?";
	if (lua_type(w->lua, -2) == LUA_TSTRING) {
		*name = lua_tolstring(w->lua, -2, &len);
		return put_string(w, step, bytes_of(*name, len)) && put_char(w, step, ':');
	}
	if (lua_isinteger(w->lua, -2))
		return put_char(w, step, '"') && put_integer(w, step, lua_tointeger(w->lua, -2)) &&
		       put(w, step, "\":", 2);
	return fail(w, step, "a table key that is neither a string nor an integer cannot be JSON");
}

static bool
write_object(struct writer *w, const struct step *step)
{
	struct step inner = { .outer = step, .depth = step->depth + 1 };
	int table = lua_gettop(w->lua);
	bool first = true;

	if (!put_char(w, step, '{'))
		return false;
	lua_pushnil(w->lua);
	while (lua_next(w->lua, table) != 0) {
		if (!first && !put_char(w, step, ','))
			return false;
		first = false;
		if (!put_key(w, step, &inner.name) || !write_value(w, &inner))
			return false;
		lua_settop(w->lua, table + 1);
	}
	return put_char(w, step, '}');
}

static bool
write_array(struct writer *w, const struct step *step, lua_Integer count)
{
	struct step inner = { .outer = step, .depth = step->depth + 1 };

	if (!put_char(w, step, '['))
		return false;
	for (inner.index = 1; inner.index <= count; inner.index++) {
		if (inner.index > 1 && !put_char(w, step, ','))
			return false;
		lua_rawgeti(w->lua, -1, inner.index);
		if (!write_value(w, &inner))
			return false;
		lua_pop(w->lua, 1);
	}
	return put_char(w, step, ']');
}

static bool
is_marked_array(lua_State *lua)
{
	bool marked;

	if (lua_getmetatable(lua, -1) == 0)
		return false;
	marked = lua_rawgetp(lua, -1, &json_array_mark) != LUA_TNIL;
	lua_pop(lua, 2);
	return marked;
}

void
json_mark_array(lua_State *lua)
{
	if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &json_array_mark) == LUA_TTABLE)
		lua_setmetatable(lua, -2);
	else
		lua_pop(lua, 1);
}

/* Keys 1 to n and no others: counting them is a walk, but most objects say no at the first key. */
static bool
is_array(lua_State *lua, lua_Integer *count)
{
	lua_Integer seen = 0;
	int table = lua_gettop(lua);

	*count = (lua_Integer)lua_rawlen(lua, table);
	lua_pushnil(lua);
	if (*count == 0) {
		bool is_empty = lua_next(lua, table) == 0;

		lua_settop(lua, table);
		return is_empty && is_marked_array(lua);
	}
	while (lua_next(lua, table) != 0) {
		bool fits = lua_isinteger(lua, -2) && lua_tointeger(lua, -2) >= 1 &&
			    lua_tointeger(lua, -2) <= *count;

		if (!fits) {
			lua_settop(lua, table);
			return false;
		}
		seen++;
		lua_pop(lua, 1);
	}
	return seen == *count;
}

/* A path of all levels would tell no more than its beginning. */
static const struct step *
step_above(const struct step *step, int depth)
{
	while (step->depth > depth && step->outer != NULL)
		step = step->outer;
	return step;
}

static bool
write_table(struct writer *w, const struct step *step)
{
	lua_Integer count;

	if (step->depth >= JSON_DEPTH_MAX)
		return fail(w, step_above(step, NAMED_DEPTH),
		    "more than 64 levels deep, or the table holds itself");
	if (lua_checkstack(w->lua, 6) == 0)
		return fail(w, step, "out of memory");
	return is_array(w->lua, &count) ? write_array(w, step, count) : write_object(w, step);
}

/* The value on the top of the stack. */
static bool
write_value(struct writer *w, const struct step *step)
{
	lua_State *lua = w->lua;
	size_t len;

	switch (lua_type(lua, -1)) {
	case LUA_TNIL:
		return put(w, step, "null", 4);
	case LUA_TLIGHTUSERDATA:
		if (lua_touserdata(lua, -1) == NULL)
			return put(w, step, "null", 4);
		break;
	case LUA_TBOOLEAN:
		return lua_toboolean(lua, -1) ? put(w, step, "true", 4) : put(w, step, "false", 5);
	case LUA_TNUMBER:
		return lua_isinteger(lua, -1) ? put_integer(w, step, lua_tointeger(lua, -1))
					      : put_float(w, step, lua_tonumber(lua, -1));
	case LUA_TSTRING: {
		const char *text = lua_tolstring(lua, -1, &len);

		return put_string(w, step, bytes_of(text, len));
	}
	case LUA_TTABLE:
		return write_table(w, step);
	default:
		break;
	}
	return fail(w, step, "a function, coroutine or userdata cannot be JSON");
}

bool
json_encode(
    lua_State *lua, int index, const char *what, struct sink *sink, struct json_error *error)
{
	struct writer w = { lua, sink, error };
	const struct step step = { .name = what };
	size_t begun = sink->len;
	int top = lua_gettop(lua);
	bool ok;

	lua_pushvalue(lua, index);
	ok = write_value(&w, &step);
	lua_settop(lua, top);
	if (!ok)
		sink->len = begun;
	return ok;
}
