/* SPDX-License-Identifier: MIT
 * Inside of the tables on the loop thread: what their files share.
 */
#ifndef RUNTIME_TABLES_PARTS_H
#define RUNTIME_TABLES_PARTS_H

#include "runtime/host.h"
#include "runtime/tables.h"
#include "store/table_define.h"

LIST_HEAD(workings, working);

struct tables {
	struct host *host;
	struct table *list[TABLES_MAX]; /* by name */
	size_t count;
	size_t defining; /* definitions that are on their way */
	struct workings workings;
	struct timer sweep_timer;
	uint64_t expired; /* items deleted at their end */
	bool sweeping;
	bool stopped; /* nothing more is begun */
};

/* Takes over `def`. */
struct table *table_new(struct table_def *def, uint64_t version);
/* The new definition in place of the old one; workers are told. */
void tables_set(struct tables *tables, struct table *table);
/* Forgets the table that has this name, and what is cached of it. */
void tables_unset(struct tables *tables, struct bytes name);

/* Goes on with all the work that is left in the store. */
void tables_work_resume(struct tables *tables);
void tables_work_stop(struct tables *tables);

void tables_sweep_start(struct tables *tables);
void tables_sweep_stop(struct tables *tables);

#endif
