/* SPDX-License-Identifier: MIT
 * The durable queue of events that are to be run (retries, asynchronous invocations, events of
 * persistent sessions), and the dead letters: events given up.
 *
 * A queue row's key is its due time and its id (so a scan finds what is due first), a dead
 * letter's key is its id. Rows are JSON, with the event itself in base64: readable with plain SQL.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "store/txn.h"

enum { QUEUE_ID_BYTES = 16, QUEUE_KEY_BYTES = 47, QUEUE_PAGE_ROWS = 256 };

/* One event that waits for one function. */
struct queue_row {
	uint8_t id[QUEUE_ID_BYTES]; /* of the row: of (event, function) */
	struct bytes function_name;
	struct bytes event; /* the happening as its owner encodes it; any bytes */
	int64_t due_ms;	    /* since 1970 */
	int64_t created_ms; /* when the event came */
	uint32_t attempt;   /* of the next run; 1 is the first */
};

/* For a list of writes: durable with whatever else the list holds. */
void queue_put(struct writes *writes, const struct queue_row *row);
void queue_remove(struct writes *writes, const struct queue_row *row); /* uses id and due_ms */

/* Inside a job. */
int queue_store(struct txn *txn, const struct queue_row *row, struct err *err)
    __attribute__((warn_unused_result));
/* 1: was there, 0: was not (somebody else ran it: the job should fail), -1. */
int queue_take(struct txn *txn, const struct queue_row *row, struct err *err)
    __attribute__((warn_unused_result));

/* Calls `each` for at most `limit` rows in order of their due time, from behind `after` (a key of
 * queue_key; empty: from the first). For loading page by page after a restart. A row that does not
 * decode is given to `each` as NULL with its key. */
typedef bool queue_each_fn(void *arg, struct bytes key, const struct queue_row *row);
int queue_scan(struct txn *txn, struct bytes after, size_t limit, queue_each_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));

void queue_key(const struct queue_row *row, char key[QUEUE_KEY_BYTES]); /* terminated */

/* A dead letter: a row of the queue with the reason why it was given up. */
struct failed_row {
	struct queue_row row; /* `attempt`: how many were made */
	int64_t failed_ms;
	struct bytes error;
	struct bytes traceback;
	struct bytes function_version;
};

void failed_put(struct writes *writes, const struct failed_row *failed);
int failed_store(struct txn *txn, const struct failed_row *failed, struct err *err)
    __attribute__((warn_unused_result));
/* 1, 0: there is none, -1. `id` as text of 32 hexadecimal digits. `value`: its JSON. */
int failed_get(struct txn *txn, struct bytes id, struct buf *value, struct err *err)
    __attribute__((warn_unused_result));
int failed_discard(struct txn *txn, struct bytes id, struct err *err)
    __attribute__((warn_unused_result)); /* 1, 0, -1 */
/* Puts the event back into the queue, due now, as its first attempt. 1, 0, -1. */
int failed_replay(struct txn *txn, struct bytes id, int64_t now_ms, struct err *err)
    __attribute__((warn_unused_result));
/* Appends a JSON array of at most `limit` dead letters of one function (empty: all), newest ids
 * last, from behind the id `after` (empty: from the first). */
struct failed_query {
	struct bytes function_name;
	struct bytes after;
	size_t limit;
};
int failed_list(struct txn *txn, const struct failed_query *query, struct buf *json,
    struct err *err) __attribute__((warn_unused_result));

#endif
