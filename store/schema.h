/* SPDX-License-Identifier: MIT
 * The schema's number, and the steps that bring a database of an older one to the present one.
 *
 * What rows hold and how their keys are built has a number, in SPACE_META under "schema". A change
 * of it is a new step at the end of `schema_steps`. All steps that a database needs are one
 * transaction when it is opened: where one fails nothing has changed. New spaces and new members
 * of JSON values need no step.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/engine.h"

struct schema_step {
	unsigned to; /* from the number below it; 1, 2, 3, ... */
	const char *what;
	/* 0, or -1 with what does not fit. */
	int (*run)(struct txn *txn, struct err *err);
};

struct schema {
	const struct schema_step *steps;
	size_t count;
};

extern const struct schema schema_present;

/* Inside a transaction of the engine, which the caller commits, or rolls back after -1: a step
 * failed, or the database is of a newer schema. `name` is the database's in errors. 1: there is
 * something to commit, 0. */
int schema_migrate(struct txn *txn, const struct schema *schema, const char *name, struct err *err)
    __attribute__((warn_unused_result));

#endif
