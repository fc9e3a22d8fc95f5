/* SPDX-License-Identifier: MIT
 * Firing page by page: from the last due time that was read to now, at most so many at a time and
 * so many a second. A timer that is set before that place is found by going back to it; what fires
 * already is then passed over.
 */
#include "runtime/timers.h"

#include <stdlib.h>

#include "lib/json_text.h"
#include "lib/log.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/state.h"

enum {
	FIRING_MAX = 1024,
	PAGE_MAX = 256,
	LOOK_US = 1000000,  /* at least this often while a timer is set: for a clock that is put */
	PAUSE_US = 100000,  /* where a function is full */
	BREAK_US = 1000000, /* where the store fails */
	JUMP_MS = 1000,	    /* by how much the wall clock must be ahead */
};

/* A timer that is due and not committed yet. */
struct firing {
	struct hash_node link; /* by its row's key */
	struct timers *timers;
	uint64_t version;
	int64_t due_ms;
	int64_t again_ms; /* of one that was set instead and is due already; INT64_MAX: none */
	bool is_void;
	uint8_t key[];
};

struct timers {
	struct host *host;
	struct hash_map firing;
	struct timer wake;
	struct buf after;     /* all up to this key of timer_due are read */
	int64_t next_ms;      /* when to read again */
	int64_t offset_ms;    /* of the clock: to the monotonic one */
	int64_t hold_us;      /* nothing is read before */
	int64_t noted_ms;     /* the earliest due time that was set while a page was read */
	double tokens;	      /* how many may fire now */
	int64_t tokens_us;    /* when they were counted */
	uint32_t passed_over; /* a timer's function was not there: the last version then */
	bool has_passed_over;
	bool reading;
	bool started;
	bool stopped;
	struct timers_figures figures;
};

struct reading {
	struct store_job job;
	struct timers *timers;
	struct timers_page page;
};

static void schedule(struct timers *timers);

static int64_t
monotonic_ms(const struct timers *timers)
{
	return loop_now_us(timers->host->loop) / 1000;
}

/* Also follows the wall clock where that was put forward. */
static int64_t
now_ms(struct timers *timers)
{
	int64_t ahead_ms = loop_wall_ms(timers->host->loop) - monotonic_ms(timers);

	if (ahead_ms - timers->offset_ms > JUMP_MS) {
		log_warn("timers", "the clock was put forward by %lld ms",
		    (long long)(ahead_ms - timers->offset_ms));
		timers->offset_ms = ahead_ms;
	}
	return monotonic_ms(timers) + timers->offset_ms;
}

static void
wake_up(void *arg)
{
	schedule(arg);
}

struct timers *
timers_new(struct host *host)
{
	struct timers *timers = xcalloc(1, sizeof(*timers));

	timers->host = host;
	timers->noted_ms = INT64_MAX;
	timers->offset_ms = loop_wall_ms(host->loop) - monotonic_ms(timers);
	timers->tokens_us = loop_now_us(host->loop);
	timer_init(&timers->wake, host->loop, wake_up, timers);
	return timers;
}

void
timers_start(struct timers *timers)
{
	timers->started = true;
	schedule(timers);
}

void
timers_stop(struct timers *timers)
{
	if (timers == NULL)
		return;
	timers->stopped = true;
	timer_clear(&timers->wake);
}

void
timers_free(struct timers *timers)
{
	if (timers == NULL)
		return;
	timer_clear(&timers->wake);
	hash_clear(&timers->firing);
	buf_clear(&timers->after);
	free(timers);
}

struct timers_figures
timers_figures(const struct timers *timers)
{
	struct timers_figures figures = timers->figures;

	figures.firing = timers->firing.count;
	return figures;
}

/* A timer of this time is to be found by the next page. */
static void
note_due(struct timers *timers, int64_t due_ms)
{
	struct buf place = { 0 };

	if (timers->reading) {
		timers->noted_ms = due_ms < timers->noted_ms ? due_ms : timers->noted_ms;
		return;
	}
	timer_due_write(&place, due_ms);
	if (bytes_compare(buf_bytes(&place), buf_bytes(&timers->after)) < 0) {
		buf_reset(&timers->after);
		buf_append_bytes(&timers->after, buf_bytes(&place));
	}
	if (due_ms < timers->next_ms)
		timers->next_ms = due_ms;
	buf_clear(&place);
}

/* --- one that fires --- */

static struct firing *
firing_find(const struct timers *timers, struct bytes key)
{
	struct hash_node *node = hash_find(&timers->firing, key);

	return node != NULL ? HASH_OWNER(node, struct firing, link) : NULL;
}

static void
mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	const struct firing *firing = arg;

	(void)event;
	timers_remove(writes, firing->link.key, firing->version, firing->due_ms);
}

static bool
is_void(void *arg, const struct occurrence *event)
{
	const struct firing *firing = arg;

	(void)event;
	return firing->is_void;
}

/* One that was dropped for another reason than that it is void is still in the store. */
static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct firing *firing = arg;
	struct timers *timers = firing->timers;

	(void)event;
	hash_remove(&timers->firing, &firing->link);
	timers->figures.fired += handled;
	timers->figures.dropped += firing->is_void && !handled;
	if (!handled && !firing->is_void) {
		timers->hold_us = loop_now_us(timers->host->loop) + PAUSE_US;
		note_due(timers, firing->due_ms);
	}
	if (firing->again_ms != INT64_MAX)
		note_due(timers, firing->again_ms);
	free(firing);
	schedule(timers);
}

static const struct event_source source = {
	.mark = mark,
	.is_void = is_void,
	.settled = settled,
};

static struct firing *
firing_new(struct timers *timers, struct bytes key, uint64_t version, int64_t due_ms)
{
	struct firing *firing = xcalloc(1, sizeof(*firing) + key.len);

	memcpy(firing->key, key.data, key.len);
	firing->timers = timers;
	firing->version = version;
	firing->due_ms = due_ms;
	firing->again_ms = INT64_MAX;
	hash_insert(&timers->firing, &firing->link, bytes_of(firing->key, key.len));
	return firing;
}

static struct occurrence *
make_event(struct firing *firing, const struct keyed *keyed, const struct timer_row *row)
{
	struct buf subject = { 0 }, client_id = { 0 }, extra = { 0 };
	struct happening happening = { .trigger = "timer",
		.key = keyed->key,
		.payload = row->payload,
		.source = &source,
		.source_arg = firing };
	struct occurrence *event;

	if (row->subject.len > 0)
		json_text_unescape(row->subject, &subject);
	if (row->client_id.len > 0)
		json_text_unescape(row->client_id, &client_id);
	buf_append_string(&extra, "{\"timer\":");
	json_text_quote(keyed->name, &extra);
	buf_printf(&extra, ",\"due\":%lld.%03d}", (long long)(row->due_ms / 1000),
	    (int)(row->due_ms % 1000));
	happening.subject = buf_bytes(&subject);
	happening.client_id = buf_bytes(&client_id);
	happening.extra = buf_bytes(&extra);
	event = occurrence_new(firing->timers->host, &happening);
	buf_clear(&subject);
	buf_clear(&client_id);
	buf_clear(&extra);
	return event;
}

static void
fire(struct timers *timers, struct cursor *rows)
{
	struct bytes key = cursor_bytes(rows);
	uint64_t version = cursor_u64(rows);
	int64_t due_ms = cursor_i64(rows);
	struct bytes value = cursor_bytes(rows);
	struct firing *firing = firing_find(timers, key);
	struct function *function;
	struct occurrence *event;
	struct timer_row row;
	struct keyed keyed;

	if (firing != NULL) {
		if (firing->version == version)
			return;
		firing->is_void = true;
		firing->again_ms = due_ms < firing->again_ms ? due_ms : firing->again_ms;
		return;
	}
	if (!keyed_read(key, &keyed) || !timer_row_read(value, &row))
		return;
	function = function_find(timers->host->functions, keyed.function);
	if (function == NULL || function->current == NULL) {
		timers->has_passed_over = true;
		timers->passed_over = timers->host->functions->next_version;
		return;
	}
	timers->tokens--;
	event = make_event(firing_new(timers, key, version, due_ms), &keyed, &row);
	(void)dispatch_submit(function, event);
	occurrence_drop(event);
}

/* --- pages --- */

static int
page_run(struct txn *txn, struct store_job *job, struct err *err)
{
	return timers_read(&((struct reading *)(void *)job)->page, txn, err);
}

static void
take_page(struct timers *timers, const struct timers_page *page)
{
	struct cursor rows = cursor_of(buf_bytes(&page->rows));

	buf_reset(&timers->after);
	buf_append_bytes(&timers->after, buf_bytes(&page->after));
	timers->next_ms = page->next_ms;
	for (size_t i = 0; i < page->count; i++)
		fire(timers, &rows);
}

static void
page_done(struct store_job *job)
{
	struct reading *reading = (struct reading *)(void *)job;
	struct timers *timers = reading->timers;
	int64_t noted_ms = timers->noted_ms;

	timers->reading = false;
	timers->noted_ms = INT64_MAX;
	if (job->status < 0) {
		log_error("timers", "%.900s", job->err.text);
		timers->hold_us = loop_now_us(timers->host->loop) + BREAK_US;
	} else if (!timers->stopped) {
		take_page(timers, &reading->page);
	}
	if (noted_ms != INT64_MAX)
		note_due(timers, noted_ms);
	buf_clear(&reading->page.after);
	buf_clear(&reading->page.rows);
	free(reading);
	schedule(timers);
}

static void
read_page(struct timers *timers, size_t limit)
{
	struct reading *reading = xcalloc(1, sizeof(*reading));

	reading->timers = timers;
	reading->job.run = page_run;
	reading->job.done = page_done;
	reading->page.now_ms = now_ms(timers);
	reading->page.clock.run_id = timers->host->run_id;
	reading->page.clock.offset_ms = timers->offset_ms;
	reading->page.limit = limit;
	buf_append_bytes(&reading->page.after, buf_bytes(&timers->after));
	timers->reading = true;
	store_submit(timers->host->store, &reading->job);
}

/* A tenth of a second's worth may fire at once. */
static void
count_tokens(struct timers *timers)
{
	double rate = (double)options_number(timers->host->options, OPTION_TIMERS_PER_SECOND_MAX);
	double most = rate / 10 > 1 ? rate / 10 : 1;
	int64_t now_us = loop_now_us(timers->host->loop);

	timers->tokens += rate * (double)(now_us - timers->tokens_us) / 1e6;
	timers->tokens_us = now_us;
	if (timers->tokens > most)
		timers->tokens = most;
}

static size_t
room(const struct timers *timers)
{
	size_t limit = FIRING_MAX - timers->firing.count;

	if (limit > PAGE_MAX)
		limit = PAGE_MAX;
	return (double)limit < timers->tokens ? limit : (size_t)timers->tokens;
}

/* Functions have come since one was missing. */
static void
go_back(struct timers *timers)
{
	if (!timers->has_passed_over ||
	    timers->passed_over == timers->host->functions->next_version)
		return;
	timers->has_passed_over = false;
	note_due(timers, 0);
}

/* Reads a page, or sets the time to look again. */
static void
schedule(struct timers *timers)
{
	int64_t wait_us, now_us = loop_now_us(timers->host->loop);

	if (!timers->started || timers->stopped || timers->reading || timers->host->draining)
		return;
	go_back(timers);
	wait_us = timers->hold_us - now_us;
	if (wait_us <= 0 && timers->next_ms != INT64_MAX)
		wait_us = (timers->next_ms - now_ms(timers)) * 1000;
	if (timers->next_ms == INT64_MAX && !timers->has_passed_over) {
		timer_cancel(&timers->wake);
		return;
	}
	if (timers->next_ms != INT64_MAX && wait_us <= 0) {
		if (timers->firing.count >= FIRING_MAX)
			return; /* the next that settles goes on */
		count_tokens(timers);
		if (room(timers) > 0) {
			read_page(timers, room(timers));
			return;
		}
		wait_us = PAUSE_US / 10;
	}
	timer_set(&timers->wake, wait_us > 0 && wait_us < LOOK_US ? wait_us : LOOK_US);
}

/* --- effects --- */

static int
check(const struct effect *effect, struct err *err)
{
	size_t at;

	if (effect->first.len == 0 || effect->first.len > KEYED_NAME_BYTES_MAX ||
	    memchr(effect->first.data, 0, effect->first.len) != NULL)
		return err_set(err, "timer: the name is not valid");
	if (effect->second.len > KEYED_VALUE_BYTES_MAX ||
	    (effect->second.len > 0 && !json_text_is_valid(effect->second, &at)))
		return err_set(err, "timer.set: the payload is too large, or no JSON");
	if (effect->value < 0 || effect->value > TIMER_DELAY_MS_MAX)
		return err_set(err, "timer.set: the delay is out of range");
	return 0;
}

int
timers_take_effect(struct timers *timers, const struct invocation *invocation,
    const struct effect *effect, struct timer_ops *ops, struct err *err)
{
	struct timer_row row = { .payload = effect->second,
		.subject = invocation->event->subject,
		.client_id = invocation->event->client_id };

	if (check(effect, err) < 0)
		return -1;
	if (effect->operation == TIMER_CANCEL) {
		timer_ops_cancel(ops, effect->first);
		return 0;
	}
	row.due_ms = now_ms(timers) + effect->value;
	row.clock.run_id = timers->host->run_id;
	row.clock.offset_ms = timers->offset_ms;
	timer_ops_set(ops, effect->first, &row);
	return 0;
}

void
timers_committed(struct timers *timers, const struct timer_ops *ops, uint64_t version)
{
	struct buf key = { 0 };
	struct timer_op op;
	size_t at = 0;

	while (timer_ops_next(ops, &at, &op)) {
		struct firing *firing;

		buf_reset(&key);
		buf_append_bytes(&key, buf_bytes(&ops->prefix));
		buf_append_bytes(&key, op.name);
		firing = firing_find(timers, buf_bytes(&key));
		if (firing != NULL && firing->version != version)
			firing->is_void = true;
		if (op.is_set)
			note_due(timers, op.due_ms);
	}
	if (ops->count > 0)
		schedule(timers);
	buf_clear(&key);
}
