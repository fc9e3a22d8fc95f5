/* SPDX-License-Identifier: MIT
 * The table of libraries, and what the bindings share.
 */
#include "sandbox/world.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <string.h>

#include "lib/egress.h"
#include "lib/log.h"
#include "lib/topic.h"
#include "sandbox/stage.h"

enum { LIST_MAX = 256 };

static int
lib_string(lua_State *lua)
{
	(void)luaopen_string(lua);
	lua_pushnil(lua);
	lua_setfield(lua, -2, "dump");
	return 1;
}

const struct library world_libraries[] = {
	{ "_G", lib_base, "Lua's basic functions, without what reads files or loads binary code" },
	{ "string", lib_string, "Lua's string library, without dump" },
	{ "table", luaopen_table, "Lua's table library" },
	{ "math", luaopen_math, "Lua's math library; random numbers are seeded anew for each run" },
	{ "utf8", luaopen_utf8, "Lua's utf8 library" },
	{ "coroutine", luaopen_coroutine, "Lua's coroutine library" },
	{ "os", lib_os, "time, date, clock and difftime" },
	{ "require", lib_require, "loads a Lua file beside the function or in lib/" },
	{ "mqtt", lib_mqtt, "publishes messages" },
	{ "http", lib_http, "sends HTTP requests" },
	{ "webhook", lib_webhook, "leaves HTTP requests to be sent until they are taken" },
	{ "shadow", lib_shadow, "reads and changes device shadows" },
	{ "files", lib_files, "reads pieces of files" },
	{ "db", lib_db, "reads and changes items of tables" },
	{ "state", lib_state, "keeps small values for each ordering key" },
	{ "timer", lib_timer, "runs the handler again later, for each ordering key" },
	{ "invoke", lib_invoke, "runs other functions" },
	{ "log", lib_log, "writes lines to the log" },
	{ "json", lib_json, "encodes and decodes JSON" },
	{ "base64", lib_base64, "encodes and decodes base64" },
	{ "hash", lib_hash, "SHA-256, SHA-1 and HMAC" },
	{ "uuid", lib_uuid, "makes UUIDs" },
	{ "time", lib_time, "the clock, and times as text" },
	{ "secrets", lib_secrets, "reads secrets that the operator keeps" },
	{ "metric", lib_metric, "counts things of the function's own" },
};

const size_t world_library_count = sizeof(world_libraries) / sizeof(world_libraries[0]);

void
world_open(lua_State *lua)
{
	lua_pushglobaltable(lua);
	lua_setfield(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	for (size_t i = 0; i < world_library_count; i++) {
		const struct library *library = &world_libraries[i];

		lua_pushcfunction(lua, library->open);
		lua_call(lua, 0, 1);
		if (strcmp(library->name, "_G") == 0)
			lua_pop(lua, 1);
		else
			lua_setglobal(lua, library->name);
	}
	lua_newtable(lua);
	lua_setfield(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	(void)lib_context(lua);
	lua_setfield(lua, LUA_REGISTRYINDEX, "context");
	lua_getglobal(lua, "math");
	lua_getfield(lua, -1, "randomseed");
	lua_setfield(lua, LUA_REGISTRYINDEX, "randomseed");
	lua_pop(lua, 1);
}

static bool
is_library_part(const lua_Debug *at)
{
	return strcmp(at->source, "=db") == 0;
}

/* Pushes "file:line: " of the caller, or nothing where that is C. */
static void
push_where(lua_State *lua)
{
	lua_Debug at;
	int level = 1;

	if (lua_getstack(lua, level, &at) != 0 && lua_getinfo(lua, "S", &at) != 0 &&
	    is_library_part(&at)) {
		while (lua_getstack(lua, ++level, &at) != 0 && lua_getinfo(lua, "S", &at) != 0 &&
		       (is_library_part(&at) || *at.what == 'C'))
			continue;
	}
	luaL_where(lua, level);
}

int
world_error(lua_State *lua, const char *format, ...)
{
	va_list arguments;

	push_where(lua);
	va_start(arguments, format);
	(void)lua_pushvfstring(lua, format, arguments);
	va_end(arguments);
	lua_concat(lua, 2);
	return lua_error(lua);
}

struct run *
world_run(lua_State *lua, const char *what)
{
	struct run *run = worker_of(lua)->run;

	if (run == NULL)
		(void)world_error(lua, "%s can only be called while the handler runs", what);
	return run;
}

/* Where a URL leads is the host's to say; what is plain is refused here, where the handler sees it.
 */
static bool
url_is_taken(struct bytes pattern, struct bytes subject)
{
	struct egress_url url;
	enum egress_grant grant;

	if (!egress_url_read(subject, &url))
		return true;
	grant = egress_pattern_match(pattern, &url.target);
	return grant != EGRESS_REFUSED && grant >= egress_host_needs(url.host);
}

/* Whether the pattern at the top of the stack takes the subject: for topics an MQTT topic filter
 * or "*" for all that "#" takes, for URLs a pattern of lib/egress.h, for names one with "*" at its
 * end for any rest. */
static bool
pattern_takes(lua_State *lua, const char *kind, struct bytes subject)
{
	size_t len;
	const char *text = lua_tolstring(lua, -1, &len);
	struct bytes pattern = bytes_of(text, len);

	if (text == NULL)
		return false;
	if (strcmp(kind, "publish") == 0 && strcmp(text, "*") == 0)
		return subject.len > 0 && subject.data[0] != '$';
	if (strcmp(kind, "http") == 0)
		return url_is_taken(pattern, subject);
	if (strcmp(kind, "publish") == 0)
		return topic_filter_check(pattern) == TOPIC_OK && topic_match(pattern, subject);
	if (len > 0 && text[len - 1] == '*')
		return subject.len >= len - 1 &&
		       (len == 1 || memcmp(subject.data, text, len - 1) == 0);
	return bytes_equal(pattern, subject);
}

static bool
is_allowed(lua_State *lua, const char *kind, struct bytes subject)
{
	bool found = false;

	if (lua_getfield(lua, LUA_REGISTRYINDEX, "allow") != LUA_TTABLE ||
	    (lua_pushstring(lua, kind), lua_rawget(lua, -2)) == LUA_TNIL) {
		lua_settop(lua, -2);
		return false;
	}
	if (lua_type(lua, -1) == LUA_TSTRING) {
		found = pattern_takes(lua, kind, subject);
	} else if (lua_istable(lua, -1)) {
		for (lua_Integer i = 1;
		     !found && i <= LIST_MAX && lua_rawgeti(lua, -1, i) == LUA_TSTRING; i++) {
			found = pattern_takes(lua, kind, subject);
			lua_pop(lua, 1);
		}
	}
	return found;
}

void
world_permit(lua_State *lua, const char *kind, const char *what, struct bytes subject)
{
	int top = lua_gettop(lua);
	bool allowed = is_allowed(lua, kind, subject);

	lua_settop(lua, top);
	if (allowed)
		return;
	lua_pushlstring(lua, (const char *)subject.data, subject.len < 200 ? subject.len : 200);
	(void)world_error(lua,
	    "%s: \"%s\" is not allowed; add  %s = \"%s\"  to the function's allow", what,
	    lua_tostring(lua, -1), kind, lua_tostring(lua, -1));
}

static uint8_t *
sink_room(lua_State *lua, struct sink *sink, size_t len)
{
	uint8_t *at = sink->data + sink->len;

	if (sink->cap - sink->len < len)
		(void)world_error(lua, "too much: %s has at most %d bytes",
		    sink == &worker_of(lua)->effects ? "all that a run does" : "a call",
		    (int)sink->cap);
	sink->len += len;
	return at;
}

static void
sink_number(lua_State *lua, struct sink *sink, uint64_t value, size_t size)
{
	uint8_t *at = sink_room(lua, sink, size);

	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void
sink_u8(lua_State *lua, struct sink *sink, uint8_t value)
{
	sink_number(lua, sink, value, 1);
}

void
sink_u16(lua_State *lua, struct sink *sink, uint16_t value)
{
	sink_number(lua, sink, value, 2);
}

void
sink_u32(lua_State *lua, struct sink *sink, uint32_t value)
{
	sink_number(lua, sink, value, 4);
}

void
sink_i64(lua_State *lua, struct sink *sink, int64_t value)
{
	sink_number(lua, sink, (uint64_t)value, 8);
}

void
sink_bytes(lua_State *lua, struct sink *sink, struct bytes bytes)
{
	sink_u32(lua, sink, (uint32_t)bytes.len);
	if (bytes.len > 0)
		memcpy(sink_room(lua, sink, bytes.len), bytes.data, bytes.len);
}

void
sink_payload(lua_State *lua, struct sink *sink, int index, const char *what)
{
	struct json_error error;
	size_t begun = sink->len, len;

	if (lua_isnoneornil(lua, index)) {
		sink_u32(lua, sink, 0);
		return;
	}
	if (lua_type(lua, index) == LUA_TSTRING) {
		const char *text = lua_tolstring(lua, index, &len);

		sink_bytes(lua, sink, bytes_of(text, len));
		return;
	}
	sink_u32(lua, sink, 0);
	if (!json_encode(lua, index, what, sink, &error))
		(void)world_error(lua, "%s", error.text);
	len = sink->len - begun - sizeof(uint32_t);
	sink->len = begun;
	sink_u32(lua, sink, (uint32_t)len);
	sink->len += len;
}

struct sink *
world_effect(lua_State *lua, enum effect_kind kind)
{
	struct worker *worker = worker_of(lua);

	if (worker->run->effect_count >= EFFECTS_MAX)
		(void)world_error(lua, "a run has at most %d effects", EFFECTS_MAX);
	worker->effects.len = worker->run->effect_bytes;
	sink_u8(lua, &worker->effects, (uint8_t)kind);
	return &worker->effects;
}

void
world_effect_end(lua_State *lua)
{
	struct worker *worker = worker_of(lua);

	worker->run->effect_count++;
	worker->run->effect_bytes = (uint32_t)worker->effects.len;
}

struct sink *
world_call(lua_State *lua, enum call_kind kind, const char *what)
{
	struct worker *worker = worker_of(lua);

	(void)world_run(lua, what);
	if (lua != stage()->handler || !lua_isyieldable(lua))
		(void)world_error(lua,
		    "%s waits, and can wait only in the handler itself: not in a coroutine of "
		    "yours, "
		    "a metamethod, table.sort or string.gsub",
		    what);
	if (worker->run->calls >= CALLS_MAX)
		(void)world_error(lua, "a run makes at most %d calls that wait", CALLS_MAX);
	worker->call.kind = (uint8_t)kind;
	worker->call.fields.len = 0;
	return &worker->call.fields;
}

static int
answered(lua_State *lua, int status, lua_KContext context)
{
	struct worker *worker = worker_of(lua);
	struct cursor cursor = cursor_of(worker->reply.fields);
	int (*done)(lua_State *, struct cursor *) = (int (*)(lua_State *, struct cursor *))context;

	(void)status;
	if (!worker->reply.ok) {
		struct bytes message = cursor_bytes(&cursor);

		luaL_where(lua, 1);
		lua_pushlstring(lua, (const char *)message.data, message.len);
		lua_concat(lua, 2);
		return lua_error(lua);
	}
	return done(lua, &cursor);
}

int
world_wait(lua_State *lua, int (*done)(lua_State *lua, struct cursor *reply))
{
	struct worker *worker = worker_of(lua);

	worker->run->calls++;
	worker->call.pending = true;
	return lua_yieldk(lua, 0, (lua_KContext)done, answered);
}

struct bytes
world_string(lua_State *lua, int index)
{
	size_t len;
	const char *text = luaL_checklstring(lua, index, &len);

	return bytes_of(text, len);
}

int
world_option(lua_State *lua, int index, const char *name)
{
	if (lua_isnoneornil(lua, index)) {
		lua_pushnil(lua);
		return LUA_TNIL;
	}
	luaL_checktype(lua, index, LUA_TTABLE);
	lua_pushstring(lua, name);
	return lua_rawget(lua, index);
}

lua_Integer
world_option_integer(lua_State *lua, int index, const struct option_range *range)
{
	lua_Integer value = range->absent;
	int is_integer = 1;

	if (world_option(lua, index, range->name) != LUA_TNIL) {
		value = lua_tointegerx(lua, -1, &is_integer);
		if (!is_integer || value < range->min || value > range->max)
			(void)world_error(lua, "%s: %s is a number from %I to %I", range->what,
			    range->name, range->min, range->max);
	}
	lua_pop(lua, 1);
	return value;
}

void
world_check_options(lua_State *lua, int index, const char *const *names, const char *what)
{
	if (lua_isnoneornil(lua, index))
		return;
	if (!lua_istable(lua, index))
		(void)world_error(
		    lua, "%s: the options are a table, not %s", what, luaL_typename(lua, index));
	lua_pushnil(lua);
	while (lua_next(lua, index) != 0) {
		const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "?";
		bool known = false;

		for (size_t i = 0; names[i] != NULL; i++)
			known = known || strcmp(names[i], name) == 0;
		if (!known)
			(void)world_error(lua, "%s: there is no option \"%s\"", what, name);
		lua_pop(lua, 1);
	}
}

static void
append(struct sink *out, const char *text, size_t len)
{
	size_t room = out->cap - out->len;

	len = len < room ? len : room;
	memcpy(out->data + out->len, text, len);
	out->len += len;
}

void
world_append_text(lua_State *lua, int index, struct sink *out)
{
	struct json_error error;
	const char *text;
	size_t len;

	switch (lua_type(lua, index)) {
	case LUA_TSTRING:
		text = lua_tolstring(lua, index, &len);
		append(out, text, len);
		return;
	case LUA_TNUMBER:
		lua_pushvalue(lua, index);
		text = lua_tolstring(lua, -1, &len);
		append(out, text, len);
		lua_pop(lua, 1);
		return;
	case LUA_TTABLE:
		if (!json_encode(lua, index, "table", out, &error))
			append(out, error.text, strlen(error.text));
		return;
	case LUA_TBOOLEAN:
		text = lua_toboolean(lua, index) ? "true" : "false";
		break;
	case LUA_TLIGHTUSERDATA:
		text = "null";
		break;
	default:
		text = luaL_typename(lua, index);
	}
	append(out, text, strlen(text));
}

/* Lines wait in a fixed area until the stage is free. Beyond the bound they are dropped, said once.
 */
void
world_log(lua_State *lua, int level, struct bytes text)
{
	static const char cut[] = "more log lines of this run are dropped";
	struct worker *worker = worker_of(lua);
	struct sink *logs = &worker->logs;
	uint32_t *used = worker->run != NULL ? &worker->run->log_bytes : NULL;

	if (text.len > LOG_LINE_BYTES_MAX)
		text.len = LOG_LINE_BYTES_MAX;
	if (used != NULL && *used > LOG_BYTES_MAX)
		return;
	if (used != NULL) {
		*used += (uint32_t)text.len + 16;
		if (*used > LOG_BYTES_MAX) {
			level = LOG_LEVEL_WARN;
			text = bytes_of(cut, sizeof(cut) - 1);
		}
	}
	if (logs->cap - logs->len < text.len + 5)
		return;
	sink_u8(lua, logs, (uint8_t)level);
	sink_bytes(lua, logs, text);
}
