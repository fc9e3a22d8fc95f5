/* SPDX-License-Identifier: MIT
 * Takes events out of the durable queue when they are due and hands them to whoever runs them. It
 * holds a bounded number of rows in memory, however many the queue has: the rest is read page by
 * page when there is room.
 *
 * A row that was handed over stays in the store until the commit of its effects deletes it; the
 * feed remembers it as in hand and does not hand it over again. After a restart nothing is in hand,
 * and all of it comes again.
 */
#ifndef RUNTIME_QUEUE_FEED_H
#define RUNTIME_QUEUE_FEED_H

#include "net/loop.h"
#include "store/queue.h"
#include "store/store.h"

struct queue_feed;

struct queue_feed_parts {
	struct loop *loop;
	struct store *store;
	/* Runs the event; its views are borrowed for the call. False: not now, ask again after
	 * queue_feed_resume. */
	bool (*take)(void *arg, const struct queue_row *row);
	void *arg;
	size_t in_hand_max; /* 0: 1,000 */
};

/* Reads the first page at once. */
struct queue_feed *queue_feed_new(const struct queue_feed_parts *parts);
/* After the store was closed. Takes NULL. */
void queue_feed_free(struct queue_feed *feed);

/* A row with this due time was committed. */
void queue_feed_note(struct queue_feed *feed, int64_t due_ms);
/* The row that was handed over has been deleted (id and due_ms count). */
void queue_feed_done(struct queue_feed *feed, const struct queue_row *row);
/* There is room again. */
void queue_feed_resume(struct queue_feed *feed);

size_t queue_feed_in_hand(const struct queue_feed *feed);

#endif
