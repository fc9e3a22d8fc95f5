/* SPDX-License-Identifier: MIT
 * Workers that were taken over: frames with wrong lengths, foreign numbers, broken fields and no
 * sense at all. The host ends such a worker and goes on; nothing that no function may publish gets
 * out. HOSTILE_FRAMES and HOSTILE_SEED in the environment make it longer, and another.
 */
#include "tests/dispatch_world.h"

#include "lib/topic.h"
#include "runtime/tables.h"

enum { FRAMES = 20000, FRAMES_A_TURN = 4, FIELD_BYTES = 48 };

static const char plain[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\",\"db\":\"cars\"},\"retries\":0}";
static const char canary[] =
    "{\"on\":{\"topic\":\"bird/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":2}";

struct storm {
	struct world world;
	struct tap *tap;
	uint64_t random;
	uint64_t frames;
	uint64_t sent;
};

static uint64_t
draw(struct storm *storm, uint64_t below)
{
	storm->random ^= storm->random << 13;
	storm->random ^= storm->random >> 7;
	storm->random ^= storm->random << 17;
	return storm->random % below;
}

static uint64_t
number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void
put_noise(struct storm *storm, struct buf *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_append_u8(out, (uint8_t)draw(storm, 256));
}

/* One that this worker was given, or that another was, or none. */
static uint64_t
some_invocation(struct storm *storm, const struct fake *fake)
{
	const struct fake *from = fake;

	if (draw(storm, 4) == 0)
		from = world_fake(&storm->world, draw(storm, world_fakes(&storm->world)));
	if (from->run_count > 0 && draw(storm, 8) != 0)
		return from->runs[draw(storm, from->run_count)].invocation;
	return draw(storm, 2) == 0 ? storm->random : (uint64_t)1 << 32 | draw(storm, 64);
}

static void
put_bytes(struct storm *storm, struct buf *out)
{
	static const char *const texts[] = { "out/a", "in/a", "forbidden/a", "out/+", "", "$SYS/a",
		"{\"state\":{\"desired\":{\"a\":1}}}", "{", "http://127.0.0.1:1/", "GET", "f",
		"{\"on\":{\"topic\":\"#\"},\"allow\":{\"publish\":\"#\"}}" };
	size_t which = (size_t)draw(storm, sizeof(texts) / sizeof(texts[0]) + 3);

	if (which < sizeof(texts) / sizeof(texts[0])) {
		frame_string(out, texts[which]);
	} else if (draw(storm, 4) == 0) {
		frame_u32(out, (uint32_t)draw(storm, UINT32_MAX)); /* and nothing behind it */
	} else {
		size_t len = (size_t)draw(storm, FIELD_BYTES);

		frame_u32(out, (uint32_t)len);
		put_noise(storm, out, len);
	}
}

/* An encoded key of the table cars, or something like it. */
static void
put_key(struct storm *storm, struct buf *out)
{
	static const char key[] = "saudi22\0\1";

	frame_bytes(out, bytes_of(key, sizeof(key) - 1 - (size_t)(draw(storm, 3) == 0)));
}

static void
put_table(struct storm *storm, struct buf *out)
{
	static const char *const names[] = { "cars", "cars", "cars", "planes", "" };

	frame_string(out, names[draw(storm, 5)]);
}

/* Changes and reads of items; false: of another kind. */
static bool
put_table_effect(struct storm *storm, struct buf *out, uint8_t kind)
{
	if (kind == EFFECT_DB_PUT) {
		put_table(storm, out);
		frame_string(
		    out, draw(storm, 2) == 0 ? "{\"id\":\"a\",\"place\":1}" : "{\"id\":[]}");
	} else if (kind == EFFECT_DB_DELETE) {
		put_table(storm, out);
		put_key(storm, out);
	} else if (kind == EFFECT_READ) {
		frame_u8(out, (uint8_t)draw(storm, 3));
		put_table(storm, out);
		put_key(storm, out);
		frame_u64(out, draw(storm, 2));
	} else if (kind == EFFECT_READ_ROWS) {
		frame_u8(out, (uint8_t)draw(storm, 3));
		put_table(storm, out);
		frame_string(out, draw(storm, 2) == 0 ? "by_place" : NULL);
		put_bytes(storm, out);
		put_bytes(storm, out);
		frame_u32(out, (uint32_t)draw(storm, 3));
		frame_u64(out, draw(storm, 2));
	} else {
		return false;
	}
	return true;
}

static void
put_query(struct storm *storm, struct buf *out)
{
	put_table(storm, out);
	frame_string(out, draw(storm, 2) == 0 ? "by_place" : NULL);
	for (int i = 0; i < 5; i++) {
		if (draw(storm, 3) == 0)
			put_key(storm, out);
		else
			frame_string(out, NULL);
	}
	frame_u8(out, (uint8_t)draw(storm, 2));
	frame_u32(out, (uint32_t)draw(storm, 1200));
	frame_u16(out, (uint16_t)draw(storm, 2));
	if (draw(storm, 2) == 0) {
		put_key(storm, out);
		frame_string(out, "{\"id\":\"audi22\",\"place\":1}");
	}
}

static void
put_effect(struct storm *storm, struct buf *out)
{
	uint8_t kind = (uint8_t)draw(storm, EFFECT_READ_ROWS + 2);

	frame_u8(out, kind);
	if (put_table_effect(storm, out, kind))
		return;
	if (kind == EFFECT_PUBLISH) {
		frame_u8(out, (uint8_t)draw(storm, 4));
		frame_u8(out, (uint8_t)draw(storm, 3));
		frame_u32(out, (uint32_t)draw(storm, 3));
	}
	if (kind == EFFECT_SHADOW || kind == EFFECT_READ || kind == EFFECT_TIMER)
		frame_u8(out, (uint8_t)draw(storm, 3));
	put_bytes(storm, out);
	if (kind == EFFECT_METRIC)
		frame_i64(out, (int64_t)draw(storm, UINT64_MAX));
	else
		put_bytes(storm, out);
	if (kind == EFFECT_PUBLISH || kind == EFFECT_SHADOW)
		put_bytes(storm, out);
	if (kind == EFFECT_READ || kind == EFFECT_TIMER)
		frame_i64(out, (int64_t)draw(storm, 4000));
}

static void
put_done(struct storm *storm, struct buf *out)
{
	uint16_t effects = (uint16_t)draw(storm, 4);

	frame_u32(out, (uint32_t)storm->random);
	frame_u32(out, (uint32_t)storm->random);
	frame_u8(out, (uint8_t)draw(storm, 4));
	put_bytes(storm, out);
	frame_u16(out, draw(storm, 16) != 0 ? effects : UINT16_MAX);
	for (uint16_t i = 0; i < effects; i++)
		put_effect(storm, out);
}

static void
put_call(struct storm *storm, struct buf *out)
{
	uint8_t kind = (uint8_t)draw(storm, CALL_DB_QUERY + 2);

	frame_u32(out, (uint32_t)draw(storm, 3));
	frame_u64(out, draw(storm, 10) == 0 ? UINT64_MAX / 3 : draw(storm, 1000));
	frame_u8(out, kind);
	if (kind == CALL_DB_QUERY && draw(storm, 8) != 0) {
		put_query(storm, out);
		return;
	}
	if (kind == CALL_DB_GET && draw(storm, 8) != 0) {
		frame_u16(out, (uint16_t)draw(storm, 3));
		put_table(storm, out);
		put_key(storm, out);
		return;
	}
	for (uint64_t i = draw(storm, 5); i > 0; i--)
		put_bytes(storm, out);
	put_noise(storm, out, (size_t)draw(storm, 2) * 4);
}

/* The fields of a frame as they should be, more or less. */
static void
put_fields(struct storm *storm, const struct fake *fake, struct buf *out, uint8_t type)
{
	if (type == WORKER_READY || type == WORKER_LOADED || type == WORKER_REFUSED)
		frame_u32(out, (uint32_t)draw(storm, 4));
	else
		frame_u64(out, some_invocation(storm, fake));
	if (type == WORKER_DONE) {
		put_done(storm, out);
	} else if (type == WORKER_CALL) {
		put_call(storm, out);
	} else if (type == WORKER_LOG) {
		frame_u8(out, (uint8_t)draw(storm, 5));
		put_bytes(storm, out);
	} else if (type == WORKER_FAILED) {
		frame_u32(out, 1);
		frame_u8(out, (uint8_t)draw(storm, 8));
		put_bytes(storm, out);
		put_bytes(storm, out);
	} else if (type != WORKER_SKIPPED) {
		if (type != WORKER_REFUSED)
			frame_u32(out, (uint32_t)draw(storm, 4096));
		put_bytes(storm, out);
	}
}

static void
put_frame(struct storm *storm, struct fake *fake)
{
	uint8_t type = (uint8_t)draw(storm, WORKER_SKIPPED + 2);
	size_t begun = frame_begin(&fake->out, type);

	if (draw(storm, 16) == 0)
		put_noise(storm, &fake->out, (size_t)draw(storm, FIELD_BYTES));
	else
		put_fields(storm, fake, &fake->out, type);
	frame_finish(&fake->out, begun);
	if (draw(storm, 8) == 0)
		fake->out.data[begun + draw(storm, fake->out.len - begun)] ^=
		    (uint8_t)(1 << draw(storm, 8));
	if (draw(storm, 64) == 0)
		fake->out.len -= (size_t)draw(storm, fake->out.len - begun);
	if (draw(storm, 256) == 0)
		put_noise(storm, &fake->out, FIELD_BYTES);
	storm->sent++;
}

/* The world keeps every worker that ever was: here there are too many. */
static void
bury(struct world *world)
{
	size_t kept = 0;

	for (size_t i = 0; i < world->fake_count; i++) {
		struct fake *fake = world->fakes[i];

		if (fake->fd >= 0) {
			if (fake->run_count > RUNS_MAX / 2)
				fake->run_count = 0;
			world->fakes[kept++] = fake;
			continue;
		}
		buf_clear(&fake->in);
		buf_clear(&fake->out);
		free(fake);
	}
	world->fake_count = kept;
}

static void
check_message(void *arg, const struct message *message)
{
	(void)arg;
	assert_int_equal(topic_name_check(message->topic), TOPIC_OK);
	assert_false(topic_match(bytes_of_string("forbidden/#"), message->topic));
	assert_false(topic_match(bytes_of_string("$SYS/#"), message->topic));
}

static void
storm_turn(struct storm *storm)
{
	struct world *world = &storm->world;

	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_turn(world);
	if (world_fakes(world) > 0) {
		struct fake *fake = world_fake(world, (size_t)draw(storm, world_fakes(world)));

		for (int i = 0; i < FRAMES_A_TURN; i++)
			put_frame(storm, fake);
	}
	world_turn(world);
	/* One that said half a frame would be waited for until its deadline. */
	if (world_fakes(world) > 0 && draw(storm, 16) == 0)
		fake_end(world_fake(world, (size_t)draw(storm, world_fakes(world))));
	bury(world);
	buf_reset(&world->heard);
}

static bool
all_serve(struct world *world)
{
	return pool_serving(world->host.pool) == world->host.pool->wanted;
}

static bool
canary_is_heard(struct world *world)
{
	world_answer_all(world);
	return strstr(buf_string(&world->heard), "out/tweet tweet:1\n") != NULL;
}

static void
define_cars(struct world *world)
{
	struct table_def def;
	struct err err;

	assert_int_equal(
	    table_def_read(bytes_of_string("{\"name\":\"cars\",\"key\":\"id\",\"indexes\":"
					   "[{\"name\":\"by_place\",\"key\":\"place\"}]}"),
		&def, &err),
	    0);
	tables_define(world->host.tables, &def, NULL, NULL);
}

static void
hostile_workers_are_ended_and_the_host_goes_on(void **state)
{
	struct storm *storm = *state;
	struct world *world = &storm->world;

	define_cars(world);
	world_deploy(world, "f", plain);
	while (storm->sent < storm->frames)
		storm_turn(storm);
	while (world_fakes(world) > 0)
		fake_end(world_fake(world, 0));
	world_wait(world, 20);
	world_until(world, all_serve);
	world_deploy(world, "canary", canary);
	(void)world_publish(world, "bird/a", "tweet:1", NULL);
	world_until(world, canary_is_heard);
	assert_true(world->host.pool->restarts > storm->sent / 100);
	print_message("%llu frames, %llu workers ended\n", (unsigned long long)storm->sent,
	    (unsigned long long)world->host.pool->restarts);
}

static int
setup(void **state)
{
	struct storm *storm = xcalloc(1, sizeof(*storm));

	storm->frames = number_of("HOSTILE_FRAMES", FRAMES);
	storm->random = number_of("HOSTILE_SEED", 88172645463325252);
	world_init(&storm->world, 2);
	storm->tap =
	    broker_tap(storm->world.host.broker, bytes_of_string("#"), check_message, storm);
	*state = storm;
	return 0;
}

static int
teardown(void **state)
{
	struct storm *storm = *state;

	broker_untap(storm->world.host.broker, storm->tap);
	world_clear(&storm->world);
	free(storm);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_workers_are_ended_and_the_host_goes_on),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
