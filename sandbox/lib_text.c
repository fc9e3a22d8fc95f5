/* SPDX-License-Identifier: MIT
 * base64 (RFC 4648), hash and uuid (RFC 9562).
 */
#include <lauxlib.h>
#include <string.h>

#include "lib/sha.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/world.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
base64_encode(lua_State *lua)
{
	struct bytes in = world_string(lua, 1);
	luaL_Buffer out;

	luaL_buffinit(lua, &out);
	for (size_t i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t group = (uint32_t)in.data[i] << 16 |
				 (left > 1 ? (uint32_t)in.data[i + 1] << 8 : 0) |
				 (left > 2 ? in.data[i + 2] : 0);

		luaL_addchar(&out, alphabet[group >> 18]);
		luaL_addchar(&out, alphabet[group >> 12 & 63]);
		luaL_addchar(&out, left > 1 ? alphabet[group >> 6 & 63] : '=');
		luaL_addchar(&out, left > 2 ? alphabet[group & 63] : '=');
	}
	luaL_pushresult(&out);
	return 1;
}

static int
digit_of(uint8_t c)
{
	const char *at;

	if (c == '-')
		c = '+';
	if (c == '_')
		c = '/';
	at = c != 0 ? strchr(alphabet, c) : NULL;
	return at != NULL ? (int)(at - alphabet) : -1;
}

/* Takes both alphabets, with or without padding. nil and the reason for anything else. */
static int
base64_decode(lua_State *lua)
{
	struct bytes in = world_string(lua, 1);
	uint32_t group = 0;
	luaL_Buffer out;
	int count = 0;

	while (in.len > 0 && in.data[in.len - 1] == '=')
		in.len--;
	luaL_buffinit(lua, &out);
	for (size_t i = 0; i < in.len; i++) {
		int digit = digit_of(in.data[i]);

		if (digit < 0) {
			lua_pushnil(lua);
			lua_pushfstring(lua, "byte %I is not base64", (lua_Integer)i + 1);
			return 2;
		}
		group = group << 6 | (uint32_t)digit;
		if (++count < 4)
			continue;
		luaL_addchar(&out, (char)(group >> 16));
		luaL_addchar(&out, (char)(group >> 8));
		luaL_addchar(&out, (char)group);
		count = 0;
		group = 0;
	}
	if (count == 1) {
		lua_pushnil(lua);
		lua_pushliteral(lua, "the text is cut");
		return 2;
	}
	if (count > 1)
		luaL_addchar(&out, (char)(group << 6 * (4 - count) >> 16));
	if (count > 2)
		luaL_addchar(&out, (char)(group << 6 * (4 - count) >> 8));
	luaL_pushresult(&out);
	return 1;
}

int
lib_base64(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "encode", base64_encode },
		{ "decode", base64_decode }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

static int
push_hex(lua_State *lua, const uint8_t *digest, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[SHA_BYTES_MAX * 2];

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	lua_pushlstring(lua, text, len * 2);
	return 1;
}

static int
push_digest(lua_State *lua, enum sha_kind kind)
{
	uint8_t digest[SHA_BYTES_MAX];

	sha_digest(kind, world_string(lua, 1), digest);
	return push_hex(lua, digest, sha_size(kind));
}

static int
hash_sha256(lua_State *lua)
{
	return push_digest(lua, SHA_256);
}

static int
hash_sha1(lua_State *lua)
{
	return push_digest(lua, SHA_1);
}

/* hash.hmac(key, text[, "sha256" | "sha1"]) */
static int
hash_hmac(lua_State *lua)
{
	static const char *const names[] = { "sha1", "sha256", NULL };
	enum sha_kind kind = (enum sha_kind)luaL_checkoption(lua, 3, "sha256", names);
	uint8_t digest[SHA_BYTES_MAX];

	sha_hmac(kind, world_string(lua, 1), world_string(lua, 2), digest);
	return push_hex(lua, digest, sha_size(kind));
}

int
lib_hash(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "sha256", hash_sha256 }, { "sha1", hash_sha1 },
		{ "hmac", hash_hmac }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

/* Version 4, from math.random: the same again when the invocation is run again. */
static int
uuid_v4(lua_State *lua)
{
	uint8_t raw[16];
	char text[40];

	for (int i = 0; i < 16; i++) {
		lua_getglobal(lua, "math");
		lua_getfield(lua, -1, "random");
		lua_pushinteger(lua, 0);
		lua_pushinteger(lua, 255);
		lua_call(lua, 2, 1);
		raw[i] = (uint8_t)lua_tointeger(lua, -1);
		lua_pop(lua, 2);
	}
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
	(void)sandbox_snprintf(text, sizeof(text),
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", raw[0], raw[1],
	    raw[2], raw[3], raw[4], raw[5], raw[6], raw[7], raw[8], raw[9], raw[10], raw[11],
	    raw[12], raw[13], raw[14], raw[15]);
	lua_pushstring(lua, text);
	return 1;
}

int
lib_uuid(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "v4", uuid_v4 }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
