/* SPDX-License-Identifier: MIT
 * Functions that follow a table: what their triggers may say; that each change has its effects
 * once and in the order of its key, one by one and in batches, with keys that are parked and let
 * go.
 */
#include "tests/dispatch_world.h"

#include "runtime/changes/change_follower_private.h"
#include "triggers/triggers.h"

enum { KEYS = 5, CHANGES = 120, FIRST = 1024 };

static void
wrong_triggers_are_told(void **state)
{
	static const struct {
		const char *spec, *says;
	} cases[] = {
		{ "{\"table\":7}", "table is the name of a table" },
		{ "{\"table\":\"a b\"}", "table is the name of a table" },
		{ "{\"table\":\"t\",\"chnges\":\"insert\"}", "no key \"chnges\"" },
		{ "{\"table\":\"t\",\"changes\":[\"inserts\"]}", "list of \"insert\"" },
		{ "{\"table\":\"t\",\"where\":\"x\"}", "where is a function" },
		{ "{\"table\":\"t\",\"start\":\"new\"}", "\"now\" or \"oldest\"" },
		{ "{\"table\":\"t\",\"batch\":0}", "whole number from 1 to 1000" },
		{ "{\"table\":\"t\",\"batch\":1.5}", "whole number from 1 to 1000" },
		{ "{\"table\":\"t\",\"batch\":1001}", "whole number from 1 to 1000" },
		{ "{\"table\":\"t\",\"batch\":\"9\"}", "whole number from 1 to 1000" },
		{ "{\"table\":\"t\",\"window\":5}", "window is a duration" },
		{ "{\"table\":\"t\",\"window\":\"1h\"}", "window is a duration" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cJSON *spec = cJSON_Parse(cases[i].spec);

		assert_non_null(spec);
		assert_int_equal(trigger_table_changes.check(spec, &err), -1);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].spec, err.text);
		cJSON_Delete(spec);
	}
}

/* --- a world with a log of changes --- */

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

/* Change n is of key n % KEYS. */
static int
write_changes(struct txn *txn, void *arg, struct err *err)
{
	const int *from = arg;

	for (int n = *from; n < *from + CHANGES; n++) {
		char key[32], value[160];

		(void)snprintf(key, sizeof(key), "%020d", FIRST + n);
		(void)snprintf(value, sizeof(value),
		    "{\"table\":\"cars\",\"kind\":\"insert\",\"sequence\":%d,\"time\":%lld,"
		    "\"key\":{\"id\":%d},\"new\":{\"n\":%d}}",
		    FIRST + n, (long long)sys_posix.wall_ms(), n % KEYS, n);
		if (txn_put(txn, SPACE_CHANGE, text(key), text(value), err) < 0)
			return -1;
	}
	return 0;
}

static void
add_changes(struct world *world, int from)
{
	assert_int_equal(place_call(&world->place, write_changes, &from), 0);
	change_followers_wake(world->host.change_followers);
}

static bool
is_bad(const char *payload, int bad)
{
	char mark[32];

	(void)snprintf(mark, sizeof(mark), "\"n\":%d}", bad);
	return strstr(payload, mark) != NULL;
}

/* As a worker would: behind one that fails those of its lane and epoch are not run. */
static void
answer(struct fake *fake, int bad)
{
	for (size_t i = 0; i < fake->run_count; i++) {
		struct run *run = &fake->runs[i];
		bool skip = false;

		if (run->answered)
			continue;
		for (size_t k = 0; k < i; k++)
			skip = skip || (fake->runs[k].failed && fake->runs[k].lane == run->lane &&
					   fake->runs[k].epoch == run->epoch);
		if (skip) {
			fake_skipped(fake, run);
		} else if (is_bad(run->payload, bad)) {
			run->failed = true;
			fake_failed(fake, run, FAIL_ERROR);
		} else {
			fake_done(fake, run, "out/x", run->payload);
		}
	}
}

static void
answer_for(struct world *world, int bad, int64_t ms)
{
	int64_t until_us = sys_posix.monotonic_us() + ms * 1000;

	do {
		world_wait(world, 1);
		for (size_t i = 0; i < world_fakes(world); i++)
			answer(world_fake(world, i), bad);
	} while (sys_posix.monotonic_us() < until_us);
}

/* Until so many rows are left of a space. */
static void
answer_until(struct world *world, int bad, enum space space, size_t rows)
{
	for (int i = 0; i < 6000 && world_rows(world, space) != rows; i++)
		answer_for(world, bad, 10);
	assert_int_equal(world_rows(world, space), rows);
}

/* A chain that is still under way, after it was let go before, is not let go again. */
static void
let_go_until_none_is_left(struct world *world)
{
	for (int i = 0; i < 6000 && world_rows(world, SPACE_FAILED) != 0; i++) {
		change_followers_look(world->host.change_followers, text("f"));
		answer_for(world, -1, 10);
	}
	assert_int_equal(world_rows(world, SPACE_FAILED), 0);
}

/* What has had effects: each once, those of a key in their order. `all` that should have. */
static void
check_heard_of(struct world *world, bool (*should)(int n, int bad), int bad, int all)
{
	int last[KEYS], count = 0, expected = 0;

	for (int i = 0; i < KEYS; i++)
		last[i] = -1;
	for (const char *at = buf_string(&world->heard); (at = strstr(at, "\"n\":")) != NULL;) {
		int n = (int)strtol(at += 4, NULL, 10);

		assert_true(should(n, bad));
		if (n <= last[n % KEYS])
			fail_msg("%d came behind %d", n, last[n % KEYS]);
		last[n % KEYS] = n;
		count++;
	}
	for (int n = 0; n < all; n++)
		expected += should(n, bad);
	assert_int_equal(count, expected);
}

static void
check_heard(struct world *world, bool (*should)(int n, int bad), int bad)
{
	check_heard_of(world, should, bad, CHANGES);
}

static size_t
count_heard(struct world *world)
{
	size_t count = 0;

	for (const char *at = buf_string(&world->heard); (at = strstr(at, "\"n\":")) != NULL; at++)
		count++;
	return count;
}

static bool
has_none_before_of_its_key(int n, int bad)
{
	return n < bad || n % KEYS != bad % KEYS;
}

static bool
is_any(int n, int bad)
{
	(void)n;
	(void)bad;
	return true;
}

static void
follow(struct world *world, const char *more, int bad)
{
	size_t behind = (size_t)(CHANGES - 1 - bad) / KEYS + 1;
	char manifest[200];

	(void)snprintf(manifest, sizeof(manifest),
	    "{\"on\":{\"table\":\"cars\",\"start\":\"oldest\"%s},\"allow\":{\"publish\":\"out/#\"},"
	    "\"retries\":0}",
	    more);
	world_deploy(world, "f", manifest);
	add_changes(world, 0);
	answer_until(world, bad, SPACE_FAILED, behind);
	answer_until(world, bad, SPACE_PARKED, behind);
	answer_for(world, bad, 50);
	check_heard(world, has_none_before_of_its_key, bad);
}

static void
bad_change_parks_its_key_until_it_is_let_go(void **state)
{
	static const char *const ways[] = { "", ",\"batch\":8", ",\"batch\":7,\"window\":\"5ms\"" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const int bad = 17 + (int)i * 20;
		struct world *world;

		assert_int_equal(setup(state), 0);
		world = *state;
		follow(world, ways[i], bad);
		/* It fails again: nothing has changed but that it was tried. */
		change_followers_look(world->host.change_followers, text("f"));
		answer_for(world, bad, 50);
		answer_until(world, bad, SPACE_FAILED, (size_t)(CHANGES - 1 - bad) / KEYS + 1);
		check_heard(world, has_none_before_of_its_key, bad);
		let_go_until_none_is_left(world);
		answer_until(world, -1, SPACE_PARKED, 0);
		check_heard(world, is_any, bad);
		assert_int_equal(teardown(state), 0);
	}
}

/* While a bad change waits for its retries the batches go on without its key, whose later changes
 * come behind it. */
static void
bad_change_of_a_batch_holds_its_own_key_alone(void **state)
{
	struct world *world = *state;
	const int bad = 17;
	size_t heard = 0;

	world_deploy(world, "f",
	    "{\"on\":{\"table\":\"cars\",\"start\":\"oldest\",\"batch\":8},"
	    "\"allow\":{\"publish\":\"out/#\"},\"retries\":3,"
	    "\"backoff\":{\"first\":\"3s\",\"max\":\"3s\"}}");
	add_changes(world, 0);
	for (int i = 0; i < 150 && heard < CHANGES - ((CHANGES - 1 - bad) / KEYS + 1); i++) {
		answer_for(world, bad, 10);
		heard = count_heard(world);
	}
	check_heard(world, has_none_before_of_its_key, bad);
	assert_int_equal(world_rows(world, SPACE_FAILED), 0);
	/* It is mended before its last attempt. */
	answer_until(world, -1, SPACE_POSITION, 1);
	check_heard(world, is_any, -1);
	assert_int_equal(world_rows(world, SPACE_PARKED), 0);
}

/* More than are in flight at a time: those of one key that wait for its retries do not hold up
 * others. */
static void
key_with_many_changes_holds_up_no_other(void **state)
{
	static const char *const ways[] = { "", ",\"batch\":20" };
	enum { ROUNDS = 30, ALL = ROUNDS * CHANGES };

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const int bad = 17;
		const size_t others = ALL - ((ALL - 1 - bad) / KEYS + 1);
		char manifest[250];
		struct world *world;

		assert_int_equal(setup(state), 0);
		world = *state;
		(void)snprintf(manifest, sizeof(manifest),
		    "{\"on\":{\"table\":\"cars\",\"start\":\"oldest\"%s},\"allow\":{\"publish\":"
		    "\"out/#\"},"
		    "\"retries\":3,\"backoff\":{\"first\":\"60s\",\"max\":\"60s\"}}",
		    ways[i]);
		world_deploy(world, "f", manifest);
		for (int round = 0; round < ROUNDS; round++)
			add_changes(world, round * CHANGES);
		for (int k = 0; k < 1000 && count_heard(world) < others; k++)
			answer_for(world, bad, 10);
		check_heard_of(world, has_none_before_of_its_key, bad, ALL);
		assert_int_equal(world_rows(world, SPACE_FAILED), 0);
		assert_int_equal(teardown(state), 0);
	}
}

/* With little room: what waits behind a key that is held up, and the marks between it, fill it.
 * What is held up then goes on, and everything comes once and in its order. */
static void
follower_that_is_full_reads_on_when_there_is_room(void **state)
{
	enum { ROUNDS = 30, ALL = ROUNDS * CHANGES };
	const int bad = 17;
	struct world *world = *state;
	const struct change_follower *follower;

	world->host.change_followers->pending_max = 640;
	world_deploy(world, "f",
	    "{\"on\":{\"table\":\"cars\",\"start\":\"oldest\"},\"allow\":{\"publish\":\"out/#\"},"
	    "\"retries\":100,\"backoff\":{\"first\":\"3s\",\"max\":\"3s\"}}");
	for (int round = 0; round < ROUNDS; round++)
		add_changes(world, round * CHANGES);
	follower = TAILQ_FIRST(&world->host.change_followers->list);
	for (int k = 0; k < 6000 && (!follower_is_full(follower) || count_heard(world) < 640); k++)
		answer_for(world, bad, 10);
	assert_true(follower_is_full(follower));
	assert_in_range(count_heard(world), 640, ALL - 640);
	for (int k = 0; k < 6000 && count_heard(world) < ALL; k++)
		answer_for(world, -1, 10);
	check_heard_of(world, is_any, -1, ALL);
	assert_int_equal(world_rows(world, SPACE_FAILED), 0);
}

static void
position_is_one_row_when_all_is_handled(void **state)
{
	struct world *world = *state;
	struct change_lag lag;

	world_deploy(world, "f",
	    "{\"on\":{\"table\":\"cars\",\"start\":\"oldest\"},\"allow\":{\"publish\":\"out/#\"}}");
	add_changes(world, 0);
	answer_for(world, -1, 100);
	check_heard(world, is_any, -1);
	answer_until(world, -1, SPACE_POSITION, 1);
	assert_true(
	    change_followers_lag(world->host.change_followers, world_function(world, "f"), &lag));
	assert_int_equal(lag.changes, 0);
	assert_int_equal(lag.parked, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_triggers_are_told),
		cmocka_unit_test(bad_change_parks_its_key_until_it_is_let_go),
		cmocka_unit_test_setup_teardown(
		    bad_change_of_a_batch_holds_its_own_key_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    follower_that_is_full_reads_on_when_there_is_room, setup, teardown),
		cmocka_unit_test(key_with_many_changes_holds_up_no_other),
		cmocka_unit_test_setup_teardown(
		    position_is_one_row_when_all_is_handled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
