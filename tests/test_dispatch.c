/* SPDX-License-Identifier: MIT
 * Order, retries, worker death, moved work and back-pressure, with workers that do what the test
 * says.
 */
#include "tests/dispatch_world.h"

static const char plain[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":2}";
static const char once[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":0}";

static int
setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world_init(world, 2);
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	world_clear(*state);
	free(*state);
	return 0;
}

static void
assert_heard(struct world *world, const char *text)
{
	assert_string_equal(buf_string(&world->heard), text);
	buf_reset(&world->heard);
}

/* An acknowledgement that the test waits for. */
struct wanted {
	struct ack ack;
	bool settled;
};

static void
note_settled(struct ack *ack)
{
	((struct wanted *)(void *)ack)->settled = true;
}

static void
publish_wanted(struct world *world, const char *topic, const char *payload, struct wanted *wanted)
{
	*wanted = (struct wanted){ .settled = false };
	ack_init(&wanted->ack, note_settled);
	(void)world_publish(world, topic, payload, &wanted->ack);
	ack_release(&wanted->ack, 0);
}

static bool
is_idle(struct world *world)
{
	return dispatch_is_idle(world->host.dispatch);
}

static void
events_of_a_key_are_sent_many_at_a_time_to_one_worker(void **state)
{
	struct world *world = *state;
	struct fake *one, *other;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/a", "a:2", NULL);
	(void)world_publish(world, "in/a", "a:3", NULL);
	world_turn(world);
	world_turn(world);
	assert_non_null(world_run(world, "a:1", &one));
	assert_non_null(world_run(world, "a:3", &other));
	assert_ptr_equal(one, other);
	assert_int_equal(one->runs[0].lane, one->runs[2].lane);
	assert_int_equal(one->runs[0].epoch, one->runs[2].epoch);
	world_answer_all(world);
	world_until(world, is_idle);
	assert_heard(world, "out/a a:1\nout/a a:2\nout/a a:3\n");
}

static void
different_keys_have_different_lanes(void **state)
{
	struct world *world = *state;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_turn(world);
	world_turn(world);
	assert_int_not_equal(
	    world_run(world, "a:1", NULL)->lane, world_run(world, "b:1", NULL)->lane);
	world_answer_all(world);
	world_until(world, is_idle);
}

static void
order_function_is_one_lane_and_order_none_is_no_lane(void **state)
{
	struct world *world = *state;

	world_deploy(world, "f", "{\"on\":{\"topic\":\"in/#\"},\"order\":\"function\"}");
	world_deploy(world, "g", "{\"on\":{\"topic\":\"free/#\"},\"order\":\"none\"}");
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	(void)world_publish(world, "free/c", "c:1", NULL);
	world_turn(world);
	world_turn(world);
	assert_int_equal(world_run(world, "a:1", NULL)->lane, world_run(world, "b:1", NULL)->lane);
	assert_int_equal(world_run(world, "c:1", NULL)->lane, 0);
}

static void
concurrency_bounds_what_runs_at_once(void **state)
{
	struct world *world = *state;

	world_deploy(world, "f", "{\"on\":{\"topic\":\"in/#\"},\"concurrency\":1}");
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_turn(world);
	world_turn(world);
	assert_non_null(world_run(world, "a:1", NULL));
	assert_null(world_run(world, "b:1", NULL));
}

static bool
second_attempt_is_there(struct world *world)
{
	struct run *run = world_run(world, "a:1", NULL);

	return run != NULL && run->attempt == 2;
}

static void
what_stands_behind_a_failed_one_runs_again_behind_it(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;
	uint32_t epoch;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/a", "a:2", NULL);
	world_turn(world);
	world_turn(world);
	run = world_run(world, "a:1", &fake);
	epoch = run->epoch;
	fake_failed(fake, run, FAIL_ERROR);
	fake_skipped(fake, world_run(world, "a:2", NULL));
	world_turn(world);
	world_turn(world);
	assert_null(world_run(world, "a:2", NULL)); /* its lane pauses */
	world_until(world, second_attempt_is_there);
	world_turn(world);
	assert_true(world_run(world, "a:1", NULL)->epoch > epoch);
	assert_int_equal(world_run(world, "a:2", NULL)->attempt, 1);
	world_answer_all(world);
	world_until(world, is_idle);
	assert_heard(world, "out/a a:1\nout/a a:2\n");
}

static void
a_result_of_what_was_sent_before_the_failure_has_no_effect(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *second;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	(void)world_publish(world, "in/a", "a:2", NULL);
	world_turn(world);
	world_turn(world);
	second = world_run(world, "a:2", &fake);
	fake_failed(fake, world_run(world, "a:1", NULL), FAIL_ERROR);
	fake_done(fake, second, "out/a", "stale");
	world_until(world, second_attempt_is_there);
	world_turn(world);
	assert_heard(world, "");
	world_answer_all(world);
	world_until(world, is_idle);
	assert_heard(world, "out/a a:1\nout/a a:2\n");
}

static void
an_acknowledgement_leaves_after_the_commit(void **state)
{
	struct world *world = *state;
	struct wanted wanted;
	struct fake *fake;

	world_deploy(world, "f", plain);
	publish_wanted(world, "in/a", "a:1", &wanted);
	world_turn(world);
	world_turn(world);
	assert_false(wanted.settled);
	fake_done(fake, world_run(world, "a:1", &fake), NULL, NULL);
	world_until(world, is_idle);
	assert_true(wanted.settled);
	assert_int_equal(wanted.ack.code, 0);
}

static bool
has_run(struct world *world)
{
	return world_run(world, "a:1", NULL) != NULL;
}

static void
a_failed_event_is_acknowledged_when_it_stands_in_the_queue(void **state)
{
	struct world *world = *state;
	struct wanted wanted;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", plain);
	publish_wanted(world, "in/a", "a:1", &wanted);
	world_until(world, has_run);
	run = world_run(world, "a:1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(world, second_attempt_is_there);
	assert_true(wanted.settled);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 1);
	run = world_run(world, "a:1", &fake);
	fake_done(fake, run, "out/a", "done");
	world_until(world, is_idle);
	assert_heard(world, "out/a done\n");
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
}

static void
events_whose_commits_fail_together_all_run_again(void **state)
{
	struct world *world = *state;
	struct wanted first, second;
	struct fake *fake;

	world_deploy(world, "f", plain);
	publish_wanted(world, "in/a", "a:1", &first);
	publish_wanted(world, "in/a", "a:2", &second);
	world_until(world, has_run);
	(void)world_run(world, "a:1", &fake);
	fake_failed(fake, world_run(world, "a:1", NULL), FAIL_ERROR);
	world_run(world, "a:2", NULL)->answered = true;
	world_until(world, second_attempt_is_there);
	world_turn(world);
	/* The first one's row is to be removed: both commits go to the disk, which fails. */
	memory_disk_fail(world->place.config.disk, TROUBLE_FULL, 1);
	world_answer_all(world);
	for (int turns = 0; turns < 300000 && !is_idle(world); turns++) {
		world_answer_all(world);
		world_turn(world);
		(void)usleep(200);
	}
	assert_true(is_idle(world));
	assert_true(first.settled && second.settled);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
}

static void
an_event_that_fails_for_good_is_a_dead_letter_and_its_key_goes_on(void **state)
{
	struct world *world = *state;
	struct wanted wanted;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", once);
	publish_wanted(world, "in/a", "a:1", &wanted);
	(void)world_publish(world, "in/a", "a:2", NULL);
	world_until(world, has_run);
	run = world_run(world, "a:1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	while (!wanted.settled || world_run(world, "a:2", NULL) == NULL)
		world_turn(world);
	assert_int_equal(world_rows(world, SPACE_FAILED), 1);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
	world_answer_all(world);
	world_until(world, is_idle);
}

static void
an_effect_that_is_not_allowed_fails_the_whole_invocation(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", once);
	(void)world_publish(world, "in/a", "a:1", NULL);
	world_until(world, has_run);
	run = world_run(world, "a:1", &fake);
	fake_done(fake, run, "elsewhere", "x");
	world_until(world, is_idle);
	assert_int_equal(world_function(world, "f")->metrics.errors, 1);
	assert_int_equal(world_rows(world, SPACE_FAILED), 1);
}

static bool
second_stands_alone(struct world *world)
{
	return world_run(world, "b:1", NULL) != NULL;
}

static void
running_events_finish_on_the_old_version_and_the_next_runs_the_new_one(void **state)
{
	struct world *world = *state;
	uint32_t old;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	world_until(world, has_run);
	old = world_run(world, "a:1", NULL)->function;
	world_deploy(world, "f", once);
	(void)world_publish(world, "in/b", "b:1", NULL);
	world_until(world, second_stands_alone);
	assert_int_not_equal(world_run(world, "b:1", NULL)->function, old);
	world_answer_all(world);
	world_until(world, is_idle);
	assert_int_equal(world->heard.len, strlen("out/a a:1\nout/b b:1\n"));
}

static void
a_version_that_does_not_load_leaves_the_old_one_serving(void **state)
{
	struct world *world = *state;

	world_deploy(world, "f", plain);
	world_deploy(world, "f", "refuse");
	assert_string_equal(world_function(world, "f")->problem, "f.lua:1: no");
	(void)world_publish(world, "in/a", "a:1", NULL);
	world_until(world, has_run);
	world_deploy(world, "f", once);
	assert_null(world_function(world, "f")->problem);
}

static void
a_function_that_is_full_holds_its_source_back_until_it_has_room(void **state)
{
	struct world *world = *state;
	struct err err;

	assert_int_equal(
	    options_set(&world->options, OPTION_IN_FLIGHT_MAX, "4", SOURCE_FLAG, &err), 0);
	world_deploy(world, "f", plain);
	for (int i = 0; i < 3; i++)
		assert_int_equal(world_publish(world, "in/a", "a:1", NULL), BROKER_GO_ON);
	assert_int_equal(world_publish(world, "in/a", "a:1", NULL), BROKER_PAUSE);
	assert_true(world->host.dispatch->paused);
	world_until(world, has_run);
	world_answer_all(world);
	world_until(world, is_idle);
	assert_false(world->host.dispatch->paused);
}

static bool
third_attempt_is_there(struct world *world)
{
	const struct run *run = world_run(world, "a:1", NULL);

	return run != NULL && run->attempt == 3;
}

static void
a_long_pause_of_one_does_not_delay_another_without_order(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "slow",
	    "{\"on\":{\"topic\":\"slow\"},\"order\":\"none\",\"backoff\":{\"first\":3600,"
	    "\"max\":7200}}");
	world_deploy(world, "quick",
	    "{\"on\":{\"topic\":\"quick\"},\"order\":\"none\",\"retries\":5,\"backoff\":{"
	    "\"first\":0.05}}");
	(void)world_publish(world, "quick", "a:1", NULL);
	(void)world_publish(world, "slow", "b:1", NULL);
	world_until(world, second_stands_alone);
	run = world_run(world, "a:1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	run = world_run(world, "b:1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(world, second_attempt_is_there);
	run = world_run(world, "a:1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(world, third_attempt_is_there);
	world_answer_all(world);
}

static bool
worker_was_replaced(struct world *world)
{
	return world->host.pool->restarts > 0;
}

static void
a_worker_that_skips_without_end_is_replaced(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", plain);
	(void)world_publish(world, "in/a", "a:1", NULL);
	for (int i = 0; i < 100 && !worker_was_replaced(world); i++) {
		run = world_run(world, "a:1", &fake);
		if (run != NULL)
			fake_skipped(fake, run);
		world_wait(world, 5);
	}
	assert_true(worker_was_replaced(world));
	while (!is_idle(world)) {
		world_answer_all(world);
		world_turn(world);
	}
	assert_heard(world, "out/a a:1\n");
}

static bool
all_are_heard(struct world *world)
{
	size_t lines = 0;

	world_answer_all(world);
	for (const char *at = buf_string(&world->heard); (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	return lines == 900 && is_idle(world);
}

/* More lanes wait for room than are looked at in one go. */
static void
many_stalled_lanes_all_get_their_turn(void **state)
{
	static const char narrow[] = "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/"
				     "#\"},\"concurrency\":1}";
	struct world *world = *state;

	world_deploy(world, "f", narrow);
	for (int i = 0; i < 900; i++) {
		char topic[16], payload[16];

		(void)snprintf(topic, sizeof(topic), "in/%d", i);
		(void)snprintf(payload, sizeof(payload), "%d:1", i);
		(void)world_publish(world, topic, payload, NULL);
	}
	world_until(world, all_are_heard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		IN_A_WORLD(events_of_a_key_are_sent_many_at_a_time_to_one_worker),
		IN_A_WORLD(different_keys_have_different_lanes),
		IN_A_WORLD(order_function_is_one_lane_and_order_none_is_no_lane),
		IN_A_WORLD(concurrency_bounds_what_runs_at_once),
		IN_A_WORLD(what_stands_behind_a_failed_one_runs_again_behind_it),
		IN_A_WORLD(a_result_of_what_was_sent_before_the_failure_has_no_effect),
		IN_A_WORLD(an_acknowledgement_leaves_after_the_commit),
		IN_A_WORLD(a_failed_event_is_acknowledged_when_it_stands_in_the_queue),
		IN_A_WORLD(events_whose_commits_fail_together_all_run_again),
		IN_A_WORLD(an_event_that_fails_for_good_is_a_dead_letter_and_its_key_goes_on),
		IN_A_WORLD(an_effect_that_is_not_allowed_fails_the_whole_invocation),
		IN_A_WORLD(running_events_finish_on_the_old_version_and_the_next_runs_the_new_one),
		IN_A_WORLD(a_version_that_does_not_load_leaves_the_old_one_serving),
		IN_A_WORLD(a_long_pause_of_one_does_not_delay_another_without_order),
		IN_A_WORLD(a_worker_that_skips_without_end_is_replaced),
		IN_A_WORLD(many_stalled_lanes_all_get_their_turn),
		IN_A_WORLD(a_function_that_is_full_holds_its_source_back_until_it_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
