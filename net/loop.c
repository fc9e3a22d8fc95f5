/* SPDX-License-Identifier: MIT
 * The loop over libevent.
 */
#include "net/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/bytes.h"

/* After a turn the loop stays awake for so long: to be woken takes longer than most answers of
 * workers and clients. */
enum { AWAKE_US = 50 };

/* Descriptors that are served in a turn; more wait for the next one. */
enum { READY_MAX = 512 };

struct signal_watch {
	SLIST_ENTRY(signal_watch) link;
	struct event *event;
	void (*fire)(void *arg);
	void *arg;
};

struct garbage {
	SLIST_ENTRY(garbage) link;
	void *memory;
};

enum { LEAP_MS = 3600000 };
#define DOUBT_US ((int64_t)LEAP_MS * 1000)

struct loop {
	const struct sys *sys;
	struct event_base *base;
	int watches;	       /* the epoll of all that are watched */
	struct event *watched; /* that one of them is ready */
	struct epoll_event ready[READY_MAX];
	int ready_at; /* the next to be called */
	int ready_count;
	TAILQ_HEAD(, task) tasks;
	SLIST_HEAD(, signal_watch) signals;
	SLIST_HEAD(, garbage) garbage;
	int64_t now_us;
	int64_t wall_ms;
	int64_t believed_ms; /* how far the wall clock is ahead of the other one */
	int64_t doubt_us;    /* since when it has been more; 0: it is not */
	bool stop;
	bool clock_is_fresh; /* read since this turn began to wait */
};

static void
judge_wall_clock(struct loop *loop)
{
	int64_t ahead_ms = loop->wall_ms - loop->now_us / 1000;

	if (ahead_ms <= loop->believed_ms + LEAP_MS) {
		loop->believed_ms = ahead_ms;
		loop->doubt_us = 0;
	} else if (loop->doubt_us == 0) {
		loop->doubt_us = loop->now_us;
	} else if (loop->now_us - loop->doubt_us > DOUBT_US) {
		loop->believed_ms = ahead_ms;
		loop->doubt_us = 0;
	}
}

static void
read_clock(struct loop *loop)
{
	if (loop->clock_is_fresh)
		return;
	loop->now_us = loop->sys->monotonic_us();
	loop->wall_ms = loop->sys->wall_ms();
	judge_wall_clock(loop);
	loop->clock_is_fresh = true;
}

/* What it wants may have changed since this turn began. */
static void
serve_watch(struct watch *watch, uint32_t what)
{
	bool broken = (what & (EPOLLERR | EPOLLHUP)) != 0;
	bool readable = watch->want_read && (broken || (what & EPOLLIN) != 0);
	bool writable = watch->want_write && (broken || (what & EPOLLOUT) != 0);

	if (readable || writable)
		watch->ready(watch->arg, readable, writable);
}

static void
watches_fired(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)what;
	read_clock(loop);
	loop->ready_count = epoll_wait(fd, loop->ready, READY_MAX, 0);
	for (loop->ready_at = 0; loop->ready_at < loop->ready_count;) {
		struct epoll_event *ready = &loop->ready[loop->ready_at++];

		if (ready->data.ptr != NULL)
			serve_watch(ready->data.ptr, ready->events);
	}
}

static struct event_base *
base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	return base;
}

struct loop *
loop_new(const struct sys *sys, struct err *err)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	event_set_mem_functions(xmalloc, xrealloc, free);
	loop->sys = sys;
	loop->believed_ms = INT64_MAX - LEAP_MS; /* whatever it shows first */
	TAILQ_INIT(&loop->tasks);
	loop->watches = epoll_create1(EPOLL_CLOEXEC);
	loop->base = loop->watches >= 0 ? base_new() : NULL;
	if (loop->base != NULL)
		loop->watched =
		    event_new(loop->base, loop->watches, EV_READ | EV_PERSIST, watches_fired, loop);
	if (loop->watched == NULL || event_add(loop->watched, NULL) < 0) {
		(void)err_errno(err, "start the event loop");
		loop_free(loop);
		return NULL;
	}
	read_clock(loop);
	return loop;
}

static void
collect_garbage(struct loop *loop)
{
	struct garbage *garbage;

	while ((garbage = SLIST_FIRST(&loop->garbage)) != NULL) {
		SLIST_REMOVE_HEAD(&loop->garbage, link);
		free(garbage->memory);
		free(garbage);
	}
}

void
loop_free(struct loop *loop)
{
	struct signal_watch *watch;

	if (loop == NULL)
		return;
	while ((watch = SLIST_FIRST(&loop->signals)) != NULL) {
		SLIST_REMOVE_HEAD(&loop->signals, link);
		event_free(watch->event);
		free(watch);
	}
	collect_garbage(loop);
	if (loop->watched != NULL)
		event_free(loop->watched);
	if (loop->base != NULL)
		event_base_free(loop->base);
	if (loop->watches >= 0)
		(void)close(loop->watches);
	free(loop);
}

static void
run_tasks(struct loop *loop)
{
	struct task *task;

	while ((task = TAILQ_FIRST(&loop->tasks)) != NULL) {
		task_cancel(task);
		task->run(task->arg);
	}
}

/* True: something has happened while the loop stayed awake. Everybody else may have the processor
 * meanwhile. */
static bool
stay_awake(struct loop *loop)
{
	while (loop->sys->monotonic_us() - loop->now_us < AWAKE_US) {
		if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) < 0 ||
		    loop->clock_is_fresh || loop->stop || !TAILQ_EMPTY(&loop->tasks))
			return true;
		(void)sched_yield();
	}
	return false;
}

int
loop_turn(struct loop *loop, bool wait, struct err *err)
{
	bool rests = wait && TAILQ_EMPTY(&loop->tasks);

	loop->clock_is_fresh = false;
	if (!(rests && stay_awake(loop)) &&
	    event_base_loop(loop->base, EVLOOP_ONCE | (rests ? 0 : EVLOOP_NONBLOCK)) < 0)
		return err_errno(err, "wait for events");
	read_clock(loop);
	run_tasks(loop);
	collect_garbage(loop);
	return 0;
}

int
loop_run(struct loop *loop, struct err *err)
{
	loop->stop = false;
	while (!loop->stop) {
		if (loop_turn(loop, true, err) < 0)
			return -1;
	}
	return 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stop = true;
	(void)event_base_loopbreak(loop->base);
}

const struct sys *
loop_sys(const struct loop *loop)
{
	return loop->sys;
}

int64_t
loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

int64_t
loop_wall_ms(const struct loop *loop)
{
	return loop->wall_ms;
}

int64_t
loop_age_ms(const struct loop *loop)
{
	return loop->now_us / 1000 + loop->believed_ms;
}

static struct event *
checked(struct event *event)
{
	if (event == NULL)
		abort();
	return event;
}

void
watch_init(struct watch *watch, struct loop *loop, int fd,
    void (*ready)(void *arg, bool readable, bool writable), void *arg)
{
	*watch = (struct watch){ .loop = loop, .fd = fd, .ready = ready, .arg = arg };
}

void
watch_want(struct watch *watch, bool read, bool write)
{
	bool was = watch->want_read || watch->want_write;
	struct epoll_event wish = { .events = (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U),
		.data.ptr = watch };
	int how = !read && !write ? EPOLL_CTL_DEL : was ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (read == watch->want_read && write == watch->want_write)
		return;
	watch->want_read = read;
	watch->want_write = write;
	if (epoll_ctl(watch->loop->watches, how, watch->fd, &wish) < 0 && how != EPOLL_CTL_DEL)
		abort();
}

/* It may stand among those that this turn has yet to call. */
static void
forget_ready(struct loop *loop, const struct watch *watch)
{
	for (int i = loop->ready_at; i < loop->ready_count; i++) {
		if (loop->ready[i].data.ptr == watch)
			loop->ready[i].data.ptr = NULL;
	}
}

void
watch_clear(struct watch *watch)
{
	if (watch->loop == NULL)
		return;
	watch_want(watch, false, false);
	forget_ready(watch->loop, watch);
	watch->loop = NULL;
}

static void
timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct timer *timer = arg;

	(void)fd;
	(void)what;
	read_clock(timer->loop);
	timer->fire(timer->arg);
}

void
timer_init(struct timer *timer, struct loop *loop, void (*fire)(void *arg), void *arg)
{
	*timer = (struct timer){ .loop = loop, .fire = fire, .arg = arg };
	timer->event = checked(event_new(loop->base, -1, 0, timer_fired, timer));
}

void
timer_set(struct timer *timer, int64_t delay_us)
{
	struct timeval delay;

	if (delay_us < 0)
		delay_us = 0;
	delay.tv_sec = (time_t)(delay_us / 1000000);
	delay.tv_usec = (suseconds_t)(delay_us % 1000000);
	if (event_add(timer->event, &delay) < 0)
		abort();
}

bool
timer_is_set(const struct timer *timer)
{
	return timer->event != NULL && event_pending(timer->event, EV_TIMEOUT, NULL) != 0;
}

void
timer_cancel(struct timer *timer)
{
	if (timer->event != NULL)
		(void)event_del(timer->event);
}

void
timer_clear(struct timer *timer)
{
	if (timer->event == NULL)
		return;
	event_free(timer->event);
	timer->event = NULL;
}

void
task_init(struct task *task, void (*run)(void *arg), void *arg)
{
	*task = (struct task){ .run = run, .arg = arg };
}

void
task_schedule(struct task *task, struct loop *loop)
{
	if (task->loop != NULL)
		return;
	task->loop = loop;
	TAILQ_INSERT_TAIL(&loop->tasks, task, link);
}

void
task_cancel(struct task *task)
{
	if (task->loop == NULL)
		return;
	TAILQ_REMOVE(&task->loop->tasks, task, link);
	task->loop = NULL;
}

static void
signal_fired(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *watch = arg;

	(void)signo;
	(void)what;
	watch->fire(watch->arg);
}

int
loop_signal(struct loop *loop, int signo, void (*fire)(void *arg), void *arg, struct err *err)
{
	struct signal_watch *watch = xcalloc(1, sizeof(*watch));

	watch->fire = fire;
	watch->arg = arg;
	watch->event = evsignal_new(loop->base, signo, signal_fired, watch);
	if (watch->event == NULL || event_add(watch->event, NULL) < 0) {
		if (watch->event != NULL)
			event_free(watch->event);
		free(watch);
		return err_set(err, "cannot handle signal %d (%s)", signo, strsignal(signo));
	}
	SLIST_INSERT_HEAD(&loop->signals, watch, link);
	return 0;
}

void
loop_free_later(struct loop *loop, void *memory)
{
	struct garbage *garbage;

	if (memory == NULL)
		return;
	garbage = xmalloc(sizeof(*garbage));
	garbage->memory = memory;
	SLIST_INSERT_HEAD(&loop->garbage, garbage, link);
}
