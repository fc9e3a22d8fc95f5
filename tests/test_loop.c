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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_runs_once_after_the_callbacks_of_its_turn),
		cmocka_unit_test(timer_and_signal_end_the_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
