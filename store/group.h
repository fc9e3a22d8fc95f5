/* SPDX-License-Identifier: MIT
 * Runs groups of jobs as one transaction each, and keeps the engine's handle in health. Everything
 * here but group_init and group_clear is the store thread's.
 */
#ifndef STORE_GROUP_H
#define STORE_GROUP_H

#include "lib/log_limit.h"
#include "store/store.h"

struct engine_db;

struct group {
	struct store_config config;
	const struct engine *engine;
	struct engine_db *db; /* NULL: closed after a failure */
	uint64_t version;     /* of the last job that was seen; stands in meta as "version" */
	enum store_health health;
	struct log_limit slow;
	struct log_limit bound_told;
	bool bound_said;   /* that it is at its bound stands in the log */
	bool at_bound;	   /* health is DISK_FULL for size_max alone */
	bool damaged;	   /* a part of the file could not be read */
	int64_t reopen_us; /* not before */
	struct err err;	   /* the failure that made it red */
};

struct group_outcome {
	size_t failed; /* jobs */
	int64_t busy_us;
	enum store_health health;
};

int group_init(struct group *group, const struct store_config *config, struct err *err)
    __attribute__((warn_unused_result));
void group_clear(struct group *group);

/* Runs all jobs and sets their status. After a failure one at a time, so that those which only
 * read go on while those which write fail. */
struct group_outcome group_run(struct group *group, const struct store_jobs *jobs);
size_t group_jobs_max(const struct group *group, size_t max);

#endif
