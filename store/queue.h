/* SPDX-License-Identifier: MIT
 * The durable queue of events that are to be run (retries, asynchronous invocations, events of
 * persistent sessions), and the dead letters: events given up.
 *
 * A queue row's key is its function's name, a zero byte and its sequence in 16 hexadecimal digits:
 * a function's rows stand together, in the order in which they came. A dead letter's key is its
 * id, which begins with the time at which it was given up: the oldest stand first. Rows are JSON,
 * with the event itself in base64: readable with plain SQL.
 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "store/txn.h"

enum { FAILED_ID_BYTES = 16 };

/* One event that waits for one function. */
struct queue_row {
	uint64_t sequence; /* grows from row to row, over restarts too */
	struct bytes function_name;
	struct bytes event; /* the happening as its owner encodes it; any bytes */
	int64_t due_ms;	    /* since 1970: not to be run before */
	int64_t created_ms; /* when the event came */
	uint32_t attempt;   /* of the next run; 1 is the first */
};

/* For a list of writes: durable with whatever else the list holds. */
void queue_put(struct writes *writes, const struct queue_row *row);
void queue_remove(struct writes *writes, const struct queue_row *row); /* uses name and sequence */

/* Inside a job. */
int queue_store(struct txn *txn, const struct queue_row *row, struct err *err)
    __attribute__((warn_unused_result));
/* 1: was there, 0: was not (somebody else ran it: the job should fail), -1. */
int queue_take(struct txn *txn, const struct queue_row *row, struct err *err)
    __attribute__((warn_unused_result));

/* A piece of one function's rows. */
struct queue_page {
	struct bytes function_name;
	uint64_t from; /* the first sequence */
	size_t limit;  /* of rows; 0: all */
};

/* Calls `each` for the page's rows in their order, for as long as it returns true. What does not
 * decode has an empty event. */
typedef bool queue_each_fn(void *arg, const struct queue_row *row);
int queue_scan(struct txn *txn, const struct queue_page *page, queue_each_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));
/* The name of the first function behind `after` (empty: of all) that has rows. 1, 0, -1. */
int queue_next_function(struct txn *txn, struct bytes after, struct buf *name, struct err *err)
    __attribute__((warn_unused_result));

void queue_key(const struct queue_row *row, struct buf *key); /* appends */

enum failed_kind {
	FAILED_EVENT,	/* of a function */
	FAILED_CHANGE,	/* of a function too: of a table, and its key is parked */
	FAILED_WEBHOOK, /* a request that a handler left: `event` is as runtime/webhook_request.h
			   says */
};

/* A dead letter: a row of the queue with the reason why it was given up. */
struct failed_row {
	struct queue_row row; /* `attempt`: how many were made; without its sequence */
	uint8_t id[FAILED_ID_BYTES];
	enum failed_kind kind;
	int64_t failed_ms;
	struct bytes error;
	struct bytes traceback;
	struct bytes function_version; /* a hash of its sources */
	struct bytes trace;	       /* the event's id, as logs name it */
};

/* An id for a dead letter of this moment: `random` makes it unlike all others. */
void failed_id(int64_t failed_ms, uint64_t count, uint64_t random, uint8_t id[FAILED_ID_BYTES]);
int64_t failed_id_ms(struct bytes id); /* the moment, of the id's text; 0: it is none */

void failed_put(struct writes *writes, const struct failed_row *failed);
int failed_store(struct txn *txn, const struct failed_row *failed, struct err *err)
    __attribute__((warn_unused_result));
/* 1, 0: there is none, -1. `id` as text of 32 hexadecimal digits. `value`: its JSON. */
int failed_get(struct txn *txn, struct bytes id, struct buf *value, struct err *err)
    __attribute__((warn_unused_result));
int failed_discard(struct txn *txn, struct bytes id, struct err *err)
    __attribute__((warn_unused_result)); /* 1, 0, -1 */
/* Puts it back into the queue it came from, due now, as a first attempt, in place `sequence`. A
 * change whose key is parked stays: it is the followers' of the change log to let it go.
 * `value` gets the dead letter's JSON. 1, 0, -1. */
struct failed_again {
	struct bytes id;
	uint64_t sequence;
	int64_t now_ms;
};
int failed_replay(struct txn *txn, const struct failed_again *again, struct buf *value,
    struct err *err) __attribute__((warn_unused_result));
/* Appends a JSON array of at most `limit` dead letters of one function (empty: all), the oldest
 * first, from behind the id `after` (empty: from the first). */
struct failed_query {
	struct bytes function_name;
	struct bytes after;
	struct bytes before; /* an id; empty: to the last */
	size_t limit;	     /* of failed_ids: 0 is all */
};
int failed_list(struct txn *txn, const struct failed_query *query, struct buf *json,
    struct err *err) __attribute__((warn_unused_result));

/* Calls `each` with the ids of the query's dead letters, the oldest first. */
typedef bool failed_each_fn(void *arg, struct bytes id);
int failed_ids(struct txn *txn, const struct failed_query *query, failed_each_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));

/* Forgets the oldest where there are more than `most`, and those from before `oldest_ms`. How many
 * went is put into `dropped`. */
struct failed_bounds {
	size_t most;
	int64_t oldest_ms;
};
int failed_prune(struct txn *txn, const struct failed_bounds *bounds, size_t *dropped,
    struct err *err) __attribute__((warn_unused_result));

#endif
