/* SPDX-License-Identifier: MIT
 * What becomes of an event whose handler failed: tried again with growing pauses, out of the
 * durable queue where it must not be lost, and in the end a dead letter.
 *
 * Its lane stands still meanwhile: what comes behind it keeps its order.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/backlog.h"
#include "runtime/commit.h"
#include "runtime/function.h"

enum { PAUSE_FIRST_US = 100000, PAUSE_MAX_US = 60000000, CRASHES_MAX = 3 };

/* A failure whose writes are on their way to the disk. */
struct failure {
	struct invocation *invocation;
	struct occurrence *copy; /* the event without its acknowledgement */
	struct queue_row row;
	int64_t pause_us; /* 0: it is given up */
	char *message;
};

static void
say(const struct invocation *invocation, const struct outcome *outcome, int64_t pause_us)
{
	char id[EVENT_ID_BYTES * 2 + 1], *message = bytes_to_string(outcome->message),
					 *traceback = bytes_to_string(outcome->traceback);
	struct buf text = { 0 };

	invocation_id(invocation, id);
	if (pause_us > 0)
		buf_printf(&text, "attempt %u failed, again in %lld ms: %s", invocation->attempt,
		    (long long)(pause_us / 1000), message);
	else
		buf_printf(&text, "attempt %u failed, given up: %s", invocation->attempt, message);
	if (traceback[0] != '\0')
		buf_printf(&text, " | %s", traceback);
	log_emit(&(struct log_line){ .level = pause_us > 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
	    .component = "function",
	    .function_name = invocation->function->name,
	    .invocation_id = id,
	    .text = buf_string(&text) });
	buf_clear(&text);
	free(message);
	free(traceback);
}

/* Doubles from one attempt to the next, give or take a quarter. */
static int64_t
pause_of(struct invocation *invocation)
{
	int64_t pause_us = PAUSE_FIRST_US;
	uint32_t random;

	for (uint32_t i = 1; i < invocation->attempt && pause_us < PAUSE_MAX_US; i++)
		pause_us *= 2;
	if (pause_us > PAUSE_MAX_US)
		pause_us = PAUSE_MAX_US;
	loop_sys(invocation->dispatch->host->loop)->random(&random, sizeof(random));
	return pause_us * 3 / 4 + (int64_t)(random % (uint32_t)(pause_us / 2 + 1));
}

static bool
may_try_again(const struct invocation *invocation)
{
	const struct host *host = invocation->dispatch->host;
	const struct function *function = invocation->function;
	int64_t age_ms = loop_wall_ms(host->loop) - invocation->event->time_ms;

	return function->current != NULL && invocation->event->ended == NULL &&
	       function->crashes < CRASHES_MAX &&
	       invocation->attempt <= function->current->manifest->retries &&
	       age_ms < options_number(host->options, OPTION_EVENT_AGE_MS_MAX);
}

void
failure_row(const struct invocation *invocation, struct queue_row *row, struct buf *event)
{
	struct host *host = invocation->dispatch->host;

	*row = (struct queue_row){ .sequence = invocation->sequence,
		.function_name = bytes_of_string(invocation->function->name),
		.due_ms = loop_wall_ms(host->loop),
		.created_ms = invocation->event->time_ms,
		.attempt = invocation->attempt };
	occurrence_encode(invocation->event, event);
	row->event = buf_bytes(event);
}

static void
remove_row(const struct invocation *invocation, struct writes *writes)
{
	const struct queue_row row = { .function_name = bytes_of_string(invocation->function->name),
		.sequence = invocation->sequence };

	if (invocation->stored)
		queue_remove(writes, &row);
}

/* Its event has been stored: whoever waits for the acknowledgement gets it. */
static void
let_ack_go(struct invocation *invocation)
{
	struct host *host = invocation->dispatch->host;
	struct buf encoded = { 0 };
	struct occurrence *copy;

	occurrence_encode(invocation->event, &encoded);
	copy = occurrence_decode(host, buf_bytes(&encoded));
	buf_clear(&encoded);
	if (copy == NULL)
		return;
	occurrence_drop(invocation->event);
	invocation->event = copy;
}

static void
stored(void *arg, int status)
{
	struct failure *failure = arg;
	struct invocation *invocation = failure->invocation;
	const struct outcome outcome = { .reason = FAIL_ERROR,
		.message = bytes_of_string(failure->message) };

	if (status == 0) {
		invocation->event->handled = true;
		if (failure->pause_us > 0 && !invocation->stored)
			backlog_enter(invocation);
		let_ack_go(invocation);
	} else if (invocation->event->ack != NULL) {
		/* It could not be stored: the source is told, and keeps it. */
		ack_release(ack_hold(invocation->event->ack), MQTT_QUOTA_EXCEEDED);
	}
	if (failure->pause_us > 0)
		dispatch_again(invocation, failure->pause_us);
	else
		dispatch_give_up(invocation, &outcome);
	free(failure->message);
	free(failure);
}

static struct failure *
failure_new(struct invocation *invocation, const struct outcome *outcome, int64_t pause_us)
{
	struct failure *failure = xcalloc(1, sizeof(*failure));

	failure->invocation = invocation;
	failure->pause_us = pause_us;
	failure->message = bytes_to_string(outcome->message);
	return failure;
}

static void
try_again(struct invocation *invocation, const struct outcome *outcome)
{
	struct host *host = invocation->dispatch->host;
	int64_t pause_us = pause_of(invocation);
	struct failure *failure;
	struct writes writes = { 0 };
	struct buf event = { 0 };

	say(invocation, outcome, pause_us);
	invocation->function->metrics.retries++;
	invocation->attempt++;
	invocation->conflicts = 0;
	/* What has a source stands there. */
	if (invocation->event->source != NULL ||
	    (!occurrence_is_kept(invocation->event) && !invocation->stored)) {
		dispatch_again(invocation, pause_us);
		return;
	}
	failure = failure_new(invocation, outcome, pause_us);
	if (invocation->sequence == 0)
		invocation->sequence = backlog_sequence(host->backlog);
	failure_row(invocation, &failure->row, &event);
	failure->row.due_ms += pause_us / 1000;
	queue_put(&writes, &failure->row);
	store_write(host->store, &writes, stored, failure);
	buf_clear(&event);
}

static void
give_up(struct invocation *invocation, const struct outcome *outcome)
{
	struct host *host = invocation->dispatch->host;
	const struct occurrence *event = invocation->event;
	struct failed_row failed = { .failed_ms = loop_wall_ms(host->loop),
		.error = outcome->message,
		.traceback = outcome->traceback };
	struct failure *failure;
	struct writes writes = { 0 };
	struct buf encoded = { 0 };
	char trace[EVENT_ID_BYTES * 2 + 1];
	uint64_t random;

	say(invocation, outcome, 0);
	if (event->ended != NULL) {
		dispatch_give_up(invocation, outcome);
		return;
	}
	invocation->function->metrics.dead_letters++;
	if (invocation->function->current != NULL)
		failed.function_version = bytes_of_string(invocation->function->current->hash);
	invocation_id(invocation, trace);
	failed.trace = bytes_of_string(trace);
	loop_sys(host->loop)->random(&random, sizeof(random));
	failed_id(failed.failed_ms, ++host->failed_count, random, failed.id);
	failure = failure_new(invocation, outcome, 0);
	remove_row(invocation, &writes);
	failure_row(invocation, &failed.row, &encoded);
	failure->row = failed.row;
	failed_put(&writes, &failed);
	if (event->source != NULL)
		event->source->mark(event->source_arg, event, &writes);
	store_write(host->store, &writes, stored, failure);
	buf_clear(&encoded);
}

void
failure_begin(struct invocation *invocation, const struct outcome *outcome)
{
	struct occurrence *event = invocation->event;

	if (event->source != NULL && event->source->take_failure != NULL &&
	    event->source->take_failure(event->source_arg, event, outcome)) {
		dispatch_forget(invocation);
		return;
	}
	if (may_try_again(invocation))
		try_again(invocation, outcome);
	else
		give_up(invocation, outcome);
}
