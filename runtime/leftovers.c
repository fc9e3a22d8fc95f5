/* SPDX-License-Identifier: MIT
 * Looking through the store by pages of names, now and then; and forgetting, page by page too.
 */
#include "runtime/leftovers.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/changes/change_follower.h"
#include "runtime/function.h"
#include "runtime/records.h"
#include "runtime/tickers.h"

enum {
	PAGE_NAMES = 64,
	FORGET_ROWS = 500,
	LOOK_MS_MAX = 3600000,
	LOOK_MS_MIN = 1000,
	SAY_MS = 86400000,
};

struct leftovers {
	struct host *host;
	struct timer timer;
	int64_t looked_us; /* when the last look of the timer began; 0: none has */
	int64_t say_us;	   /* not before is said again what waits for longer than the grace */
	struct leftovers_figures figures;
	bool stopped;
};

/* One look: names of a page, then what there is of those that are gone. */
struct look {
	struct store_job job;
	struct leftovers *leftovers;
	leftovers_done_fn *done;
	void *arg;
	int64_t add_ms; /* to how long they have been gone */
	char *names[PAGE_NAMES];
	bool present[PAGE_NAMES];
	size_t name_count;
	struct buf after;
	struct leftover *list;
	size_t count;
};

uint64_t
leftover_waits(const struct leftover *leftover)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < LEFTOVER_KINDS; kind++)
		sum += leftover_kinds[kind].waits ? leftover->sum.counts[kind] : 0;
	return sum;
}

/* --- looking --- */

static int
run_names(struct txn *txn, struct store_job *job, struct err *err)
{
	struct look *look = (struct look *)(void *)job;
	struct buf name = { 0 };
	int found = 1;

	while (look->name_count < PAGE_NAMES &&
	       (found = leftovers_next(txn, buf_bytes(&look->after), &name, err)) == 1) {
		look->names[look->name_count++] = bytes_to_string(buf_bytes(&name));
		buf_reset(&look->after);
		buf_append_bytes(&look->after, buf_bytes(&name));
	}
	buf_clear(&name);
	return found < 0 ? -1 : 0;
}

static int
look_at_gone(struct txn *txn, struct look *look, const char *text, struct err *err)
{
	struct bytes name = bytes_of_string(text);
	struct leftover leftover = { .gone_ms = 0 };
	int noted = leftovers_gone_read(txn, name, &leftover.gone_ms, err);

	if (noted < 0 || leftovers_count(txn, name, &leftover.sum, err) < 0)
		return -1;
	if (noted == 1)
		leftover.gone_ms += look->add_ms;
	if ((noted == 0 || look->add_ms > 0) &&
	    leftovers_gone_write(txn, name, leftover.gone_ms, err) < 0)
		return -1;
	leftover.name = xstrdup(text);
	look->list = xrealloc(look->list, (look->count + 1) * sizeof(*look->list));
	look->list[look->count++] = leftover;
	return 0;
}

static int
look_at_present(struct txn *txn, const char *text, struct err *err)
{
	int64_t gone_ms;
	int noted = leftovers_gone_read(txn, bytes_of_string(text), &gone_ms, err);

	return noted == 1 ? leftovers_gone_write(txn, bytes_of_string(text), -1, err) : noted;
}

static int
run_details(struct txn *txn, struct store_job *job, struct err *err)
{
	struct look *look = (struct look *)(void *)job;

	for (size_t i = 0; i < look->name_count; i++) {
		if ((look->present[i] ? look_at_present(txn, look->names[i], err)
				      : look_at_gone(txn, look, look->names[i], err)) < 0)
			return -1;
	}
	return 0;
}

static void
names_clear(struct look *look)
{
	while (look->name_count > 0)
		free(look->names[--look->name_count]);
}

static void
look_end(struct look *look, const struct err *err)
{
	look->done(look->arg, err == NULL ? look->list : NULL, err == NULL ? look->count : 0, err);
	names_clear(look);
	for (size_t i = 0; i < look->count; i++)
		free(look->list[i].name);
	free(look->list);
	buf_clear(&look->after);
	free(look);
}

static void names_done(struct store_job *job);

static void
details_done(struct store_job *job)
{
	struct look *look = (struct look *)(void *)job;
	bool more = look->name_count == PAGE_NAMES;

	if (job->status < 0 || !more || look->leftovers->stopped) {
		look_end(look, job->status < 0 ? &job->err : NULL);
		return;
	}
	names_clear(look);
	look->job.run = run_names;
	look->job.done = names_done;
	store_submit(look->leftovers->host->store, &look->job);
}

static void
names_done(struct store_job *job)
{
	struct look *look = (struct look *)(void *)job;
	struct functions *functions = look->leftovers->host->functions;

	if (job->status < 0 || look->leftovers->stopped) {
		look_end(look, job->status < 0 ? &job->err : NULL);
		return;
	}
	for (size_t i = 0; i < look->name_count; i++)
		look->present[i] =
		    function_find(functions, bytes_of_string(look->names[i])) != NULL;
	look->job.run = run_details;
	look->job.done = details_done;
	store_submit(look->leftovers->host->store, &look->job);
}

static void
look_begin(struct leftovers *leftovers, int64_t add_ms, leftovers_done_fn *done, void *arg)
{
	struct look *look = xcalloc(1, sizeof(*look));

	look->leftovers = leftovers;
	look->add_ms = add_ms;
	look->done = done;
	look->arg = arg;
	look->job.run = run_names;
	look->job.done = names_done;
	store_submit(leftovers->host->store, &look->job);
}

void
leftovers_list(struct leftovers *leftovers, leftovers_done_fn *done, void *arg)
{
	look_begin(leftovers, 0, done, arg);
}

/* --- forgetting --- */

struct forgetting {
	struct store_job job;
	struct leftovers *leftovers;
	char *name;
	bool left;
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

static int
run_forget(struct txn *txn, struct store_job *job, struct err *err)
{
	struct forgetting *forgetting = (struct forgetting *)(void *)job;

	return leftovers_forget(
	    txn, bytes_of_string(forgetting->name), FORGET_ROWS, &forgetting->left, err);
}

/* What is in memory of it. -1: it is there, or something of it is under way still. */
static int
forget_in_memory(struct host *host, const char *name, struct err *err)
{
	struct buf prefix = { 0 };

	if (function_find(host->functions, bytes_of_string(name)) != NULL)
		return err_set(err, "function %s is there: take its file away first", name);
	if (!change_followers_forget(host->change_followers, name) ||
	    !tickers_forget(host->tickers, name))
		return err_set(err, "something of function %s runs still: try again", name);
	buf_append_string(&prefix, name);
	buf_append_u8(&prefix, 0);
	records_forget_all(host->records, SPACE_STATE, buf_bytes(&prefix));
	buf_clear(&prefix);
	return 0;
}

static void
forget_end(struct forgetting *forgetting, const struct err *err)
{
	forgetting->done(forgetting->arg, err);
	free(forgetting->name);
	free(forgetting);
}

static void
forget_step(struct forgetting *forgetting)
{
	struct err err;

	if (forget_in_memory(forgetting->leftovers->host, forgetting->name, &err) < 0)
		forget_end(forgetting, &err);
	else
		store_submit(forgetting->leftovers->host->store, &forgetting->job);
}

static void
forget_done(struct store_job *job)
{
	struct forgetting *forgetting = (struct forgetting *)(void *)job;

	if (job->status == 0 && forgetting->left && !forgetting->leftovers->stopped)
		forget_step(forgetting);
	else
		forget_end(forgetting, job->status < 0 ? &job->err : NULL);
}

void
leftovers_forget_function(struct leftovers *leftovers, const char *name,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct forgetting *forgetting = xcalloc(1, sizeof(*forgetting));

	forgetting->leftovers = leftovers;
	forgetting->name = xstrdup(name);
	forgetting->done = done;
	forgetting->arg = arg;
	forgetting->job.run = run_forget;
	forgetting->job.done = forget_done;
	forget_step(forgetting);
}

/* --- the end of the grace --- */

static void
forgotten(void *arg, const struct err *err)
{
	(void)arg;
	if (err != NULL)
		log_warn("functions", "what a function left is not forgotten: %s", err->text);
}

/* Whether something was said of what waits. */
static bool
take_one(struct leftovers *leftovers, const struct leftover *leftover, bool say)
{
	int64_t grace_ms = options_number(leftovers->host->options, OPTION_FORGET_AFTER_MS);
	unsigned long long waits = leftover_waits(leftover), rows = 0;

	leftovers->figures.functions++;
	leftovers->figures.waiting += waits;
	if (grace_ms == 0 || leftover->gone_ms < grace_ms)
		return false;
	for (int kind = 0; kind < LEFTOVER_KINDS; kind++)
		rows += leftover->sum.counts[kind];
	if (waits == 0) {
		log_info("functions",
		    "what function %s left (%llu rows) is forgotten: it is away for forget_after",
		    leftover->name, rows);
		leftovers_forget_function(leftovers, leftover->name, forgotten, NULL);
	} else if (say) {
		log_warn("functions",
		    "function %s is away for longer than forget_after, and %llu events, timers and "
		    "parked changes wait for it: put its file back, or moonlet forget %s",
		    leftover->name, waits, leftover->name);
		return true;
	}
	return false;
}

static int64_t
look_ms(const struct leftovers *leftovers)
{
	int64_t ms = options_number(leftovers->host->options, OPTION_FORGET_AFTER_MS) / 4;

	if (ms == 0 || ms > LOOK_MS_MAX)
		return LOOK_MS_MAX;
	return ms < LOOK_MS_MIN ? LOOK_MS_MIN : ms;
}

static void
looked(void *arg, const struct leftover *list, size_t count, const struct err *err)
{
	struct leftovers *leftovers = arg;
	int64_t now_us = loop_now_us(leftovers->host->loop);
	bool say = now_us >= leftovers->say_us, said = false;

	if (leftovers->stopped)
		return;
	if (err != NULL)
		log_warn("functions", "looking for what functions left: %s", err->text);
	else
		leftovers->figures = (struct leftovers_figures){ 0 };
	for (size_t i = 0; i < count; i++)
		said = take_one(leftovers, &list[i], say) || said;
	if (said)
		leftovers->say_us = now_us + SAY_MS * (int64_t)1000;
	timer_set(&leftovers->timer, look_ms(leftovers) * 1000);
}

static void
look_again(void *arg)
{
	struct leftovers *leftovers = arg;
	int64_t now_us = loop_now_us(leftovers->host->loop);
	int64_t add_ms = leftovers->looked_us > 0 ? (now_us - leftovers->looked_us) / 1000 : 0;

	leftovers->looked_us = now_us;
	look_begin(leftovers, add_ms, looked, leftovers);
}

struct leftovers *
leftovers_new(struct host *host)
{
	struct leftovers *leftovers = xcalloc(1, sizeof(*leftovers));

	leftovers->host = host;
	timer_init(&leftovers->timer, host->loop, look_again, leftovers);
	return leftovers;
}

void
leftovers_start(struct leftovers *leftovers)
{
	timer_set(&leftovers->timer, 0);
}

void
leftovers_stop(struct leftovers *leftovers)
{
	if (leftovers == NULL)
		return;
	leftovers->stopped = true;
	timer_clear(&leftovers->timer);
}

void
leftovers_free(struct leftovers *leftovers)
{
	free(leftovers);
}

struct leftovers_figures
leftovers_figures(const struct leftovers *leftovers)
{
	return leftovers != NULL ? leftovers->figures : (struct leftovers_figures){ 0 };
}
