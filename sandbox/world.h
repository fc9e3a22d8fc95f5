/* SPDX-License-Identifier: MIT
 * The world of a handler: the libraries that it sees, one row each, and what they share.
 */
#ifndef SANDBOX_WORLD_H
#define SANDBOX_WORLD_H

#include <lua.h>

#include "sandbox/worker.h"

/* One library: `open` leaves its table or function on the stack; `name` becomes the global. */
struct library {
	const char *name;
	int (*open)(lua_State *lua);
	const char *help;
};

struct option_range {
	const char *what; /* whose option: "mqtt.publish" */
	const char *name;
	lua_Integer min, max;
	lua_Integer absent; /* its value where it is not there */
};

extern const struct library world_libraries[];
extern const size_t world_library_count;

/* Fills an empty state. May raise. */
void world_open(lua_State *lua);

/* Takes the function's table at the top of the stack: keeps its handler and its `allow` for later,
 * and writes the manifest to the sink. May raise. */
void world_take_function(lua_State *lua, const char *file, struct sink *manifest);

/* The body of the coroutine in which handlers run: event and context to the handler, its result
 * to worker->result. */
int world_run_handler(lua_State *lua);
/* Random numbers go on from here. */
void world_seed_random(lua_State *lua, const uint64_t seed[2]);

/* For bindings. */

/* Raises the message with the handler's line that called the library; parts of a library that are
 * written in Lua (db_source) are passed over. As a result, for `return`. */
int world_error(lua_State *lua, const char *format, ...);
/* Raises unless an invocation is running (not while the file is loaded). */
struct run *world_run(lua_State *lua, const char *what);
/* Raises unless `allow.<kind>` has a pattern that takes `subject`. */
void world_permit(lua_State *lua, const char *kind, const char *what, struct bytes subject);
/* Begins an effect, to be written with sink_*; raises where there are too many. It counts from
 * world_effect_end on: one that raised half-way, in a pcall, is forgotten. */
struct sink *world_effect(lua_State *lua, enum effect_kind kind);
void world_effect_end(lua_State *lua);
/* Begins a call of the host's. Then world_wait. Raises where the code cannot wait here. */
struct sink *world_call(lua_State *lua, enum call_kind kind, const char *what);
/* Yields until the host has answered; then `done` is called with worker->reply, and returns how
 * many values it pushed. Return its result from the binding. */
int world_wait(lua_State *lua, int (*done)(lua_State *lua, struct cursor *reply));

/* Fields into a sink; raise where it is full. */
void sink_u8(lua_State *lua, struct sink *sink, uint8_t value);
void sink_u16(lua_State *lua, struct sink *sink, uint16_t value);
void sink_u32(lua_State *lua, struct sink *sink, uint32_t value);
void sink_i64(lua_State *lua, struct sink *sink, int64_t value);
void sink_bytes(lua_State *lua, struct sink *sink, struct bytes bytes);
/* A value as payload: strings as they are, everything else as JSON, with its length in front. */
void sink_payload(lua_State *lua, struct sink *sink, int index, const char *what);

struct bytes world_string(lua_State *lua, int index); /* luaL_checklstring */
/* An optional member of the options table at `index`; pushes it and returns its type. */
int world_option(lua_State *lua, int index, const char *name);
/* An optional whole number of the options table at `index`; raises "<what>: <name> is a number from
 * <min> to <max>" for anything else. */
lua_Integer world_option_integer(lua_State *lua, int index, const struct option_range *range);
/* Raises where the options table at `index` has a member that is not named in `names`. */
void world_check_options(lua_State *lua, int index, const char *const *names, const char *what);
void world_log(lua_State *lua, int level, struct bytes text);
/* Text of a value for log and print: raw, bounded. */
void world_append_text(lua_State *lua, int index, struct sink *out);

int lib_base(lua_State *lua);
int lib_base64(lua_State *lua);
int lib_context(lua_State *lua); /* pushes the context's table; not a global */
int lib_db(lua_State *lua);
void db_prepare(lua_State *lua); /* so that its part in Lua stands in the image */
int lib_files(lua_State *lua);
int lib_hash(lua_State *lua);
int lib_http(lua_State *lua);
int lib_invoke(lua_State *lua);
int lib_json(lua_State *lua);
int lib_log(lua_State *lua);
int lib_metric(lua_State *lua);
int lib_mqtt(lua_State *lua);
int lib_os(lua_State *lua);
int lib_require(lua_State *lua);
int lib_secrets(lua_State *lua);
int lib_shadow(lua_State *lua);
int lib_state(lua_State *lua);
int lib_time(lua_State *lua);
int lib_timer(lua_State *lua);
int lib_uuid(lua_State *lua);
int lib_webhook(lua_State *lua);

#endif
