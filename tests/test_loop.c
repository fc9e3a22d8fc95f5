/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net/loop.h"

struct seen {
	char order[16];
	struct loop *loop;
	struct task task;
	int fd;
};

static void
note(struct seen *seen, char what)
{
	size_t len = strlen(seen->order);

	seen->order[len] = what;
	seen->order[len + 1] = '\0';
}

static void
on_task(void *arg)
{
	note(arg, 't');
}

static void
on_ready(void *arg, bool readable, bool writable)
{
	struct seen *seen = arg;
	char byte;

	assert_true(readable && !writable);
	assert_int_equal(read(seen->fd, &byte, 1), 1);
	note(seen, 'r');
	task_schedule(&seen->task, seen->loop);
	task_schedule(&seen->task, seen->loop);
}

static void
on_timer(void *arg)
{
	struct seen *seen = arg;

	note(seen, 'T');
	loop_stop(seen->loop);
}

static void
task_runs_once_after_the_callbacks_of_its_turn(void **state)
{
	struct seen seen = { 0 };
	struct watch watch;
	struct err err;
	int fds[2];

	(void)state;
	seen.loop = loop_new(&sys_posix, &err);
	assert_non_null(seen.loop);
	assert_int_equal(pipe(fds), 0);
	seen.fd = fds[0];
	task_init(&seen.task, on_task, &seen);
	watch_init(&watch, seen.loop, fds[0], on_ready, &seen);
	watch_want(&watch, true, false);
	assert_int_equal(write(fds[1], "ab", 2), 2);
	assert_int_equal(loop_turn(seen.loop, true, &err), 0);
	assert_string_equal(seen.order, "rt");
	watch_want(&watch, false, false);
	assert_int_equal(loop_turn(seen.loop, false, &err), 0);
	assert_string_equal(seen.order, "rt");
	watch_clear(&watch);
	watch_clear(&watch);
	loop_free(seen.loop);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
timer_and_signal_end_the_run(void **state)
{
	struct seen seen = { 0 };
	struct timer timer;
	struct err err;

	(void)state;
	seen.loop = loop_new(&sys_posix, &err);
	timer_init(&timer, seen.loop, on_timer, &seen);
	timer_set(&timer, 1000);
	assert_true(timer_is_set(&timer));
	assert_int_equal(loop_run(seen.loop, &err), 0);
	assert_false(timer_is_set(&timer));
	assert_int_equal(loop_signal(seen.loop, SIGUSR1, on_timer, &seen, &err), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(loop_run(seen.loop, &err), 0);
	assert_string_equal(seen.order, "TT");
	timer_clear(&timer);
	loop_free(seen.loop);
}

static int64_t shown_ms, passed_us;

static int64_t
shown_wall_ms(void)
{
	return shown_ms;
}

static int64_t
passed_monotonic_us(void)
{
	return passed_us;
}

/* How far the loop's age is behind the wall clock after `minutes` more, with that put by `put_ms`.
 */
static int64_t
doubted_after(struct loop *loop, int64_t minutes, int64_t put_ms)
{
	struct err err;

	passed_us += minutes * 60000000;
	shown_ms += minutes * 60000 + put_ms;
	assert_int_equal(loop_turn(loop, false, &err), 0);
	assert_int_equal(loop_wall_ms(loop), shown_ms);
	return shown_ms - loop_age_ms(loop);
}

static void
wall_clock_that_leaps_ahead_makes_nothing_old_for_an_hour(void **state)
{
	const int64_t day_ms = 86400000;
	struct sys sys = sys_posix;
	struct loop *loop;
	struct err err;

	(void)state;
	sys.wall_ms = shown_wall_ms;
	sys.monotonic_us = passed_monotonic_us;
	shown_ms = 1800000000000;
	passed_us = 5000000;
	loop = loop_new(&sys, &err);
	assert_int_equal(doubted_after(loop, 1, 0), 0);
	assert_int_equal(doubted_after(loop, 1, 1800000), 0);
	assert_int_equal(doubted_after(loop, 1, 400 * day_ms), 400 * day_ms);
	assert_int_equal(doubted_after(loop, 30, 0), 400 * day_ms);
	assert_int_equal(doubted_after(loop, 1, -400 * day_ms), 0);
	assert_int_equal(doubted_after(loop, 1, 400 * day_ms), 400 * day_ms);
	(void)doubted_after(loop, 61, 0);
	assert_int_equal(doubted_after(loop, 1, 0), 0);
	assert_int_equal(doubted_after(loop, 1, -shown_ms), 0);
	loop_free(loop);
}

/* Two that are ready together; whoever is called first ends the other, or wants no more of it. */
struct pair {
	struct watch watches[2];
	bool clear;
	int calls;
};

static void
on_either(void *arg, bool readable, bool writable)
{
	struct pair *pair = arg;

	(void)writable;
	assert_true(readable);
	pair->calls++;
	for (int i = 0; i < 2; i++) {
		if (pair->clear)
			watch_clear(&pair->watches[i]);
		else
			watch_want(&pair->watches[i], false, false);
	}
}

static void
who_is_ended_in_a_turn_is_not_called_in_it(void **state)
{
	for (int clear = 0; clear < 2; clear++) {
		struct pair pair = { .clear = clear == 1 };
		struct err err;
		struct loop *loop = loop_new(&sys_posix, &err);
		int fds[2][2];

		for (int i = 0; i < 2; i++) {
			assert_int_equal(pipe(fds[i]), 0);
			assert_int_equal(write(fds[i][1], "x", 1), 1);
			watch_init(&pair.watches[i], loop, fds[i][0], on_either, &pair);
			watch_want(&pair.watches[i], true, false);
		}
		assert_int_equal(loop_turn(loop, true, &err), 0);
		assert_int_equal(pair.calls, 1);
		assert_int_equal(loop_turn(loop, false, &err), 0);
		assert_int_equal(pair.calls, 1);
		for (int i = 0; i < 2; i++) {
			watch_clear(&pair.watches[i]);
			(void)close(fds[i][0]);
			(void)close(fds[i][1]);
		}
		loop_free(loop);
	}
	(void)state;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wall_clock_that_leaps_ahead_makes_nothing_old_for_an_hour),
		cmocka_unit_test(task_runs_once_after_the_callbacks_of_its_turn),
		cmocka_unit_test(timer_and_signal_end_the_run),
		cmocka_unit_test(who_is_ended_in_a_turn_is_not_called_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
