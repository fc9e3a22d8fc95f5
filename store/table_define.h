/* SPDX-License-Identifier: MIT
 * Defining tables inside a job, and the work that a new definition leaves: filling new indexes,
 * removing the rows of those that are gone, or of a whole table. It is done in bounded steps, each
 * a job of its own, and survives a crash: what is left stands in meta under "work/<table>", a line
 * for each thing to do.
 *
 *   remove <space> <prefix>    rows whose key starts so
 *   expiry <after>             rows of item_expiry that the table's items do not call for
 *   fill <after>               items into the indexes that are being filled, and into item_expiry
 *
 * Prefix and place ("after": the last key that is done) are hexadecimal, "-" for none. While work
 * is left the table cannot be defined anew; it can be read and written.
 */
#ifndef STORE_TABLE_DEFINE_H
#define STORE_TABLE_DEFINE_H

#include "store/tables.h"

struct table_defined {
	uint64_t version; /* of the definition's row */
	bool work;	  /* is left */
};

/* Makes a table or changes its indexes and time to live. Indexes that must be filled first are
 * marked so in `def`. -1 also where there is one of that name with another key, or work is left. */
int table_define(struct txn *txn, struct table_def *def, struct table_defined *defined,
    struct err *err) __attribute__((warn_unused_result));

/* The table is gone at once; its rows go by and by. 1: it was there, 0: it was not, -1. */
int table_undefine(struct txn *txn, struct bytes name, struct err *err)
    __attribute__((warn_unused_result));

/* The next piece of a table's work. */
struct table_work_done {
	bool left;	      /* more is to do */
	bool defined;	      /* its indexes are filled: the definition has changed */
	struct table_def def; /* to be cleared by the caller; of `defined` */
};
int table_work_step(struct txn *txn, struct bytes name, struct table_work_done *done,
    struct err *err) __attribute__((warn_unused_result));

/* Calls `each` with each table that has work left. */
int table_work_list(struct txn *txn, void (*each)(void *arg, struct bytes name), void *arg,
    struct err *err) __attribute__((warn_unused_result));

#endif
