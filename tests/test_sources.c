/* SPDX-License-Identifier: MIT
 * Events that stand where they come from: marked as handled with the commit, dropped when void,
 * taken back when they fail; and commits that lose a conflict, with those behind them.
 */
#include "tests/dispatch_world.h"

#include "runtime/tables.h"

static const char plain[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":1}";

/* One source for all events of a test. */
struct stand {
	bool is_void;
	bool takes_back;
	int conflicts; /* so many marks rely on what is not so */
	int settled;
	int handled;
};

static void
mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	struct stand *stand = arg;

	if (stand->conflicts > 0) {
		stand->conflicts--;
		writes_expect(writes, SPACE_STATE, bytes_of_string("never"), 99);
	}
	writes_put(writes, SPACE_POSITION, event->payload, bytes_of_string("done"));
}

static bool
is_void(void *arg, const struct occurrence *event)
{
	(void)event;
	return ((struct stand *)arg)->is_void;
}

static bool
take_failure(void *arg, const struct occurrence *event, const struct outcome *outcome)
{
	(void)event;
	(void)outcome;
	return ((struct stand *)arg)->takes_back;
}

static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct stand *stand = arg;

	(void)event;
	stand->settled++;
	stand->handled += handled;
}

static const struct event_source source = {
	.mark = mark, .is_void = is_void, .take_failure = take_failure, .settled = settled
};

static void
submit(struct world *world, struct stand *stand, const char *payload)
{
	const struct happening happening = { .trigger = "topic",
		.subject = bytes_of_string("in/a"),
		.payload = bytes_of_string(payload),
		.source = &source,
		.source_arg = stand };
	struct occurrence *event = occurrence_new(&world->host, &happening);

	(void)dispatch_submit(world_function(world, "f"), event);
	occurrence_drop(event);
}

static bool
is_idle(struct world *world)
{
	return dispatch_is_idle(world->host.dispatch);
}

static int
setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world_init(world, 2);
	world_deploy(world, "f", plain);
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

/* Answers whatever is sent until nothing is left. */
static void
answer_until_idle(struct world *world)
{
	for (int i = 0; i < 60000 && !is_idle(world); i++) {
		world_wait(world, 1);
		world_answer_all(world);
	}
	assert_true(is_idle(world));
}

static void
mark_is_in_the_transaction_of_the_effects(void **state)
{
	struct world *world = *state;
	struct stand stand = { 0 };

	submit(world, &stand, "a:1");
	answer_until_idle(world);
	assert_heard(world, "out/a a:1\n");
	assert_int_equal(world_rows(world, SPACE_POSITION), 1);
	assert_int_equal(stand.settled, 1);
	assert_int_equal(stand.handled, 1);
}

/* The first is refused by the store while the others are on their way: none of them overtakes it.
 */
static void
order_holds_where_a_commit_is_refused_by_the_store(void **state)
{
	struct world *world = *state;
	struct stand stand = { .conflicts = 1 };

	submit(world, &stand, "a:1");
	submit(world, &stand, "a:2");
	submit(world, &stand, "a:3");
	answer_until_idle(world);
	assert_heard(world, "out/a a:1\nout/a a:2\nout/a a:3\n");
	assert_int_equal(world_rows(world, SPACE_POSITION), 3);
	assert_int_equal(stand.handled, 3);
	assert_int_equal(world_function(world, "f")->metrics.retries, 0);
	assert_int_equal(world_function(world, "f")->metrics.conflicts, 1);
}

static void
conflicts_without_end_are_a_failed_attempt(void **state)
{
	struct world *world = *state;
	struct stand stand = { .conflicts = 1000000 };

	submit(world, &stand, "a:1");
	answer_until_idle(world);
	assert_heard(world, "");
	assert_int_equal(world_function(world, "f")->metrics.retries, 1);
	assert_int_equal(stand.settled, 1);
}

static void
void_event_is_dropped_before_it_runs(void **state)
{
	struct world *world = *state;
	struct stand stand = { .is_void = true };

	submit(world, &stand, "a:1");
	answer_until_idle(world);
	assert_heard(world, "");
	assert_int_equal(world_rows(world, SPACE_POSITION), 0);
	assert_int_equal(stand.settled, 1);
	assert_int_equal(stand.handled, 0);
}

static void
failed_event_is_taken_back_or_becomes_a_dead_letter_with_its_mark(void **state)
{
	struct world *world = *state;
	struct stand stand = { .takes_back = true };
	struct fake *fake;

	for (int attempt = 0; attempt < 3; attempt++) {
		stand.takes_back = attempt == 0;
		if (attempt < 2)
			submit(world, &stand, "a:1");
		while (world_run(world, "a:1", &fake) == NULL)
			world_turn(world);
		fake_failed(fake, world_run(world, "a:1", &fake), FAIL_ERROR);
		world_turn(world);
	}
	world_until(world, is_idle);
	assert_int_equal(stand.settled, 2);
	assert_int_equal(stand.handled, 1);
	assert_int_equal(world_rows(world, SPACE_FAILED), 1);
	assert_int_equal(world_rows(world, SPACE_POSITION), 1);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    mark_is_in_the_transaction_of_the_effects, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    order_holds_where_a_commit_is_refused_by_the_store, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    conflicts_without_end_are_a_failed_attempt, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    void_event_is_dropped_before_it_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    failed_event_is_taken_back_or_becomes_a_dead_letter_with_its_mark, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
