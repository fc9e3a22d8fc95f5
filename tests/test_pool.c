/* SPDX-License-Identifier: MIT
 * Workers that die, hang, wait, lie or cannot load, and functions that are removed; at last a long
 * run of all of it at random, in which nothing may be lost, doubled or out of order.
 */
#include "tests/dispatch_world.h"

#include "lib/log.h"

static const char plain[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":2}";

static int
setup_with(void **state, unsigned workers)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world_init(world, workers);
	*state = world;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, 2);
}

static int
setup_one(void **state)
{
	return setup_with(state, 1);
}

static int
teardown(void **state)
{
	world_clear(*state);
	free(*state);
	return 0;
}

static bool
is_idle(struct world *world)
{
	return dispatch_is_idle(world->host.dispatch);
}

static bool
has_a(struct world *world)
{
	return world_run(world, "a:1", NULL) != NULL;
}

static bool
has_b(struct world *world)
{
	return world_run(world, "b:1", NULL) != NULL;
}

static bool
has_both(struct world *world)
{
	return has_a(world) && has_b(world);
}

static bool
two_serve(struct world *world)
{
	return pool_serving(world->host.pool) == 2;
}

static void
what_a_dead_worker_had_runs_again_one_by_one_without_losing_an_attempt(void **state)
{
	struct world *world = *state;
	struct fake *fake;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_until(world, has_both);
	(void)world_run(world, "a:1", &fake);
	fake_end(fake);
	world_until(world, has_both);
	assert_int_equal(world_run(world, "a:1", NULL)->attempt, 1);
	world_answer_all(world);
	world_until(world, is_idle);
	world_until(world, two_serve);
	assert_int_equal(world_rows(world, SPACE_FAILED), 0);
	assert_int_equal(world->heard.len, strlen("out/a a:1\nout/b b:1\n"));
}

static void
an_event_that_kills_its_worker_each_time_is_given_up_and_others_go_on(void **state)
{
	struct world *world = *state;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	for (int turns = 0; turns < 600000 && !is_idle(world); turns++) {
		struct fake *fake;
		struct run *run;

		while ((run = world_run(world, "a:1", &fake)) != NULL)
			fake_end(fake);
		if ((run = world_run(world, "b:1", &fake)) != NULL)
			fake_done(fake, run, "out/b", "b:1");
		world_turn(world);
		(void)usleep(100);
	}
	assert_true(is_idle(world));
	assert_string_equal(buf_string(&world->heard), "out/b b:1\n");
	assert_int_equal(world_rows(world, SPACE_FAILED), 1);
}

static bool
one_is_reserved(struct world *world)
{
	return world->host.pool->workers[0].reserved || world->host.pool->workers[1].reserved;
}

static void
one_under_suspicion_gets_a_worker_although_all_are_busy(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;
	int turns;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/a2", "x:1", NULL);
	world_until(world, has_a);
	(void)world_run(world, "a:1", &fake);
	fake_end(fake);
	world_until(world, two_serve);
	/* Each worker always has more to do than it has answered. */
	for (turns = 0; turns < 600000 && !has_a(world); turns++) {
		(void)world_publish(world, "in/b", "b:1", NULL);
		world_turn(world);
		if (turns % 2 == 0 && (run = world_run(world, "b:1", &fake)) != NULL)
			fake_done(fake, run, NULL, NULL);
		if ((run = world_run(world, "x:1", &fake)) != NULL)
			fake_done(fake, run, NULL, NULL);
	}
	assert_true(has_a(world) || one_is_reserved(world));
	for (turns = 0; turns < 600000 && !is_idle(world); turns++) {
		world_answer_all(world);
		world_turn(world);
	}
	assert_true(is_idle(world));
}

static void
what_stands_behind_a_slow_one_runs_elsewhere_and_its_late_result_is_dropped(void **state)
{
	struct world *world = *state;
	struct fake *slow, *other;
	struct run *late;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_until(world, has_both);
	(void)world_run(world, "a:1", &slow);
	late = world_run(world, "b:1", &other);
	assert_ptr_equal(slow, other); /* the function's home */
	late->answered = true;
	world_until(world, has_b);
	(void)world_run(world, "b:1", &other);
	assert_ptr_not_equal(slow, other);
	fake_done(slow, late, "out/b", "late");
	fake_done(slow, world_run(world, "a:1", NULL), "out/a", "a:1");
	fake_done(other, world_run(world, "b:1", NULL), NULL, NULL);
	world_until(world, is_idle);
	assert_string_equal(buf_string(&world->heard), "out/a a:1\n");
	assert_true(world->host.dispatch->taken_back > 0);
}

static void
a_worker_that_does_not_answer_by_the_deadline_is_killed(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	uint64_t id;

	world_deploy(
	    world, "f", "{\"on\":{\"topic\":\"in/#\"},\"timeout\":\"20ms\",\"retries\":0}");
	(void)world_publish(world, "in/a", "a:1", NULL);
	world_until(world, has_a);
	(void)world_run(world, "a:1", &fake);
	id = fake->id;
	world_until(world, is_idle);
	world_until(world, two_serve);
	assert_int_equal(world_rows(world, SPACE_FAILED), 1);
	for (size_t i = 0; i < world_fakes(world); i++)
		assert_int_not_equal(world_fake(world, i)->id, id);
}

static void
a_frame_that_a_worker_may_not_send_ends_the_worker_only(void **state)
{
	static const uint8_t frames[][16] = {
		{ 0, 0, 0, 0 },				       /* without a type */
		{ 0xff, 0xff, 0xff, 0xff },		       /* too long */
		{ 1, 0, 0, 0, 200 },			       /* of no known type */
		{ 1, 0, 0, 0, WORKER_READY },		       /* again, and cut short */
		{ 1, 0, 0, 0, WORKER_LOADED },		       /* without fields */
		{ 1, 0, 0, 0, WORKER_DONE },		       /* the same */
		{ 9, 0, 0, 0, WORKER_DONE, 7, 0, 0, 0, 9 },    /* of no invocation */
		{ 9, 0, 0, 0, WORKER_SKIPPED, 7, 0, 0, 0, 9 }, /* the same */
		{ 9, 0, 0, 0, WORKER_CALL, 7, 0, 0, 0, 9 },    /* the same */
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct fake *fake = world_fake(world, 0);
		uint64_t id = fake->id;

		fake_raw(fake, bytes_of(frames[i], sizeof(frames[i])));
		world_wait(world, 2);
		world_until(world, two_serve);
		assert_int_not_equal(world_fake(world, 0)->id, id);
	}
}

static void
call_secret(struct fake *fake, const struct run *run, uint32_t call)
{
	struct buf fields = { 0 };

	frame_string(&fields, "name");
	fake_call(fake, run, call, CALL_SECRET, buf_bytes(&fields));
	buf_clear(&fields);
}

static bool
a_has_its_answer(struct world *world)
{
	struct fake *fake = NULL;

	return world_run(world, "a:1", &fake) != NULL && fake->replies == 1;
}

static bool
has_second(struct world *world)
{
	return world_run(world, "a:3", NULL) != NULL;
}

static void
one_that_waits_keeps_its_lane_but_not_its_worker(void **state)
{
	struct world *world = *state;
	struct fake *fake;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/a", "a:2", NULL);
	world_until(world, has_a);
	call_secret(fake = world->fakes[0]->run_count > 0 ? world->fakes[0] : world->fakes[1],
	    world_run(world, "a:1", NULL), 1);
	world_until(world, a_has_its_answer);
	/* a:2 stands in the worker behind a:1: neither is the worker busy with it ... */
	(void)world_publish(world, "in/a", "a:3", NULL);
	world_wait(world, 40);
	assert_int_equal(world->host.dispatch->taken_back, 0);
	assert_int_equal(world->host.pool->workers[0].inflight, 0);
	assert_int_equal(world->host.pool->workers[1].inflight, 0);
	/* ... nor does the lane get any more, until the one that waited ends. */
	assert_null(world_run(world, "a:3", NULL));
	fake_done(fake, world_run(world, "a:1", NULL), "out/a", "a:1");
	fake_done(fake, world_run(world, "a:2", NULL), "out/a", "a:2");
	world_until(world, has_second);
	fake_done(fake, world_run(world, "a:3", &fake), "out/a", "a:3");
	world_until(world, is_idle);
	assert_string_equal(buf_string(&world->heard), "out/a a:1\nout/a a:2\nout/a a:3\n");
}

static void
a_file_that_kills_whoever_loads_it_is_refused_and_the_old_version_goes_on(void **state)
{
	struct world *world = *state;

	world_deploy(world, "f", plain);
	world_deploy(world, "f", "crash");
	assert_non_null(world_function(world, "f")->problem);
	assert_non_null(world_function(world, "f")->current);
	world_until(world, two_serve);
	(void)world_publish(world, "in/a", "a:1", NULL);
	world_until(world, has_a);
}

static void
a_file_that_kills_its_worker_spoils_no_other_that_is_loaded_with_it(void **state)
{
	struct world *world = *state;

	world_deploy(world, "hangs", "hang");
	world_deploy(world, "f", "crash");
	function_remove(world->host.functions, "hangs");
	world_deploy(world, "g", plain);
	assert_null(world_function(world, "g")->problem);
}

static void
more_functions_than_a_link_holds_at_once_are_all_loaded(void **state)
{
	struct world *world = *state;
	char name[32];
	struct function_sources *sources = xcalloc(1, sizeof(*sources));
	struct buf *source = &sources->files[0].source;

	sources->files[0].path = xstrdup("f.lua");
	sources->count = 1;
	buf_append_string(source, "{\"on\":{\"topic\":\"in/#\"},\"description\":\"");
	while (source->len < 100000)
		buf_append_u8(source, 'x');
	buf_append_string(source, "\"}");
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		(void)snprintf(sources->name, sizeof(sources->name), "%s", name);
		function_deploy(world->host.functions, sources);
	}
	while (world->host.functions->loading > 0)
		world_turn(world);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		assert_non_null(world_function(world, name)->current);
	}
	function_sources_clear(sources);
	free(sources);
}

static void
what_waits_for_a_removed_function_becomes_dead_letters(void **state)
{
	struct world *world = *state;
	struct fake *fake;

	world_deploy(world, "f",
	    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"concurrency\":1}");
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/a", "a:2", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_until(world, has_a);
	function_remove(world->host.functions, "f");
	/* What runs finishes. */
	fake_done(fake, world_run(world, "a:1", &fake), "out/a", "a:1");
	world_until(world, is_idle);
	assert_int_equal(world_rows(world, SPACE_FAILED), 2);
	assert_string_equal(buf_string(&world->heard), "out/a a:1\n");
}

/* --- at random --- */

enum { KEYS = 12, EVENTS = 3000 };

/* Answers the first frames of a worker as a real one would: lanes in order, and what stands behind
 * a failed one of its lane and epoch is skipped. */
static void
work(struct fake *fake, unsigned count)
{
	char topic[80];

	for (size_t i = 0; i < fake->run_count && count > 0; i++) {
		struct run *run = &fake->runs[i];
		bool broken = false;

		if (run->answered)
			continue;
		for (size_t j = 0; j < i; j++)
			broken =
			    broken || (fake->runs[j].failed && fake->runs[j].lane == run->lane &&
					  fake->runs[j].epoch >= run->epoch);
		count--;
		if (broken) {
			fake_skipped(fake, run);
		} else if (rand() % 200 == 0) {
			run->failed = true;
			fake_failed(fake, run, FAIL_ERROR);
		} else {
			(void)snprintf(topic, sizeof(topic), "out/%.*s",
			    (int)strcspn(run->payload, ":"), run->payload);
			fake_done(fake, run, topic, run->payload);
		}
	}
}

static void
assert_all_in_order(struct world *world, const unsigned *sent)
{
	unsigned heard[KEYS] = { 0 };
	const char *at = buf_string(&world->heard);
	unsigned key, number;

	while (*at != '\0') {
		assert_int_equal(sscanf(at, "out/%u %u:%u", &key, &key, &number), 3);
		assert_true(key < KEYS);
		assert_int_equal(number, heard[key]++);
		at = strchr(at, '\n') + 1;
	}
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(heard[i], sent[i]);
}

static void
step(struct world *world)
{
	struct fake *fake =
	    world_fakes(world) > 0 ? world_fake(world, (size_t)rand() % world_fakes(world)) : NULL;

	if (fake != NULL && rand() % 400 == 0 && world->fake_count < FAKES_MAX - 8)
		fake_end(fake);
	else if (fake != NULL)
		work(fake, (unsigned)rand() % 40);
	world_turn(world);
}

static void
nothing_is_lost_doubled_or_out_of_order_whatever_workers_do(void **state)
{
	struct world *world = *state;
	unsigned sent[KEYS] = { 0 };
	char topic[32], payload[32];
	int64_t until_us = sys_posix.monotonic_us() + 60000000;

	srand(20260101);
	world_deploy(world, "f",
	    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":100}");
	for (unsigned i = 0; i < EVENTS; i++) {
		unsigned key = (unsigned)rand() % KEYS;

		(void)snprintf(topic, sizeof(topic), "in/%u", key);
		(void)snprintf(payload, sizeof(payload), "%u:%u", key, sent[key]++);
		(void)world_publish(world, topic, payload, NULL);
		while (world->host.dispatch->load > 300 || rand() % 4 == 0)
			step(world);
	}
	while (!is_idle(world)) {
		step(world);
		assert_true(sys_posix.monotonic_us() < until_us);
	}
	assert_all_in_order(world, sent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_ONE_WORKER(test) cmocka_unit_test_setup_teardown(test, setup_one, teardown)
		IN_A_WORLD(what_a_dead_worker_had_runs_again_one_by_one_without_losing_an_attempt),
		IN_A_WORLD(an_event_that_kills_its_worker_each_time_is_given_up_and_others_go_on),
		IN_A_WORLD(one_under_suspicion_gets_a_worker_although_all_are_busy),
		IN_A_WORLD(
		    what_stands_behind_a_slow_one_runs_elsewhere_and_its_late_result_is_dropped),
		IN_A_WORLD(a_worker_that_does_not_answer_by_the_deadline_is_killed),
		IN_A_WORLD(a_frame_that_a_worker_may_not_send_ends_the_worker_only),
		IN_A_WORLD(one_that_waits_keeps_its_lane_but_not_its_worker),
		IN_A_WORLD(
		    a_file_that_kills_whoever_loads_it_is_refused_and_the_old_version_goes_on),
		WITH_ONE_WORKER(
		    a_file_that_kills_its_worker_spoils_no_other_that_is_loaded_with_it),
		IN_A_WORLD(more_functions_than_a_link_holds_at_once_are_all_loaded),
		IN_A_WORLD(what_waits_for_a_removed_function_becomes_dead_letters),
		IN_A_WORLD(nothing_is_lost_doubled_or_out_of_order_whatever_workers_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
