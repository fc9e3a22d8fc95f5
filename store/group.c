/* SPDX-License-Identifier: MIT
 * One group: begin, each job behind a savepoint, commit with its sync. Where the commit fails
 * nothing of it happened; what becomes of the handle depends on why.
 */
#include "store/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fault.h"
#include "lib/log.h"
#include "store/engine.h"

enum { REOPEN_EVERY_US = 1000000, SLOW_US = 1000000 };

static int
version_load(struct group *group, struct err *err)
{
	struct txn_row row;
	char text[24] = "";
	int found;

	if (group->engine->begin(group->db, err) < 0)
		return -1;
	found = group->engine->get(group->db, SPACE_META, bytes_of_string("version"), &row, err);
	if (found == 1 && row.value.len < sizeof(text)) {
		memcpy(text, row.value.data, row.value.len);
		group->version = strtoull(text, NULL, 10);
	}
	group->engine->rollback(group->db);
	return found < 0 ? -1 : 0;
}

static int
group_open(struct group *group, struct err *err)
{
	group->db = group->engine->open(&group->config, err);
	if (group->db == NULL)
		return -1;
	if (version_load(group, err) < 0) {
		group->engine->close(group->db);
		group->db = NULL;
		return -1;
	}
	return 0;
}

int
group_init(struct group *group, const struct store_config *config, struct err *err)
{
	group->config = *config;
	group->config.folder = xstrdup(config->folder);
	group->engine = config->engine != NULL ? config->engine : &engine_sqlite;
	return group_open(group, err);
}

void
group_clear(struct group *group)
{
	if (group->db != NULL)
		group->engine->close(group->db);
	free((void *)(uintptr_t)group->config.folder);
	group->db = NULL;
	group->config.folder = NULL;
}

/* The first failure opens anew at once; from then on once a second. */
static void
turn_red(struct group *group, const struct err *err)
{
	bool again = group->health == STORE_RED && !group->damaged;

	if (group->db != NULL)
		group->engine->close(group->db);
	group->db = NULL;
	group->reopen_us = again ? group->config.sys->monotonic_us() + REOPEN_EVERY_US : 0;
	group->err = *err;
	if (!again)
		log_error("store", "%s; nothing is acknowledged until it works again", err->text);
	group->health = STORE_RED;
}

/* What else can be read is served, a job at a time, but health stays red: only a start with another
 * file mends it. */
static void
note_damage(struct group *group, const struct err *err)
{
	if (!group->damaged)
		log_error("store", "%s; what needs that part of it fails", err->text);
	group->damaged = true;
	group->health = STORE_RED;
}

static void
note_failure(struct group *group, enum engine_trouble trouble, const struct err *err)
{
	if (trouble == TROUBLE_DAMAGED) {
		note_damage(group, err);
		return;
	}
	if (trouble != TROUBLE_FULL) {
		turn_red(group, err);
		return;
	}
	if (group->health != STORE_DISK_FULL || group->at_bound)
		log_error("store", "%s", err->text);
	group->health = STORE_DISK_FULL;
	group->at_bound = false;
}

/* --- its bound --- */

static bool
has_bound(const struct group *group)
{
	return group->config.size_max > 0 && group->engine->used != NULL;
}

/* What adds more than it removes is refused where more than the bound is in use then: to delete is
 * always possible. */
static int
hold_bound(const struct group *group, struct txn *txn, struct store_job *job, struct err *err)
{
	uint64_t used;

	if (job->status < 0 || txn->grown <= 0)
		return 0;
	if (txn->engine->used(txn->db, &used, err) < 0)
		return -1;
	txn->refused = txn->refused || used > group->config.size_max;
	txn->added = txn->added || used <= group->config.size_max;
	if (used > group->config.size_max)
		job->status = err_set(&job->err,
		    "the database has reached database_bytes_max (%llu bytes); raise it, or delete "
		    "something",
		    (unsigned long long)group->config.size_max);
	return 0;
}

static void
note_bound(struct group *group)
{
	struct log_more more;

	if (group->health != STORE_GREEN)
		return;
	group->health = STORE_DISK_FULL;
	group->at_bound = true;
	group->bound_said =
	    log_limit_take(&group->bound_told, group->config.sys->monotonic_us(), &more);
	if (group->bound_said)
		log_error("store",
		    "the database has reached database_bytes_max (%llu bytes): what adds to it is "
		    "refused until something is deleted%s",
		    (unsigned long long)group->config.size_max, more.text);
}

static void
note_success(struct group *group, const struct txn *txn)
{
	if (txn->refused && !txn->added)
		note_bound(group);
	if (group->health == STORE_GREEN || group->damaged || !txn->changed ||
	    (group->at_bound && !txn->added))
		return;
	if (!group->at_bound || group->bound_said)
		log_info("store", "works again");
	group->health = STORE_GREEN;
	group->at_bound = group->bound_said = false;
}

static int
ensure_open(struct group *group, struct err *err)
{
	if (group->db != NULL)
		return 0;
	if (group->config.sys->monotonic_us() < group->reopen_us) {
		*err = group->err;
		return -1;
	}
	if (group_open(group, err) == 0)
		return 0;
	turn_red(group, err);
	return -1;
}

static void
fail_job(struct store_job *job, const struct err *err)
{
	job->status = -1;
	job->conflict = false;
	job->err = *err;
}

/* Returns -1 where the engine is in trouble, and the group with it; a job that fails for reasons
 * of its own is undone. */
static int
run_job(const struct group *group, struct txn *txn, struct store_job *job, struct err *err)
{
	bool marked = !job->cannot_fail || txn->counted;

	if (marked && txn->engine->mark(txn->db, err) < 0)
		return -1;
	txn->version = job->version;
	txn->conflict = false;
	txn->grown = 0;
	job->status = job->run(txn, job, &job->err);
	job->conflict = job->status < 0 && txn->conflict;
	if (txn->engine->trouble(txn->db) != TROUBLE_NONE) {
		if (job->status < 0)
			*err = job->err;
		else
			(void)err_set(err, "store: a failure was not reported");
		return -1;
	}
	if (txn->counted && hold_bound(group, txn, job, err) < 0)
		return -1;
	if (marked)
		return txn->engine->unmark(txn->db, job->status < 0, err);
	if (job->status < 0)
		return err_set(err, "store: a job that cannot fail did: %.900s", job->err.text);
	return 0;
}

static int
version_save(struct txn *txn, struct err *err)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)txn->version);

	return txn_put(
	    txn, SPACE_META, bytes_of_string("version"), bytes_of(text, (size_t)len), err);
}

static int
run_jobs(const struct group *group, struct txn *txn, const struct store_jobs *jobs, struct err *err)
{
	struct store_job *job;

	if (txn->engine->begin(txn->db, err) < 0)
		return -1;
	STAILQ_FOREACH (job, jobs, link) {
		if (run_job(group, txn, job, err) < 0)
			return -1;
	}
	if (txn->changed && version_save(txn, err) < 0)
		return -1;
	fault("commit-before-sync");
	if (txn->engine->commit(txn->db, txn->changed ? txn->version : 0, err) < 0)
		return -1;
	fault("commit-after-sync");
	return 0;
}

static void
run_group(struct group *group, const struct store_jobs *jobs)
{
	struct txn txn = { .engine = group->engine, .counted = has_bound(group) };
	struct store_job *job;
	struct err err;

	if (ensure_open(group, &err) == 0) {
		txn.db = group->db;
		if (run_jobs(group, &txn, jobs, &err) == 0) {
			note_success(group, &txn);
			return;
		}
		group->engine->rollback(group->db);
		note_failure(group, group->engine->trouble(group->db), &err);
	}
	STAILQ_FOREACH (job, jobs, link)
		fail_job(job, &err);
}

static void
note_time(struct group *group, int64_t now_us, int64_t busy_us)
{
	struct log_more more;

	if (busy_us >= SLOW_US && log_limit_take(&group->slow, now_us, &more))
		log_warn("store",
		    "the disk is slow: a commit took %.1f s, in which nothing was acknowledged%s",
		    (double)busy_us / 1e6, more.text);
}

struct group_outcome
group_run(struct group *group, const struct store_jobs *jobs)
{
	struct group_outcome outcome = { 0 };
	int64_t begun_us = group->config.sys->monotonic_us();
	struct store_job *job;

	run_group(group, jobs);
	STAILQ_FOREACH (job, jobs, link)
		outcome.failed += job->status < 0;
	outcome.busy_us = group->config.sys->monotonic_us() - begun_us;
	note_time(group, begun_us + outcome.busy_us, outcome.busy_us);
	outcome.health = group->health;
	return outcome;
}

size_t
group_jobs_max(const struct group *group, size_t max)
{
	return (group->health == STORE_DISK_FULL && !group->at_bound) || group->damaged ? 1 : max;
}
