/* SPDX-License-Identifier: MIT
 * What a job may do inside a transaction: ordered get, put, delete and scan over the spaces of
 * lib/writes.h, with versions. Used on the store thread only, inside store_job's `run`.
 *
 * A failure (-1) of any of these means that the database is in trouble: the job must return it,
 * and the whole group is rolled back.
 */
#ifndef STORE_TXN_H
#define STORE_TXN_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/writes.h"

enum { TXN_KEY_BYTES_MAX = 131072, TXN_VALUE_BYTES_MAX = 64 * 1024 * 1024 };

struct txn;

/* 1: found, `value` (emptied first; may be NULL) and `version` (may be NULL) are set; 0: there is
 * none; -1. */
int txn_get(struct txn *txn, enum space space, struct bytes key, struct buf *value,
    uint64_t *version, struct err *err) __attribute__((warn_unused_result));

/* The row's version becomes its job's number: it grows over the whole store's life and is never
 * used again, also when a row is deleted and comes back. */
int txn_put(struct txn *txn, enum space space, struct bytes key, struct bytes value,
    struct err *err) __attribute__((warn_unused_result));

/* 1: was there and is deleted, 0: was not there, -1. */
int txn_delete(struct txn *txn, enum space space, struct bytes key, struct err *err)
    __attribute__((warn_unused_result));

/* Keys k with from <= k < to, in order of their bytes. An empty `to` is the end of the space. */
struct txn_range {
	enum space space;
	struct bytes from;
	struct bytes to;
	bool reverse;
	size_t limit; /* 0: all */
};

struct txn_row {
	struct bytes key; /* borrowed until `each` returns */
	struct bytes value;
	uint64_t version;
};

/* Returns true to go on. It must not use the transaction: gather first, change then. */
typedef bool txn_scan_fn(void *arg, const struct txn_row *row);

int txn_scan(struct txn *txn, const struct txn_range *range, txn_scan_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));

/* The first key behind all keys that start with `prefix`, for `to`; empty (the end) where there is
 * none. `out` holds it. */
struct bytes txn_prefix_end(struct bytes prefix, struct buf *out);

/* Lets a person read a table with the engine's own language, or no longer: where the engine has
 * one.
 */
struct table_def;
int txn_show_table(struct txn *txn, const struct table_def *def, struct err *err)
    __attribute__((warn_unused_result));
int txn_hide_table(struct txn *txn, struct bytes name, struct err *err)
    __attribute__((warn_unused_result));

/* The job's number: what txn_put gives as version. */
uint64_t txn_version(const struct txn *txn);

/* The job is about to fail because something that it relies on has been changed meanwhile: it comes
 * back with `conflict` set. */
void txn_conflict(struct txn *txn);

/* Applies the whole list in its order. -1 also where an expectation does not hold (a conflict). */
int store_apply_writes(struct txn *txn, const struct writes *writes, struct err *err)
    __attribute__((warn_unused_result));

#endif
