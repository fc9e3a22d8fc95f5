/* SPDX-License-Identifier: MIT
 * Tables of items over struct txn: puts and deletes that keep indexes, expiry and the change log in
 * the same transaction.
 *
 *   item         <table> \0 <encoded key>                            -> item, JSON
 *   item_index   <table> \0 <index> \0 <encoded index key> <encoded key>  -> nothing
 *   item_expiry  <due, 16 hexadecimal digits> <table> \0 <encoded key>  -> nothing
 *   change       <sequence, 20 digits>                               -> JSON: table, kind,
 * sequence, time, key, and old and new item
 *
 * A change's sequence is its job's version * TABLE_CHANGES_MAX + its place in the job: it grows in
 * the order of commits.
 */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "lib/queue.h"
#include "lib/table_def.h"
#include "store/txn.h"

enum { TABLE_CHANGES_MAX = 1024, CHANGE_KEY_BYTES = 21 };

/* A table as it was defined at one time. Counted on the loop thread; the store thread only reads.
 */
struct table {
	uint32_t refs;
	uint64_t version; /* of its definition's row */
	struct table_def def;
};

struct table_op {
	STAILQ_ENTRY(table_op) link;
	struct table *table; /* held */
	bool is_delete;
	bool is_expiry;	   /* a delete that holds only where the item has expired */
	struct bytes key;  /* encoded; views into `data` */
	struct bytes item; /* JSON, whose key is `key`; of a put */
	uint8_t data[];
};

/* Rows that were looked at (store/table_query.h): they must be the same still. */
struct table_seen {
	SLIST_ENTRY(table_seen) link;
	struct table *table;
	const struct table_index *index; /* NULL: the table's own rows */
	struct bytes lower;
	struct bytes upper; /* empty: to the end */
	bool reverse;
	size_t rows;
	uint64_t digest;
	uint8_t data[];
};

/* What a transaction does to tables, in order. */
struct table_ops {
	STAILQ_HEAD(table_op_list, table_op) list;
	SLIST_HEAD(, table_seen) seen;
	size_t count;
	size_t bytes;
	int64_t time_ms; /* of the changes */
	unsigned hops;	 /* how often functions have triggered each other before them */
};

struct table *table_hold(struct table *table);
void table_drop(struct table *table); /* takes NULL */

void table_ops_init(struct table_ops *ops, int64_t time_ms);
void table_ops_put(struct table_ops *ops, struct table *table, struct bytes key, struct bytes item);
void table_ops_delete(struct table_ops *ops, struct table *table, struct bytes key);
/* Deletes the item if it has expired. */
void table_ops_expire(struct table_ops *ops, struct table *table, struct bytes key);
/* What is in `from` goes to `ops`, which was not in use; `from` is empty then. */
void table_ops_move(struct table_ops *ops, struct table_ops *from);
/* Copies the views and holds the table. */
void table_ops_expect(struct table_ops *ops, const struct table_seen *seen);
void table_ops_clear(struct table_ops *ops); /* on the loop thread */

/* The key of an item's row. */
void table_row_key(const struct table *table, struct bytes key, struct buf *out);
/* The key of an item's row in an index, or in item_expiry. False: it has none there. */
bool table_index_row(const struct table_def *def, const struct table_index *index, struct bytes key,
    struct bytes item, struct buf *out);
bool table_expiry_row(
    const struct table_def *def, struct bytes key, struct bytes item, struct buf *out);

/* --- inside a job --- */

/* 0, or -1: a table is not defined any more as it was (a conflict), or the database is in trouble.
 */
int table_ops_apply(const struct table_ops *ops, struct txn *txn, struct err *err)
    __attribute__((warn_unused_result));

#endif
