/* SPDX-License-Identifier: MIT
 * A bounded cache of rows that handlers read (items, state), on the loop thread.
 *
 * It is optimistic: a commit's rows stand here with their coming version from its submission on, so
 * that the next event of the same key reads what the one before it is about to make durable.
 * Whoever acts on what was read expects its version in the same transaction as the action; a commit
 * that fails thus fails those that relied on it, and its rows leave the cache.
 */
#ifndef RUNTIME_RECORDS_H
#define RUNTIME_RECORDS_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/writes.h"
#include "store/store.h"

struct records;

struct record {
	uint64_t version; /* 0: there is no such row */
	struct bytes value;
};

struct records *records_new(struct store *store, size_t bytes_max);
void records_free(struct records *records); /* takes NULL; nothing may be on its way */

/* Calls `done` with the row, now or later; the record is borrowed for the call. NULL with the
 * error: the store could not be read. */
typedef void records_done_fn(void *arg, const struct record *record, const struct err *err);
void records_read(
    struct records *records, enum space space, struct bytes key, records_done_fn *done, void *arg);

/* A job was submitted that will put the row, or (NULL) delete it. */
void records_put(
    struct records *records, enum space space, struct bytes key, const struct record *record);
void records_delete(struct records *records, enum space space, struct bytes key, uint64_t version);
/* Forgets the row: `version` is that of a job that failed (forgotten only if it is still what that
 * job would have put), or 0: whatever is known. */
void records_forget(struct records *records, enum space space, struct bytes key, uint64_t version);
/* Forgets every row whose key starts so. */
void records_forget_all(struct records *records, enum space space, struct bytes prefix);
/* Forgets every row that the list relies on: one of them has changed. */
void records_forget_expected(struct records *records, const struct writes *writes);

struct records_figures {
	uint64_t hits;
	uint64_t misses;
	size_t rows;
	size_t bytes;
};

struct records_figures records_figures(const struct records *records);

#endif
