/* SPDX-License-Identifier: MIT
 * Lanes with a queue each, and one queue back, all under one lock: a step takes a thousand times as
 * long as the lock is held.
 */
#include "net/tls_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/bytes.h"

enum { NICE = 5 };

TAILQ_HEAD(steps, tls_step);

struct lane {
	struct tls_pool *pool;
	pthread_t thread;
	pthread_cond_t wake;
	struct steps waiting;
	unsigned count; /* that wait, or run */
	bool runs;	/* the thread exists */
};

struct tls_pool {
	struct loop *loop;
	struct watch watch;
	int event_fd;
	pthread_mutex_t lock; /* of all that follows */
	struct steps done;
	bool stopping;
	unsigned lane_count;
	struct lane lanes[TLS_LANES_MAX];
};

static struct tls_step *
next_step(struct lane *lane)
{
	struct tls_pool *pool = lane->pool;
	struct tls_step *step = NULL;

	(void)pthread_mutex_lock(&pool->lock);
	while (!pool->stopping && TAILQ_EMPTY(&lane->waiting))
		(void)pthread_cond_wait(&lane->wake, &pool->lock);
	if (!pool->stopping) {
		step = TAILQ_FIRST(&lane->waiting);
		TAILQ_REMOVE(&lane->waiting, step, link);
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return step;
}

static void
step_ran(struct lane *lane, struct tls_step *step)
{
	struct tls_pool *pool = lane->pool;
	bool first;

	(void)pthread_mutex_lock(&pool->lock);
	first = TAILQ_EMPTY(&pool->done);
	TAILQ_INSERT_TAIL(&pool->done, step, link);
	(void)__atomic_sub_fetch(&lane->count, 1, __ATOMIC_RELAXED);
	(void)pthread_mutex_unlock(&pool->lock);
	if (first)
		(void)eventfd_write(pool->event_fd, 1);
}

static void *
lane_thread(void *arg)
{
	struct lane *lane = arg;
	struct tls_step *step;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while ((step = next_step(lane)) != NULL) {
		step->run(step);
		step_ran(lane, step);
	}
	return NULL;
}

static void
finish_steps(struct tls_pool *pool)
{
	struct steps done = TAILQ_HEAD_INITIALIZER(done);
	struct tls_step *step;

	(void)pthread_mutex_lock(&pool->lock);
	TAILQ_CONCAT(&done, &pool->done, link);
	(void)pthread_mutex_unlock(&pool->lock);
	while ((step = TAILQ_FIRST(&done)) != NULL) {
		TAILQ_REMOVE(&done, step, link);
		step->done(step);
	}
}

static void
steps_are_done(void *arg, bool readable, bool writable)
{
	struct tls_pool *pool = arg;
	eventfd_t count;

	(void)readable;
	(void)writable;
	(void)eventfd_read(pool->event_fd, &count);
	finish_steps(pool);
}

static unsigned
default_lanes(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > TLS_LANES_MAX ? TLS_LANES_MAX : (unsigned)cores;
}

static int
start_lane(struct tls_pool *pool, struct lane *lane, struct err *err)
{
	int code;

	lane->pool = pool;
	TAILQ_INIT(&lane->waiting);
	(void)pthread_cond_init(&lane->wake, NULL);
	code = pthread_create(&lane->thread, NULL, lane_thread, lane);
	lane->runs = code == 0;
	return code == 0 ? 0 : err_set(err, "a thread for TLS: %s", strerror(code));
}

struct tls_pool *
tls_pool_new(struct loop *loop, unsigned lanes, struct err *err)
{
	struct tls_pool *pool = xcalloc(1, sizeof(*pool));

	pool->loop = loop;
	TAILQ_INIT(&pool->done);
	(void)pthread_mutex_init(&pool->lock, NULL);
	pool->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool->event_fd < 0) {
		(void)err_errno(err, "eventfd");
		free(pool);
		return NULL;
	}
	watch_init(&pool->watch, loop, pool->event_fd, steps_are_done, pool);
	watch_want(&pool->watch, true, false);
	lanes = lanes == 0 ? default_lanes() : lanes > TLS_LANES_MAX ? TLS_LANES_MAX : lanes;
	while (pool->lane_count < lanes) {
		if (start_lane(pool, &pool->lanes[pool->lane_count++], err) < 0) {
			tls_pool_free(pool);
			return NULL;
		}
	}
	return pool;
}

void
tls_pool_free(struct tls_pool *pool)
{
	if (pool == NULL)
		return;
	(void)pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	for (unsigned i = 0; i < pool->lane_count; i++)
		(void)pthread_cond_signal(&pool->lanes[i].wake);
	(void)pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->lane_count; i++) {
		if (pool->lanes[i].runs)
			(void)pthread_join(pool->lanes[i].thread, NULL);
		TAILQ_CONCAT(&pool->done, &pool->lanes[i].waiting, link);
		(void)pthread_cond_destroy(&pool->lanes[i].wake);
	}
	finish_steps(pool);
	watch_clear(&pool->watch);
	(void)close(pool->event_fd);
	(void)pthread_mutex_destroy(&pool->lock);
	free(pool);
}

unsigned
tls_pool_lanes(const struct tls_pool *pool)
{
	return pool->lane_count;
}

/* Read without the lock: a wrong choice is only a slower one. */
unsigned
tls_pool_choose(const struct tls_pool *pool)
{
	unsigned best = 0, least = UINT32_MAX;

	for (unsigned i = 0; i < pool->lane_count; i++) {
		unsigned count = __atomic_load_n(&pool->lanes[i].count, __ATOMIC_RELAXED);

		if (count < least) {
			least = count;
			best = i;
		}
	}
	return best;
}

void
tls_pool_submit(struct tls_pool *pool, struct tls_step *step, bool first)
{
	struct lane *lane = &pool->lanes[step->lane];

	(void)pthread_mutex_lock(&pool->lock);
	if (first)
		TAILQ_INSERT_HEAD(&lane->waiting, step, link);
	else
		TAILQ_INSERT_TAIL(&lane->waiting, step, link);
	(void)__atomic_add_fetch(&lane->count, 1, __ATOMIC_RELAXED);
	(void)pthread_cond_signal(&lane->wake);
	(void)pthread_mutex_unlock(&pool->lock);
}
