/* SPDX-License-Identifier: MIT
 * Following the change log: where a follower stands, and the pages from there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/frame.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "runtime/changes/change_follower_private.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

enum { PAGE_ROWS = 256, PAGE_BYTES = 1024 * 1024 };

static bool
take_member(void *arg, struct bytes name, struct bytes value)
{
	struct change *change = arg;

	if (bytes_equal_string(name, "table"))
		change->table = bytes_of(value.data + 1, value.len - 2);
	else if (bytes_equal_string(name, "kind"))
		change->kind = bytes_of(value.data + 1, value.len - 2);
	else if (bytes_equal_string(name, "sequence"))
		change->sequence = sequence_of(value);
	else if (bytes_equal_string(name, "time"))
		change->time_ms = (int64_t)sequence_of(value);
	else if (bytes_equal_string(name, "hops"))
		change->hops = (unsigned)sequence_of(value);
	else if (bytes_equal_string(name, "key"))
		change->key = value;
	return change->key.len == 0; /* what comes behind it is not looked at */
}

void
change_parse(struct bytes text, struct change *change)
{
	size_t at;

	change->text = text;
	(void)json_text_members(text, take_member, change, &at);
}

static bool
is_wanted(const struct change_follower *follower, const struct change *change)
{
	static const struct {
		const char *name;
		enum change_kind kind;
	} kinds[] = { { "insert", CHANGE_INSERT }, { "modify", CHANGE_MODIFY },
		{ "delete", CHANGE_DELETE } };

	if (!bytes_equal_string(change->table, follower->table))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (bytes_equal_string(change->kind, kinds[i].name))
			return (follower->wish.kinds & kinds[i].kind) != 0;
	}
	return false;
}

/* A function that changes the table it follows would run for ever. */
static bool
hops_allow(const struct change_follower *follower, const struct change *change)
{
	if (change->hops <= options_number(follower->all->host->options, OPTION_HOPS_MAX))
		return true;
	log_error("dispatch",
	    "functions have triggered each other %u times in a row; the change of %.*s in table %s "
	    "triggers %s no more (hops_max)",
	    change->hops - 1, (int)(change->key.len < 200 ? change->key.len : 200),
	    (const char *)change->key.data, follower->table, follower->function->name);
	return false;
}

/* Marks that came back from the store stand ahead of what is read: they never keep it from going
 * on, or nothing would. */
bool
follower_is_full(const struct change_follower *follower)
{
	const struct pending *last = TAILQ_LAST(&follower->list, pendings);

	return follower->count >= follower->all->pending_max && last->sequence <= follower->read_to;
}

bool
follower_has_room(const struct change_follower *follower)
{
	return follower_is_live(follower) && follower->stale == 0 &&
	       follower->in_flight < window_of(follower) && !follower_is_full(follower) &&
	       follower->function->load <
		   (uint32_t)options_number(follower->all->host->options, OPTION_IN_FLIGHT_MAX);
}

/* False: there is no room for it now. */
static bool
take_change(struct change_follower *follower, const struct change *change)
{
	struct pending *pending = pending_find(follower, change->sequence);
	struct chain *chain;

	if ((pending != NULL && (pending->in_flight || pending->waiting)) ||
	    change_is_handled(follower, change->sequence))
		return true;
	if (!follower_has_room(follower))
		return false;
	if (pending == NULL)
		pending = pending_add(follower, change->sequence, change->key);
	pending->time_ms = change->time_ms;
	if (lane_takes(follower, pending))
		return true;
	chain = follower->chains.count > 0 ? chain_find(follower, pending->key) : NULL;
	if (chain_takes(chain))
		chain_park(chain, pending, change);
	else
		bunch_add(follower, pending, change);
	return true;
}

struct page {
	struct store_job job;
	struct change_follower *follower;
	uint64_t after;
	size_t count;
	bool ended; /* the log has no more */
	struct buf rows;
};

static bool
page_add(void *arg, const struct txn_row *row)
{
	struct page *page = arg;

	frame_bytes(&page->rows, row->key);
	frame_bytes(&page->rows, row->value);
	page->count++;
	page->ended = page->count < PAGE_ROWS && page->rows.len < PAGE_BYTES;
	return page->ended;
}

static int
page_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct page *page = (struct page *)(void *)job;
	struct txn_range range = { .space = SPACE_CHANGE };
	char from[CHANGE_KEY_BYTES];

	page->ended = true;
	(void)snprintf(from, sizeof(from), "%020llu", (unsigned long long)page->after + 1);
	range.from = bytes_of_string(from);
	return txn_scan(txn, &range, page_add, page, err);
}

/* False: there is no room for the rest now. */
static bool
take_rows(struct change_follower *follower, const struct page *page)
{
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));

	for (size_t i = 0; i < page->count; i++) {
		struct change change = { .sequence = sequence_of(cursor_bytes(&cursor)) };

		change_parse(cursor_bytes(&cursor), &change);
		if (is_wanted(follower, &change) && hops_allow(follower, &change) &&
		    !take_change(follower, &change))
			return false;
		follower->read_to = change.sequence;
	}
	return true;
}

static void
page_done(struct store_job *job)
{
	struct page *page = (struct page *)(void *)job;
	struct change_follower *follower = page->follower;
	bool all = true;

	follower->reading = false;
	if (job->status < 0) {
		log_warn("tables", "function %s: its changes cannot be read: %s",
		    follower->function->name, job->err.text);
		timer_set(&follower->timer, NOTE_US);
	} else if (follower->read_to == page->after) {
		all = take_rows(follower, page);
		drop_handled(follower);
		lanes_feed(follower);
		follower->behind = !all || !page->ended;
		/* Without a window nothing waits for more. */
		if (!follower->behind && follower->wish.window_ms == 0)
			bunch_close(follower);
	} else {
		follower->again = true; /* it was set back meanwhile */
	}
	if (!all)
		timer_set(&follower->timer, AGAIN_US);
	else if (job->status == 0 && (!page->ended || follower->again))
		task_schedule(&follower->task, follower->all->host->loop);
	buf_clear(&page->rows);
	free(page);
}

void
follower_read(struct change_follower *follower)
{
	struct page *page;

	if (follower->state != FOLLOWER_READY || !follower_has_room(follower))
		return;
	follower->again = follower->reading;
	if (follower->reading)
		return;
	page = xcalloc(1, sizeof(*page));
	page->follower = follower;
	page->after = follower->read_to;
	page->job.run = page_run;
	page->job.done = page_done;
	page->job.bytes = sizeof(*page);
	follower->reading = true;
	store_submit(follower->all->host->store, &page->job);
}

/* --- beginning: where it stood --- */

struct loading {
	struct store_job job;
	struct change_follower *follower;
	struct buf key;
	struct buf marks; /* the last and the first sequence of each */
	struct buf prefix;
	struct buf parked; /* keys behind the prefix, and ids */
	uint64_t position;
	uint64_t gone_to; /* what the log's bounds took */
	bool from_oldest;
	bool found;
};

static bool
note_mark(void *arg, const struct txn_row *row)
{
	struct loading *loading = arg;
	struct bytes rest =
	    bytes_of(row->key.data + loading->key.len, row->key.len - loading->key.len);

	if (rest.len == 0) {
		loading->found = true;
		loading->position = sequence_of(row->value);
	} else if (rest.data[0] == 0) {
		frame_u64(&loading->marks, sequence_of(bytes_of(rest.data + 1, rest.len - 1)));
		frame_u64(&loading->marks, sequence_of(row->value));
	}
	return true;
}

static bool
note_parked(void *arg, const struct txn_row *row)
{
	struct loading *loading = arg;

	frame_bytes(&loading->parked,
	    bytes_of(row->key.data + loading->prefix.len, row->key.len - loading->prefix.len));
	frame_bytes(&loading->parked, row->value);
	return true;
}

static int
load_parked(struct loading *loading, struct txn *txn, struct err *err)
{
	struct txn_range range = { .space = SPACE_PARKED, .from = buf_bytes(&loading->prefix) };
	struct buf end = { 0 };
	int result;

	range.to = txn_prefix_end(range.from, &end);
	result = txn_scan(txn, &range, note_parked, loading, err);
	buf_clear(&end);
	return result;
}

static int
load_gone(struct loading *loading, struct txn *txn, struct err *err)
{
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_META, bytes_of_string(CHANGES_GONE), &value, NULL, err);

	if (found == 1)
		loading->gone_to = sequence_of(buf_bytes(&value));
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static bool
note_newest(void *arg, const struct txn_row *row)
{
	((struct loading *)arg)->position = sequence_of(row->key);
	return true;
}

static int
load_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct loading *loading = (struct loading *)(void *)job;
	struct txn_range range = { .space = SPACE_POSITION, .from = buf_bytes(&loading->key) };
	const struct txn_range newest = { .space = SPACE_CHANGE, .reverse = true, .limit = 1 };
	struct buf to = { 0 };
	char text[CHANGE_KEY_BYTES];
	int result;

	buf_append_bytes(&to, buf_bytes(&loading->key));
	buf_append_u8(&to, 1);
	range.to = buf_bytes(&to);
	result = txn_scan(txn, &range, note_mark, loading, err);
	buf_clear(&to);
	if (result == 0)
		result = load_parked(loading, txn, err);
	if (result == 0)
		result = load_gone(loading, txn, err);
	if (result < 0 || loading->found)
		return result;
	if (!loading->from_oldest && txn_scan(txn, &newest, note_newest, loading, err) < 0)
		return -1;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)loading->position);
	return txn_put(txn, SPACE_POSITION, buf_bytes(&loading->key), bytes_of_string(text), err);
}

static void
take_marks(struct change_follower *follower, struct bytes marks)
{
	struct cursor cursor = cursor_of(marks);

	while (cursor.at < cursor.end && !cursor.bad) {
		struct pending *pending =
		    pending_add(follower, cursor_u64(&cursor), bytes_of(NULL, 0));

		pending->from = cursor_u64(&cursor);
		pending->handled = pending->marked = true;
		if (pending->sequence <= follower->read_to)
			pending_drop(pending);
	}
}

static void
load_done(struct store_job *job)
{
	struct loading *loading = (struct loading *)(void *)job;
	struct change_follower *follower = loading->follower;

	if (job->status < 0) {
		log_error("tables", "function %s does not follow %s: %s", follower->function->name,
		    follower->table, job->err.text);
		follower->state = FOLLOWER_NEW;
		timer_set(&follower->timer, NOTE_US);
	} else {
		follower->state = FOLLOWER_READY;
		follower->read_to = follower->stored = loading->position;
		if (loading->found && loading->position < loading->gone_to)
			log_error("tables",
			    "function %s: changes of table %s may be lost: changes_age_max or "
			    "changes_bytes_max took some while it did not follow them",
			    follower->function->name, follower->table);
		take_marks(follower, buf_bytes(&loading->marks));
		chains_load(follower, buf_bytes(&loading->parked));
		follower_read(follower);
	}
	buf_clear(&loading->key);
	buf_clear(&loading->marks);
	buf_clear(&loading->prefix);
	buf_clear(&loading->parked);
	free(loading);
}

void
follower_begin(struct change_follower *follower)
{
	struct loading *loading;

	if (follower->state != FOLLOWER_NEW || !follower->attached) {
		if (follower->state == FOLLOWER_READY)
			chains_go_on(follower);
		lanes_feed(follower);
		follower_read(follower);
		return;
	}
	loading = xcalloc(1, sizeof(*loading));
	loading->follower = follower;
	loading->from_oldest = follower->wish.from_oldest;
	follower_key(follower, &loading->key);
	chains_prefix(follower, &loading->prefix);
	loading->job.run = load_run;
	loading->job.done = load_done;
	follower->state = FOLLOWER_LOADING;
	store_submit(follower->all->host->store, &loading->job);
}
