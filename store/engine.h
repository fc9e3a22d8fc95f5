/* SPDX-License-Identifier: MIT
 * The seam between the store and what keeps its rows: one table of functions for each engine.
 * Everything here runs on one thread at a time.
 *
 * Functions that return int give -1 with `err` set where the database is in trouble; `trouble`
 * then says of what kind, until the next `begin`.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "store/store.h"

struct engine_db; /* each engine has its own */

enum engine_trouble {
	TROUBLE_NONE,
	TROUBLE_FULL,	 /* no space; the handle stays good */
	TROUBLE_DAMAGED, /* a part of the file cannot be read; the handle stays good */
	TROUBLE_BROKEN,	 /* the handle must not be used again: close it */
};

struct engine {
	const char *name;
	/* Opens what is in the folder, or makes it. */
	struct engine_db *(*open)(const struct store_config *config, struct err *err);
	void (*close)(struct engine_db *db);
	enum engine_trouble (*trouble)(const struct engine_db *db);

	int (*begin)(struct engine_db *db, struct err *err);
	/* 0: it is on the disk. `version`: what meta says now, 0 where it was not written. */
	int (*commit)(struct engine_db *db, uint64_t version, struct err *err);
	void (*rollback)(struct engine_db *db);
	/* A mark inside the transaction; `unmark` keeps or undoes what came since. Not nested. */
	int (*mark)(struct engine_db *db, struct err *err);
	int (*unmark)(struct engine_db *db, bool undo, struct err *err);

	/* 1, 0, -1 as their txn_ namesakes. */
	int (*get)(struct engine_db *db, enum space space, struct bytes key, struct txn_row *row,
	    struct err *err); /* the row's views last until the next call */
	int (*put)(
	    struct engine_db *db, enum space space, const struct txn_row *row, struct err *err);
	int (*remove)(struct engine_db *db, enum space space, struct bytes key, struct err *err);
	int (*scan)(struct engine_db *db, const struct txn_range *range, txn_scan_fn *each,
	    void *arg, struct err *err);
	/* How many bytes of the database are in use, as it stands in the transaction; NULL: it has
	 * no bound. */
	int (*used)(struct engine_db *db, uint64_t *bytes, struct err *err);
	/* Lets a person read a table of items with the engine's own language; NULL: it has none. */
	int (*show_table)(struct engine_db *db, const struct table_def *def, struct err *err);
	int (*hide_table)(struct engine_db *db, struct bytes name, struct err *err);
};

struct txn {
	const struct engine *engine;
	struct engine_db *db;
	uint64_t version; /* of the job that runs */
	bool changed;
	bool conflict; /* the job that runs relied on what has changed */
	bool counted;  /* `grown` is kept */
	bool refused;  /* a job, for the database is at its bound */
	bool added;    /* a job has put more than it has removed */
	int64_t grown; /* of the job that runs: bytes that the job has put less those that it has
			  removed */
	bool scanning;
};

/* What engine_memory keeps its rows on: it stays when the engine is closed. */
struct memory_disk *memory_disk_new(void);
void memory_disk_free(struct memory_disk *disk); /* takes NULL */
/* The next `count` commits fail with this trouble. */
void memory_disk_fail(struct memory_disk *disk, enum engine_trouble trouble, int count);

#endif
