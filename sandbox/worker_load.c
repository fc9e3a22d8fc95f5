/* SPDX-License-Identifier: MIT
 * Loading: a file runs on a stage that holds the libraries and nothing else, and what the stage
 * then holds becomes the image.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/deadline.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/stage.h"
#include "sandbox/world.h"

enum { MESSAGE_BYTES_MAX = 1000, BASE_BYTES_MAX = 1 << 20 };

struct load {
	uint32_t number;
	uint8_t kind;
	struct bytes name;
	uint32_t memory_bytes_max;
	uint32_t timeout_ms;
	struct bytes path;
	struct bytes source;
	struct sink *manifest;
};

static const struct load *
load_of(lua_State *lua)
{
	return lua_touserdata(lua, 1);
}

/* Writes a line of the configuration for each name that is assigned, by its environment's
 * __newindex: where an unknown one stands can then be said. */
static int
note_setting(lua_State *lua)
{
	lua_Debug where;

	luaL_checktype(lua, 2, LUA_TSTRING);
	lua_settop(lua, 3);
	if (lua_getstack(lua, 1, &where) != 0 && lua_getinfo(lua, "l", &where) != 0) {
		lua_pushvalue(lua, 2);
		lua_pushinteger(lua, where.currentline);
		lua_rawset(lua, lua_upvalueindex(1));
	}
	lua_rawset(lua, lua_upvalueindex(2));
	return 0;
}

static int
read_setting(lua_State *lua)
{
	lua_settop(lua, 2);
	lua_rawget(lua, lua_upvalueindex(1));
	return 1;
}

static void
run_file(lua_State *lua, const struct load *load)
{
	lua_pushliteral(lua, "@");
	lua_pushlstring(lua, (const char *)load->path.data, load->path.len);
	lua_concat(lua, 2);
	if (luaL_loadbufferx(lua, (const char *)load->source.data, load->source.len,
		lua_tostring(lua, -1), "t") != LUA_OK)
		(void)lua_error(lua);
	lua_remove(lua, -2);
}

static int
load_configuration(lua_State *lua)
{
	const struct load *load = load_of(lua);
	struct json_error error;

	lua_settop(lua, 1);
	lua_newtable(lua); /* 2: settings */
	lua_newtable(lua); /* 3: lines */
	lua_newtable(lua); /* 4: environment */
	lua_newtable(lua);
	lua_pushvalue(lua, 3);
	lua_pushvalue(lua, 2);
	lua_pushcclosure(lua, note_setting, 2);
	lua_setfield(lua, -2, "__newindex");
	lua_pushvalue(lua, 2);
	lua_pushcclosure(lua, read_setting, 1);
	lua_setfield(lua, -2, "__index");
	lua_setmetatable(lua, 4);
	run_file(lua, load);
	lua_pushvalue(lua, 4);
	(void)lua_setupvalue(lua, -2, 1);
	lua_call(lua, 0, 0);
	lua_newtable(lua);
	lua_pushvalue(lua, 2);
	lua_setfield(lua, -2, "settings");
	lua_pushvalue(lua, 3);
	lua_setfield(lua, -2, "lines");
	if (!json_encode(lua, -1, "configuration", load->manifest, &error))
		return luaL_error(lua, "%s", error.text);
	return 0;
}

static int
load_function(lua_State *lua)
{
	const struct load *load = load_of(lua);
	char file[256];

	lua_settop(lua, 1);
	lua_getfield(lua, LUA_REGISTRYINDEX, "context");
	lua_pushlstring(lua, (const char *)load->name.data, load->name.len);
	lua_setfield(lua, -2, "function_name");
	lua_settop(lua, 1);
	world_seed_random(lua, worker_of(lua)->seed);
	run_file(lua, load);
	lua_call(lua, 0, 1);
	(void)sandbox_snprintf(file, sizeof(file), "%.*s", (int)load->path.len, load->path.data);
	world_take_function(lua, file, load->manifest);
	lua_settop(lua, 0);
	/* The coroutine that every run starts in, ready to be resumed. */
	stage()->handler = lua_newthread(lua);
	lua_setfield(lua, LUA_REGISTRYINDEX, "coroutine");
	lua_pushcfunction(stage()->handler, world_run_handler);
	return 0;
}

static void
refuse(struct worker *worker, uint32_t number, const char *message)
{
	size_t begun = frame_begin(&worker->out, WORKER_REFUSED);

	frame_u32(&worker->out, number);
	frame_string(&worker->out, message);
	frame_finish(&worker->out, begun);
}

static void
accept(struct worker *worker, uint32_t number, size_t size)
{
	size_t begun = frame_begin(&worker->out, WORKER_LOADED);

	frame_u32(&worker->out, number);
	frame_u32(&worker->out, (uint32_t)size);
	frame_bytes(&worker->out, bytes_of(worker->result.data, worker->result.len));
	frame_finish(&worker->out, begun);
}

static void
keep_image(struct worker *worker, const struct load *load)
{
	struct image *image = image_new(&worker->base, load->number);

	image->memory_bytes_max = load->memory_bytes_max;
	worker->image_bytes += image->patches_size;
	hash_insert(&worker->images, &image->link, bytes_of(&image->number, sizeof(image->number)));
}

static int
open_world(lua_State *lua)
{
	world_open(lua);
	return 0;
}

/* Twice: each collection turns the colour of all that survives, and an image shall differ from the
 * base only in what is its own. */
static void
collect(lua_State *lua)
{
	(void)lua_gc(lua, LUA_GCCOLLECT);
	(void)lua_gc(lua, LUA_GCCOLLECT);
}

/* What every function begins with, made once. */
static void
make_base(struct worker *worker)
{
	lua_State *lua;

	(void)stage_clear(BASE_BYTES_MAX);
	lua = lua_newstate(stage_allocate, NULL);
	if (lua == NULL)
		abort();
	*(struct worker **)lua_getextraspace(lua) = worker;
	stage()->lua = lua;
	lua_pushcfunction(lua, open_world);
	if (lua_pcall(lua, 0, 0, 0) != LUA_OK)
		abort();
	collect(lua);
	image_base_take(&worker->base);
}

static void
describe(lua_State *lua, const struct load *load, int status, char *message)
{
	if (status == LUA_ERRMEM)
		(void)snprintf(message, MESSAGE_BYTES_MAX,
		    "%.*s: out of memory: loading it takes more than %u bytes", (int)load->path.len,
		    (const char *)load->path.data, load->memory_bytes_max);
	else
		(void)snprintf(message, MESSAGE_BYTES_MAX, "%s",
		    lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1)
						     : "the file raised an error that is no text");
}

/* Runs the load with the deadline armed; the error's text in `message` where it fails. */
static bool
run_load(struct worker *worker, struct load *load, char *message)
{
	lua_CFunction body = load->kind == LOAD_CONFIGURATION ? load_configuration : load_function;
	lua_State *lua;
	int status;

	if (worker->base.bytes == NULL)
		make_base(worker);
	if (sigsetjmp(*deadline_jump(), 0) != 0) {
		(void)snprintf(message, MESSAGE_BYTES_MAX, "%.*s: loading took longer than %u ms",
		    (int)load->path.len, load->path.data, load->timeout_ms);
		return false;
	}
	image_base_restore(&worker->base, load->memory_bytes_max);
	lua = stage()->lua;
	sandbox_gc_after(lua, load->memory_bytes_max / 2);
	deadline_arm(deadline_now_us() + (int64_t)load->timeout_ms * 1000);
	lua_pushcfunction(lua, body);
	lua_pushlightuserdata(lua, load);
	status = lua_pcall(lua, 1, 0, 0);
	if (status == LUA_OK)
		collect(lua);
	deadline_disarm();
	if (status != LUA_OK)
		describe(lua, load, status, message);
	return status == LUA_OK;
}

static bool
read_load(struct worker *worker, struct bytes fields, struct load *load)
{
	struct cursor cursor = cursor_of(fields), files;

	load->number = cursor_u32(&cursor);
	load->kind = cursor_u8(&cursor);
	load->name = cursor_bytes(&cursor);
	load->memory_bytes_max = cursor_u32(&cursor);
	load->timeout_ms = cursor_u32(&cursor);
	worker->file_count = cursor_u16(&cursor);
	if (cursor.bad || worker->file_count == 0)
		return false;
	worker->files = bytes_of(cursor.at, (size_t)(cursor.end - cursor.at));
	files = cursor;
	load->path = cursor_bytes(&files);
	load->source = cursor_bytes(&files);
	return !files.bad;
}

void
worker_load(struct worker *worker, struct bytes fields)
{
	char message[MESSAGE_BYTES_MAX];
	struct load load = { .manifest = &worker->result };
	uint64_t before = worker->image_bytes;
	uint32_t number;

	if (!read_load(worker, fields, &load))
		abort();
	number = load.number;
	worker->run = NULL;
	worker->loading = number;
	worker->result.len = 0;
	if (!run_load(worker, &load, message)) {
		refuse(worker, number, message);
	} else if (load.kind == LOAD_FUNCTION &&
		   worker->image_bytes + stage_used() > worker->image_bytes_max) {
		refuse(worker, number, "the functions together need more memory than a worker has");
	} else {
		if (load.kind == LOAD_FUNCTION) {
			sandbox_gc_after(stage()->lua, load.memory_bytes_max / 2);
			keep_image(worker, &load);
		}
		accept(worker, number, worker->image_bytes - before);
	}
	worker_flush_logs(worker, 0);
	stage_trim(0);
	worker->files = bytes_of(NULL, 0);
}
