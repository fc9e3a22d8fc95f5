/* SPDX-License-Identifier: MIT
 * Handlers' timers over struct txn.
 *
 *   timer      <function> \0 <ordering key> \0 <name>    -> JSON: due_ms, due, payload, topic,
 *                                                           client_id, run, offset_ms
 *   timer_due  <due_ms, 16 hexadecimal digits> <timer's key>  -> nothing
 *
 * Times are of the host's clock of timers (runtime/timers.h). `run` and `offset_ms` say by which
 * clock the timer was set, so that it can be moved where that clock has been put forward.
 */
#ifndef STORE_TIMERS_H
#define STORE_TIMERS_H

#include "store/keyed.h"

enum { TIMER_DUE_BYTES = 16 };

/* By which clock: of this run of the host, the wall clock minus the monotonic one. */
struct timer_clock {
	uint64_t run_id;
	int64_t offset_ms;
};

struct timer_row {
	int64_t due_ms; /* since 1970 */
	struct timer_clock clock;
	struct bytes payload; /* JSON, or empty */
	struct bytes subject; /* of the event whose handler set it, and ... */
	struct bytes client_id;
};

/* What a transaction does to the timers of one function and ordering key, in order. All zero but
 * for `prefix` (keyed_prefix) is empty. */
struct timer_ops {
	struct buf prefix;
	struct buf list; /* frames: u8 is set, i64 due_ms, name, row's JSON */
	size_t count;
};

void timer_ops_set(struct timer_ops *ops, struct bytes name, const struct timer_row *row);
void timer_ops_cancel(struct timer_ops *ops, struct bytes name);
void timer_ops_clear(struct timer_ops *ops);

struct timer_op {
	bool is_set;
	int64_t due_ms;
	struct bytes name;
	struct bytes value;
};

/* Walks the list: `*at` starts at 0. */
bool timer_ops_next(const struct timer_ops *ops, size_t *at, struct timer_op *op);

/* Inside a job. -1 also where there would be more than `most` of them. */
int timer_ops_apply(const struct timer_ops *ops, size_t most, struct txn *txn, struct err *err)
    __attribute__((warn_unused_result));

/* A timer that has fired, for the transaction that commits what came of it: it must still be of
 * this version. */
void timers_remove(struct writes *writes, struct bytes key, uint64_t version, int64_t due_ms);

/* A page of timers that are due. */
struct timers_page {
	int64_t now_ms;
	struct timer_clock clock;
	size_t limit;
	struct buf
	    after; /* in: key of timer_due to begin behind; out: of the last one of this page */
	struct buf rows; /* out: frames: timer's key, u64 version, i64 due_ms, its JSON */
	size_t count;	 /* out: of these */
	bool is_full;	 /* out: more may be due */
	int64_t next_ms; /* out: when the first that is not due yet is; INT64_MAX: there is none */
};

int timers_read(struct timers_page *page, struct txn *txn, struct err *err)
    __attribute__((warn_unused_result));

/* False: it is not of this form. Views into `value`; texts as raw JSON (lib/json_text.h). */
bool timer_row_read(struct bytes value, struct timer_row *row);
/* Writes the due time as timer_due's keys begin. */
void timer_due_write(struct buf *out, int64_t due_ms);

#endif
