/* SPDX-License-Identifier: MIT
 * Feeding from the durable queue. One page is read at a time, from behind the last row that was
 * handed over; a row that is due before that place sends the reading back to the start.
 */
#include "runtime/queue_feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "store/queue_row.h"

enum { IN_HAND_MAX = 1000, RETRY_US = 1000000 };
enum { PAGE_BYTES = 4 * 1024 * 1024 };

/* A row that somebody runs. */
struct in_hand {
	struct hash_node node;
	char key[QUEUE_KEY_BYTES];
};

struct queue_feed {
	struct store_job job; /* reads a page */
	struct queue_feed_parts parts;
	struct timer timer;
	struct hash_map in_hand;
	struct buf after; /* key of the last row that was handed over; empty: the start */
	int64_t wake_ms;  /* when the timer fires; INT64_MAX: not set */
	bool reading;	  /* the job is on its way */
	bool restart;	  /* a row came that is due before `after` */
	bool paused;

	/* The job's. */
	struct buf from;
	int64_t now_ms;
	struct buf rows; /* key and value, one after another, as frame fields */
	size_t row_count;
	int64_t next_due_ms; /* of the first row that is not due; INT64_MAX: none seen */
	bool has_more;	     /* the page ended before what is due did */
};

static int64_t
due_of(struct bytes key)
{
	int64_t due_ms = 0;

	for (size_t i = 0; i < key.len && key.data[i] >= '0' && key.data[i] <= '9'; i++)
		due_ms = due_ms * 10 + (key.data[i] - '0');
	return due_ms;
}

/* --- on the store thread --- */

static bool
add_row(void *arg, const struct txn_row *row)
{
	struct queue_feed *feed = arg;

	if (due_of(row->key) > feed->now_ms) {
		feed->next_due_ms = due_of(row->key);
		return false;
	}
	if (feed->row_count == QUEUE_PAGE_ROWS || feed->rows.len >= PAGE_BYTES) {
		feed->has_more = true;
		return false;
	}
	frame_bytes(&feed->rows, row->key);
	frame_bytes(&feed->rows, row->value);
	feed->row_count++;
	return true;
}

static int
read_page(struct txn *txn, struct store_job *job, struct err *err)
{
	struct queue_feed *feed = (struct queue_feed *)job;

	return txn_scan(txn,
	    &(struct txn_range){ .space = SPACE_QUEUE, .from = buf_bytes(&feed->from) }, add_row,
	    feed, err);
}

/* --- on the loop thread --- */

static bool
has_room(const struct queue_feed *feed)
{
	return !feed->paused && feed->in_hand.count < feed->parts.in_hand_max;
}

static void
read_on(struct queue_feed *feed)
{
	if (feed->reading || !has_room(feed))
		return;
	feed->reading = true;
	if (feed->restart)
		buf_reset(&feed->after);
	feed->restart = false;
	buf_reset(&feed->from);
	buf_append_bytes(&feed->from, buf_bytes(&feed->after));
	if (feed->from.len > 0)
		buf_append_u8(&feed->from, 0);
	buf_reset(&feed->rows);
	feed->row_count = 0;
	feed->now_ms = loop_wall_ms(feed->parts.loop);
	feed->next_due_ms = INT64_MAX;
	feed->has_more = false;
	store_submit(feed->parts.store, &feed->job);
}

static void
wake_at(struct queue_feed *feed, int64_t due_ms)
{
	int64_t delay_ms = due_ms - loop_wall_ms(feed->parts.loop);

	if (due_ms >= feed->wake_ms)
		return;
	feed->wake_ms = due_ms;
	timer_set(&feed->timer, (delay_ms > 0 ? delay_ms : 0) * 1000);
}

static void
on_timer(void *arg)
{
	struct queue_feed *feed = arg;

	feed->wake_ms = INT64_MAX;
	read_on(feed);
}

static void
hold(struct queue_feed *feed, struct bytes key)
{
	struct in_hand *in_hand = xcalloc(1, sizeof(*in_hand));

	assert(key.len < sizeof(in_hand->key));
	memcpy(in_hand->key, key.data, key.len);
	hash_insert(&feed->in_hand, &in_hand->node, bytes_of(in_hand->key, key.len));
}

static void
drop(struct queue_feed *feed, struct hash_node *node)
{
	hash_remove(&feed->in_hand, node);
	free(HASH_OWNER(node, struct in_hand, node));
}

/* False: nobody takes it now. */
static bool
hand_over(struct queue_feed *feed, struct bytes key, struct bytes value)
{
	struct queue_read read;
	bool taken;

	if (key.len >= QUEUE_KEY_BYTES || queue_row_read(&read, value) < 0) {
		log_warn("queue", "a row of the queue does not decode and stays: %.*s",
		    (int)key.len, (const char *)key.data);
		return true;
	}
	hold(feed, key);
	taken = feed->parts.take(feed->parts.arg, &read.row);
	if (!taken) {
		struct hash_node *node = hash_find(&feed->in_hand, key);

		if (node != NULL)
			drop(feed, node);
		feed->paused = true;
	}
	queue_read_clear(&read);
	return taken;
}

/* True where all rows of the page have gone their way. */
static bool
hand_over_page(struct queue_feed *feed)
{
	struct cursor cursor = cursor_of(buf_bytes(&feed->rows));

	for (size_t i = 0; i < feed->row_count; i++) {
		struct bytes key = cursor_bytes(&cursor);
		struct bytes value = cursor_bytes(&cursor);

		if (hash_find(&feed->in_hand, key) == NULL) {
			if (!has_room(feed) || !hand_over(feed, key, value))
				return false;
		}
		buf_reset(&feed->after);
		buf_append_bytes(&feed->after, key);
	}
	return true;
}

static void
page_done(struct store_job *job)
{
	struct queue_feed *feed = (struct queue_feed *)job;

	feed->reading = false;
	if (job->status < 0) {
		wake_at(feed, loop_wall_ms(feed->parts.loop) + RETRY_US / 1000);
		return;
	}
	if (!hand_over_page(feed))
		return;
	if (feed->next_due_ms != INT64_MAX)
		wake_at(feed, feed->next_due_ms);
	if (feed->has_more || feed->restart)
		read_on(feed);
}

struct queue_feed *
queue_feed_new(const struct queue_feed_parts *parts)
{
	struct queue_feed *feed = xcalloc(1, sizeof(*feed));

	feed->parts = *parts;
	if (feed->parts.in_hand_max == 0)
		feed->parts.in_hand_max = IN_HAND_MAX;
	feed->job.run = read_page;
	feed->job.done = page_done;
	feed->wake_ms = INT64_MAX;
	timer_init(&feed->timer, parts->loop, on_timer, feed);
	read_on(feed);
	return feed;
}

void
queue_feed_free(struct queue_feed *feed)
{
	struct hash_node *node;

	if (feed == NULL)
		return;
	while ((node = hash_next(&feed->in_hand, NULL)) != NULL)
		drop(feed, node);
	hash_clear(&feed->in_hand);
	timer_clear(&feed->timer);
	buf_clear(&feed->after);
	buf_clear(&feed->from);
	buf_clear(&feed->rows);
	free(feed);
}

void
queue_feed_note(struct queue_feed *feed, int64_t due_ms)
{
	/* A page that is on its way may pass the row's place before it is there. */
	if (feed->reading || due_ms <= due_of(buf_bytes(&feed->after)))
		feed->restart = true;
	if (due_ms <= loop_wall_ms(feed->parts.loop))
		read_on(feed);
	else
		wake_at(feed, due_ms);
}

void
queue_feed_done(struct queue_feed *feed, const struct queue_row *row)
{
	char key[QUEUE_KEY_BYTES];
	bool had_room = has_room(feed);
	struct hash_node *node;

	queue_key(row, key);
	node = hash_find(&feed->in_hand, bytes_of_string(key));
	if (node != NULL)
		drop(feed, node);
	if (!had_room && has_room(feed))
		read_on(feed);
}

void
queue_feed_resume(struct queue_feed *feed)
{
	if (!feed->paused)
		return;
	feed->paused = false;
	read_on(feed);
}

size_t
queue_feed_in_hand(const struct queue_feed *feed)
{
	return feed->in_hand.count;
}
