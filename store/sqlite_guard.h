/* SPDX-License-Identifier: MIT
 * Whether a database file may be served: it is whole, and holds all that was committed. What is
 * refused has not been written to.
 */
#ifndef STORE_SQLITE_GUARD_H
#define STORE_SQLITE_GUARD_H

#include <sqlite3.h>

#include "store/mark.h"

struct guard {
	const char *folder; /* borrowed, as `path`: the database's file */
	const char *path;
	size_t check_bytes_max; /* larger files are not read whole */
	sqlite3 *sqlite;	/* set by the caller once it is open */
	struct mark mark;
	bool is_new; /* there was no file */
	bool bare;   /* another program has moved a dead host's journal into the file */
};

/* Before the file is opened. -1: it is plainly not what it was. */
int guard_begin(struct guard *guard, struct err *err) __attribute__((warn_unused_result));
/* Behind sqlite3_open: from here on nothing is written when the handle is closed. */
void guard_hold(struct guard *guard);
/* Reads what there is, before anything is written. -1: damaged, or a part is missing. */
int guard_check(struct guard *guard, struct err *err) __attribute__((warn_unused_result));
/* The database is set up and committed: gives it an id where it has none, and begins the mark.
 * From here on closing the handle empties the journal again. */
int guard_release(struct guard *guard, struct err *err) __attribute__((warn_unused_result));
/* Behind sqlite3_close. */
void guard_end(struct guard *guard);

/* Whether the code of SQLite's says that the file is not what was written into it. */
bool guard_is_damage(int code);
/* Sets "<path>: <doing>: the file is damaged (<what>); ..." with the remedy. Returns -1. */
int guard_damaged(const char *path, const char *doing, const char *what, struct err *err);

/* For who only reads: adds an error where the mark is ahead of the database. 0: it is not. */
int guard_measure(struct guard *guard, struct err *err) __attribute__((warn_unused_result));

#endif
