/* SPDX-License-Identifier: MIT
 * The store: one database in the data folder, one thread that runs every transaction.
 *
 * Jobs are submitted from the loop thread. All that wait when the store thread is free are one
 * group: one transaction, one sync. An idle store commits a single job at once; under load the
 * groups grow by themselves. A job that fails is rolled back alone; a commit that fails fails all
 * jobs of its group. `done` is called on the loop thread after the sync, in order of submission.
 *
 * After a failed sync the handle is never used again: it is closed, opened anew, and as long as
 * that does not help every job fails at once (STORE_RED). A full disk fails jobs with a clear
 * error and heals by itself.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "lib/latency.h"
#include "lib/queue.h"
#include "lib/sys.h"
#include "store/txn.h"

struct store;
struct engine;
struct memory_disk;
struct schema;

extern const struct engine engine_sqlite;
extern const struct engine engine_memory; /* for tests; its data stand in `disk` */

struct store_config {
	const char *folder;	     /* is made where it is missing */
	const struct sys *sys;	     /* clock */
	const struct engine *engine; /* NULL: engine_sqlite */
	struct memory_disk *disk;    /* of engine_memory */
	/* Of engine_sqlite: bytes in use in the database; beyond, only jobs that remove more than
	 * they put go on. 0: as the disk has room. */
	uint64_t size_max;
	const struct schema *schema; /* NULL: schema_present (store/schema.h) */
	size_t jobs_max;	     /* store_is_full above; 0: 20,000 */
	size_t bytes_max;	     /* store_is_full above; 0: 64 MiB */
	size_t check_bytes_max;	     /* a larger file is not read whole at open; 0: 64 MiB */
};

/* Embedded in its owner. `run` is called on the store thread, at most once, and may use nothing of
 * the loop thread's but the job's own struct. */
struct store_job {
	STAILQ_ENTRY(store_job) link;
	/* 0, or -1 with `err` set: this job's changes are rolled back. */
	int (*run)(struct txn *txn, struct store_job *job, struct err *err);
	/* On the loop thread; may free the job. `status` 0: it is durable. -1: nothing of it is
	 * there and `err` says why. */
	void (*done)(struct store_job *job);
	size_t bytes;	  /* about what it holds in memory; counts towards bytes_max */
	bool cannot_fail; /* `run` fails only where the database does: saves a savepoint */
	/* From store_submit on: what the rows that it puts get as their version. */
	uint64_t version;
	int status;
	bool conflict;	/* status is -1, for an expectation did not hold */
	struct err err; /* set only where status is -1 */
};

STAILQ_HEAD(store_jobs, store_job);

/* NULL where the folder is in use by another host, cannot be written, or its database is damaged
 * or of a newer version: one line that names the file and the remedy. */
struct store *store_open(const struct store_config *config, struct err *err)
    __attribute__((warn_unused_result));
/* Runs what is queued, calls `done` for all of it, closes. Takes NULL. */
void store_close(struct store *store);

int store_fd(const struct store *store); /* readable when finished jobs wait: call store_poll */
void store_poll(struct store *store);
void store_submit(struct store *store, struct store_job *job);

/* Of the job that was submitted last, in this run or an earlier one. */
uint64_t store_version(const struct store *store);

/* Submits a job that applies `writes` (taken over: the list is empty afterwards). `done` (NULL:
 * nobody waits) is called with 0 or -1; a failure has been logged. */
void store_write(
    struct store *store, struct writes *writes, void (*done)(void *arg, int status), void *arg);

/* Runs one job and waits for it (start, tests). Also calls `done` of the jobs before it. Returns
 * its status. */
int store_run(struct store *store, struct store_job *job, struct err *err)
    __attribute__((warn_unused_result));

/* The host serves from now on: what store_run waits counts as the loop's being blocked. */
void store_serve(struct store *store);

/* Whether more jobs or bytes wait than the bounds: sources should pause. Jobs are still taken. */
bool store_is_full(const struct store *store);

enum store_health {
	STORE_GREEN,
	STORE_DISK_FULL, /* the last commit failed for want of space */
	STORE_RED,	 /* the database fails; it is opened anew once a second */
};

enum store_health store_health(const struct store *store);
const char *store_health_text(enum store_health health); /* "good", "disk full", "failing" */

/* Counters since the start, for /metrics. */
struct store_figures {
	uint64_t jobs;
	uint64_t jobs_failed;
	uint64_t groups;
	uint64_t busy_us; /* in transactions, syncs included */
	int64_t age_us;	  /* of the group that is being committed; 0: none is */
	size_t waiting_jobs;
	size_t waiting_bytes;
	struct latency blocked; /* what the loop thread waited for the store thread, each time */
};

struct store_figures store_figures(struct store *store);

#endif
