/* SPDX-License-Identifier: MIT
 * Replays of many, by a timer and jobs of some rows each.
 */
#include "runtime/replays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backlog.h"
#include "runtime/changes/change_follower.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/webhooks.h"
#include "store/queue_row.h"

enum { STEP_ROWS = 64, STEP_US = 20000, STEP_BYTES = 8 * 1024 * 1024, FORGET_US = 60000000 };

enum replay_state { REPLAY_NONE, REPLAY_RUNS, REPLAY_FINISHED };

struct replay {
	struct replays *replays;
	enum replay_state state;
	unsigned number;
	unsigned per_minute;
	char function_name[FUNCTION_NAME_BYTES_MAX + 1];
	char after[QUEUE_ID_TEXT];  /* the last id that was replayed */
	char before[QUEUE_ID_TEXT]; /* later ones are none of its */
	struct timer timer;
	bool stepping;
	bool stopped;
	double allowance; /* rows that may go now */
	int64_t allowed_us;
	uint64_t replayed;
	char problem[256];
};

struct replays {
	struct host *host;
	unsigned next;
	struct replay list[REPLAYS_MAX];
};

void
replay_go_on(struct host *host, struct bytes letter, uint64_t sequence, int64_t now_ms)
{
	struct queue_read read;
	struct function *function;
	struct occurrence *event;

	if (queue_row_read(&read, letter) < 0)
		return;
	if (read.kind == FAILED_CHANGE &&
	    change_followers_replay(host->change_followers, &read.row) == PARKED_NOT)
		log_warn("tables",
		    "function %.*s follows no such table any more: a parked change of it stays",
		    (int)read.row.function_name.len, (const char *)read.row.function_name.data);
	function = function_find(host->functions, read.row.function_name);
	event = read.kind == FAILED_EVENT ? occurrence_decode(host, read.row.event) : NULL;
	read.row.sequence = sequence;
	read.row.due_ms = read.row.created_ms = now_ms;
	read.row.attempt = 1;
	if (read.kind == FAILED_WEBHOOK)
		webhooks_replayed(host->webhooks, &read.row);
	/* Without its function it waits in the queue for it. */
	if (function != NULL && function->current != NULL && event != NULL)
		backlog_offer(function, event, &read.row);
	occurrence_drop(event);
	queue_read_clear(&read);
}

/* --- steps --- */

struct step {
	struct store_job job;
	struct host *host;
	size_t index;
	size_t limit;
	struct failed_query query;
	char function_name[FUNCTION_NAME_BYTES_MAX + 1];
	char after[QUEUE_ID_TEXT], before[QUEUE_ID_TEXT];
	uint64_t sequences[STEP_ROWS];
	int64_t now_ms;
	char ids[STEP_ROWS][QUEUE_ID_TEXT];
	size_t count;
	struct buf letters[STEP_ROWS];
};

static bool
note_id(void *arg, struct bytes id)
{
	struct step *step = arg;

	if (id.len != QUEUE_ID_TEXT - 1)
		return true;
	memcpy(step->ids[step->count], id.data, id.len);
	return ++step->count < step->limit;
}

static int
run_step(struct txn *txn, struct store_job *job, struct err *err)
{
	struct step *step = (struct step *)(void *)job;
	size_t bytes = 0, i;

	if (failed_ids(txn, &step->query, note_id, step, err) < 0)
		return -1;
	for (i = 0; i < step->count && bytes < STEP_BYTES; i++) {
		const struct failed_again again = { bytes_of_string(step->ids[i]),
			step->sequences[i], step->now_ms };

		if (failed_replay(txn, &again, &step->letters[i], err) < 0)
			return -1;
		bytes += step->letters[i].len;
	}
	step->count = i;
	return 0;
}

static void
finish(struct replay *replay, const char *problem)
{
	replay->state = REPLAY_FINISHED;
	if (problem != NULL)
		(void)snprintf(replay->problem, sizeof(replay->problem), "%.*s",
		    (int)sizeof(replay->problem) - 1, problem);
	log_info("function", "%s: %llu failed events run again%s%s", replay->function_name,
	    (unsigned long long)replay->replayed, problem != NULL ? "; it ended: " : "",
	    problem != NULL ? problem : "");
	timer_set(&replay->timer, FORGET_US);
}

static void
step_done(struct store_job *job)
{
	struct step *step = (struct step *)(void *)job;
	struct replays *replays = step->host->replays;
	struct replay *replay = replays != NULL ? &replays->list[step->index] : NULL;

	for (size_t i = 0; job->status == 0 && replays != NULL && i < step->count; i++)
		replay_go_on(
		    step->host, buf_bytes(&step->letters[i]), step->sequences[i], step->now_ms);
	if (replay != NULL) {
		replay->stepping = false;
		replay->replayed += job->status == 0 ? step->count : 0;
		if (step->count > 0)
			(void)strcpy(replay->after, step->ids[step->count - 1]);
		if (job->status < 0)
			finish(replay, job->err.text);
		else if (replay->stopped || step->count == 0)
			finish(replay, replay->stopped ? "it was interrupted" : NULL);
		else
			timer_set(&replay->timer, replay->per_minute > 0 ? STEP_US : 0);
	}
	for (size_t i = 0; i < STEP_ROWS; i++)
		buf_clear(&step->letters[i]);
	free(step);
}

/* How many may go now. */
static size_t
allowed(struct replay *replay)
{
	int64_t now_us = loop_now_us(replay->replays->host->loop);
	size_t count;

	if (replay->per_minute == 0)
		return STEP_ROWS;
	replay->allowance +=
	    (double)(now_us - replay->allowed_us) * replay->per_minute / 60000000.0;
	replay->allowed_us = now_us;
	if (replay->allowance > STEP_ROWS)
		replay->allowance = STEP_ROWS;
	count = (size_t)replay->allowance;
	replay->allowance -= (double)count;
	return count;
}

static void
begin_step(struct replay *replay, size_t limit)
{
	struct host *host = replay->replays->host;
	struct step *step = xcalloc(1, sizeof(*step));

	step->job = (struct store_job){ .run = run_step, .done = step_done };
	step->host = host;
	step->index = (size_t)(replay - replay->replays->list);
	step->limit = limit;
	step->now_ms = loop_wall_ms(host->loop);
	(void)strcpy(step->function_name, replay->function_name);
	(void)strcpy(step->after, replay->after);
	(void)strcpy(step->before, replay->before);
	step->query = (struct failed_query){ .function_name = bytes_of_string(step->function_name),
		.after = bytes_of_string(step->after),
		.before = bytes_of_string(step->before) };
	for (size_t i = 0; i < limit; i++)
		step->sequences[i] = backlog_sequence(host->backlog);
	replay->stepping = true;
	store_submit(host->store, &step->job);
}

static void
on_timer(void *arg)
{
	struct replay *replay = arg;
	const struct host *host = replay->replays->host;
	size_t limit;

	if (replay->state == REPLAY_FINISHED) {
		replay->state = REPLAY_NONE;
		return;
	}
	if (replay->stepping || host->dispatch == NULL || host->dispatch->stopped)
		return;
	limit = allowed(replay);
	if (replay->stopped)
		finish(replay, "it was interrupted");
	else if (limit > 0)
		begin_step(replay, limit);
	else
		timer_set(&replay->timer, STEP_US);
}

/* --- outside --- */

struct replays *
replays_new(struct host *host)
{
	struct replays *replays = xcalloc(1, sizeof(*replays));

	replays->host = host;
	for (size_t i = 0; i < REPLAYS_MAX; i++) {
		replays->list[i].replays = replays;
		timer_init(&replays->list[i].timer, host->loop, on_timer, &replays->list[i]);
	}
	return replays;
}

void
replays_free(struct replays *replays)
{
	if (replays == NULL)
		return;
	for (size_t i = 0; i < REPLAYS_MAX; i++)
		timer_clear(&replays->list[i].timer);
	free(replays);
}

unsigned
replays_begin(struct replays *replays, struct bytes function_name, unsigned per_minute)
{
	struct host *host = replays->host;
	struct replay *replay = NULL;
	uint8_t id[FAILED_ID_BYTES];

	for (size_t i = 0; i < REPLAYS_MAX && replay == NULL; i++) {
		if (replays->list[i].state == REPLAY_NONE)
			replay = &replays->list[i];
	}
	if (replay == NULL || function_name.len > FUNCTION_NAME_BYTES_MAX)
		return 0;
	*replay = (struct replay){ .replays = replays,
		.state = REPLAY_RUNS,
		.number = ++replays->next,
		.per_minute = per_minute,
		.timer = replay->timer,
		.allowance = 1,
		.allowed_us = loop_now_us(host->loop) };
	memcpy(replay->function_name, function_name.data, function_name.len);
	failed_id(loop_wall_ms(host->loop) + 1, 0, 0, id);
	queue_id_text(id, replay->before);
	timer_set(&replay->timer, 0);
	return replay->number;
}

static struct replay *
find(const struct replays *replays, unsigned number)
{
	for (size_t i = 0; i < REPLAYS_MAX; i++) {
		const struct replay *replay = &replays->list[i];

		if (replay->state != REPLAY_NONE && replay->number == number)
			return (struct replay *)(uintptr_t)replay; /* const by its list only */
	}
	return NULL;
}

bool
replays_progress(const struct replays *replays, unsigned number, struct replay_progress *progress)
{
	const struct replay *replay = find(replays, number);

	if (replay == NULL)
		return false;
	*progress = (struct replay_progress){ .replayed = replay->replayed,
		.finished = replay->state == REPLAY_FINISHED,
		.problem = replay->problem[0] != '\0' ? replay->problem : NULL };
	return true;
}

bool
replays_stop(struct replays *replays, unsigned number)
{
	struct replay *replay = find(replays, number);

	if (replay == NULL)
		return false;
	replay->stopped = true;
	return true;
}
