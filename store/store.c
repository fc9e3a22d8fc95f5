/* SPDX-License-Identifier: MIT
 * The loop thread's side of the store: opening, submitting, polling, closing. What runs on the
 * store thread stands in group.c.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"
#include "store/folder.h"
#include "store/group.h"

enum { JOBS_MAX = 20000, GROUP_JOBS_MAX = 4096 };
enum { BYTES_MAX = 64 * 1024 * 1024 };

/* `mutex` guards what stands below it; jobs in a list belong to the list's side. */
struct store {
	struct group group; /* the store thread's */
	pthread_t thread;
	int lock_fd;
	int event_fd;
	size_t jobs_max;
	size_t bytes_max;
	bool polling;	  /* a `done` is running; the loop thread's */
	uint64_t version; /* of the job submitted last; the loop thread's */

	pthread_mutex_t mutex;
	pthread_cond_t wake;  /* the store thread waits for it */
	pthread_cond_t ended; /* store_run and store_close wait for it */
	struct store_jobs waiting;
	struct store_jobs finished;
	struct store_figures figures;
	size_t in_hand; /* jobs of the group that runs */
	enum store_health health;
	bool stopping;
};

/* On the loop thread. Mostly nobody holds it, and the clock is not asked. */
static void
lock_from_loop(struct store *store)
{
	const struct sys *sys = store->group.config.sys;
	int64_t begun_us;

	if (pthread_mutex_trylock(&store->mutex) == 0) {
		latency_add(&store->figures.blocked, 0);
		return;
	}
	begun_us = sys->monotonic_us();
	(void)pthread_mutex_lock(&store->mutex);
	latency_add(&store->figures.blocked, sys->monotonic_us() - begun_us);
}

/* Waits until there is something to do, and takes it. False: time to end. */
static bool
take_group(struct store *store, struct store_jobs *jobs)
{
	size_t max = group_jobs_max(&store->group, GROUP_JOBS_MAX);

	while (STAILQ_EMPTY(&store->waiting) && !store->stopping)
		(void)pthread_cond_wait(&store->wake, &store->mutex);
	if (store->figures.waiting_jobs <= max) {
		store->in_hand = store->figures.waiting_jobs;
		STAILQ_CONCAT(jobs, &store->waiting);
	} else {
		for (store->in_hand = 0; store->in_hand < max; store->in_hand++) {
			struct store_job *job = STAILQ_FIRST(&store->waiting);

			STAILQ_REMOVE_HEAD(&store->waiting, link);
			STAILQ_INSERT_TAIL(jobs, job, link);
		}
	}
	store->figures.waiting_jobs -= store->in_hand;
	return !STAILQ_EMPTY(jobs);
}

static void
give_back(struct store *store, struct store_jobs *jobs, const struct group_outcome *outcome)
{
	struct store_job *job;

	STAILQ_FOREACH (job, jobs, link)
		store->figures.waiting_bytes -= job->bytes;
	STAILQ_CONCAT(&store->finished, jobs);
	store->figures.jobs += store->in_hand;
	store->figures.jobs_failed += outcome->failed;
	store->figures.groups++;
	store->figures.busy_us += outcome->busy_us;
	store->health = outcome->health;
	store->in_hand = 0;
	(void)pthread_cond_signal(&store->ended);
	(void)eventfd_write(store->event_fd, 1);
}

static void *
store_thread(void *arg)
{
	struct store *store = arg;
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);

	(void)pthread_mutex_lock(&store->mutex);
	while (take_group(store, &jobs)) {
		struct group_outcome outcome;

		(void)pthread_mutex_unlock(&store->mutex);
		outcome = group_run(&store->group, &jobs);
		(void)pthread_mutex_lock(&store->mutex);
		give_back(store, &jobs, &outcome);
	}
	(void)pthread_mutex_unlock(&store->mutex);
	return NULL;
}

static int
start_thread(struct store *store, struct err *err)
{
	int code;

	store->version = store->group.version;
	store->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (store->event_fd < 0)
		return err_errno(err, "store: eventfd");
	code = pthread_create(&store->thread, NULL, store_thread, store);
	if (code != 0) {
		errno = code;
		return err_errno(err, "store: start its thread");
	}
	return 0;
}

struct store *
store_open(const struct store_config *config, struct err *err)
{
	struct store *store = xcalloc(1, sizeof(*store));

	store->event_fd = -1;
	store->jobs_max = config->jobs_max > 0 ? config->jobs_max : JOBS_MAX;
	store->bytes_max = config->bytes_max > 0 ? config->bytes_max : BYTES_MAX;
	STAILQ_INIT(&store->waiting);
	STAILQ_INIT(&store->finished);
	(void)pthread_mutex_init(&store->mutex, NULL);
	(void)pthread_cond_init(&store->wake, NULL);
	(void)pthread_cond_init(&store->ended, NULL);
	store->lock_fd = folder_lock(config->folder, err);
	if (store->lock_fd < 0 || group_init(&store->group, config, err) < 0 ||
	    start_thread(store, err) < 0) {
		group_clear(&store->group);
		if (store->event_fd >= 0)
			(void)close(store->event_fd);
		if (store->lock_fd >= 0)
			(void)close(store->lock_fd);
		free(store);
		return NULL;
	}
	return store;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	(void)pthread_mutex_lock(&store->mutex);
	while (!STAILQ_EMPTY(&store->waiting) || store->in_hand > 0 ||
	       !STAILQ_EMPTY(&store->finished)) {
		(void)pthread_mutex_unlock(&store->mutex);
		store_poll(store);
		(void)pthread_mutex_lock(&store->mutex);
		if (STAILQ_EMPTY(&store->finished) && store->in_hand > 0)
			(void)pthread_cond_wait(&store->ended, &store->mutex);
	}
	store->stopping = true;
	(void)pthread_cond_signal(&store->wake);
	(void)pthread_mutex_unlock(&store->mutex);
	(void)pthread_join(store->thread, NULL);
	group_clear(&store->group);
	(void)close(store->event_fd);
	(void)close(store->lock_fd);
	(void)pthread_mutex_destroy(&store->mutex);
	(void)pthread_cond_destroy(&store->wake);
	(void)pthread_cond_destroy(&store->ended);
	free(store);
}

int
store_fd(const struct store *store)
{
	return store->event_fd;
}

/* A `done` may submit more jobs, but polling again inside it would break the order. */
void
store_poll(struct store *store)
{
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);
	struct store_job *job;
	eventfd_t count;

	assert(!store->polling);
	(void)eventfd_read(store->event_fd, &count);
	lock_from_loop(store);
	STAILQ_CONCAT(&jobs, &store->finished);
	(void)pthread_mutex_unlock(&store->mutex);
	store->polling = true;
	while ((job = STAILQ_FIRST(&jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&jobs, link);
		job->done(job);
	}
	store->polling = false;
}

uint64_t
store_version(const struct store *store)
{
	return store->version;
}

void
store_submit(struct store *store, struct store_job *job)
{
	bool idle;

	assert(job->run != NULL && job->done != NULL);
	job->status = 0;
	job->conflict = false;
	job->version = ++store->version;
	lock_from_loop(store);
	idle = STAILQ_EMPTY(&store->waiting) && store->in_hand == 0;
	STAILQ_INSERT_TAIL(&store->waiting, job, link);
	store->figures.waiting_jobs++;
	store->figures.waiting_bytes += job->bytes;
	if (idle)
		(void)pthread_cond_signal(&store->wake);
	(void)pthread_mutex_unlock(&store->mutex);
}

struct write_job {
	struct store_job job;
	struct writes writes;
	void (*done)(void *arg, int status);
	void *arg;
};

static int
write_run(struct txn *txn, struct store_job *job, struct err *err)
{
	return store_apply_writes(txn, &((struct write_job *)job)->writes, err);
}

static void
write_done(struct store_job *job)
{
	struct write_job *write = (struct write_job *)job;
	void (*done)(void *, int) = write->done;
	void *arg = write->arg;
	int status = job->status;

	writes_clear(&write->writes);
	free(write);
	if (done != NULL)
		done(arg, status);
}

void
store_write(
    struct store *store, struct writes *writes, void (*done)(void *arg, int status), void *arg)
{
	struct write_job *write = xmalloc(sizeof(*write));

	write->job.run = write_run;
	write->job.done = write_done;
	write->job.bytes = sizeof(*write) + writes->encoded.cap;
	write->job.cannot_fail = writes->expectations == 0;
	write->writes = *writes;
	write->done = done;
	write->arg = arg;
	*writes = (struct writes){ 0 };
	store_submit(store, &write->job);
}

/* What store_run submits: it stands on the stack of the one who waits. */
struct run_job {
	struct store_job job;
	struct store_job *inner;
	bool over;
};

static int
run_inner(struct txn *txn, struct store_job *job, struct err *err)
{
	struct run_job *run = (struct run_job *)job;

	return run->inner->run(txn, run->inner, err);
}

static void
run_over(struct store_job *job)
{
	((struct run_job *)job)->over = true;
}

int
store_run(struct store *store, struct store_job *job, struct err *err)
{
	struct run_job run = {
		.job = { .run = run_inner, .done = run_over },
		.inner = job,
	};

	store_submit(store, &run.job);
	while (!run.over) {
		(void)pthread_mutex_lock(&store->mutex);
		while (STAILQ_EMPTY(&store->finished))
			(void)pthread_cond_wait(&store->ended, &store->mutex);
		(void)pthread_mutex_unlock(&store->mutex);
		store_poll(store);
	}
	job->status = run.job.status;
	job->conflict = run.job.conflict;
	job->version = run.job.version;
	if (run.job.status < 0)
		*err = run.job.err;
	return job->status;
}

/* Read without the lock: whoever asks wants to know about, not exactly. */
bool
store_is_full(const struct store *store)
{
	return __atomic_load_n(&store->figures.waiting_jobs, __ATOMIC_RELAXED) > store->jobs_max ||
	       __atomic_load_n(&store->figures.waiting_bytes, __ATOMIC_RELAXED) > store->bytes_max;
}

enum store_health
store_health(const struct store *store)
{
	return __atomic_load_n(&store->health, __ATOMIC_RELAXED);
}

const char *
store_health_text(enum store_health health)
{
	static const char *const texts[] = {
		[STORE_GREEN] = "good",
		[STORE_DISK_FULL] = "disk full",
		[STORE_RED] = "failing",
	};

	return texts[health];
}

struct store_figures
store_figures(struct store *store)
{
	struct store_figures figures;

	(void)pthread_mutex_lock(&store->mutex);
	figures = store->figures;
	(void)pthread_mutex_unlock(&store->mutex);
	return figures;
}
