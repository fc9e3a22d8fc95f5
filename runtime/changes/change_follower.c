/* SPDX-License-Identifier: MIT
 * Following the change log.
 */
#include "runtime/changes/change_follower_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "store/tables.h"

enum { MERGE_ROWS = 1024 };

/* --- keys --- */

void
follower_key(const struct change_follower *follower, struct buf *key)
{
	buf_append_string(key, follower->function->name);
	buf_append_u8(key, 0);
	buf_append_string(key, follower->table);
}

static void
mark_key(const struct change_follower *follower, uint64_t sequence, struct buf *key)
{
	follower_key(follower, key);
	buf_append_u8(key, 0);
	buf_printf(key, "%020llu", (unsigned long long)sequence);
}

static void
put_position(struct change_follower *follower, uint64_t low, struct writes *writes)
{
	struct buf key = { 0 };
	char text[CHANGE_KEY_BYTES];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)low);
	follower_key(follower, &key);
	writes_put(writes, SPACE_POSITION, buf_bytes(&key), bytes_of_string(text));
	buf_clear(&key);
	writes_append(writes, &follower->old);
	writes_clear(&follower->old);
	follower->stored = low;
}

static void
put_mark(
    struct change_follower *follower, uint64_t from, struct pending *last, struct writes *writes)
{
	struct buf key = { 0 };
	char text[CHANGE_KEY_BYTES];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)from);
	mark_key(follower, last->sequence, &key);
	writes_put(writes, SPACE_POSITION, buf_bytes(&key), bytes_of_string(text));
	buf_clear(&key);
	last->marked = true;
}

uint64_t
sequence_of(struct bytes digits)
{
	uint64_t sequence = 0;

	for (size_t i = 0; i < digits.len; i++)
		sequence = sequence * 10 + (uint64_t)(digits.data[i] - '0');
	return sequence;
}

/* --- what is handled --- */

/* The last one that is not behind it. What is looked for stands near what was looked for last. */
static struct pending *
pending_before(struct change_follower *follower, uint64_t sequence)
{
	struct pending *at =
	    follower->found != NULL ? follower->found : TAILQ_LAST(&follower->list, pendings);
	struct pending *next;

	while (at != NULL && at->sequence > sequence)
		at = TAILQ_PREV(at, pendings, link);
	next = at != NULL ? TAILQ_NEXT(at, link) : NULL;
	for (; next != NULL && next->sequence <= sequence; next = TAILQ_NEXT(at, link))
		at = next;
	follower->found = at != NULL ? at : TAILQ_FIRST(&follower->list);
	return at;
}

struct pending *
pending_find(struct change_follower *follower, uint64_t sequence)
{
	struct pending *at = pending_before(follower, sequence);

	return at != NULL && at->sequence == sequence ? at : NULL;
}

bool
change_is_handled(struct change_follower *follower, uint64_t sequence)
{
	const struct pending *before = pending_before(follower, sequence);
	const struct pending *behind =
	    before != NULL ? TAILQ_NEXT(before, link) : TAILQ_FIRST(&follower->list);

	if (before != NULL && before->sequence == sequence)
		return before->handled;
	return behind != NULL && behind->from != 0 && behind->from <= sequence;
}

struct pending *
pending_add(struct change_follower *follower, uint64_t sequence, struct bytes key)
{
	struct pending *at = pending_before(follower, sequence);
	struct pending *pending = xcalloc(1, sizeof(*pending) + key.len);

	pending->follower = follower;
	pending->sequence = sequence;
	if (key.len > 0)
		memcpy(pending->data, key.data, key.len);
	pending->key = bytes_of(pending->data, key.len);
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

static void
pending_remove(struct pending *pending)
{
	struct change_follower *follower = pending->follower;

	if (follower->found == pending)
		follower->found = TAILQ_PREV(pending, pendings, link);
	TAILQ_REMOVE(&follower->list, pending, link);
	follower->count--;
	free(pending);
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
	pending_remove(pending);
}

static bool
is_past(const struct pending *pending)
{
	return pending->handled && pending->sequence <= pending->follower->read_to;
}

void
drop_handled(struct change_follower *follower)
{
	struct pending *first;

	while ((first = TAILQ_FIRST(&follower->list)) != NULL && is_past(first))
		pending_drop(first);
}

/* The second one stands for both. */
static void
merge(struct pending *first, struct pending *second, struct writes *writes)
{
	struct buf key = { 0 };

	second->from = first->from != 0 ? first->from : first->sequence;
	if (first->marked) {
		mark_key(first->follower, first->sequence, &key);
		writes_delete(writes, SPACE_POSITION, buf_bytes(&key));
		buf_clear(&key);
	}
	pending_remove(first);
}

/* From this count on runs are looked for whatever the last time left ... */
static size_t
merge_always(const struct change_follower *follower)
{
	return follower->all->pending_max / 64 * 63;
}

/* What stands in the list above what was read is not known to be without gaps. */
static void
pendings_merge(struct change_follower *follower)
{
	struct pending *at = TAILQ_FIRST(&follower->list), *next;
	struct writes writes = { 0 };
	bool merged = false;

	for (; at != NULL; at = next) {
		next = TAILQ_NEXT(at, link);
		if (is_past(at) && next != NULL && is_past(next)) {
			merge(at, next, &writes);
			merged = true;
		} else if (merged) {
			put_mark(follower, at->from, at, &writes);
			merged = false;
		}
	}
	follower->settled = 0;
	follower->merge_at = follower->count + MERGE_ROWS < merge_always(follower)
				 ? follower->count + MERGE_ROWS
				 : merge_always(follower);
	if (writes.count > 0)
		store_write(follower->all->host->store, &writes, NULL, NULL);
}

/* ... but not for each change that is handled, as the whole list is looked at. */
static bool
merge_is_due(const struct change_follower *follower)
{
	return follower->count > follower->merge_at &&
	       (follower->count < merge_always(follower) ||
		   follower->settled >= follower->all->pending_max / 128);
}

/* Those that stand first in the list, but for what is handled, move the position; of the others
 * each row without a gap leaves a mark. */
void
pendings_mark(struct change_follower *follower, struct pending *const *list, size_t count,
    struct writes *writes)
{
	const struct pending *at = TAILQ_FIRST(&follower->list);
	uint64_t low = 0;
	size_t i = 0;

	for (; at != NULL && ((i < count && at == list[i]) || is_past(at));
	     at = TAILQ_NEXT(at, link)) {
		low = at->sequence;
		if (i < count && at == list[i])
			list[i++]->marked = false;
	}
	if (i > 0)
		put_position(follower, low, writes);
	while (i < count) {
		uint64_t from = list[i]->sequence;

		for (; i + 1 < count && TAILQ_NEXT(list[i], link) == list[i + 1]; i++)
			list[i]->marked = false;
		put_mark(follower, from, list[i++], writes);
	}
}

void
pendings_settle(
    struct change_follower *follower, struct pending *const *list, size_t count, bool handled)
{
	uint64_t first = list[0]->sequence;

	for (size_t i = 0; i < count; i++) {
		list[i]->in_flight = false;
		list[i]->handled = handled;
	}
	follower->in_flight -= count;
	if (handled)
		drop_handled(follower);
	else if (first <= follower->read_to)
		follower->read_to = low_of(follower);
	follower->settled += handled ? count : 0;
	if (merge_is_due(follower))
		pendings_merge(follower);
	if (!follower_is_live(follower))
		return;
	if (!handled || follower->count > merge_always(follower))
		timer_set(&follower->timer, AGAIN_US);
	else if (follower->in_flight < window_of(follower) / 2)
		task_schedule(&follower->task, follower->all->host->loop);
}

static void
read_later(void *arg)
{
	lanes_feed(arg);
	follower_read(arg);
}

static void
again(void *arg)
{
	struct change_follower *follower = arg;

	if (follower->settled > 0 && follower->count > merge_always(follower))
		pendings_merge(follower);
	follower_begin(follower);
}

static void
window_over(void *arg)
{
	bunch_close(arg);
}

size_t
window_of(const struct change_follower *follower)
{
	return follower->wish.batch > WINDOW / 2 ? (size_t)follower->wish.batch * 2 : WINDOW;
}

bool
follower_is_live(const struct change_follower *follower)
{
	const struct host *host = follower->all->host;

	return follower->attached && !host->draining && follower->function->current != NULL;
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
		}
	}
	if (writes.count > 0)
		store_write(followers->host->store, &writes, NULL, NULL);
	lags_count(followers);
	change_log_trim(followers);
	timer_set(&followers->note, NOTE_US);
}

struct change_followers *
change_followers_new(struct host *host)
{
	struct change_followers *followers = xcalloc(1, sizeof(*followers));

	followers->host = host;
	followers->pending_max = PENDING_MAX;
	TAILQ_INIT(&followers->list);
	timer_init(&followers->note, host->loop, note_positions, followers);
	change_log_init(followers);
	return followers;
}

static void
follower_free(struct change_follower *follower)
{
	struct pending *pending;

	bunch_discard(follower);
	while ((pending = TAILQ_FIRST(&follower->list)) != NULL)
		pending_drop(pending);
	TAILQ_REMOVE(&follower->all->list, follower, link);
	chains_clear(follower);
	lanes_clear(follower);
	timer_clear(&follower->timer);
	timer_clear(&follower->window);
	buf_clear(&follower->text);
	task_cancel(&follower->task);
	writes_clear(&follower->old);
	function_drop(follower->function);
	free(follower->table);
	free(follower);
}

static bool
is_at_rest(const struct change_follower *follower)
{
	struct hash_node *node = NULL;

	while ((node = hash_next(&follower->chains, node)) != NULL) {
		const struct chain *chain = HASH_OWNER(node, struct chain, link);

		if (chain->in_flight > 0 || chain->reading || chain->state == CHAIN_FALLING)
			return false;
	}
	return !follower->attached && follower->in_flight == 0 && !follower->reading &&
	       !follower->counting && !follower->feeding && follower->state != FOLLOWER_LOADING;
}

bool
change_followers_forget(struct change_followers *followers, const char *function_name)
{
	struct change_follower *follower = TAILQ_FIRST(&followers->list), *next;

	for (; follower != NULL; follower = next) {
		next = TAILQ_NEXT(follower, link);
		if (strcmp(follower->function->name, function_name) != 0)
			continue;
		if (!is_at_rest(follower))
			return false;
		follower_free(follower);
	}
	return true;
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
	timer_clear(&followers->trim);
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
		follower->merge_at = MERGE_ROWS;
		follower->table = xstrdup(wish->table);
		TAILQ_INIT(&follower->list);
		timer_init(&follower->timer, followers->host->loop, again, follower);
		timer_init(&follower->window, followers->host->loop, window_over, follower);
		task_init(&follower->task, read_later, follower);
		TAILQ_INSERT_TAIL(&followers->list, follower, link);
	} else if (follower->attached) {
		return NULL;
	} else {
		/* One by one and in batches they have other orders. */
		if ((follower->wish.batch == 0) != (wish->batch == 0))
			bunches_take_back(follower);
		function_drop(follower->function);
	}
	function_hold(function);
	follower->function = function;
	follower->wish = *wish;
	follower->wish.table = follower->table;
	follower->attached = true;
	/* The function's new version takes its place at the end of this turn. */
	if (followers->started)
		timer_set(&follower->timer, 0);
	return follower;
}

void
change_follower_detach(struct change_follower *follower)
{
	bunch_discard(follower);
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
		change_follower_detach(follower);
	followers->stopped = true;
	timer_cancel(&followers->note);
	timer_cancel(&followers->trim);
}

void
change_followers_wake(struct change_followers *followers)
{
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link)
		follower_read(follower);
}
