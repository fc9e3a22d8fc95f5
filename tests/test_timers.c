/* SPDX-License-Identifier: MIT
 * Timers and states: their rows, and how timers fire, with workers and a clock that are the test's.
 */
#include "tests/dispatch_world.h"

#include "runtime/timers.h"

#define KEYED "{\"on\":{\"topic\":\"t/#\"},\"retries\":0,\"handler\":true}"
#define UNORDERED "{\"on\":{\"topic\":\"t/#\"},\"retries\":0,\"order\":\"none\",\"handler\":true}"

/* --- rows --- */

static void
keys_are_taken_apart(void **state)
{
	static const struct {
		struct bytes key;
		bool is_good;
		const char *name;
		size_t key_len;
	} cases[] = {
		{ { (const uint8_t *)"f\0k\0n", 5 }, true, "n", 1 },
		{ { (const uint8_t *)"f\0\0n", 4 }, true, "n", 0 },
		{ { (const uint8_t *)"f\0a\0b\0name", 10 }, true, "name", 3 },
		{ { (const uint8_t *)"f\0n", 3 }, false, NULL, 0 },
		{ { (const uint8_t *)"f\0k\0", 4 }, false, NULL, 0 },
		{ { (const uint8_t *)"\0k\0n", 4 }, false, NULL, 0 },
		{ { (const uint8_t *)"f", 1 }, false, NULL, 0 },
		{ { NULL, 0 }, false, NULL, 0 },
	};
	struct keyed keyed;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(keyed_read(cases[i].key, &keyed), cases[i].is_good);
		if (!cases[i].is_good)
			continue;
		assert_true(bytes_equal_string(keyed.name, cases[i].name));
		assert_int_equal(keyed.key.len, cases[i].key_len);
		assert_true(bytes_equal_string(keyed.function, "f"));
	}
}

struct step {
	const char *key;
	const char *name;
	int64_t due_ms; /* -1: it is cancelled */
	size_t most;
	const char *function; /* NULL: f */
};

static int
run_step(struct txn *txn, void *arg, struct err *err)
{
	const struct step *step = arg;
	struct timer_row row = { .due_ms = step->due_ms,
		.clock = { 7, 1000 },
		.payload = text("{\"n\":1}"),
		.subject = text("t/\"x\"") };
	struct timer_ops ops = { 0 };
	int result;

	keyed_prefix(
	    &ops.prefix, text(step->function != NULL ? step->function : "f"), text(step->key));
	if (step->due_ms >= 0)
		timer_ops_set(&ops, text(step->name), &row);
	else
		timer_ops_cancel(&ops, text(step->name));
	result = timer_ops_apply(&ops, step->most, txn, err);
	timer_ops_clear(&ops);
	return result;
}

static int
run_page(struct txn *txn, void *arg, struct err *err)
{
	return timers_read(arg, txn, err);
}

static void
page_clear(struct timers_page *page)
{
	buf_clear(&page->after);
	buf_clear(&page->rows);
}

static void
step(struct place *place, const char *key, const char *name, int64_t due_ms)
{
	struct step todo = { key, name, due_ms, 2, NULL };

	assert_int_equal(place_call(place, run_step, &todo), 0);
}

static void
a_timer_has_one_due_time(void **state)
{
	struct timers_page page = { .now_ms = 10000, .clock = { 7, 1000 }, .limit = 10 };

	step(*state, "k", "a", 500);
	step(*state, "k", "a", 700);
	step(*state, "k", "b", 900);
	step(*state, "k", "c", -1);
	step(*state, "k", "b", -1);
	step(*state, "other", "b", 20000);
	assert_int_equal(place_call(*state, run_page, &page), 0);
	assert_int_equal(page.count, 1);
	assert_int_equal(page.next_ms, 20000);
	assert_false(page.is_full);
	page_clear(&page);
}

static void
pages_go_on_behind_each_other(void **state)
{
	struct timers_page page = { .now_ms = 100, .clock = { 7, 1000 }, .limit = 2 };
	char key[8];

	for (int i = 0; i < 5; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		step(*state, key, "a", 10 + i);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(place_call(*state, run_page, &page), 0);
		assert_int_equal(page.count, i < 2 ? 2 : 1);
		assert_int_equal(page.is_full, i < 2);
		assert_int_equal(page.next_ms, i == 0 ? 12 : i == 1 ? 14 : INT64_MAX);
	}
	page_clear(&page);
}

static void
a_key_has_a_bounded_number_of_timers(void **state)
{
	struct step third = { "k", "c", 5, 2, NULL }, again = { "k", "b", 6, 2, NULL },
		    longer = { "k", "a", 5, 100, NULL };

	step(*state, "k", "a", 5);
	step(*state, "k", "b", 5);
	assert_int_equal(place_call(*state, run_step, &third), -1);
	assert_int_equal(place_call(*state, run_step, &again), 0);
	step(*state, "k2", "a", 5);
	assert_int_equal(place_call(*state, run_step, &longer), 0);
}

/* The clock of the run that set it was put forward by ten seconds since. */
static void
a_timer_moves_with_its_clock(void **state)
{
	struct timers_page page = { .now_ms = 15000, .clock = { 7, 11000 }, .limit = 10 };
	struct cursor rows;
	struct timer_row row;

	step(*state, "k", "a", 5500);
	assert_int_equal(place_call(*state, run_page, &page), 0);
	assert_int_equal(page.count, 0);
	assert_int_equal(page.next_ms, 15500);
	page.now_ms = 15500;
	assert_int_equal(place_call(*state, run_page, &page), 0);
	assert_int_equal(page.count, 1);
	rows = cursor_of(buf_bytes(&page.rows));
	(void)cursor_bytes(&rows);
	(void)cursor_u64(&rows);
	assert_int_equal(cursor_i64(&rows), 15500);
	assert_true(timer_row_read(cursor_bytes(&rows), &row));
	assert_true(bytes_equal_string(row.payload, "{\"n\":1}"));
	assert_true(bytes_equal_string(row.subject, "\"t/\\\"x\\\"\""));
	assert_int_equal(row.clock.offset_ms, 11000);
	page_clear(&page);
}

static void
the_clock_of_another_run_counts_as_it_is(void **state)
{
	struct timers_page page = { .now_ms = 15000, .clock = { 8, 11000 }, .limit = 10 };

	step(*state, "k", "a", 5500);
	assert_int_equal(place_call(*state, run_page, &page), 0);
	assert_int_equal(page.count, 1);
	page_clear(&page);
}

/* --- firing --- */

struct setting {
	const char *name;
	const char *payload; /* JSON; NULL: it is cancelled */
	int64_t delay_ms;
};

static void
put_setting(struct buf *out, const struct setting *setting)
{
	frame_u8(out, EFFECT_TIMER);
	frame_u8(out, setting->payload != NULL ? TIMER_SET : TIMER_CANCEL);
	frame_string(out, setting->name);
	frame_string(out, setting->payload != NULL ? setting->payload : "");
	frame_i64(out, setting->delay_ms);
}

static void
done_with(struct fake *fake, struct run *run, const struct setting *settings, size_t count)
{
	struct buf frame = { 0 };
	size_t begun = frame_begin(&frame, WORKER_DONE);

	run->answered = true;
	frame_u64(&frame, run->invocation);
	frame_u32(&frame, 1);
	frame_u32(&frame, 1);
	frame_u8(&frame, RESULT_NONE);
	frame_string(&frame, "");
	frame_u16(&frame, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_setting(&frame, &settings[i]);
	frame_finish(&frame, begun);
	fake_raw(fake, buf_bytes(&frame));
	buf_clear(&frame);
}

static const char *awaited;

static bool
is_sent(struct world *world)
{
	return world_run(world, awaited, NULL) != NULL;
}

/* The run with this payload, when it is there. */
static struct run *
run_of(struct world *world, const char *payload, struct fake **fake)
{
	awaited = payload;
	world_until(world, is_sent);
	return world_run(world, payload, fake);
}

static void
set_timers(struct world *world, const char *topic, const struct setting *settings, size_t count)
{
	struct fake *fake;
	struct run *run;

	(void)world_publish(world, topic, "set", NULL);
	run = run_of(world, "set", &fake);
	done_with(fake, run, settings, count);
}

static void
end(struct world *world, const char *payload)
{
	struct fake *fake;
	struct run *run = run_of(world, payload, &fake);

	fake_done(fake, run, NULL, NULL);
}

static bool
no_timers(struct world *world)
{
	return world_rows(world, SPACE_TIMER) == 0 && world_rows(world, SPACE_TIMER_DUE) == 0;
}

static bool
a_timer(struct world *world)
{
	return world_rows(world, SPACE_TIMER) > 0;
}

static void
start(struct world *world, unsigned workers)
{
	world_init(world, workers);
	world_deploy(world, "f", KEYED);
	timers_start(world->host.timers);
}

static void
what_fires_is_deleted_with_its_effects(void **state)
{
	static const struct setting due = { "a", "1", 0 };
	struct world world = { 0 };

	(void)state;
	start(&world, 1);
	set_timers(&world, "t/1", &due, 1);
	(void)run_of(&world, "1", NULL);
	assert_int_equal(world_rows(&world, SPACE_TIMER), 1);
	end(&world, "1");
	world_until(&world, no_timers);
	assert_int_equal(timers_figures(world.host.timers).fired, 1);
	world_clear(&world);
}

static void
one_that_sets_itself_fires_again(void **state)
{
	static const struct setting first = { "a", "1", 0 }, second = { "a", "2", 0 };
	struct world world = { 0 };
	struct fake *fake;
	struct run *run;

	(void)state;
	start(&world, 1);
	set_timers(&world, "t/1", &first, 1);
	run = run_of(&world, "1", &fake);
	done_with(fake, run, &second, 1);
	end(&world, "2");
	world_until(&world, no_timers);
	assert_int_equal(timers_figures(world.host.timers).fired, 2);
	world_clear(&world);
}

static bool
one_fires(struct world *world)
{
	return timers_figures(world->host.timers).firing == 1;
}

/* The first firing may have been sent all the same: then it commits in vain. */
static void
end_first(struct world *world)
{
	struct fake *fake;
	struct run *run = world_run(world, "1", &fake);

	if (run != NULL)
		fake_done(fake, run, NULL, NULL);
}

static bool
second_is_sent(struct world *world)
{
	end_first(world);
	return is_sent(world);
}

static bool
is_settled(struct world *world)
{
	end_first(world);
	return no_timers(world) && timers_figures(world->host.timers).firing == 0;
}

static void
check_dropped(struct world *world, const char *follows)
{
	awaited = follows;
	if (follows != NULL) {
		world_until(world, second_is_sent);
		end(world, follows);
	}
	world_until(world, is_settled);
	assert_int_equal(timers_figures(world->host.timers).fired, follows != NULL);
	assert_int_equal(timers_figures(world->host.timers).dropped, 1);
}

/* The firing waits behind an event of its key, whose handler cancels or replaces the timer. */
static void
check_queued(const struct setting *change, const char *follows)
{
	static const struct setting due = { "a", "1", 1500 }; /* behind the other */
	struct world world = { 0 };
	struct fake *fake;
	struct run *run;

	start(&world, 1);
	set_timers(&world, "t/1", &due, 1);
	world_until(&world, a_timer);
	(void)world_publish(&world, "t/1", "change", NULL);
	run = run_of(&world, "change", &fake);
	world_until(&world, one_fires);
	done_with(fake, run, change, 1);
	check_dropped(&world, follows);
	world_clear(&world);
}

static bool change_settled;

static void
note_change(struct ack *ack)
{
	(void)ack;
	change_settled = true;
}

static bool
change_is_settled(struct world *world)
{
	(void)world;
	return change_settled;
}

/* The timer's handler runs already when another, in no order with it, does so. */
static void
check_raced(const struct setting *change, const char *follows)
{
	static const struct setting due = { "a", "1", 0 };
	struct world world = { 0 };
	struct fake *fake;
	struct run *run;
	struct ack ack;

	start(&world, 2);
	world_deploy(&world, "f", UNORDERED);
	set_timers(&world, "t/1", &due, 1);
	(void)run_of(&world, "1", NULL);
	change_settled = false;
	ack_init(&ack, note_change);
	(void)world_publish(&world, "t/1", "change", &ack);
	ack_release(&ack, 0);
	run = run_of(&world, "change", &fake);
	done_with(fake, run, change, 1);
	world_until(&world, change_is_settled);
	end(&world, "1");
	check_dropped(&world, follows);
	world_clear(&world);
}

static void
a_cancelled_timer_does_not_fire_though_it_was_queued(void **state)
{
	static const struct setting cancel = { "a", NULL, 0 };

	(void)state;
	check_queued(&cancel, NULL);
	check_raced(&cancel, NULL);
}

static void
a_replaced_timer_fires_as_the_new_one_alone(void **state)
{
	static const struct setting again = { "a", "2", 0 };

	(void)state;
	check_queued(&again, "2");
	check_raced(&again, "2");
}

static void
one_that_fails_is_a_dead_letter_and_gone(void **state)
{
	static const struct setting due = { "a", "1", 0 };
	struct world world = { 0 };
	struct fake *fake;
	struct run *run;

	(void)state;
	start(&world, 1);
	set_timers(&world, "t/1", &due, 1);
	run = run_of(&world, "1", &fake);
	fake_failed(fake, run, FAIL_ERROR);
	world_until(&world, no_timers);
	assert_int_equal(world_rows(&world, SPACE_FAILED), 1);
	world_clear(&world);
}

/* `count` overdue timers, each of a key of its own. */
static void
put_overdue(struct world *world, size_t count)
{
	char key[16];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "t/%zu", i);
		step(&world->place, key, "a", (int64_t)i + 1);
	}
}

static bool
all_are_done(struct world *world)
{
	world_answer_all(world);
	return no_timers(world);
}

static void
what_is_overdue_fires_at_a_bounded_rate(void **state)
{
	struct world world = { 0 };
	int64_t begun_us;

	(void)state;
	world_init(&world, 1);
	world.options.values[OPTION_TIMERS_PER_SECOND_MAX].number = 100;
	world_deploy(&world, "f", KEYED);
	put_overdue(&world, 50);
	/* The loop's time: it may be behind the clock. */
	begun_us = loop_now_us(world.host.loop);
	timers_start(world.host.timers);
	world_until(&world, all_are_done);
	/* The first ten may go at once. */
	assert_true(loop_now_us(world.host.loop) - begun_us >= 390000);
	assert_int_equal(timers_figures(world.host.timers).fired, 50);
	world_clear(&world);
}

static bool
that_of_b_fires(struct world *world)
{
	return world_function(world, "b")->timers_firing == 1;
}

static void
a_function_that_hangs_does_not_hold_the_others_up(void **state)
{
	struct step due = { "t/b", "a", 5000, 2, "b" };
	struct world world = { 0 };

	(void)state;
	world_init(&world, 1);
	world_deploy(&world, "f", KEYED);
	world_deploy(&world, "b", KEYED);
	put_overdue(&world, 700);
	assert_int_equal(place_call(&world.place, run_step, &due), 0);
	timers_start(world.host.timers);
	world_until(&world, that_of_b_fires);
	assert_in_range(world_function(&world, "f")->timers_firing, 1, 256);
	world_until(&world, all_are_done);
	assert_int_equal(timers_figures(world.host.timers).fired, 701);
	world_clear(&world);
}

static void
timers_wait_for_their_function(void **state)
{
	struct world world = { 0 };

	(void)state;
	world_init(&world, 1);
	put_overdue(&world, 3);
	timers_start(world.host.timers);
	world_wait(&world, 20);
	assert_int_equal(timers_figures(world.host.timers).firing, 0);
	world_deploy(&world, "f", KEYED);
	awaited = "{\"n\":1}";
	world_until(&world, is_sent);
	world_clear(&world);
}

static void
a_clock_that_is_put_neither_hastens_nor_delays(void **state)
{
	static const struct setting soon[] = { { "a", "1", 200 }, { "b", "2", 3600000 } };
	static const int64_t moves[] = { 7200000, -7200000 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world world = { 0 };

		start(&world, 1);
		set_timers(&world, "t/1", soon, 2);
		world_until(&world, a_timer);
		world_move_wall(moves[i]);
		world_wait(&world, 50);
		assert_null(world_run(&world, "1", NULL));
		end(&world, "1");
		world_wait(&world, 20);
		assert_null(world_run(&world, "2", NULL));
		assert_int_equal(world_rows(&world, SPACE_TIMER), 1);
		world_clear(&world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_taken_apart),
		ON_BOTH(a_timer_has_one_due_time),
		ON_BOTH(pages_go_on_behind_each_other),
		ON_BOTH(a_key_has_a_bounded_number_of_timers),
		ON_BOTH(a_timer_moves_with_its_clock),
		ON_BOTH(the_clock_of_another_run_counts_as_it_is),
		cmocka_unit_test(what_fires_is_deleted_with_its_effects),
		cmocka_unit_test(one_that_sets_itself_fires_again),
		cmocka_unit_test(a_cancelled_timer_does_not_fire_though_it_was_queued),
		cmocka_unit_test(a_replaced_timer_fires_as_the_new_one_alone),
		cmocka_unit_test(one_that_fails_is_a_dead_letter_and_gone),
		cmocka_unit_test(what_is_overdue_fires_at_a_bounded_rate),
		cmocka_unit_test(a_function_that_hangs_does_not_hold_the_others_up),
		cmocka_unit_test(timers_wait_for_their_function),
		cmocka_unit_test(a_clock_that_is_put_neither_hastens_nor_delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
