/* SPDX-License-Identifier: MIT
 * Kept traces over a transaction: what went into an invocation and came out, as bytes that the
 * runtime reads, bounded by count, bytes and age, the oldest going first. What many traces share
 * (a version's sources, the tables that there were) is kept once, as long as a trace needs it.
 *
 * Rows of SPACE_TRACE by their keys: "t" and a number that grows -> head and trace; "i", event id,
 * "-" and that number -> nothing; "s" and digest -> what is shared; "r" and digest -> how many
 * traces need it; "z" -> count and bytes of all.
 */
#ifndef STORE_TRACES_H
#define STORE_TRACES_H

#include "store/txn.h"

enum { TRACE_ID_BYTES = 16, TRACE_SHARED = 2, TRACE_DIGEST_BYTES = 16 };

struct trace_shared {
	uint8_t digest[TRACE_DIGEST_BYTES]; /* of `bytes` */
	struct bytes bytes;		    /* may be empty where traces_get gave it */
};

struct trace_row {
	uint64_t number; /* given by traces_put */
	uint8_t id[TRACE_ID_BYTES];
	int64_t time_ms;
	struct trace_shared shared[TRACE_SHARED];
	struct bytes trace;
};

struct traces_bounds {
	uint64_t count_max;
	uint64_t bytes_max;
	int64_t oldest_ms; /* older ones go */
};

/* Keeps `count` traces, and lets go of what is beyond the bounds. */
struct traces_batch {
	const struct trace_row *rows;
	size_t count;
	struct traces_bounds bounds;
};
int traces_put(struct txn *txn, const struct traces_batch *batch, struct err *err)
    __attribute__((warn_unused_result));

/* Returns true to go on. The row's views are borrowed; `bytes` of what is shared are not there. */
typedef bool traces_each_fn(void *arg, const struct trace_row *row);

/* The newest first, from number `before` on downwards (0: from the newest), at most `limit`. */
struct traces_page {
	uint64_t before;
	size_t limit;
};
int traces_list(struct txn *txn, const struct traces_page *page, traces_each_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));
/* All of an event's, the oldest first. */
int traces_of(struct txn *txn, const uint8_t id[TRACE_ID_BYTES], traces_each_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));
/* 1, 0: there is none, -1. */
int traces_shared(struct txn *txn, const uint8_t digest[TRACE_DIGEST_BYTES], struct buf *out,
    struct err *err) __attribute__((warn_unused_result));

#endif
