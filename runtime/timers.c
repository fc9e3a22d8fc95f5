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
#include "runtime/figures.h"
#include "runtime/function.h"
#include "runtime/state.h"

enum {
	FIRING_MAX = 1024,
	FUNCTION_FIRING_MAX = 256, /* the others' timers pass */
	PASSED_MAX = 4096,	   /* as many are passed over at most */
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
	struct function *function; /* held */
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
	struct buf after;  /* all up to this key of timer_due are read */
	int64_t next_ms;   /* when to read again */
	int64_t offset_ms; /* of the clock: to the monotonic one */
	int64_t hold_us;   /* nothing is read before */
	int64_t noted_ms;  /* the earliest due time that was set while a page was read */
	double tokens;	   /* how many may fire now */
	int64_t tokens_us; /* when they were counted */
	int64_t behind_ms; /* the earliest that was passed over for want of room; INT64_MAX: none */
	int64_t behind_us; /* when to look for them at the latest */
	size_t passed;	   /* how many they are */
	uint32_t orphans_version; /* a timer's function was not there: the last version then */
	bool has_orphans;
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
	timers->noted_ms = timers->behind_ms = INT64_MAX;
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

void
timers_write_figures(const struct timers *timers, struct buf *out)
{
	const struct timers_figures figures = timers_figures(timers);

	figures_counter(out, "moonlet_timers_fired_total",
	    "Timers whose handler has run, or stands in the dead letters.", figures.fired);
	figures_counter(out, "moonlet_timers_dropped_total",
	    "Timers that were cancelled or set anew when they were about to run.", figures.dropped);
	figures_gauge(out, "moonlet_timers_firing", "Timers that are due and wait or run.",
	    (double)figures.firing);
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

static void
go_back(struct timers *timers)
{
	int64_t behind_ms = timers->behind_ms;

	timers->behind_ms = INT64_MAX;
	timers->passed = 0;
	if (behind_ms != INT64_MAX)
		note_due(timers, behind_ms);
}

/* It is left in the store for now: its function has enough to do. */
static void
pass_over(struct timers *timers, struct function *function, int64_t due_ms)
{
	function->timers_behind = true;
	timers->behind_ms = due_ms < timers->behind_ms ? due_ms : timers->behind_ms;
	timers->behind_us = loop_now_us(timers->host->loop) + PAUSE_US;
	timers->passed++;
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

static void
leave(struct firing *firing)
{
	struct timers *timers = firing->timers;
	struct function *function = firing->function;

	hash_remove(&timers->firing, &firing->link);
	function->timers_firing--;
	if (function->timers_behind && function->timers_firing <= FUNCTION_FIRING_MAX / 2) {
		function->timers_behind = false;
		go_back(timers);
	}
	function_drop(function);
}

/* One that was dropped for another reason than that it is void is still in the store. */
static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct firing *firing = arg;
	struct timers *timers = firing->timers;

	(void)event;
	leave(firing);
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

/* What a page says of a timer. Views. */
struct due {
	struct bytes key;
	uint64_t version;
	int64_t due_ms;
	struct bytes value;
};

static struct firing *
firing_new(struct timers *timers, struct function *function, const struct due *due)
{
	struct bytes key = due->key;
	struct firing *firing = xcalloc(1, sizeof(*firing) + key.len);

	memcpy(firing->key, key.data, key.len);
	firing->timers = timers;
	firing->function = function;
	function_hold(function);
	function->timers_firing++;
	firing->version = due->version;
	firing->due_ms = due->due_ms;
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

/* Whether this timer is about to fire already; or another of its name, that is no more. */
static bool
fires_already(struct timers *timers, const struct due *due)
{
	struct firing *firing = firing_find(timers, due->key);

	if (firing == NULL)
		return false;
	if (firing->version != due->version) {
		firing->is_void = true;
		if (due->due_ms < firing->again_ms)
			firing->again_ms = due->due_ms;
	}
	return true;
}

static void
fire(struct timers *timers, const struct due *due)
{
	const struct host *host = timers->host;
	int64_t most = options_number(host->options, OPTION_IN_FLIGHT_MAX);
	struct function *function;
	struct occurrence *event;
	struct timer_row row;
	struct keyed keyed;

	if (fires_already(timers, due) || !keyed_read(due->key, &keyed) ||
	    !timer_row_read(due->value, &row))
		return;
	function = function_find(host->functions, keyed.function);
	if (function == NULL || function->current == NULL) {
		timers->has_orphans = true;
		timers->orphans_version = host->functions->next_version;
		return;
	}
	if (function->timers_firing >= FUNCTION_FIRING_MAX || function->load >= most) {
		pass_over(timers, function, due->due_ms);
		return;
	}
	timers->tokens--;
	event = make_event(firing_new(timers, function, due), &keyed, &row);
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
	for (size_t i = 0; i < page->count; i++) {
		struct due due = { .key = cursor_bytes(&rows) };

		due.version = cursor_u64(&rows);
		due.due_ms = cursor_i64(&rows);
		due.value = cursor_bytes(&rows);
		fire(timers, &due);
	}
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

/* Functions have come since one was missing; those that were full may have room. */
static void
look_back(struct timers *timers, int64_t now_us)
{
	uint32_t version = timers->host->functions->next_version;

	if (timers->has_orphans && timers->orphans_version != version) {
		timers->has_orphans = false;
		note_due(timers, 0);
	}
	if (timers->behind_ms != INT64_MAX && timers->behind_us <= now_us)
		go_back(timers);
}

/* How long to wait before a page is read; at most 0: it may be read now. */
static int64_t
wait_us(struct timers *timers, int64_t now_us)
{
	int64_t wait_us = LOOK_US;

	if (timers->next_ms != INT64_MAX)
		wait_us = (timers->next_ms - now_ms(timers)) * 1000;
	if (timers->hold_us - now_us > wait_us)
		wait_us = timers->hold_us - now_us;
	if (timers->passed >= PASSED_MAX && wait_us <= 0)
		wait_us = timers->behind_us - now_us;
	if (wait_us > 0)
		return wait_us;
	count_tokens(timers);
	return room(timers) > 0 ? 0 : PAUSE_US / 10;
}

/* Reads a page, or sets the time to look again. */
static void
schedule(struct timers *timers)
{
	int64_t now_us = loop_now_us(timers->host->loop), pause_us;

	if (!timers->started || timers->stopped || timers->reading || timers->host->draining)
		return;
	look_back(timers, now_us);
	if (timers->next_ms == INT64_MAX && timers->behind_ms == INT64_MAX &&
	    !timers->has_orphans) {
		timer_cancel(&timers->wake);
		return;
	}
	pause_us = wait_us(timers, now_us);
	if (pause_us <= 0) {
		read_page(timers, room(timers));
		return;
	}
	if (timers->behind_ms != INT64_MAX && pause_us > timers->behind_us - now_us)
		pause_us = timers->behind_us - now_us;
	timer_set(&timers->wake, pause_us > LOOK_US ? LOOK_US : pause_us > 0 ? pause_us : 1);
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
