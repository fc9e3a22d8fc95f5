/* SPDX-License-Identifier: MIT
 * What the store holds of functions, by their names: to find functions that are no more, and to
 * forget what they left. Rows that belong to a function have its name and a zero byte in front.
 */
#ifndef STORE_LEFTOVERS_H
#define STORE_LEFTOVERS_H

#include "store/txn.h"

enum leftover_kind {
	LEFTOVER_QUEUE,	 /* events that wait */
	LEFTOVER_PARKED, /* changes of tables that wait */
	LEFTOVER_TIMER,
	LEFTOVER_STATE,
	LEFTOVER_POSITION,
	LEFTOVER_TICK,
	LEFTOVER_FILE,
	LEFTOVER_KINDS
};

struct leftover_kind_row {
	const char *name; /* of the kind: "events" */
	enum space space;
	bool waits; /* to be run */
};
extern const struct leftover_kind_row leftover_kinds[LEFTOVER_KINDS];

enum { LEFTOVER_COUNT_MAX = 10000 };

struct leftover_sum {
	uint64_t counts[LEFTOVER_KINDS]; /* up to LEFTOVER_COUNT_MAX each */
};

/* The first name behind `after` (empty: of all) of which there are rows. 1, 0: there is none, -1.
 */
int leftovers_next(struct txn *txn, struct bytes after, struct buf *name, struct err *err)
    __attribute__((warn_unused_result));
int leftovers_count(struct txn *txn, struct bytes name, struct leftover_sum *sum, struct err *err)
    __attribute__((warn_unused_result));
/* Deletes up to `limit` rows of the name, with what belongs to them: timers by their due time, the
 * dead letters of parked changes. `left`: whether there may be more. */
int leftovers_forget(struct txn *txn, struct bytes name, size_t limit, bool *left, struct err *err)
    __attribute__((warn_unused_result));

/* How long the function has been away, in milliseconds; in SPACE_META as "gone/<name>". */
int leftovers_gone_read(struct txn *txn, struct bytes name, int64_t *gone_ms, struct err *err)
    __attribute__((warn_unused_result)); /* 1, 0: it is not noted as gone, -1 */
/* Negative: it is there, or nothing is left of it. */
int leftovers_gone_write(struct txn *txn, struct bytes name, int64_t gone_ms, struct err *err)
    __attribute__((warn_unused_result));

#endif
