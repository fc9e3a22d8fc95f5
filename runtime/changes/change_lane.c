/* SPDX-License-Identifier: MIT
 * Lanes: what of each key is in flight, and what of it waits. A key has only a few changes in
 * flight, so that one that is slow, or waits for its retries, does not fill its follower's window.
 *
 *   handled | in flight (a quarter of the window at most) | waiting | not read yet
 *
 * What waits stands in the follower's list without its content; when there is room it is read out
 * of the log again, by its sequence. A change that comes back unhandled makes all that waits behind
 * it an ordinary row of the log again: the log is then read from there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "runtime/changes/change_follower_private.h"

enum { FEED_ROWS = 256, FEED_BYTES = 1024 * 1024 };

struct lane {
	struct hash_node link; /* in its follower's lanes, by the key */
	size_t in_flight;
	TAILQ_HEAD(waiting_list, pending) waiting; /* by sequence */
	struct bytes key;
	uint8_t data[];
};

static struct lane *
find(const struct change_follower *follower, struct bytes key)
{
	struct hash_node *node = hash_find(&follower->lanes, key);

	return node != NULL ? HASH_OWNER(node, struct lane, link) : NULL;
}

static void
end_if_idle(struct change_follower *follower, struct lane *lane)
{
	if (lane->in_flight > 0 || !TAILQ_EMPTY(&lane->waiting))
		return;
	hash_remove(&follower->lanes, &lane->link);
	free(lane);
}

bool
lane_is_there(const struct change_follower *follower, struct bytes key)
{
	return follower->lanes.count > 0 && find(follower, key) != NULL;
}

void
lane_enter(struct change_follower *follower, struct bytes key)
{
	struct lane *lane = find(follower, key);

	if (lane == NULL) {
		lane = xcalloc(1, sizeof(*lane) + key.len);
		TAILQ_INIT(&lane->waiting);
		memcpy(lane->data, key.data, key.len);
		lane->key = bytes_of(lane->data, key.len);
		hash_insert(&follower->lanes, &lane->link, lane->key);
	}
	lane->in_flight++;
}

static struct pending *
take_first(struct change_follower *follower, struct lane *lane)
{
	struct pending *pending = TAILQ_FIRST(&lane->waiting);

	TAILQ_REMOVE(&lane->waiting, pending, lane_link);
	pending->waiting = false;
	follower->waiting--;
	return pending;
}

void
lane_leave(struct change_follower *follower, struct bytes key, bool handled)
{
	struct lane *lane = find(follower, key);

	lane->in_flight--;
	while (!handled && !TAILQ_EMPTY(&lane->waiting))
		(void)take_first(follower, lane);
	if (!TAILQ_EMPTY(&lane->waiting))
		task_schedule(&follower->task, follower->all->host->loop);
	end_if_idle(follower, lane);
}

/* The fuller the window, the fewer of a key: what is left is for keys that have little in flight.
 */
static size_t
lane_max(const struct change_follower *follower)
{
	size_t window = window_of(follower);

	if (follower->in_flight < window / 2)
		return window / 4;
	return follower->in_flight < window / 4 * 3 ? window / 32 : 1;
}

static size_t
room_of(const struct change_follower *follower, const struct lane *lane)
{
	size_t max = lane_max(follower);

	return lane->in_flight < max ? max - lane->in_flight : 0;
}

/* One that came back is read again behind those that it stands before. */
static void
insert(struct lane *lane, struct pending *pending)
{
	struct pending *at = TAILQ_LAST(&lane->waiting, waiting_list);

	while (at != NULL && at->sequence > pending->sequence)
		at = TAILQ_PREV(at, waiting_list, lane_link);
	if (at != NULL)
		TAILQ_INSERT_AFTER(&lane->waiting, at, pending, lane_link);
	else
		TAILQ_INSERT_HEAD(&lane->waiting, pending, lane_link);
}

bool
lane_takes(struct change_follower *follower, struct pending *pending)
{
	struct lane *lane = follower->lanes.count > 0 ? find(follower, pending->key) : NULL;

	if (lane == NULL || (TAILQ_EMPTY(&lane->waiting) && room_of(follower, lane) > 0))
		return false;
	insert(lane, pending);
	pending->waiting = true;
	follower->waiting++;
	return true;
}

void
lanes_clear(struct change_follower *follower)
{
	struct hash_node *node;

	while ((node = hash_next(&follower->lanes, NULL)) != NULL) {
		hash_remove(&follower->lanes, node);
		free(HASH_OWNER(node, struct lane, link));
	}
	hash_clear(&follower->lanes);
}

/* --- what waits goes on --- */

struct feed {
	struct store_job job;
	struct change_follower *follower;
	struct buf wanted; /* key, sequence */
	struct buf rows;   /* of each its row, empty where it is no more */
	size_t count;
	size_t read;
};

static int
feed_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct feed *feed = (struct feed *)(void *)job;
	struct cursor cursor = cursor_of(buf_bytes(&feed->wanted));
	struct buf row = { 0 };
	int found = 0;

	while (found >= 0 && feed->read < feed->count && feed->rows.len < FEED_BYTES) {
		char key[CHANGE_KEY_BYTES];

		(void)cursor_bytes(&cursor);
		(void)snprintf(
		    key, sizeof(key), "%020llu", (unsigned long long)cursor_u64(&cursor));
		buf_reset(&row);
		found = txn_get(txn, SPACE_CHANGE, bytes_of_string(key), &row, NULL, err);
		frame_bytes(&feed->rows, found == 1 ? buf_bytes(&row) : bytes_of(NULL, 0));
		feed->read++;
	}
	buf_clear(&row);
	return found < 0 ? -1 : 0;
}

static void
lose(struct change_follower *follower, struct pending *pending)
{
	pending->handled = true;
	follower->lost++;
}

void
lanes_lose(struct change_follower *follower, uint64_t gone_to)
{
	struct hash_node *node = NULL, *next;

	if (follower->waiting == 0)
		return;
	for (node = hash_next(&follower->lanes, NULL); node != NULL; node = next) {
		struct lane *lane = HASH_OWNER(node, struct lane, link);

		next = hash_next(&follower->lanes, node);
		while (!TAILQ_EMPTY(&lane->waiting) &&
		       TAILQ_FIRST(&lane->waiting)->sequence <= gone_to)
			lose(follower, take_first(follower, lane));
		end_if_idle(follower, lane);
	}
	drop_handled(follower);
}

static void
go_on(struct change_follower *follower, struct pending *pending, struct bytes row)
{
	struct change change = { .sequence = pending->sequence };
	struct chain *chain =
	    follower->chains.count > 0 ? chain_find(follower, pending->key) : NULL;

	change_parse(row, &change);
	if (chain_takes(chain))
		chain_park(chain, pending, &change);
	else
		bunch_add(follower, pending, &change);
}

/* False: nothing more goes on now. What comes back at once leaves its lane, and the map with it. */
static bool
feed_one(struct change_follower *follower, struct bytes key, uint64_t sequence, struct bytes row)
{
	struct lane *lane = find(follower, key);
	struct pending *pending = lane != NULL ? TAILQ_FIRST(&lane->waiting) : NULL;

	if (!follower_is_live(follower) || follower->stale > 0)
		return false;
	if (pending == NULL || pending->sequence != sequence)
		return true;
	lane->in_flight++; /* it stays meanwhile */
	pending = take_first(follower, lane);
	if (row.len == 0)
		lose(follower, pending);
	else
		go_on(follower, pending, row);
	drop_handled(follower);
	lane->in_flight--;
	end_if_idle(follower, lane);
	return true;
}

static void
feed_done(struct store_job *job)
{
	struct feed *feed = (struct feed *)(void *)job;
	struct change_follower *follower = feed->follower;
	struct cursor wanted = cursor_of(buf_bytes(&feed->wanted)),
		      rows = cursor_of(buf_bytes(&feed->rows));
	bool more = job->status == 0;

	follower->feeding = false;
	for (size_t i = 0; more && i < feed->read; i++) {
		struct bytes key = cursor_bytes(&wanted);
		uint64_t sequence = cursor_u64(&wanted);

		more = feed_one(follower, key, sequence, cursor_bytes(&rows));
	}
	if (job->status < 0)
		timer_set(&follower->timer, NOTE_US);
	else if (more && follower->waiting > 0)
		task_schedule(&follower->task, follower->all->host->loop);
	buf_clear(&feed->wanted);
	buf_clear(&feed->rows);
	free(feed);
}

static void
want(struct feed *feed, const struct lane *lane)
{
	const struct change_follower *follower = feed->follower;
	const struct pending *pending;
	size_t max = lane_max(follower);
	size_t room = lane->in_flight <= max / 2 ? max - lane->in_flight : 0;

	TAILQ_FOREACH (pending, &lane->waiting, lane_link) {
		if (room-- == 0 || feed->count == FEED_ROWS)
			break;
		frame_bytes(&feed->wanted, lane->key);
		frame_u64(&feed->wanted, pending->sequence);
		feed->count++;
	}
}

void
lanes_feed(struct change_follower *follower)
{
	struct hash_node *node = NULL;
	struct feed *feed;

	if (follower->waiting == 0 || follower->feeding || follower->stale > 0 ||
	    !follower_is_live(follower) || follower->in_flight >= window_of(follower))
		return;
	feed = xcalloc(1, sizeof(*feed));
	feed->follower = follower;
	while (feed->count < FEED_ROWS && (node = hash_next(&follower->lanes, node)) != NULL)
		want(feed, HASH_OWNER(node, struct lane, link));
	if (feed->count == 0) {
		free(feed);
		return;
	}
	feed->job.run = feed_run;
	feed->job.done = feed_done;
	feed->job.bytes = sizeof(*feed) + feed->wanted.cap;
	follower->feeding = true;
	store_submit(follower->all->host->store, &feed->job);
}
