/* SPDX-License-Identifier: MIT
 * The decoder: one pass over the bytes, values go to the Lua stack as they end.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"
#include "sandbox/json.h"

enum {
	DIGITS_EXACT = 15,
	DIGITS_INTEGER = 18,
	NUMBER_BYTES_MAX = 400,
	OBJECT_GUESS = 8,
	ARRAY_GUESS = 4
};

struct reader {
	lua_State *lua;
	const uint8_t *start;
	const uint8_t *at;
	const uint8_t *end;
	const char *error;
	int depth;
};

static bool read_value(struct reader *r);

static bool
fail(struct reader *r, const char *error)
{
	if (r->error == NULL)
		r->error = error;
	return false;
}

static inline void
skip_space(struct reader *r)
{
	while (
	    r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

/* Whether the next byte behind white space is `c`; takes it where it is. */
static inline bool
take(struct reader *r, uint8_t c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex4(struct reader *r, unsigned *out)
{
	*out = 0;
	if (r->end - r->at < 4)
		return fail(r, "a \\u escape is cut");
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(*r->at++);

		if (digit < 0)
			return fail(r, "a \\u escape has a character that is no hexadecimal digit");
		*out = *out << 4 | (unsigned)digit;
	}
	return true;
}

static bool
read_unicode(struct reader *r, luaL_Buffer *out)
{
	unsigned code, low;
	char utf8[4];
	int len = 0;

	if (!read_hex4(r, &code))
		return false;
	if (code >= 0xdc00 && code <= 0xdfff)
		return fail(r, "a low surrogate stands alone");
	if (code >= 0xd800 && code <= 0xdbff) {
		if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
			return fail(r, "a high surrogate stands alone");
		r->at += 2;
		if (!read_hex4(r, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff)
			return fail(r, "a high surrogate stands alone");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if (code < 0x80) {
		utf8[len++] = (char)code;
	} else if (code < 0x800) {
		utf8[len++] = (char)(0xc0 | code >> 6);
		utf8[len++] = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		utf8[len++] = (char)(0xe0 | code >> 12);
		utf8[len++] = (char)(0x80 | (code >> 6 & 0x3f));
		utf8[len++] = (char)(0x80 | (code & 0x3f));
	} else {
		utf8[len++] = (char)(0xf0 | code >> 18);
		utf8[len++] = (char)(0x80 | (code >> 12 & 0x3f));
		utf8[len++] = (char)(0x80 | (code >> 6 & 0x3f));
		utf8[len++] = (char)(0x80 | (code & 0x3f));
	}
	luaL_addlstring(out, utf8, (size_t)len);
	return true;
}

static bool
read_escape(struct reader *r, luaL_Buffer *out)
{
	static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	uint8_t c = r->at < r->end ? *r->at++ : 0;

	if (c == 'u')
		return read_unicode(r, out);
	for (size_t i = 0; i + 1 < sizeof(plain) - 1; i += 2) {
		if (plain[i] == (char)c) {
			luaL_addchar(out, plain[i + 1]);
			return true;
		}
	}
	return fail(r, "an escape that JSON does not have");
}

/* A string with escapes, from its first one on; `begun` is the text before it. */
static bool
read_escaped(struct reader *r, struct bytes begun)
{
	luaL_Buffer out;

	luaL_buffinit(r->lua, &out);
	luaL_addlstring(&out, (const char *)begun.data, begun.len);
	for (;;) {
		const uint8_t *from = r->at;

		while (r->at < r->end && *r->at != '"' && *r->at != '\\' && *r->at >= 0x20)
			r->at++;
		luaL_addlstring(&out, (const char *)from, (size_t)(r->at - from));
		if (r->at == r->end)
			return fail(r, "a string does not end");
		if (*r->at == '"')
			break;
		if (*r->at != '\\')
			return fail(r, "a control character in a string");
		r->at++;
		if (!read_escape(r, &out))
			return false;
	}
	r->at++;
	luaL_pushresult(&out);
	return true;
}

/* Behind the opening quote. */
static bool
read_string(struct reader *r)
{
	const uint8_t *from = r->at;

	while (r->at < r->end && *r->at != '"' && *r->at != '\\' && *r->at >= 0x20)
		r->at++;
	if (r->at == r->end)
		return fail(r, "a string does not end");
	if (*r->at == '\\')
		return read_escaped(r, bytes_of(from, (size_t)(r->at - from)));
	if (*r->at != '"')
		return fail(r, "a control character in a string");
	lua_pushlstring(r->lua, (const char *)from, (size_t)(r->at - from));
	r->at++;
	return true;
}

static size_t
skip_digits(struct reader *r)
{
	const uint8_t *from = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - from);
}

/* What the fast path cannot do exactly. strtod takes no locale but "C" here and no heap. */
static bool
push_slow(struct reader *r, const uint8_t *from)
{
	size_t len = (size_t)(r->at - from);
	char text[NUMBER_BYTES_MAX + 1];
	double value;

	if (len > NUMBER_BYTES_MAX)
		return fail(r, "a number has more than 400 characters");
	memcpy(text, from, len);
	text[len] = '\0';
	value = strtod(text, NULL);
	if (value - value != 0)
		return fail(r, "a number is too large");
	lua_pushnumber(r->lua, value);
	return true;
}

static uint64_t
digits_value(const uint8_t *from, const uint8_t *to)
{
	uint64_t value = 0;

	for (; from < to; from++) {
		if (*from != '.')
			value = value * 10 + (uint64_t)(*from - '0');
	}
	return value;
}

static bool
read_number(struct reader *r)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15 };
	const uint8_t *from = r->at, *digits;
	bool negative = *r->at == '-';
	size_t whole, fraction = 0;
	bool exponent = false;

	r->at += negative;
	digits = r->at;
	whole = skip_digits(r);
	if (whole == 0 || (whole > 1 && *digits == '0'))
		return fail(r, "a number that JSON does not have");
	if (r->at < r->end && *r->at == '.') {
		r->at++;
		fraction = skip_digits(r);
		if (fraction == 0)
			return fail(r, "a number that JSON does not have");
	}
	if (r->at < r->end && (*r->at | 0x20) == 'e') {
		r->at++;
		exponent = true;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		if (skip_digits(r) == 0)
			return fail(r, "a number that JSON does not have");
	}
	if (!exponent && fraction == 0 && whole <= DIGITS_INTEGER) {
		int64_t value = (int64_t)digits_value(digits, digits + whole);

		if (negative && value == 0)
			lua_pushnumber(r->lua, -0.0);
		else
			lua_pushinteger(r->lua, negative ? -value : value);
		return true;
	}
	if (!exponent && fraction > 0 && whole + fraction <= DIGITS_EXACT) {
		double value =
		    (double)digits_value(digits, digits + whole + 1 + fraction) / powers[fraction];

		lua_pushnumber(r->lua, negative ? -value : value);
		return true;
	}
	if (!exponent && fraction == 0 && whole == DIGITS_INTEGER + 1) {
		uint64_t value = digits_value(digits, digits + whole);

		if (value <= (uint64_t)INT64_MAX + negative) {
			lua_pushinteger(r->lua, (lua_Integer)(negative ? 0 - value : value));
			return true;
		}
	}
	return push_slow(r, from);
}

static bool
read_word(struct reader *r)
{
	size_t left = (size_t)(r->end - r->at);

	if (left >= 4 && memcmp(r->at, "true", 4) == 0) {
		r->at += 4;
		lua_pushboolean(r->lua, 1);
	} else if (left >= 5 && memcmp(r->at, "false", 5) == 0) {
		r->at += 5;
		lua_pushboolean(r->lua, 0);
	} else if (left >= 4 && memcmp(r->at, "null", 4) == 0) {
		r->at += 4;
		lua_pushlightuserdata(r->lua, NULL);
	} else {
		return fail(r, "no JSON value");
	}
	return true;
}

static bool
enter(struct reader *r)
{
	if (++r->depth > JSON_DEPTH_MAX)
		return fail(r, "more than 64 levels deep");
	return lua_checkstack(r->lua, 4) != 0 || fail(r, "out of memory");
}

static bool
read_object(struct reader *r)
{
	if (!enter(r))
		return false;
	lua_createtable(r->lua, 0, OBJECT_GUESS);
	if (!take(r, '}')) {
		do {
			if (!take(r, '"'))
				return fail(r, "a member's name is expected");
			if (!read_string(r))
				return false;
			if (!take(r, ':'))
				return fail(r, "a colon is expected");
			if (!read_value(r))
				return false;
			lua_rawset(r->lua, -3);
		} while (take(r, ','));
		if (!take(r, '}'))
			return fail(r, "a comma or the object's end is expected");
	}
	r->depth--;
	return true;
}

static bool
read_array(struct reader *r)
{
	lua_Integer index = 1;

	if (!enter(r))
		return false;
	lua_createtable(r->lua, ARRAY_GUESS, 0);
	if (!take(r, ']')) {
		do {
			if (!read_value(r))
				return false;
			lua_rawseti(r->lua, -2, index++);
		} while (take(r, ','));
		if (!take(r, ']'))
			return fail(r, "a comma or the array's end is expected");
	} else {
		json_mark_array(r->lua);
	}
	r->depth--;
	return true;
}

static bool
read_value(struct reader *r)
{
	skip_space(r);
	if (r->at == r->end)
		return fail(r, "the text ends where a value is expected");
	switch (*r->at) {
	case '{':
		r->at++;
		return read_object(r);
	case '[':
		r->at++;
		return read_array(r);
	case '"':
		r->at++;
		return read_string(r);
	default:
		break;
	}
	return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? read_number(r) : read_word(r);
}

bool
json_decode(lua_State *lua, struct bytes text, const char **error, size_t *at)
{
	struct reader r = {
		.lua = lua, .start = text.data, .at = text.data, .end = text.data + text.len
	};
	int top = lua_gettop(lua);

	if (text.len > 0 && !utf8_is_valid(text)) {
		r.error = "not UTF-8";
	} else if (read_value(&r)) {
		skip_space(&r);
		if (r.at == r.end)
			return true;
		r.error = "something stands behind the value";
	}
	lua_settop(lua, top);
	*error = r.error;
	*at = (size_t)(r.at - r.start);
	return false;
}
