/* SPDX-License-Identifier: MIT
 * Which runs are kept, and with what, however they end.
 */
#include "tests/dispatch_world.h"

#include "runtime/traces/trace_record.h"
#include "runtime/traces/tracer.h"
#include "store/traces.h"

enum { RUNS_SEEN_MAX = 300 };

static const char once[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":0}";
static const char twice[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":1}";

static int
setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world_init(world, 1);
	world->host.tracer = tracer_new(&world->host);
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;
	struct tracer *tracer = world->host.tracer;

	tracer_stop(tracer);
	world_clear(world);
	tracer_free(tracer);
	free(world);
	return 0;
}

static void
set_option(struct world *world, enum option_id id, const char *text)
{
	struct err err;

	assert_int_equal(options_set(&world->options, id, text, SOURCE_FLAG, &err), 0);
}

/* What the store holds, the newest first, a word each: "failed:2 " is a failed run of two entries.
 */
struct kept {
	char words[4096];
	size_t count;
	bool cut;
};

static bool
see(void *arg, const struct trace_row *row)
{
	struct kept *kept = arg;
	struct trace_record record;
	struct trace_entry entry;
	struct cursor cursor;
	size_t entries = 0;

	assert_true(trace_record_read(row->trace, &record));
	cursor = cursor_of(record.entries);
	while (trace_entry_read(&cursor, &entry))
		entries++;
	kept->cut = kept->cut || record.cut;
	if (kept->count++ < 16)
		(void)snprintf(kept->words + strlen(kept->words), 32, "%s:%zu ",
		    trace_end_names[record.end], entries);
	return true;
}

static int
read_all(struct txn *txn, void *arg, struct err *err)
{
	const struct traces_page page = { 0, RUNS_SEEN_MAX };

	return traces_list(txn, &page, see, arg, err);
}

static struct kept
kept_of(struct world *world)
{
	struct kept kept = { .count = 0 };

	tracer_flush(world->host.tracer);
	assert_int_equal(place_call(&world->place, read_all, &kept), 0);
	return kept;
}

static void
assert_kept(struct world *world, const char *words)
{
	assert_string_equal(kept_of(world).words, words);
}

static bool
is_idle(struct world *world)
{
	return dispatch_is_idle(world->host.dispatch);
}

/* The run of a message that was just published; a few turns on. */
static struct run *
run_of(struct world *world, const char *payload, struct fake **fake)
{
	struct run *run = NULL;

	for (int i = 0; i < 60000 && run == NULL; i++) {
		if (i < 4)
			world_turn(world);
		else
			world_wait(world, 1);
		run = world_run(world, payload, fake);
	}
	assert_non_null(run);
	return run;
}

static struct run *
publish(struct world *world, const char *payload, struct fake **fake)
{
	(void)world_publish(world, "in/a", payload, NULL);
	return run_of(world, payload, fake);
}

static void
a_failed_run_is_kept_and_one_that_succeeds_is_not(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", twice);
	run = publish(world, "a:1", &fake);
	fake_done(fake, run, "out/a", "x");
	run = publish(world, "a:2", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	run = run_of(world, "a:2", &fake); /* again */
	fake_failed(fake, run, FAIL_TIMEOUT);
	world_until(world, is_idle);
	assert_kept(world, "failed:1 failed:1 ");
	assert_int_equal(tracer_figures(world->host.tracer).kept, 2);
}

static void
calls_answers_and_lines_of_the_run_are_kept_in_order(void **state)
{
	struct world *world = *state;
	struct buf fields = { 0 };
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", once);
	run = publish(world, "a:1", &fake);
	frame_string(&fields, "name");
	fake_call(fake, run, 1, CALL_SECRET, buf_bytes(&fields)); /* refused: not in allow */
	buf_clear(&fields);
	world_wait(world, 5);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(world, is_idle);
	assert_kept(world, "failed:3 ");
}

static void
a_run_whose_commit_is_refused_is_kept_with_what_it_returned(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;

	world_deploy(world, "f", once);
	run = publish(world, "a:1", &fake);
	fake_done(fake, run, "elsewhere/a", "x"); /* not in allow */
	world_until(world, is_idle);
	assert_kept(world, "refused:1 ");
}

static void
a_run_that_loses_its_worker_is_kept(void **state)
{
	struct world *world = *state;
	struct fake *fake;

	world_deploy(world, "f", once);
	(void)publish(world, "a:1", &fake);
	fake_end(fake);
	world_until(world, is_idle);
	assert_kept(world, "lost:0 ");
}

static void
one_in_so_many_of_those_that_succeed_is_kept_whole(void **state)
{
	struct world *world = *state;

	set_option(world, OPTION_TRACE_SAMPLE, "3");
	world_deploy(world, "f", once);
	for (int i = 0; i < 9; i++) {
		struct fake *fake;
		struct run *run = publish(world, "a:1", &fake);

		fake_done(fake, run, "out/a", "x");
		world_until(world, is_idle);
	}
	assert_kept(world, "done:1 done:1 done:1 ");
}

static void
nothing_is_kept_where_none_is_wanted(void **state)
{
	struct world *world = *state;
	struct fake *fake;
	struct run *run;

	set_option(world, OPTION_TRACE_COUNT_MAX, "0");
	set_option(world, OPTION_TRACE_SAMPLE, "1");
	world_deploy(world, "f", once);
	run = publish(world, "a:1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(world, is_idle);
	assert_kept(world, "");
}

static void
a_run_that_says_too_much_is_kept_cut(void **state)
{
	struct world *world = *state;
	static char large[1 << 20];
	struct buf fields = { 0 };
	struct fake *fake;
	struct kept kept;
	struct run *run;

	memset(large, 'x', sizeof(large) - 1);
	world_deploy(world, "f", once);
	run = publish(world, "a:1", &fake);
	frame_string(&fields, large);
	for (uint32_t i = 1; i <= 3; i++) {
		fake_call(fake, run, i, CALL_SECRET, buf_bytes(&fields));
		world_wait(world, 20);
	}
	buf_clear(&fields);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(world, is_idle);
	kept = kept_of(world);
	assert_int_equal(kept.count, 1);
	assert_true(kept.cut);
}

/* What was sent behind one that fails is sent again, so there may be more runs than events. */
static bool
all_have_failed(struct world *world)
{
	for (size_t i = 0; i < world_fakes(world); i++) {
		struct fake *fake = world_fake(world, i);

		for (size_t j = 0; j < fake->run_count; j++)
			fake_failed(fake, &fake->runs[j], FAIL_ERROR);
		fake->run_count = 0;
	}
	return is_idle(world);
}

static void
what_fails_faster_than_it_can_be_written_is_counted(void **state)
{
	struct world *world = *state;
	struct tracer_figures figures;

	world_deploy(world, "f", once);
	for (int i = 0; i < 700; i++)
		(void)world_publish(world, "in/a", "a:1", NULL);
	world_until(world, all_have_failed);
	figures = tracer_figures(world->host.tracer);
	assert_int_equal(figures.kept + figures.dropped, 700);
	assert_true(figures.kept > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_failed_run_is_kept_and_one_that_succeeds_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    calls_answers_and_lines_of_the_run_are_kept_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_run_whose_commit_is_refused_is_kept_with_what_it_returned, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_run_that_loses_its_worker_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_in_so_many_of_those_that_succeed_is_kept_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    nothing_is_kept_where_none_is_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_run_that_says_too_much_is_kept_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_fails_faster_than_it_can_be_written_is_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
