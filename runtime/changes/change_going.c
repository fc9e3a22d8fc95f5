/* SPDX-License-Identifier: MIT
 * Parked changes that are let go: read page by page and submitted in their order; their rows and
 * dead letters go with their effects.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/json_text.h"
#include "runtime/changes/change_follower_private.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

enum { GOING_PAGE = 64, GOING_MAX = 256, SEQUENCE_DIGITS = 20 };

static void chain_read(struct chain *chain);

/* A parked change that runs. */
struct going {
	struct chain *chain;
	struct function *function; /* held */
	uint64_t sequence;
	char id[QUEUE_ID_TEXT];
	bool falls;
};

static void
going_mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	const struct going *going = arg;

	(void)event;
	chain_delete_row(going->chain, going->sequence, writes);
	writes_delete(writes, SPACE_FAILED, bytes_of_string(going->id));
}

static bool
going_is_void(void *arg, const struct occurrence *event)
{
	const struct going *going = arg;

	(void)event;
	return going->function->removed || going->chain->state == CHAIN_FALLING ||
	       going->chain->state == CHAIN_PARKED;
}

/* The dead letter keeps its id, and its row. */
static void
going_give_up(
    void *arg, const struct occurrence *event, struct failed_row *failed, struct writes *writes)
{
	struct going *going = arg;
	struct chain *chain = going->chain;

	(void)event;
	going->falls = true;
	failed->kind = FAILED_CHANGE;
	chain_block(chain);
	(void)memcpy(chain->head, going->id, sizeof(chain->head));
	if (queue_id_read(bytes_of_string(going->id), failed->id) < 0)
		abort();
	chain_delete_row(chain, 0, writes);
}

static void
going_settled(void *arg, const struct occurrence *event, bool handled)
{
	struct going *going = arg;
	struct chain *chain = going->chain;

	(void)event;
	chain->in_flight--;
	if (going->falls)
		chain->state = CHAIN_PARKED;
	else if (handled)
		chain->rows--;
	else if (chain->state == CHAIN_GOING)
		chain->state = CHAIN_READING;
	chain->again = chain->again || !handled;
	if (chain->state == CHAIN_READING && follower_is_live(chain->follower))
		timer_set(&chain->follower->timer, handled ? 0 : AGAIN_US);
	function_drop(going->function);
	free(going);
	chain_end_if_over(chain);
}

static const struct event_source going_source = { .mark = going_mark,
	.is_void = going_is_void,
	.give_up = going_give_up,
	.settled = going_settled };

/* Out of an event as it was stored: a change, or an array of one. */
static bool
take_only(void *arg, struct bytes value)
{
	*(struct bytes *)arg = value;
	return true;
}

static struct bytes
letter_change(const struct occurrence *event)
{
	struct bytes text = event->payload;
	size_t at;

	if (text.len > 0 && text.data[0] == '[' &&
	    !json_text_elements(event->payload, take_only, &text, &at))
		return event->payload;
	return text;
}

/* False: the event cannot be read. */
static bool
submit(struct chain *chain, uint64_t sequence, const struct queue_read *read, struct bytes id)
{
	struct change_follower *follower = chain->follower;
	struct occurrence *stored = occurrence_decode(follower->all->host, read->row.event), *event;
	struct happening like = { .key = chain->key, .source = &going_source };
	struct going *going;

	if (stored == NULL)
		return false;
	going = xcalloc(1, sizeof(*going));
	going->chain = chain;
	going->function = follower->function;
	function_hold(going->function);
	going->sequence = sequence;
	memcpy(going->id, id.data, id.len < sizeof(going->id) ? id.len : sizeof(going->id) - 1);
	like.source_arg = going;
	like.event_id = stored->id;
	like.hops = stored->hops;
	event = change_event(follower, letter_change(stored), &like);
	chain->in_flight++;
	chain->submitted_to = sequence;
	(void)dispatch_submit(going->function, event);
	occurrence_drop(event);
	occurrence_drop(stored);
	return true;
}

struct page {
	struct store_job job;
	struct chain *chain;
	struct buf from;
	struct buf to;
	struct buf rows; /* sequence, id, dead letter */
	size_t count;
};

static bool
note_row(void *arg, const struct txn_row *row)
{
	struct page *page = arg;

	if (row->key.len < SEQUENCE_DIGITS)
		return true;
	frame_u64(&page->rows,
	    sequence_of(bytes_of(row->key.data + row->key.len - SEQUENCE_DIGITS, SEQUENCE_DIGITS)));
	frame_bytes(&page->rows, row->value);
	page->count++;
	return true;
}

static int
add_letters(struct txn *txn, struct page *page, struct err *err)
{
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));
	struct buf rows = { 0 }, letter = { 0 };
	int found = 0;

	for (size_t i = 0; found >= 0 && i < page->count; i++) {
		uint64_t sequence = cursor_u64(&cursor);
		struct bytes id = cursor_bytes(&cursor);

		buf_reset(&letter);
		found = failed_get(txn, id, &letter, err);
		frame_u64(&rows, sequence);
		frame_bytes(&rows, id);
		frame_bytes(&rows, found == 1 ? buf_bytes(&letter) : bytes_of(NULL, 0));
	}
	buf_clear(&letter);
	buf_clear(&page->rows);
	page->rows = rows;
	return found < 0 ? -1 : 0;
}

static int
page_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct page *page = (struct page *)(void *)job;
	const struct txn_range range = { .space = SPACE_PARKED,
		.from = buf_bytes(&page->from),
		.to = buf_bytes(&page->to),
		.limit = GOING_PAGE };

	if (txn_scan(txn, &range, note_row, page, err) < 0)
		return -1;
	return add_letters(txn, page, err);
}

static void
take_row(struct chain *chain, struct cursor *cursor)
{
	uint64_t sequence = cursor_u64(cursor);
	struct bytes id = cursor_bytes(cursor), value = cursor_bytes(cursor);
	struct writes writes = { 0 };
	struct queue_read read;

	if (chain->state != CHAIN_READING || sequence <= chain->submitted_to)
		return;
	if (value.len > 0 && queue_row_read(&read, value) == 0) {
		bool taken = submit(chain, sequence, &read, id);

		queue_read_clear(&read);
		if (taken)
			return;
	}
	/* Its dead letter is no more. */
	chain_delete_row(chain, sequence, &writes);
	chain_write(chain, &writes);
	chain->rows--;
}

static void
page_done(struct store_job *job)
{
	struct page *page = (struct page *)(void *)job;
	struct chain *chain = page->chain;
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));

	chain->reading = false;
	for (size_t i = 0; job->status == 0 && i < page->count; i++)
		take_row(chain, &cursor);
	if (job->status == 0 && chain->state == CHAIN_READING && page->count < GOING_PAGE &&
	    !chain->more && !chain->again)
		chain->state = CHAIN_GOING;
	if (job->status == 0)
		chain_read(chain);
	else
		timer_set(&chain->follower->timer, NOTE_US);
	chain_end_if_over(chain);
	buf_clear(&page->from);
	buf_clear(&page->to);
	buf_clear(&page->rows);
	free(page);
}

static void
chain_read(struct chain *chain)
{
	struct page *page;

	if (chain->state != CHAIN_READING || chain->reading ||
	    chain->in_flight >= (chain->again ? 1 : GOING_MAX) ||
	    !follower_is_live(chain->follower))
		return;
	if (chain->again)
		chain->submitted_to = 0;
	chain->again = false;
	page = xcalloc(1, sizeof(*page));
	page->chain = chain;
	chain_row_key(chain, chain->submitted_to + 1, &page->from);
	chain_row_key(chain, UINT64_MAX, &page->to);
	page->job.run = page_run;
	page->job.done = page_done;
	page->job.bytes = sizeof(*page);
	chain->reading = true;
	chain->more = false;
	store_submit(chain->follower->all->host->store, &page->job);
}

static void
let_go(struct chain *chain)
{
	struct writes writes = { 0 };

	chain_put_row(chain, 0, "", &writes);
	chain_write(chain, &writes);
	chain->state = CHAIN_READING;
	chain->again = true;
	chain_read(chain);
}

void
chains_go_on(struct change_follower *follower)
{
	struct hash_node *node;

	/* Reading ends later: all stay in the map meanwhile. */
	for (node = hash_next(&follower->chains, NULL); node != NULL;
	     node = hash_next(&follower->chains, node))
		chain_read(HASH_OWNER(node, struct chain, link));
}

/* --- after a restart --- */

void
chains_load(struct change_follower *follower, struct bytes rows)
{
	struct cursor cursor = cursor_of(rows);

	while (cursor.at < cursor.end && !cursor.bad) {
		struct bytes key = cursor_bytes(&cursor), id = cursor_bytes(&cursor), digits;
		const uint8_t *end = memchr(key.data, 0, key.len);
		struct chain *chain;

		if (end == NULL)
			continue;
		digits = bytes_of(end + 1, key.len - (size_t)(end + 1 - key.data));
		chain = chain_get(follower, bytes_of(key.data, (size_t)(end - key.data)));
		/* The row that lets them go stands before the others. */
		if (digits.len == 0) {
			chain->state = CHAIN_READING;
			continue;
		}
		if (chain->rows++ == 0) {
			memcpy(chain->head, id.data,
			    id.len < sizeof(chain->head) ? id.len : sizeof(chain->head) - 1);
			if (chain->state == CHAIN_FALLING)
				chain->state = CHAIN_PARKED;
		}
	}
	chains_go_on(follower);
}

/* --- asked for from outside --- */

static struct chain *
chain_of(struct change_followers *followers, const struct queue_row *letter, uint64_t *sequence)
{
	struct occurrence *event = occurrence_decode(followers->host, letter->event);
	struct change_follower *follower;
	struct change change = { 0 };
	struct chain *chain = NULL;

	if (event == NULL)
		return NULL;
	change_parse(letter_change(event), &change);
	TAILQ_FOREACH (follower, &followers->list, link) {
		if (follower->attached &&
		    bytes_equal_string(letter->function_name, follower->function->name) &&
		    bytes_equal_string(event->subject, follower->table))
			chain = chain_find(follower, change.key);
	}
	*sequence = change.sequence;
	occurrence_drop(event);
	return chain;
}

enum parked_answer
change_followers_replay(struct change_followers *followers, const struct queue_row *letter)
{
	uint64_t sequence;
	struct chain *chain = followers != NULL ? chain_of(followers, letter, &sequence) : NULL;

	if (chain == NULL)
		return PARKED_NOT;
	if (chain->state == CHAIN_PARKED)
		let_go(chain);
	return PARKED_DONE;
}

enum parked_answer
change_followers_discard(
    struct change_followers *followers, const char *id, const struct queue_row *letter)
{
	uint64_t sequence;
	struct chain *chain = followers != NULL ? chain_of(followers, letter, &sequence) : NULL;
	struct writes writes = { 0 };

	if (chain == NULL)
		return PARKED_NOT;
	if (chain->state != CHAIN_PARKED)
		return PARKED_BUSY;
	chain_delete_row(chain, sequence, &writes);
	chain_write(chain, &writes);
	chain->rows--;
	if (strcmp(chain->head, id) == 0)
		let_go(chain);
	else
		chain_end_if_over(chain);
	return PARKED_DONE;
}

void
change_followers_look(struct change_followers *followers, struct bytes function_name)
{
	struct change_follower *follower;

	if (followers == NULL)
		return;
	TAILQ_FOREACH (follower, &followers->list, link) {
		struct hash_node *node = NULL;

		if (!bytes_equal_string(function_name, follower->function->name))
			continue;
		while ((node = hash_next(&follower->chains, node)) != NULL) {
			struct chain *chain = HASH_OWNER(node, struct chain, link);

			if (chain->state == CHAIN_PARKED)
				let_go(chain);
		}
	}
}
