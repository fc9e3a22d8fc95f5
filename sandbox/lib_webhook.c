/* SPDX-License-Identifier: MIT
 * webhook.send(url, payload[, options]): an effect, a request that the host sends when the run is
 * committed, and again until it is taken. Options: method, headers, timeout.
 */
#include <lauxlib.h>
#include <strings.h>

#include "sandbox/http_options.h"

enum { REDIRECTS = 5, TIMEOUT_MS_MAX = 30000 };

static const char *const option_names[] = { "method", "headers", "timeout", NULL };

/* Pushes the method. */
static struct bytes
read_method(lua_State *lua)
{
	struct bytes method = bytes_of_string("POST");

	if (world_option(lua, 3, "method") != LUA_TNIL) {
		if (lua_type(lua, -1) != LUA_TSTRING)
			(void)luaL_error(lua, "webhook.send: method is a text");
		method = world_string(lua, -1);
	}
	http_check_line(lua, method, "webhook.send: the method");
	if (bytes_equal_string(method, "CONNECT"))
		(void)luaL_error(lua, "webhook.send: the method cannot be CONNECT");
	return method;
}

static void
check_url(lua_State *lua, struct bytes url)
{
	const char *text = (const char *)url.data;

	http_check_line(lua, url, "webhook.send: the URL");
	if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
		(void)luaL_error(
		    lua, "webhook.send: the URL does not begin with http:// or https://");
	world_permit(lua, "http", "webhook.send", url);
}

/* The stack: 1 url, 2 payload or nil, 3 options or nil. */
static int
webhook_send(lua_State *lua)
{
	struct bytes url = world_string(lua, 1), method;
	uint32_t timeout_ms;
	size_t begun, end;
	struct sink *out;
	bool json;

	(void)world_run(lua, "webhook.send");
	lua_settop(lua, 3);
	world_check_options(lua, 3, option_names, "webhook.send");
	check_url(lua, url);
	timeout_ms = http_option_timeout(lua, 3, "webhook.send");
	if (timeout_ms > TIMEOUT_MS_MAX)
		return luaL_error(lua, "webhook.send: timeout is at most 30 s");
	method = read_method(lua);
	json = lua_type(lua, 2) != LUA_TSTRING && !lua_isnil(lua, 2);
	out = world_effect(lua, EFFECT_WEBHOOK);
	sink_bytes(lua, out, url);
	begun = out->len;
	sink_u32(lua, out, 0);
	sink_bytes(lua, out, method);
	sink_bytes(lua, out, url);
	sink_u32(lua, out, timeout_ms);
	sink_u8(lua, out, REDIRECTS);
	http_put_headers(lua, out, 3, json);
	sink_payload(lua, out, 2, "payload");
	end = out->len;
	out->len = begun;
	sink_u32(lua, out, (uint32_t)(end - begun - 4));
	out->len = end;
	world_effect_end(lua);
	return 0;
}

int
lib_webhook(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "send", webhook_send }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
