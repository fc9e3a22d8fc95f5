/* SPDX-License-Identifier: MIT
 * The event loop, on libevent, whose names do not leave this folder.
 *
 * Descriptors are watched by an epoll of the loop's own, which libevent sees as one descriptor: an
 * idle connection costs no memory but its struct watch.
 *
 * A turn waits until descriptors or timers are ready, calls them all, and then runs the tasks that
 * they scheduled until none is left. Input is handled for everybody first and output is flushed
 * by tasks at the end: one system call carries what one turn produced.
 *
 * A callback that destroys its own object does so by a task (deferred free), never at once.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/queue.h"
#include "lib/sys.h"

struct loop;
struct event;

struct loop *loop_new(const struct sys *sys, struct err *err) __attribute__((warn_unused_result));
void loop_free(struct loop *loop); /* takes NULL */

/* Runs turns until loop_stop. Returns 0, or -1 where the system's polling fails. */
int loop_run(struct loop *loop, struct err *err) __attribute__((warn_unused_result));
/* One turn; with `wait` false it does not wait for something to happen. For tests and for drain. */
int loop_turn(struct loop *loop, bool wait, struct err *err) __attribute__((warn_unused_result));
void loop_stop(struct loop *loop); /* loop_run returns at the end of this turn */

const struct sys *loop_sys(const struct loop *loop);
int64_t loop_now_us(
    const struct loop *loop); /* monotonic, read when the turn's first callback ran */
int64_t loop_wall_ms(const struct loop *loop); /* since 1970, of the same moment */
/* The same for all that deletes by age. A wall clock that is suddenly more than an hour ahead is
 * not believed for an hour, so that a clock that was wrong for a while has deleted nothing. */
int64_t loop_age_ms(const struct loop *loop);

/* A descriptor that is watched. Embedded in its owner; all zero is valid for watch_clear. */
struct watch {
	struct loop *loop;
	void (*ready)(void *arg, bool readable, bool writable);
	void *arg;
	int fd;
	bool want_read;
	bool want_write;
};

/* `fd` stays the owner's; nothing is watched until watch_want. */
void watch_init(struct watch *watch, struct loop *loop, int fd,
    void (*ready)(void *arg, bool readable, bool writable), void *arg);
void watch_want(
    struct watch *watch, bool read, bool write); /* costs nothing where nothing changes */
void watch_clear(struct watch *watch);		 /* does not close fd */

/* A timer that fires once. Embedded; all zero is valid for timer_clear. */
struct timer {
	struct loop *loop;
	struct event *event;
	void (*fire)(void *arg);
	void *arg;
};

void timer_init(struct timer *timer, struct loop *loop, void (*fire)(void *arg), void *arg);
void timer_set(struct timer *timer, int64_t delay_us); /* again: moves it */
bool timer_is_set(const struct timer *timer);
void timer_cancel(struct timer *timer);
void timer_clear(struct timer *timer); /* cancels and frees what it holds */

/* Something to run once at the end of the turn. Embedded. Scheduling it twice is once. */
struct task {
	TAILQ_ENTRY(task) link;
	struct loop *loop; /* NULL unless scheduled */
	void (*run)(void *arg);
	void *arg;
};

void task_init(struct task *task, void (*run)(void *arg), void *arg);
void task_schedule(struct task *task, struct loop *loop);
void task_cancel(struct task *task);

/* Calls `fire` on the loop when the process gets `signo`. Stays until loop_free. */
int loop_signal(struct loop *loop, int signo, void (*fire)(void *arg), void *arg, struct err *err)
    __attribute__((warn_unused_result));

/* free(memory) at the end of the turn. */
void loop_free_later(struct loop *loop, void *memory);

#endif
