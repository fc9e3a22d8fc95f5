/* SPDX-License-Identifier: MIT
 * Windows over the durable queue.
 */
#include "runtime/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/dispatch.h"
#include "runtime/function.h"

enum {
	PAGE_ROWS = 256,
	PAGE_BYTES = 4 * 1024 * 1024,
	WINDOW_ROWS = 8192, /* of all functions together, but a page for each */
	WINDOW_BYTES = 64 * 1024 * 1024,
	LEFT_MAX = 10000000,	    /* of one function; beyond, its sources are refused */
	LEFT_UNKEPT_MAX = 100000,   /* the same for what nobody needs acknowledged */
	SEQUENCES_OF_A_JOB = 65536, /* no job puts more rows into the queue */
	READ_AGAIN_US = 1000000,
};

struct backlog {
	struct host *host;
	uint64_t sequence;	/* the last that was given */
	struct hash_map stored; /* invocations, by sequence */
	size_t bytes;		/* of their events */
	uint32_t behind;	/* functions */
	struct timer read_again;
};

static void pump(struct function *function);

static void
read_again(void *arg)
{
	struct backlog *backlog = arg;
	struct functions *functions = backlog->host->functions;

	for (struct hash_node *at = hash_next(&functions->map, NULL); at != NULL;
	     at = hash_next(&functions->map, at))
		pump(HASH_OWNER(at, struct function, link));
}

struct backlog *
backlog_new(struct host *host)
{
	struct backlog *backlog = xcalloc(1, sizeof(*backlog));

	backlog->host = host;
	timer_init(&backlog->read_again, host->loop, read_again, backlog);
	return backlog;
}

void
backlog_free(struct backlog *backlog)
{
	if (backlog == NULL)
		return;
	timer_clear(&backlog->read_again);
	hash_clear(&backlog->stored);
	free(backlog);
}

uint64_t
backlog_sequence(struct backlog *backlog)
{
	uint64_t least = store_version(backlog->host->store) * SEQUENCES_OF_A_JOB;

	backlog->sequence = (backlog->sequence < least ? least : backlog->sequence) + 1;
	return backlog->sequence;
}

static void
set_behind(struct function *function, uint64_t from)
{
	struct backlog_part *part = &function->backlog;

	if (!part->behind) {
		part->behind = true;
		part->read_from = from;
		function->host->backlog->behind++;
	} else if (part->reading) {
		if (!part->left_meanwhile || from < part->left_from)
			part->left_from = from;
		part->left_meanwhile = true;
	} else if (from < part->read_from) {
		part->read_from = from;
	}
}

static void
clear_behind(struct function *function)
{
	if (function->backlog.behind)
		function->host->backlog->behind--;
	function->backlog.behind = false;
	function->backlog.left = 0;
}

/* --- pages --- */

struct page {
	struct store_job job;
	struct function *function;
	struct queue_page wanted;
	struct buf
	    rows; /* one after another: u64 sequence, u32 attempt, i64 due, i64 created, event */
	uint64_t last;
	size_t count;
};

static bool
note_row(void *arg, const struct queue_row *row)
{
	struct page *page = arg;

	page->count++;
	page->last = row->sequence;
	frame_u64(&page->rows, row->sequence);
	frame_u32(&page->rows, row->attempt);
	frame_i64(&page->rows, row->due_ms);
	frame_i64(&page->rows, row->created_ms);
	frame_bytes(&page->rows, row->event);
	return page->rows.len < PAGE_BYTES;
}

static int
run_page(struct txn *txn, struct store_job *job, struct err *err)
{
	struct page *page = (struct page *)(void *)job;

	return queue_scan(txn, &page->wanted, note_row, page, err);
}

static void
submit_row(struct function *function, struct cursor *cursor)
{
	struct backlog *backlog = function->host->backlog;
	struct queue_row row = { .sequence = cursor_u64(cursor) };
	struct occurrence *event;

	row.attempt = cursor_u32(cursor);
	row.due_ms = cursor_i64(cursor);
	row.created_ms = cursor_i64(cursor);
	row.event = cursor_bytes(cursor);
	if (hash_find(&backlog->stored, bytes_of(&row.sequence, sizeof(row.sequence))) != NULL)
		return;
	event = occurrence_decode(function->host, row.event);
	if (event == NULL)
		log_warn("dispatch", "an event for %s stays in the queue: it does not decode",
		    function->name);
	else
		dispatch_submit_stored(function, event, &row);
	occurrence_drop(event);
}

static void
take_page(struct function *function, const struct page *page)
{
	struct backlog_part *part = &function->backlog;
	struct cursor cursor = cursor_of(buf_bytes(&page->rows));
	bool is_last = page->count < page->wanted.limit && page->rows.len < PAGE_BYTES;

	while (cursor.at < cursor.end && !cursor.bad)
		submit_row(function, &cursor);
	if (page->count > 0)
		part->read_from = page->last + 1;
	if (part->left_meanwhile && part->left_from < part->read_from)
		part->read_from = part->left_from;
	part->left -= part->left > page->count ? page->count : part->left;
	if (is_last && !part->left_meanwhile && part->spilling == 0)
		clear_behind(function);
	else if (!is_last || part->left_meanwhile)
		pump(function);
}

static void
page_done(struct store_job *job)
{
	struct page *page = (struct page *)(void *)job;
	struct function *function = page->function;
	struct dispatch *dispatch = function->host->dispatch;

	function->backlog.reading = false;
	if (dispatch == NULL) {
		; /* the host closes */
	} else if (job->status < 0) {
		log_error("dispatch", "the queue of %s: %s", function->name, job->err.text);
		timer_set(&function->host->backlog->read_again, READ_AGAIN_US);
	} else if (function->current != NULL && !dispatch->stopped) {
		take_page(function, page);
	}
	function_drop(function);
	buf_clear(&page->rows);
	free(page);
}

/* Most rows of a function in memory: half of what may wait, so that others find room too. */
static size_t
share(const struct host *host)
{
	size_t rows = WINDOW_ROWS / (host->backlog->behind > 0 ? host->backlog->behind : 1);
	size_t most = (size_t)options_number(host->options, OPTION_IN_FLIGHT_MAX) / 2;

	rows = rows > PAGE_ROWS ? rows : PAGE_ROWS;
	most = most > 0 ? most : 1;
	return rows < most ? rows : most;
}

static size_t
page_rows(const struct host *host)
{
	size_t rows = (share(host) + 1) / 2;

	return rows < PAGE_ROWS ? rows : PAGE_ROWS;
}

static bool
has_room(const struct function *function)
{
	const struct backlog *backlog = function->host->backlog;
	uint32_t stored = function->backlog.stored;

	return stored == 0 ||
	       (stored <= share(function->host) / 2 && backlog->bytes < WINDOW_BYTES);
}

/* Reads on where that is of use. */
static void
pump(struct function *function)
{
	struct backlog_part *part = &function->backlog;
	struct page *page;

	if (!part->behind || part->reading || function->current == NULL ||
	    function->host->dispatch->stopped || !has_room(function))
		return;
	page = xcalloc(1, sizeof(*page));
	page->job = (struct store_job){ .run = run_page, .done = page_done };
	page->function = function;
	function_hold(function);
	page->wanted = (struct queue_page){ .function_name = bytes_of_string(function->name),
		.from = part->read_from,
		.limit = page_rows(function->host) };
	part->reading = true;
	part->left_meanwhile = false;
	store_submit(function->host->store, &page->job);
}

/* --- what comes and goes --- */

void
backlog_attach(struct function *function)
{
	if (function->backlog.attached || function->host->backlog == NULL)
		return;
	function->backlog.attached = true;
	set_behind(function, 0);
	pump(function);
}

void
backlog_left(struct function *function, uint64_t sequence)
{
	if (function->host->backlog == NULL)
		return; /* the host closes */
	set_behind(function, sequence);
	function->backlog.left++;
	pump(function);
}

void
backlog_offer(struct function *function, struct occurrence *event, const struct queue_row *row)
{
	const struct backlog *backlog = function->host->backlog;

	if (!function->backlog.behind &&
	    (function->backlog.stored == 0 || (function->backlog.stored < share(function->host) &&
						  backlog->bytes < WINDOW_BYTES)))
		dispatch_submit_stored(function, event, row);
	else
		backlog_left(function, row->sequence);
}

bool
backlog_takes(const struct function *function, const struct occurrence *event)
{
	return function->backlog.behind && event->source == NULL && event->ended == NULL &&
	       !event->dry_run;
}

/* An event on its way into the queue. */
struct spill {
	struct function *function;
	struct occurrence *event;
	uint64_t sequence;
};

static void
spilled(void *arg, int status)
{
	struct spill *spill = arg;
	struct function *function = spill->function;

	function->backlog.spilling--;
	if (status == 0) {
		backlog_left(function, spill->sequence);
	} else if (function->host->backlog != NULL) {
		function->metrics.shed++;
		if (spill->event->ack != NULL)
			ack_release(ack_hold(spill->event->ack), MQTT_QUOTA_EXCEEDED);
		pump(function);
	}
	occurrence_drop(spill->event);
	function_drop(function);
	free(spill);
}

bool
backlog_spill(struct function *function, struct occurrence *event)
{
	struct host *host = function->host;
	struct spill *spill;
	struct queue_row row = { .function_name = bytes_of_string(function->name),
		.due_ms = loop_wall_ms(host->loop),
		.created_ms = event->time_ms,
		.attempt = 1 };
	struct writes writes = { 0 };
	struct buf encoded = { 0 };
	bool kept = occurrence_is_kept(event);

	if (function->backlog.left >= (kept ? LEFT_MAX : LEFT_UNKEPT_MAX) ||
	    (!kept && store_is_full(host->store)))
		return false;
	spill = xcalloc(1, sizeof(*spill));
	*spill =
	    (struct spill){ function, occurrence_hold(event), backlog_sequence(host->backlog) };
	function_hold(function);
	function->backlog.spilling++;
	occurrence_encode(event, &encoded);
	row.sequence = spill->sequence;
	row.event = buf_bytes(&encoded);
	queue_put(&writes, &row);
	store_write(host->store, &writes, spilled, spill);
	buf_clear(&encoded);
	return true;
}

static size_t
bytes_of_event(const struct occurrence *event)
{
	return sizeof(*event) + event->payload.len + event->subject.len + event->extra.len;
}

void
backlog_enter(struct invocation *invocation)
{
	struct backlog *backlog = invocation->dispatch->host->backlog;

	invocation->stored = true;
	invocation->stored_bytes = bytes_of_event(invocation->event);
	invocation->function->backlog.stored++;
	backlog->bytes += invocation->stored_bytes;
	hash_insert(&backlog->stored, &invocation->stored_link,
	    bytes_of(&invocation->sequence, sizeof(invocation->sequence)));
}

void
backlog_leave(struct invocation *invocation)
{
	struct backlog *backlog = invocation->dispatch->host->backlog;

	hash_remove(&backlog->stored, &invocation->stored_link);
	backlog->bytes -= invocation->stored_bytes;
	invocation->function->backlog.stored--;
	invocation->stored = false;
	pump(invocation->function);
}

uint32_t
backlog_waiting(const struct backlog *backlog)
{
	return (uint32_t)backlog->stored.count;
}

uint32_t
backlog_behind(const struct backlog *backlog)
{
	return backlog->behind;
}

/* --- at start --- */

struct naming {
	struct store_job job;
	struct buf names; /* each with a zero behind it */
};

static int
run_naming(struct txn *txn, struct store_job *job, struct err *err)
{
	struct naming *naming = (struct naming *)(void *)job;
	struct buf name = { 0 }, after = { 0 };
	int found;

	while ((found = queue_next_function(txn, buf_bytes(&after), &name, err)) == 1) {
		buf_append_bytes(&naming->names, buf_bytes(&name));
		buf_append_u8(&naming->names, 0);
		buf_reset(&after);
		buf_append_bytes(&after, buf_bytes(&name));
	}
	buf_clear(&name);
	buf_clear(&after);
	return found;
}

static void
naming_done(struct store_job *job)
{
	(void)job;
}

static void
announce(struct host *host, const char *name)
{
	const struct function *function = function_find(host->functions, bytes_of_string(name));

	if (function == NULL || function->current == NULL)
		log_warn("dispatch",
		    "events for %s stay in the queue: there is no such function; they run when "
		    "there is one",
		    name);
	else
		log_info("dispatch", "%s goes on with %u events from the durable queue%s", name,
		    function->backlog.stored,
		    function->backlog.behind ? ", and more wait on the disk" : "");
}

int
backlog_restore(struct host *host, struct err *err)
{
	struct naming naming = { .job = { .run = run_naming, .done = naming_done } };
	/* The pages were asked for before: they are there when this one is. */
	int result = store_run(host->store, &naming.job, err);
	struct bytes names = buf_bytes(&naming.names);

	for (size_t at = 0; result == 0 && at < names.len; at++) {
		announce(host, (const char *)names.data + at);
		at += strlen((const char *)names.data + at);
	}
	buf_clear(&naming.names);
	return result;
}
