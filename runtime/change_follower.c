/* SPDX-License-Identifier: MIT
 * Following the change log.
 */
#include "runtime/change_follower_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "store/tables.h"

/* --- keys --- */

void
position_key(const struct change_follower *follower, struct buf *key)
{
	buf_append_string(key, follower->function->name);
	buf_append_u8(key, 0);
	buf_append_string(key, follower->table);
}

static void
mark_key(const struct change_follower *follower, uint64_t sequence, struct buf *key)
{
	position_key(follower, key);
	buf_append_u8(key, 0);
	buf_printf(key, "%020llu", (unsigned long long)sequence);
}

static void
put_position(struct change_follower *follower, uint64_t low, struct writes *writes)
{
	struct buf key = { 0 };
	char text[CHANGE_KEY_BYTES];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)low);
	position_key(follower, &key);
	writes_put(writes, SPACE_POSITION, buf_bytes(&key), bytes_of_string(text));
	buf_clear(&key);
	follower->stored = low;
}

/* --- what is handled --- */

/* The last one that is not behind it. */
static struct pending *
pending_before(const struct change_follower *follower, uint64_t sequence)
{
	struct pending *at = TAILQ_LAST(&follower->list, pendings);

	while (at != NULL && at->sequence > sequence)
		at = TAILQ_PREV(at, pendings, link);
	return at;
}

struct pending *
pending_find(const struct change_follower *follower, uint64_t sequence)
{
	struct pending *at = pending_before(follower, sequence);

	return at != NULL && at->sequence == sequence ? at : NULL;
}

struct pending *
pending_add(struct change_follower *follower, uint64_t sequence)
{
	struct pending *at = pending_before(follower, sequence);
	struct pending *pending = xcalloc(1, sizeof(*pending));

	pending->follower = follower;
	pending->sequence = sequence;
	if (at != NULL)
		TAILQ_INSERT_AFTER(&follower->list, at, pending, link);
	else
		TAILQ_INSERT_HEAD(&follower->list, pending, link);
	follower->count++;
	return pending;
}

/* Every change up to it is handled. */
static uint64_t
low_of(const struct change_follower *follower)
{
	const struct pending *first = TAILQ_FIRST(&follower->list);

	return first != NULL && first->sequence <= follower->read_to ? first->sequence - 1
								     : follower->read_to;
}

void
pending_drop(struct pending *pending)
{
	struct change_follower *follower = pending->follower;
	struct buf key = { 0 };

	if (pending->marked) {
		mark_key(follower, pending->sequence, &key);
		writes_delete(&follower->old, SPACE_POSITION, buf_bytes(&key));
		buf_clear(&key);
	}
	TAILQ_REMOVE(&follower->list, pending, link);
	follower->count--;
	free(pending);
}

void
drop_handled(struct change_follower *follower)
{
	struct pending *first;

	while ((first = TAILQ_FIRST(&follower->list)) != NULL && first->handled &&
	       first->sequence <= follower->read_to)
		pending_drop(first);
}

/* The first one in the list moves the position; another leaves a mark. */
static void
mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	struct pending *pending = arg;
	struct change_follower *follower = pending->follower;
	struct buf key = { 0 };

	(void)event;
	if (pending == TAILQ_FIRST(&follower->list)) {
		pending->marked = false;
		put_position(follower, pending->sequence, writes);
		writes_append(writes, &follower->old);
		writes_clear(&follower->old);
		return;
	}
	pending->marked = true;
	mark_key(follower, pending->sequence, &key);
	writes_put(writes, SPACE_POSITION, buf_bytes(&key), bytes_of(NULL, 0));
	buf_clear(&key);
}

static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct pending *pending = arg;
	struct change_follower *follower = pending->follower;

	(void)event;
	pending->in_flight = false;
	pending->handled = handled;
	follower->in_flight--;
	if (handled) {
		drop_handled(follower);
		if (follower->in_flight < WINDOW / 2)
			task_schedule(&follower->task, follower->all->host->loop);
		return;
	}
	/* It could not be stored: it is read again. */
	if (pending->sequence <= follower->read_to)
		follower->read_to = low_of(follower);
	if (follower->attached && !follower->all->host->draining)
		timer_set(&follower->timer, AGAIN_US);
}

const struct event_source change_source = { .mark = mark, .settled = settled };

static void
read_later(void *arg)
{
	follower_read(arg);
}

static void
again(void *arg)
{
	follower_begin(arg);
}

/* --- all of them --- */

/* Changes that are not for a function move its position too, so that the log can be trimmed. */
static void
note_positions(void *arg)
{
	struct change_followers *followers = arg;
	struct change_follower *follower;
	struct writes writes = { 0 };

	TAILQ_FOREACH (follower, &followers->list, link) {
		if (follower->state == FOLLOWER_READY && low_of(follower) > follower->stored) {
			put_position(follower, low_of(follower), &writes);
			writes_append(&writes, &follower->old);
			writes_clear(&follower->old);
		}
	}
	if (writes.count > 0)
		store_write(followers->host->store, &writes, NULL, NULL);
	timer_set(&followers->note, NOTE_US);
}

struct change_followers *
change_followers_new(struct host *host)
{
	struct change_followers *followers = xcalloc(1, sizeof(*followers));

	followers->host = host;
	TAILQ_INIT(&followers->list);
	timer_init(&followers->note, host->loop, note_positions, followers);
	return followers;
}

static void
follower_free(struct change_follower *follower)
{
	struct pending *pending;

	while ((pending = TAILQ_FIRST(&follower->list)) != NULL)
		pending_drop(pending);
	TAILQ_REMOVE(&follower->all->list, follower, link);
	timer_clear(&follower->timer);
	task_cancel(&follower->task);
	writes_clear(&follower->old);
	function_drop(follower->function);
	free(follower->table);
	free(follower);
}

void
change_followers_free(struct change_followers *followers)
{
	struct change_follower *follower;

	if (followers == NULL)
		return;
	while ((follower = TAILQ_FIRST(&followers->list)) != NULL)
		follower_free(follower);
	timer_clear(&followers->note);
	free(followers);
}

static struct change_follower *
find(const struct change_followers *followers, const struct function *function, const char *table)
{
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link) {
		if (strcmp(follower->function->name, function->name) == 0 &&
		    strcmp(follower->table, table) == 0)
			return follower;
	}
	return NULL;
}

struct change_follower *
change_follower_attach(
    struct change_followers *followers, struct function *function, const struct change_wish *wish)
{
	struct change_follower *follower = find(followers, function, wish->table);

	if (follower == NULL) {
		follower = xcalloc(1, sizeof(*follower));
		follower->all = followers;
		follower->table = xstrdup(wish->table);
		TAILQ_INIT(&follower->list);
		timer_init(&follower->timer, followers->host->loop, again, follower);
		task_init(&follower->task, read_later, follower);
		TAILQ_INSERT_TAIL(&followers->list, follower, link);
	} else if (follower->attached) {
		return NULL;
	} else {
		function_drop(follower->function);
	}
	function_hold(function);
	follower->function = function;
	follower->kinds = wish->kinds;
	follower->from_oldest = wish->from_oldest;
	follower->attached = true;
	/* The function's new version takes its place at the end of this turn. */
	if (followers->started)
		timer_set(&follower->timer, 0);
	return follower;
}

void
change_follower_detach(struct change_follower *follower)
{
	follower->attached = false;
}

void
change_followers_start(struct change_followers *followers)
{
	struct change_follower *follower;

	followers->started = true;
	timer_set(&followers->note, NOTE_US);
	TAILQ_FOREACH (follower, &followers->list, link)
		follower_begin(follower);
}

void
change_followers_stop(struct change_followers *followers)
{
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link)
		follower->attached = false;
	timer_cancel(&followers->note);
}

void
change_followers_wake(struct change_followers *followers)
{
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link)
		follower_read(follower);
}
