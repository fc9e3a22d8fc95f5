/* SPDX-License-Identifier: MIT
 * The loop thread's side of the store: opening, submitting, polling, closing. What runs on the
 * store thread stands in group.c.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"
#include "store/folder.h"
#include "store/group.h"
#include "store/handover.h"

enum { JOBS_MAX = 20000, GROUP_JOBS_MAX = 4096 };
enum { BYTES_MAX = 64 * 1024 * 1024 };

/* Figures that one side alone counts and both may read. */
struct counts {
	uint64_t jobs;
	uint64_t bytes;
};

/* What one thread alone uses stands apart; the rest is atomic. */
struct store {
	pthread_t thread;
	int lock_fd;
	int event_fd;
	size_t jobs_max;
	size_t bytes_max;

	/* the loop thread's */
	bool polling;	   /* a `done` is running */
	uint64_t version;  /* of the job submitted last */
	size_t unfinished; /* jobs whose `done` has not been called */
	bool serving;
	struct latency blocked; /* handing over never waits: only store_run does */

	/* the store thread's */
	struct group group;
	struct store_jobs waiting;
	size_t waiting_count;

	/* the loop thread puts */
	struct pile submitted;
	struct counts given;
	bool stopping;
	/* the store thread puts */
	struct pile finished;
	struct counts taken; /* jobs that run or have run; bytes of those that have run */
	struct store_figures figures;
	enum store_health health;
	int64_t begun_us; /* of the group that runs; 0: none does */
	struct bed bed;	  /* of the store thread */
};

/* By the one thread that counts. */
static void
count_up(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static uint64_t
count_of(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* What was counted by the one side and not yet by the other. */
static size_t
difference(const uint64_t *given, const uint64_t *taken)
{
	uint64_t last = count_of(taken), all = count_of(given);

	return all > last ? (size_t)(all - last) : 0;
}

/* Waits until there is something to do, and takes it. False: time to end. */
static bool
take_group(struct store *store, struct store_jobs *jobs)
{
	size_t max = group_jobs_max(&store->group, GROUP_JOBS_MAX), count = 0;

	for (;;) {
		store->waiting_count += pile_take(&store->submitted, &store->waiting);
		if (store->waiting_count > 0)
			break;
		if (__atomic_load_n(&store->stopping, __ATOMIC_SEQ_CST))
			return false;
		bed_sleep(&store->bed, &store->submitted, &store->stopping);
	}
	while (store->waiting_count > 0 && count < max) {
		struct store_job *job = STAILQ_FIRST(&store->waiting);

		STAILQ_REMOVE_HEAD(&store->waiting, link);
		STAILQ_INSERT_TAIL(jobs, job, link);
		store->waiting_count--;
		count++;
	}
	count_up(&store->taken.jobs, count);
	return true;
}

static void
give_back(struct store *store, struct store_jobs *jobs, const struct group_outcome *outcome)
{
	const struct store_job *job;
	uint64_t bytes = 0, count = 0;

	STAILQ_FOREACH (job, jobs, link) {
		bytes += job->bytes;
		count++;
	}
	count_up(&store->taken.bytes, bytes);
	count_up(&store->figures.jobs, count);
	count_up(&store->figures.jobs_failed, outcome->failed);
	count_up(&store->figures.groups, 1);
	count_up(&store->figures.busy_us, (uint64_t)outcome->busy_us);
	__atomic_store_n(&store->health, outcome->health, __ATOMIC_RELAXED);
	__atomic_store_n(&store->begun_us, 0, __ATOMIC_RELAXED);
	pile_put(&store->finished, jobs);
	(void)eventfd_write(store->event_fd, 1);
}

static void *
store_thread(void *arg)
{
	struct store *store = arg;
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);

	while (take_group(store, &jobs)) {
		struct group_outcome outcome;

		__atomic_store_n(
		    &store->begun_us, store->group.config.sys->monotonic_us(), __ATOMIC_RELAXED);
		outcome = group_run(&store->group, &jobs);
		give_back(store, &jobs, &outcome);
	}
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

/* Until jobs are finished: start, tests, the end. */
static void
wait_for_finished(struct store *store)
{
	struct pollfd fd = { store->event_fd, POLLIN, 0 };

	if (pile_is_empty(&store->finished))
		(void)poll(&fd, 1, -1);
	store_poll(store);
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	while (store->unfinished > 0)
		wait_for_finished(store);
	__atomic_store_n(&store->stopping, true, __ATOMIC_SEQ_CST);
	(void)bed_wake(&store->bed);
	(void)pthread_join(store->thread, NULL);
	group_clear(&store->group);
	(void)close(store->event_fd);
	(void)close(store->lock_fd);
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
	store->unfinished -= pile_take(&store->finished, &jobs);
	latency_add(&store->blocked, 0);
	store->polling = true;
	while ((job = STAILQ_FIRST(&jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&jobs, link);
		job->done(job);
	}
	store->polling = false;
}

void
store_serve(struct store *store)
{
	store->serving = true;
}

uint64_t
store_version(const struct store *store)
{
	return store->version;
}

void
store_submit(struct store *store, struct store_job *job)
{
	struct store_jobs jobs = STAILQ_HEAD_INITIALIZER(jobs);

	assert(job->run != NULL && job->done != NULL);
	job->status = 0;
	job->conflict = false;
	job->version = ++store->version;
	store->unfinished++;
	count_up(&store->given.jobs, 1);
	count_up(&store->given.bytes, job->bytes);
	STAILQ_INSERT_TAIL(&jobs, job, link);
	pile_put(&store->submitted, &jobs);
	(void)bed_wake(&store->bed);
	latency_add(&store->blocked, 0);
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
	const struct sys *sys = store->group.config.sys;
	int64_t begun_us = sys->monotonic_us();

	store_submit(store, &run.job);
	while (!run.over)
		wait_for_finished(store);
	if (store->serving)
		latency_add(&store->blocked, sys->monotonic_us() - begun_us);
	job->status = run.job.status;
	job->conflict = run.job.conflict;
	job->version = run.job.version;
	if (run.job.status < 0)
		*err = run.job.err;
	return job->status;
}

/* Whoever asks wants to know about, not exactly. */
bool
store_is_full(const struct store *store)
{
	return difference(&store->given.jobs, &store->taken.jobs) > store->jobs_max ||
	       difference(&store->given.bytes, &store->taken.bytes) > store->bytes_max;
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
	int64_t begun_us = __atomic_load_n(&store->begun_us, __ATOMIC_RELAXED);

	return (struct store_figures){
		.jobs = count_of(&store->figures.jobs),
		.jobs_failed = count_of(&store->figures.jobs_failed),
		.groups = count_of(&store->figures.groups),
		.busy_us = count_of(&store->figures.busy_us),
		.age_us = begun_us > 0 ? store->group.config.sys->monotonic_us() - begun_us : 0,
		.waiting_jobs = difference(&store->given.jobs, &store->taken.jobs),
		.waiting_bytes = difference(&store->given.bytes, &store->taken.bytes),
		.blocked = store->blocked,
	};
}
