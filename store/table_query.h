/* SPDX-License-Identifier: MIT
 * Queries over tables inside a job. A query looks at the rows of a range and at what its asker has
 * written and not yet committed, and gives, besides the items, a digest of the rows that it looked
 * at: whoever acts on the answer expects that digest in the transaction of the action, so that a
 * row that came, went or changed meanwhile is a conflict.
 *
 * The digest covers key and item version of each row, also of expired ones, in the order they were
 * looked at; not what the asker itself has written.
 */
#ifndef STORE_TABLE_QUERY_H
#define STORE_TABLE_QUERY_H

#include "lib/table_query.h"
#include "store/tables.h"

/* An item that the asker has written. */
struct table_pending {
	struct bytes key;  /* encoded */
	struct bytes item; /* empty: deleted */
};

struct table_question {
	struct table *table;
	const struct table_index *index; /* NULL: the table's own rows */
	struct bytes lower;
	struct bytes upper;
	bool reverse;
	size_t limit;
	int64_t now_ms; /* expired items are left out */
	const struct table_pending *pending;
	size_t pending_count;
};

/* All zero before. */
struct table_answer {
	struct buf items; /* frame_bytes of each item's JSON */
	size_t count;
	struct buf next; /* key of the row that it ended behind; empty: there are no more */
	/* What was looked at: the whole range, or up to `next`. */
	struct buf lower;
	struct buf upper;
	size_t rows;
	uint64_t digest;
};

int table_answer_question(struct txn *txn, const struct table_question *question,
    struct table_answer *answer, struct err *err) __attribute__((warn_unused_result));
void table_answer_clear(struct table_answer *answer);

/* 0, or -1: what is there now is another (a conflict), or the database is in trouble. */
int table_expect_seen(struct txn *txn, const struct table_seen *seen, struct err *err)
    __attribute__((warn_unused_result));

#endif
