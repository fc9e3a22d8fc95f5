/* SPDX-License-Identifier: MIT
 * A host whose workers are the test's.
 */
#include "tests/dispatch_world.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "runtime/changes/change_follower.h"
#include "runtime/records.h"
#include "runtime/tables.h"
#include "runtime/timers.h"
#include "runtime/zygote.h"
#include "triggers/triggers.h"

/* The zygote of this program: its workers are fakes of the world that was made last. */
struct zygote {
	struct zygote_hooks hooks;
};

static struct world *newest;

enum { GAP_US_MAX = 2000 };

/* The wall clock of the world that was made last, ahead of the real one; and its steady clock, from
 * which the time is missing that this process waited for a processor: its workers would seem stuck.
 */
static int64_t moved_ms;
static int64_t lived_us, looked_us;
static struct sys moved_sys;

static int64_t
lived_monotonic_us(void)
{
	int64_t now_us = sys_posix.monotonic_us(), gap_us = now_us - looked_us;

	looked_us = now_us;
	lived_us += gap_us < GAP_US_MAX ? gap_us : GAP_US_MAX;
	return lived_us;
}

static int64_t
moved_wall_ms(void)
{
	return sys_posix.wall_ms() + moved_ms;
}

void
world_move_wall(int64_t ms)
{
	moved_ms += ms;
}

struct zygote *
zygote_start(
    struct loop *loop, const char *program, const struct zygote_hooks *hooks, struct err *err)
{
	struct zygote *zygote = xcalloc(1, sizeof(*zygote));

	(void)loop;
	(void)program;
	(void)err;
	zygote->hooks = *hooks;
	return zygote;
}

int
zygote_spawn(struct zygote *zygote, uint64_t id, int channel, struct err *err)
{
	struct fake *fake = xcalloc(1, sizeof(*fake));
	size_t begun = frame_begin(&fake->out, WORKER_READY);

	(void)zygote;
	(void)err;
	assert_true(newest->fake_count < FAKES_MAX);
	newest->fakes[newest->fake_count++] = fake;
	fake->fd = channel;
	fake->id = id;
	assert_int_equal(fcntl(channel, F_SETFL, O_NONBLOCK), 0);
	frame_u32(&fake->out, PROTOCOL_VERSION);
	frame_u32(&fake->out, 0);
	frame_string(&fake->out, "Lua of a test");
	frame_finish(&fake->out, begun);
	return 0;
}

void
zygote_stop(struct zygote *zygote)
{
	free(zygote);
}

int
zygote_program(char *out, size_t size, struct err *err)
{
	(void)err;
	(void)snprintf(out, size, "fake");
	return 0;
}

static void
fake_flush(struct fake *fake)
{
	if (fake->fd >= 0 && fake->out.len > 0) {
		ssize_t sent = send(fake->fd, fake->out.data, fake->out.len, MSG_NOSIGNAL);

		if (sent > 0)
			buf_drain(&fake->out, (size_t)sent);
	}
}

void
fake_end(struct fake *fake)
{
	fake_flush(fake);
	if (fake->fd >= 0)
		assert_int_equal(close(fake->fd), 0);
	fake->fd = -1;
	fake->run_count = 0;
	buf_reset(&fake->in);
	buf_reset(&fake->out);
}

static void
take_load(struct fake *fake, struct cursor *cursor)
{
	uint32_t number = cursor_u32(cursor);
	struct bytes source;
	size_t begun;
	bool refuse;

	(void)cursor_u8(cursor);
	(void)cursor_bytes(cursor);
	(void)cursor_u32(cursor);
	(void)cursor_u32(cursor);
	assert_int_equal(cursor_u16(cursor), 1);
	(void)cursor_bytes(cursor);
	source = cursor_bytes(cursor);
	assert_true(cursor_end(cursor));
	fake->loads++;
	if (bytes_equal_string(source, "crash")) {
		fake_end(fake);
		return;
	}
	if (fake->mute || bytes_equal_string(source, "hang"))
		return;
	refuse = bytes_equal_string(source, "refuse");
	begun = frame_begin(&fake->out, refuse ? WORKER_REFUSED : WORKER_LOADED);
	frame_u32(&fake->out, number);
	if (!refuse)
		frame_u32(&fake->out, 1000);
	frame_bytes(&fake->out, refuse ? bytes_of_string("f.lua:1: no") : source);
	frame_finish(&fake->out, begun);
}

static void
take_invoke(struct fake *fake, struct cursor *cursor)
{
	struct run *run = &fake->runs[fake->run_count++];
	uint8_t id[EVENT_ID_BYTES];
	struct bytes payload;

	assert_true(fake->run_count < RUNS_MAX);
	*run = (struct run){ .invocation = cursor_u64(cursor) };
	run->function = cursor_u32(cursor);
	run->lane = cursor_u32(cursor);
	run->epoch = cursor_u32(cursor);
	(void)cursor_u32(cursor);
	run->attempt = cursor_u16(cursor);
	(void)cursor_u8(cursor);
	(void)cursor_u8(cursor);
	(void)cursor_u8(cursor);
	(void)cursor_i64(cursor);
	cursor_copy(cursor, id, sizeof(id));
	(void)cursor_u64(cursor);
	(void)cursor_u64(cursor);
	for (int i = 0; i < 4; i++)
		(void)cursor_bytes(cursor);
	payload = cursor_bytes(cursor);
	assert_true(cursor_end(cursor));
	assert_true(payload.len < sizeof(run->payload));
	memcpy(run->payload, payload.data, payload.len);
}

static void
take_frame(struct fake *fake, const struct frame *frame)
{
	struct cursor cursor = cursor_of(frame->fields);

	switch ((enum host_frame)frame->type) {
	case HOST_SETUP:
	case HOST_TABLES:
		break;
	case HOST_LOAD:
		take_load(fake, &cursor);
		break;
	case HOST_DROP:
		fake->drops++;
		break;
	case HOST_INVOKE:
		take_invoke(fake, &cursor);
		break;
	case HOST_REPLY:
		fake->replies++;
		break;
	case HOST_CANCEL:
		fake->cancels++;
		break;
	}
}

static void
fake_read(struct fake *fake)
{
	struct frame frame;
	size_t used;
	ssize_t got = -1;

	while (fake->fd >= 0 && (got = recv(fake->fd, buf_reserve(&fake->in, 65536), 65536, 0)) > 0)
		fake->in.len += (size_t)got;
	if (fake->fd >= 0 && got == 0)
		fake_end(fake);
	while (fake->fd >= 0 && frame_next(buf_bytes(&fake->in), &frame, &used) == FRAME_OK) {
		take_frame(fake, &frame);
		if (fake->fd >= 0)
			buf_drain(&fake->in, used);
	}
	fake_flush(fake);
}

void
world_turn(struct world *world)
{
	struct err err;

	for (size_t i = 0; i < world->fake_count; i++)
		fake_flush(world->fakes[i]);
	assert_int_equal(loop_turn(world->host.loop, false, &err), 0);
	for (size_t i = 0; i < world->fake_count; i++)
		fake_read(world->fakes[i]);
}

void
world_wait(struct world *world, int64_t ms)
{
	int64_t until_us = lived_monotonic_us() + ms * 1000;

	do {
		world_turn(world);
		(void)usleep(200);
	} while (lived_monotonic_us() < until_us);
}

void
world_until(struct world *world, bool (*done)(struct world *world))
{
	int64_t until_us = sys_posix.monotonic_us() + 60000000;

	while (!done(world)) {
		world_turn(world);
		if (sys_posix.monotonic_us() > until_us)
			fail_msg("it did not come to pass within a minute");
		(void)usleep(100);
	}
}

static void
on_store(void *arg, bool readable, bool writable)
{
	struct world *world = arg;

	(void)readable;
	(void)writable;
	store_poll(world->host.store);
}

static void
hear(void *arg, const struct message *message)
{
	struct world *world = arg;

	buf_append_bytes(&world->heard, message->topic);
	buf_append_u8(&world->heard, ' ');
	buf_append_bytes(&world->heard, message->payload);
	buf_append_u8(&world->heard, '\n');
}

static bool
all_serve(struct world *world)
{
	return pool_serving(world->host.pool) == world->host.pool->wanted;
}

static void
open_store(struct world *world)
{
	(void)strcpy(world->place.folder, "/tmp/moonlet-dispatch.XXXXXX");
	assert_non_null(mkdtemp(world->place.folder));
	world->place.config.folder = world->place.folder;
	world->place.config.sys = &sys_posix;
	world->place.config.engine = &engine_memory;
	world->place.config.disk = memory_disk_new();
	place_open(&world->place);
	world->host.store = world->place.store;
	watch_init(&world->watch, world->host.loop, store_fd(world->host.store), on_store, world);
	watch_want(&world->watch, true, false);
}

void
world_init(struct world *world, unsigned workers)
{
	struct host *host = &world->host;
	struct err err;

	newest = world;
	log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_HUMAN, LOG_LEVEL_ERROR);
	options_init(&world->options);
	host->options = &world->options;
	moved_sys = sys_posix;
	moved_sys.wall_ms = moved_wall_ms;
	moved_sys.monotonic_us = lived_monotonic_us;
	lived_us = looked_us = sys_posix.monotonic_us();
	moved_ms = 0;
	host->loop = loop_new(&moved_sys, &err);
	assert_non_null(host->loop);
	host->group = conn_group_new(host->loop);
	host->triggers = trigger_table;
	host->trigger_count = trigger_table_count;
	open_store(world);
	gateway_open(host);
	host->records = records_new(host->store, 1 << 20);
	host->tables = tables_new(host);
	host->timers = timers_new(host);
	host->dispatch = dispatch_new(host);
	host->functions = functions_new(host);
	host->pool = pool_new(host, workers, &err);
	assert_non_null(host->pool);
	host->change_followers = change_followers_new(host);
	change_followers_start(host->change_followers);
	world->tap = broker_tap(host->broker, bytes_of_string("out/#"), hear, world);
	world_until(world, all_serve);
}

void
world_clear(struct world *world)
{
	struct host *host = &world->host;
	struct err err;

	broker_untap(host->broker, world->tap);
	timers_stop(host->timers);
	change_followers_stop(host->change_followers);
	dispatch_stop(host->dispatch);
	dispatch_free(host->dispatch);
	host->dispatch = NULL;
	pool_free(host->pool);
	host->pool = NULL;
	functions_free(host->functions);
	change_followers_free(host->change_followers);
	host->change_followers = NULL;
	watch_clear(&world->watch);
	tables_stop(host->tables);
	store_close(host->store);
	tables_free(host->tables);
	timers_free(host->timers);
	records_free(host->records);
	broker_free(host->broker);
	assert_int_equal(loop_turn(host->loop, false, &err), 0);
	trie_clear(&host->topics);
	free(host->followers.list);
	conn_group_free(host->group);
	loop_free(host->loop);
	for (size_t i = 0; i < world->fake_count; i++) {
		fake_end(world->fakes[i]);
		buf_clear(&world->fakes[i]->in);
		buf_clear(&world->fakes[i]->out);
		free(world->fakes[i]);
	}
	place_unlink(&world->place);
	memory_disk_free(world->place.config.disk);
	options_clear(&world->options);
	buf_clear(&world->heard);
}

static bool
nothing_loads(struct world *world)
{
	const struct functions *functions = world->host.functions;

	for (struct hash_node *at = hash_next(&functions->map, NULL); at != NULL;
	     at = hash_next(&functions->map, at)) {
		if (HASH_OWNER(at, struct function, link)->backlog.reading)
			return false;
	}
	return functions->loading == 0;
}

void
world_deploy(struct world *world, const char *name, const char *manifest)
{
	struct function_sources *sources = xcalloc(1, sizeof(*sources));

	(void)snprintf(sources->name, sizeof(sources->name), "%s", name);
	sources->files[0].path = xstrdup("f.lua");
	buf_append_string(&sources->files[0].source, manifest);
	sources->count = 1;
	function_deploy(world->host.functions, sources);
	function_sources_clear(sources);
	free(sources);
	if (strcmp(manifest, "hang") != 0)
		world_until(world, nothing_loads);
}

struct function *
world_function(struct world *world, const char *name)
{
	return function_find(world->host.functions, bytes_of_string(name));
}

enum broker_flow
world_publish(struct world *world, const char *topic, const char *payload, struct ack *ack)
{
	const struct message message = { .topic = bytes_of_string(topic),
		.payload = bytes_of_string(payload),
		.qos = ack != NULL };

	return broker_publish(world->host.broker, &message, ack);
}

struct counting {
	enum space space;
	size_t count;
};

static bool
count_row(void *arg, const struct txn_row *row)
{
	(void)row;
	(*(size_t *)arg)++;
	return true;
}

static int
count_rows(struct txn *txn, void *arg, struct err *err)
{
	struct counting *counting = arg;
	const struct txn_range range = { .space = counting->space };

	return txn_scan(txn, &range, count_row, &counting->count, err);
}

size_t
world_rows(struct world *world, enum space space)
{
	struct counting counting = { .space = space };

	assert_int_equal(place_call(&world->place, count_rows, &counting), 0);
	return counting.count;
}

struct fake *
world_fake(struct world *world, size_t index)
{
	for (size_t i = 0; i < world->fake_count; i++) {
		if (world->fakes[i]->fd >= 0 && index-- == 0)
			return world->fakes[i];
	}
	fail_msg("there are not so many workers");
	return NULL;
}

size_t
world_fakes(const struct world *world)
{
	size_t count = 0;

	for (size_t i = 0; i < world->fake_count; i++)
		count += world->fakes[i]->fd >= 0;
	return count;
}

struct run *
world_run(struct world *world, const char *payload, struct fake **fake)
{
	for (size_t i = 0; i < world->fake_count; i++) {
		for (size_t j = world->fakes[i]->run_count; j-- > 0;) {
			struct run *run = &world->fakes[i]->runs[j];

			if (run->answered || strcmp(run->payload, payload) != 0)
				continue;
			if (fake != NULL)
				*fake = world->fakes[i];
			return run;
		}
	}
	return NULL;
}

void
fake_done(struct fake *fake, struct run *run, const char *topic, const char *payload)
{
	size_t begun = frame_begin(&fake->out, WORKER_DONE);

	run->answered = true;
	frame_u64(&fake->out, run->invocation);
	frame_u32(&fake->out, 1);
	frame_u32(&fake->out, 1);
	frame_u8(&fake->out, RESULT_NONE);
	frame_string(&fake->out, "");
	frame_u16(&fake->out, topic != NULL);
	if (topic != NULL) {
		frame_u8(&fake->out, EFFECT_PUBLISH);
		frame_u8(&fake->out, 0);
		frame_u8(&fake->out, 0);
		frame_u32(&fake->out, 0);
		frame_string(&fake->out, topic);
		frame_string(&fake->out, payload);
		frame_string(&fake->out, "");
	}
	frame_finish(&fake->out, begun);
}

void
fake_failed(struct fake *fake, struct run *run, enum fail_reason reason)
{
	size_t begun = frame_begin(&fake->out, WORKER_FAILED);

	run->answered = true;
	frame_u64(&fake->out, run->invocation);
	frame_u32(&fake->out, 1);
	frame_u8(&fake->out, (uint8_t)reason);
	frame_string(&fake->out, "f.lua:1: boom");
	frame_string(&fake->out, "");
	frame_finish(&fake->out, begun);
}

void
fake_skipped(struct fake *fake, struct run *run)
{
	size_t begun = frame_begin(&fake->out, WORKER_SKIPPED);

	run->answered = true;
	frame_u64(&fake->out, run->invocation);
	frame_finish(&fake->out, begun);
}

void
fake_call(struct fake *fake, const struct run *run, uint32_t call, enum call_kind kind,
    struct bytes fields)
{
	size_t begun = frame_begin(&fake->out, WORKER_CALL);

	frame_u64(&fake->out, run->invocation);
	frame_u32(&fake->out, call);
	frame_i64(&fake->out, 100);
	frame_u8(&fake->out, (uint8_t)kind);
	buf_append_bytes(&fake->out, fields);
	frame_finish(&fake->out, begun);
}

void
fake_raw(struct fake *fake, struct bytes bytes)
{
	buf_append_bytes(&fake->out, bytes);
}

static void
answer_fake(struct fake *fake)
{
	char topic[80];

	for (size_t i = 0; i < fake->run_count; i++) {
		struct run *run = &fake->runs[i];

		if (run->answered)
			continue;
		(void)snprintf(topic, sizeof(topic), "out/%.*s", (int)strcspn(run->payload, ":"),
		    run->payload);
		fake_done(fake, run, topic, run->payload);
	}
	fake->run_count = 0;
}

void
world_answer_all(struct world *world)
{
	for (size_t i = 0; i < world->fake_count; i++) {
		if (world->fakes[i]->fd >= 0)
			answer_fake(world->fakes[i]);
	}
}
