/* SPDX-License-Identifier: MIT
 * http.request(method, url[, options]) and its short forms: a call that waits. Options: headers,
 * query, body or json, timeout (seconds or "3s"), redirects.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/http_options.h"
#include "sandbox/world.h"

enum { REDIRECTS = 5, REDIRECTS_MAX = 10, HEADERS_MAX = 100, TIMEOUT_MS_MAX = 900000 };

static const char *const option_names[] = { "headers", "query", "body", "json", "timeout",
	"redirects", NULL };

/* 0 where it is no duration. */
static uint32_t
duration_ms(lua_State *lua, int index)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "m", 60000 } };
	const char *text;
	char *end;
	double value;

	if (lua_type(lua, index) == LUA_TNUMBER) {
		value = lua_tonumber(lua, index) * 1000;
		return value >= 1 && value <= TIMEOUT_MS_MAX ? (uint32_t)value : 0;
	}
	text = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : "";
	value = strtod(text, &end);
	for (size_t i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0)
			value *= units[i].ms;
		if (strcmp(end, units[i].unit) == 0 && value >= 1 && value <= TIMEOUT_MS_MAX)
			return (uint32_t)value;
	}
	return 0;
}

uint32_t
http_option_timeout(lua_State *lua, int options, const char *what)
{
	uint32_t timeout_ms = 0;

	if (world_option(lua, options, "timeout") != LUA_TNIL) {
		timeout_ms = duration_ms(lua, lua_gettop(lua));
		if (timeout_ms == 0)
			(void)luaL_error(lua,
			    "%s: timeout is a number of seconds or a text as \"500ms\", \"3s\" "
			    "or \"2min\", at most 15 minutes",
			    what);
	}
	lua_pop(lua, 1);
	return timeout_ms;
}

static void
add_escaped(luaL_Buffer *out, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (isalnum(c) || (c != 0 && strchr("-._~", c) != NULL)) {
			luaL_addchar(out, (char)c);
		} else {
			luaL_addchar(out, '%');
			luaL_addchar(out, digits[c >> 4]);
			luaL_addchar(out, digits[c & 15]);
		}
	}
}

/* Pushes the URL with the members of `query` behind it. */
static void
push_url(lua_State *lua, struct bytes url, int options)
{
	char mark = url.len > 0 && memchr(url.data, '?', url.len) != NULL ? '&' : '?';
	luaL_Buffer out;
	int query;

	if (world_option(lua, options, "query") == LUA_TNIL) {
		lua_pop(lua, 1);
		lua_pushlstring(lua, (const char *)url.data, url.len);
		return;
	}
	query = lua_gettop(lua);
	if (!lua_istable(lua, query))
		(void)luaL_error(lua, "http: query is a table");
	lua_pushlstring(lua, (const char *)url.data, url.len);
	lua_pushnil(lua);
	while (lua_next(lua, query) != 0) {
		size_t name_len, value_len;
		const char *name, *value;

		lua_pushvalue(lua, -2);
		name = lua_tolstring(lua, -1, &name_len);
		value = lua_tolstring(lua, -2, &value_len);
		if (name == NULL || value == NULL)
			(void)luaL_error(
			    lua, "http: query has names and values that are text or numbers");
		luaL_buffinit(lua, &out);
		luaL_addchar(&out, mark);
		add_escaped(&out, name, name_len);
		luaL_addchar(&out, '=');
		add_escaped(&out, value, value_len);
		luaL_pushresult(&out);
		mark = '&';
		lua_pushvalue(lua, query + 1);
		lua_insert(lua, -2);
		lua_concat(lua, 2);
		lua_replace(lua, query + 1);
		lua_pop(lua, 2);
	}
	lua_settop(lua, query + 1);
	lua_remove(lua, query);
}

static void
put_header(lua_State *lua, struct sink *out, const char *name, struct bytes value)
{
	sink_bytes(lua, out, bytes_of_string(name));
	sink_bytes(lua, out, value);
}

/* No line ends in it, which would begin another header. */
static bool
is_header(const char *name, const char *value, size_t len)
{
	return name[0] != '\0' && strpbrk(name, "\r\n: ") == NULL && strcspn(value, "\r\n") == len;
}

void
http_put_headers(lua_State *lua, struct sink *out, int options, bool json)
{
	size_t count_at = out->len, end;
	uint16_t count = 0;
	bool has_type = false;

	sink_u16(lua, out, 0);
	if (world_option(lua, options, "headers") != LUA_TNIL) {
		if (!lua_istable(lua, -1))
			(void)luaL_error(lua, "http: headers is a table");
		lua_pushnil(lua);
		while (lua_next(lua, -2) != 0) {
			size_t len;
			const char *value = lua_tolstring(lua, -1, &len);

			if (lua_type(lua, -2) != LUA_TSTRING || value == NULL ||
			    count == HEADERS_MAX || !is_header(lua_tostring(lua, -2), value, len))
				(void)luaL_error(lua,
				    "http: headers are at most %d names with text of one line",
				    HEADERS_MAX);
			has_type =
			    has_type || strcasecmp(lua_tostring(lua, -2), "content-type") == 0;
			put_header(lua, out, lua_tostring(lua, -2), bytes_of(value, len));
			count++;
			lua_pop(lua, 1);
		}
	}
	lua_pop(lua, 1);
	if (json && !has_type) {
		put_header(lua, out, "Content-Type", bytes_of_string("application/json"));
		count++;
	}
	end = out->len;
	out->len = count_at;
	sink_u16(lua, out, count);
	out->len = end;
}

static int
response_json(lua_State *lua)
{
	const char *error;
	size_t at, len;
	const char *body;

	luaL_checktype(lua, 1, LUA_TTABLE);
	(void)lua_getfield(lua, 1, "body");
	body = luaL_checklstring(lua, -1, &len);
	if (json_decode(lua, bytes_of(body, len), &error, &at))
		return 1;
	lua_pushnil(lua);
	lua_pushfstring(lua, "byte %I: %s", (lua_Integer)at + 1, error);
	return 2;
}

static int
push_response(lua_State *lua, struct cursor *reply)
{
	uint16_t status = cursor_u16(reply), count = cursor_u16(reply);
	struct bytes body;

	lua_createtable(lua, 0, 4);
	lua_pushinteger(lua, status);
	lua_setfield(lua, -2, "status");
	lua_createtable(lua, 0, count);
	for (uint16_t i = 0; i < count && !reply->bad; i++) {
		struct bytes name = cursor_bytes(reply), value = cursor_bytes(reply);
		luaL_Buffer lower;

		luaL_buffinit(lua, &lower);
		for (size_t j = 0; j < name.len; j++)
			luaL_addchar(&lower, (char)tolower(name.data[j]));
		luaL_pushresult(&lower);
		lua_pushlstring(lua, (const char *)value.data, value.len);
		lua_rawset(lua, -3);
	}
	lua_setfield(lua, -2, "headers");
	body = cursor_bytes(reply);
	lua_pushlstring(lua, (const char *)body.data, body.len);
	lua_setfield(lua, -2, "body");
	lua_pushcfunction(lua, response_json);
	lua_setfield(lua, -2, "json");
	return 1;
}

void
http_check_line(lua_State *lua, struct bytes text, const char *what)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] <= 0x20 || text.data[i] == 0x7f)
			(void)luaL_error(
			    lua, "%s holds white space or a control character", what);
	}
	if (text.len == 0)
		(void)luaL_error(lua, "%s is empty", what);
}

/* The stack: 1 method, 2 url, 3 options or nil. */
static int
send_request(lua_State *lua)
{
	static const struct option_range redirects_range = { "http", "redirects", 0, REDIRECTS_MAX,
		REDIRECTS };
	struct bytes method = world_string(lua, 1), url = world_string(lua, 2);
	lua_Integer redirects;
	uint32_t timeout_ms;
	struct sink *out;
	bool json;

	(void)world_run(lua, "http");
	lua_settop(lua, 3);
	world_check_options(lua, 3, option_names, "http");
	http_check_line(lua, method, "http: the method");
	http_check_line(lua, url, "http: the URL");
	push_url(lua, url, 3);
	timeout_ms = http_option_timeout(lua, 3, "http");
	redirects = world_option_integer(lua, 3, &redirects_range);
	json = world_option(lua, 3, "json") != LUA_TNIL;
	out = world_call(lua, CALL_HTTP, "http");
	sink_bytes(lua, out, method);
	sink_bytes(lua, out, world_string(lua, 4));
	sink_u32(lua, out, timeout_ms);
	sink_u8(lua, out, (uint8_t)redirects);
	http_put_headers(lua, out, 3, json);
	if (!json) {
		lua_pop(lua, 1);
		(void)world_option(lua, 3, "body");
	}
	if (json && lua_type(lua, -1) == LUA_TSTRING) {
		struct json_error error;
		struct sink text = { worker_of(lua)->result.data, 0, worker_of(lua)->result.cap };

		if (!json_encode(lua, -1, "json", &text, &error))
			return luaL_error(lua, "http: %s", error.text);
		sink_bytes(lua, out, bytes_of(text.data, text.len));
	} else {
		sink_payload(lua, out, lua_gettop(lua), json ? "json" : "body");
	}
	return world_wait(lua, push_response);
}

static int
with_method(lua_State *lua, const char *method)
{
	lua_pushstring(lua, method);
	lua_insert(lua, 1);
	return send_request(lua);
}

static int
http_get(lua_State *lua)
{
	return with_method(lua, "GET");
}

static int
http_post(lua_State *lua)
{
	return with_method(lua, "POST");
}

static int
http_put(lua_State *lua)
{
	return with_method(lua, "PUT");
}

static int
http_patch(lua_State *lua)
{
	return with_method(lua, "PATCH");
}

static int
http_delete(lua_State *lua)
{
	return with_method(lua, "DELETE");
}

int
lib_http(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "request", send_request }, { "get", http_get },
		{ "post", http_post }, { "put", http_put }, { "patch", http_patch },
		{ "delete", http_delete }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
