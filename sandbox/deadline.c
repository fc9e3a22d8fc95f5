/* SPDX-License-Identifier: MIT
 * A free-running tick of CPU time: an idle worker is not woken, a busy one every few milliseconds.
 */
#include "sandbox/deadline.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

enum { TICK_US = 5000 };

/* A signal handler has no argument: its state is the one thing here that cannot hang from a
 * struct. */
static struct {
	sigjmp_buf jump;
	volatile sig_atomic_t armed;
	volatile sig_atomic_t held;
	volatile sig_atomic_t late;
	volatile int64_t at_us;
} deadline;

int64_t
deadline_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
tick(int signo)
{
	(void)signo;
	if (!deadline.armed || deadline_now_us() < deadline.at_us)
		return;
	if (deadline.held) {
		deadline.late = 1;
		return;
	}
	deadline.armed = 0;
	siglongjmp(deadline.jump, 1);
}

int
deadline_start(struct err *err)
{
	const struct itimerval every = { { 0, TICK_US }, { 0, TICK_US } };
	struct sigaction action = { .sa_handler = tick, .sa_flags = SA_NODEFER | SA_RESTART };

	if (sigaction(SIGPROF, &action, NULL) < 0 || setitimer(ITIMER_PROF, &every, NULL) < 0)
		return err_errno(err, "start the deadline's tick");
	return 0;
}

sigjmp_buf *
deadline_jump(void)
{
	return &deadline.jump;
}

void
deadline_arm(int64_t at_us)
{
	deadline.at_us = at_us;
	deadline.late = 0;
	deadline.held = 0;
	deadline.armed = 1;
}

void
deadline_disarm(void)
{
	deadline.armed = 0;
}

void
deadline_hold(void)
{
	deadline.held = 1;
}

void
deadline_release(void)
{
	deadline.held = 0;
	if (!deadline.late || !deadline.armed)
		return;
	deadline.late = 0;
	deadline.armed = 0;
	siglongjmp(deadline.jump, 1);
}
