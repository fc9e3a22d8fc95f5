/* SPDX-License-Identifier: MIT
 * Ticking: one timer for each schedule, which looks at the wall clock again and again, for that may
 * jump.
 */
#include "runtime/tickers.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/civil.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"

enum {
	LOOK_MS = 10000, /* how soon a jump of the clock is seen */
	AGAIN_MS = 1000,
	ZONE_BYTES_MAX = 1 << 20,
	DAY_MS = 86400000,
	BACK_MS_MAX = 40 * (int64_t)DAY_MS, /* a clock that jumped years ahead has no storm */
	STEPS_MAX = 1000,		    /* of a search at a time: a third of a millisecond */
};

enum ticker_state { TICKER_NEW, TICKER_LOADING, TICKER_READY };

struct ticker {
	TAILQ_ENTRY(ticker) link;
	struct tickers *all;
	struct function *function; /* held */
	char *text;
	char *zone_name; /* "" is UTC */
	struct zone *zone;
	struct schedule schedule;
	int64_t jitter_ms;
	bool skip_missed;
	bool attached;
	bool in_flight;
	bool retry; /* the tick at `due_ms` could not be stored */
	enum ticker_state state;
	int64_t last_ms;	       /* the last tick that was submitted, or given up */
	int64_t due_ms;		       /* the tick that is in flight */
	int64_t wait_ms;	       /* of the jitter, for the next */
	struct schedule_search search; /* the last one: what it found holds on */
	int64_t newest_ms;	       /* the newest tick that is due, as far as was searched; 0 */
	int64_t skip_to_ms;	       /* its search goes on from here; 0 */
	struct timer timer;
};

struct tickers {
	struct host *host;
	TAILQ_HEAD(, ticker) list;
	bool started;
};

static void look(void *arg);

struct zone *
ticker_zone(const char *name, struct err *err)
{
	struct buf file = { 0 };
	char path[256];
	struct zone *zone = NULL;
	FILE *from = NULL;

	(void)snprintf(path, sizeof(path), "%s/%s", ZONE_FOLDER, name);
	if (zone_name_is_valid(name))
		from = fopen(path, "rbe");
	if (from != NULL) {
		file.len = fread(buf_reserve(&file, ZONE_BYTES_MAX), 1, ZONE_BYTES_MAX, from);
		(void)fclose(from);
		zone = zone_parse(buf_bytes(&file));
	}
	buf_clear(&file);
	if (zone == NULL)
		(void)err_set(err,
		    "schedule: timezone \"%.60s\" is not one that this system knows; write "
		    "\"Europe/Berlin\" (package tzdata)",
		    name);
	return zone;
}

static int64_t
wall_ms(const struct ticker *ticker)
{
	return loop_wall_ms(ticker->all->host->loop);
}

static void
tick_key(const struct ticker *ticker, struct buf *key)
{
	buf_append_string(key, ticker->function->name);
	buf_append_u8(key, 0);
	buf_append_string(key, ticker->text);
	buf_append_u8(key, 0);
	buf_append_string(key, ticker->zone_name);
}

static void
put_tick(const struct ticker *ticker, int64_t at_ms, struct writes *writes)
{
	struct buf key = { 0 };
	char text[24];

	tick_key(ticker, &key);
	(void)snprintf(text, sizeof(text), "%lld", (long long)at_ms);
	writes_put(writes, SPACE_TICK, buf_bytes(&key), bytes_of_string(text));
	buf_clear(&key);
}

static void
mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	const struct ticker *ticker = arg;

	(void)event;
	put_tick(ticker, ticker->due_ms, writes);
}

static void
wait_for(struct ticker *ticker, int64_t ms)
{
	timer_set(&ticker->timer, (ms < LOOK_MS ? (ms > 0 ? ms : 0) : LOOK_MS) * 1000);
}

static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct ticker *ticker = arg;

	(void)event;
	ticker->in_flight = false;
	ticker->retry = !handled;
	if (ticker->attached)
		wait_for(ticker, handled ? 0 : AGAIN_MS);
}

static const struct event_source source = { .mark = mark, .settled = settled };

static void
write_event(const struct ticker *ticker, struct buf *json)
{
	struct civil at = civil_of(ticker->due_ms / 1000);

	buf_append_string(json, "{\"schedule\":");
	json_text_quote(bytes_of_string(ticker->text), json);
	buf_printf(json, ",\"time\":%lld,\"scheduled\":\"%04d-%02d-%02dT%02d:%02d:%02dZ\"}",
	    (long long)ticker->due_ms, at.year, at.month, at.day, at.hour, at.minute, at.second);
}

static void
fire(struct ticker *ticker)
{
	struct buf json = { 0 };
	struct happening happening = { .trigger = "schedule",
		.subject = bytes_of_string(ticker->text),
		.qos = 1,
		.source = &source,
		.source_arg = ticker };
	struct occurrence *event;

	if (ticker->function->current == NULL) {
		wait_for(ticker, AGAIN_MS);
		return;
	}
	write_event(ticker, &json);
	happening.payload = buf_bytes(&json);
	ticker->in_flight = true;
	ticker->retry = false;
	event = occurrence_new(ticker->all->host, &happening);
	(void)dispatch_submit(ticker->function, event);
	occurrence_drop(event);
	buf_clear(&json);
}

static void
draw_jitter(struct ticker *ticker)
{
	uint64_t random;

	loop_sys(ticker->all->host->loop)->random(&random, sizeof(random));
	ticker->wait_ms =
	    ticker->jitter_ms > 0 ? (int64_t)(random % (uint64_t)ticker->jitter_ms) : 0;
}

/* The first tick after `after_ms`. False: it is not found yet, a later look goes on. */
static bool
find_next(struct ticker *ticker, int64_t after_ms, int64_t *next_ms, unsigned *steps)
{
	struct schedule_search *search = &ticker->search;

	if (search->after_ms != after_ms || search->at_s == 0)
		schedule_search_begin(search, after_ms);
	if (!schedule_search_go(search, &ticker->schedule, ticker->zone, steps))
		return false;
	*next_ms = search->next_ms;
	return true;
}

/* The last tick that has fallen due by now, into `newest_ms`, which is one that has. */
static bool
find_newest(struct ticker *ticker, int64_t now_ms, unsigned *steps)
{
	int64_t every_ms = ticker->schedule.every_ms, next_ms;

	if (every_ms > 0) {
		ticker->newest_ms += (now_ms - ticker->newest_ms) / every_ms * every_ms;
		return true;
	}
	for (;;) {
		int64_t after_ms = ticker->skip_to_ms != 0 ? ticker->skip_to_ms : ticker->newest_ms;

		if (!find_next(ticker, after_ms, &next_ms, steps))
			return false;
		if (next_ms <= now_ms)
			ticker->newest_ms = next_ms;
		if (next_ms > now_ms && ticker->skip_to_ms == 0)
			return true;
		ticker->skip_to_ms = 0;
	}
}

/* A clock that was set back by more than a day, or more than the rate, starts anew. */
static void
mind_jumps(struct ticker *ticker, int64_t now_ms)
{
	int64_t every_ms = ticker->schedule.every_ms;
	int64_t most_ms = every_ms > 0 && every_ms < DAY_MS ? every_ms : DAY_MS;

	if (ticker->last_ms <= now_ms + most_ms)
		return;
	log_warn("schedule", "function %s: the clock was set back; its schedule starts anew",
	    ticker->function->name);
	ticker->last_ms = now_ms;
}

/* Whether a tick is due, and `newest_ms` set then; else a later look is. */
static bool
is_due(struct ticker *ticker, int64_t now_ms, unsigned *steps)
{
	int64_t next_ms;

	mind_jumps(ticker, now_ms);
	if (!find_next(ticker, ticker->last_ms, &next_ms, steps)) {
		wait_for(ticker, 0);
		return false;
	}
	if (next_ms == INT64_MAX)
		return false;
	if (next_ms + ticker->wait_ms > now_ms) {
		wait_for(ticker, next_ms + ticker->wait_ms - now_ms);
		return false;
	}
	ticker->newest_ms = next_ms;
	ticker->skip_to_ms = now_ms - next_ms > BACK_MS_MAX ? now_ms - BACK_MS_MAX : 0;
	return true;
}

static void
look(void *arg)
{
	struct ticker *ticker = arg;
	int64_t now_ms = wall_ms(ticker);
	unsigned steps = STEPS_MAX;

	if (!ticker->attached || ticker->state != TICKER_READY || ticker->in_flight ||
	    ticker->all->host->draining)
		return;
	if (ticker->retry) {
		fire(ticker);
		return;
	}
	if (ticker->newest_ms == 0 && !is_due(ticker, now_ms, &steps))
		return;
	if (!find_newest(ticker, now_ms, &steps)) {
		wait_for(ticker, 0);
		return;
	}
	ticker->last_ms = ticker->due_ms = ticker->newest_ms;
	ticker->newest_ms = 0;
	draw_jitter(ticker);
	fire(ticker);
}

/* --- beginning: the last tick --- */

struct loading {
	struct store_job job;
	struct ticker *ticker;
	struct buf key;
	int64_t now_ms;
	int64_t last_ms;
	bool found;
};

static int
load_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct loading *loading = (struct loading *)(void *)job;
	struct bytes key = buf_bytes(&loading->key);
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_TICK, key, &value, NULL, err);
	char text[24];

	loading->last_ms = loading->now_ms;
	loading->found = found == 1;
	if (found == 1)
		loading->last_ms = strtoll(buf_string(&value), NULL, 10);
	buf_clear(&value);
	if (found != 0)
		return found < 0 ? -1 : 0;
	(void)snprintf(text, sizeof(text), "%lld", (long long)loading->now_ms);
	return txn_put(txn, SPACE_TICK, key, bytes_of_string(text), err);
}

static void
load_done(struct store_job *job)
{
	struct loading *loading = (struct loading *)(void *)job;
	struct ticker *ticker = loading->ticker;

	ticker->state = job->status == 0 ? TICKER_READY : TICKER_NEW;
	if (job->status == 0)
		ticker->last_ms =
		    loading->found && ticker->skip_missed ? loading->now_ms : loading->last_ms;
	else
		log_error("schedule", "function %s does not tick yet: %s", ticker->function->name,
		    job->err.text);
	if (ticker->attached)
		wait_for(ticker, job->status == 0 ? 0 : AGAIN_MS);
	buf_clear(&loading->key);
	free(loading);
}

static void
begin(void *arg)
{
	struct ticker *ticker = arg;
	struct loading *loading;

	if (ticker->state != TICKER_NEW || !ticker->attached) {
		look(ticker);
		return;
	}
	loading = xcalloc(1, sizeof(*loading));
	loading->ticker = ticker;
	loading->now_ms = wall_ms(ticker);
	tick_key(ticker, &loading->key);
	loading->job.run = load_run;
	loading->job.done = load_done;
	ticker->state = TICKER_LOADING;
	store_submit(ticker->all->host->store, &loading->job);
}

/* --- all of them --- */

struct tickers *
tickers_new(struct host *host)
{
	struct tickers *tickers = xcalloc(1, sizeof(*tickers));

	tickers->host = host;
	TAILQ_INIT(&tickers->list);
	return tickers;
}

void
tickers_stop(struct tickers *tickers)
{
	struct ticker *ticker;

	TAILQ_FOREACH (ticker, &tickers->list, link) {
		ticker->attached = false;
		timer_cancel(&ticker->timer);
	}
}

static void
ticker_free(struct ticker *ticker)
{
	TAILQ_REMOVE(&ticker->all->list, ticker, link);
	timer_clear(&ticker->timer);
	zone_free(ticker->zone);
	function_drop(ticker->function);
	free(ticker->text);
	free(ticker->zone_name);
	free(ticker);
}

bool
tickers_forget(struct tickers *tickers, const char *function_name)
{
	struct ticker *ticker = TAILQ_FIRST(&tickers->list), *next;

	for (; ticker != NULL; ticker = next) {
		next = TAILQ_NEXT(ticker, link);
		if (strcmp(ticker->function->name, function_name) != 0)
			continue;
		if (ticker->attached || ticker->in_flight || ticker->state == TICKER_LOADING)
			return false;
		ticker_free(ticker);
	}
	return true;
}

void
tickers_free(struct tickers *tickers)
{
	struct ticker *ticker;

	if (tickers == NULL)
		return;
	while ((ticker = TAILQ_FIRST(&tickers->list)) != NULL)
		ticker_free(ticker);
	free(tickers);
}

void
tickers_start(struct tickers *tickers)
{
	struct ticker *ticker;

	tickers->started = true;
	TAILQ_FOREACH (ticker, &tickers->list, link)
		begin(ticker);
}

static struct ticker *
find(const struct tickers *tickers, const struct function *function, const struct tick_wish *wish)
{
	struct ticker *ticker;

	TAILQ_FOREACH (ticker, &tickers->list, link) {
		if (strcmp(ticker->function->name, function->name) == 0 &&
		    strcmp(ticker->text, wish->text) == 0 &&
		    strcmp(ticker->zone_name, wish->zone != NULL ? wish->zone : "") == 0)
			return ticker;
	}
	return NULL;
}

static struct ticker *
ticker_new(struct tickers *tickers, const struct tick_wish *wish, struct err *err)
{
	struct ticker *ticker = xcalloc(1, sizeof(*ticker));

	if (schedule_parse(wish->text, &ticker->schedule, err) < 0 ||
	    (wish->zone != NULL && (ticker->zone = ticker_zone(wish->zone, err)) == NULL)) {
		free(ticker);
		return NULL;
	}
	ticker->all = tickers;
	ticker->text = xstrdup(wish->text);
	ticker->zone_name = xstrdup(wish->zone != NULL ? wish->zone : "");
	timer_init(&ticker->timer, tickers->host->loop, begin, ticker);
	TAILQ_INSERT_TAIL(&tickers->list, ticker, link);
	return ticker;
}

struct ticker *
ticker_attach(struct tickers *tickers, struct function *function, const struct tick_wish *wish,
    struct err *err)
{
	struct ticker *ticker = find(tickers, function, wish);

	if (ticker != NULL && ticker->attached) {
		(void)err_set(err, "schedule: the function has \"%.100s\" twice", wish->text);
		return NULL;
	}
	if (ticker != NULL)
		function_drop(ticker->function);
	else if ((ticker = ticker_new(tickers, wish, err)) == NULL)
		return NULL;
	function_hold(function);
	ticker->function = function;
	ticker->jitter_ms = wish->jitter_ms;
	ticker->skip_missed = wish->skip_missed;
	ticker->attached = true;
	draw_jitter(ticker);
	if (tickers->started)
		timer_set(&ticker->timer, 0);
	return ticker;
}

void
ticker_detach(struct ticker *ticker)
{
	ticker->attached = false;
	timer_cancel(&ticker->timer);
}
