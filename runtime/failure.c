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
#include "runtime/dead_letters.h"
#include "runtime/function.h"

enum { CRASHES_MAX = 3 };

/* A failure whose writes are on their way to the disk. */
struct failure {
	struct invocation *invocation;
	int64_t pause_us;
};

static void
say(const struct invocation *invocation, const struct outcome *outcome, int64_t pause_us)
{
	char id[EVENT_ID_BYTES * 2 + 1], *message = bytes_to_string(outcome->message),
					 *traceback = bytes_to_string(outcome->traceback);
	struct buf text = { 0 };

	occurrence_mask(invocation->event, message);
	occurrence_mask(invocation->event, traceback);
	invocation_id(invocation, id);
	if (pause_us > 0)
		buf_printf(&text, "attempt %u failed, again in %lld ms: %s", invocation->attempt,
		    (long long)(pause_us / 1000), message);
	else
		buf_printf(&text, "attempt %u failed, given up: %s", invocation->attempt, message);
	log_emit(&(struct log_line){ .level = pause_us > 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
	    .component = "function",
	    .function_name = invocation->function->name,
	    .invocation_id = id,
	    .text = buf_string(&text),
	    .detail = traceback[0] != '\0' ? traceback : NULL });
	buf_clear(&text);
	free(message);
	free(traceback);
}

/* Doubles from one attempt to the next, give or take a quarter. */
static int64_t
pause_of(struct invocation *invocation)
{
	const struct manifest *manifest = invocation->function->current->manifest;
	int64_t pause_us = manifest->backoff_first_ms * 1000;
	int64_t longest_us = manifest->backoff_max_ms * 1000;
	uint32_t random;

	for (uint32_t i = 1; i < invocation->attempt && pause_us < longest_us; i++)
		pause_us *= 2;
	if (pause_us > longest_us)
		pause_us = longest_us;
	loop_sys(invocation->dispatch->host->loop)->random(&random, sizeof(random));
	return pause_us * 3 / 4 + (int64_t)random % (pause_us / 2 + 1);
}

int64_t
failure_resume(struct invocation *invocation)
{
	int64_t pause_us;

	invocation->attempt = invocation->event->tried;
	pause_us = pause_of(invocation);
	invocation->attempt++;
	invocation->function->metrics.retries++;
	return pause_us / 1000;
}

bool
failure_is_too_old(const struct invocation *invocation)
{
	int64_t now_ms = loop_age_ms(invocation->dispatch->host->loop);
	const struct version *version = invocation->function->current;

	return version != NULL &&
	       now_ms - invocation_since_ms(invocation) >= version->manifest->age_ms_max;
}

static bool
may_try_again(const struct invocation *invocation)
{
	const struct function *function = invocation->function;

	return function->current != NULL && invocation->event->ended == NULL &&
	       function->crashes < CRASHES_MAX &&
	       invocation->attempt <= function->current->manifest->retries &&
	       !failure_is_too_old(invocation);
}

void
failure_row(const struct invocation *invocation, struct queue_row *row, struct buf *event)
{
	struct host *host = invocation->dispatch->host;

	*row = (struct queue_row){ .sequence = invocation->sequence,
		.function_name = bytes_of_string(invocation->function->name),
		.due_ms = loop_wall_ms(host->loop),
		.created_ms = invocation_since_ms(invocation),
		.attempt = invocation->attempt };
	occurrence_encode(invocation->event, event);
	row->event = buf_bytes(event);
}

void
failure_let_ack_go(struct invocation *invocation)
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

	if (status == 0) {
		invocation->event->handled = true;
		if (!invocation->stored)
			backlog_enter(invocation);
		failure_let_ack_go(invocation);
	} else if (invocation->event->ack != NULL) {
		/* It could not be stored: the source is told, and keeps it. */
		ack_release(ack_hold(invocation->event->ack), MQTT_QUOTA_EXCEEDED);
	}
	dispatch_again(invocation, failure->pause_us);
	free(failure);
}

static void
try_again(struct invocation *invocation, const struct outcome *outcome)
{
	struct host *host = invocation->dispatch->host;
	int64_t pause_us = pause_of(invocation);
	struct failure *failure;
	struct queue_row row;
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
	failure = xcalloc(1, sizeof(*failure));
	failure->invocation = invocation;
	failure->pause_us = pause_us;
	if (invocation->sequence == 0)
		invocation->sequence = backlog_sequence(host->backlog);
	failure_row(invocation, &row, &event);
	row.due_ms += pause_us / 1000;
	queue_put(&writes, &row);
	store_write(host->store, &writes, stored, failure);
	buf_clear(&event);
}

static void
give_up(struct invocation *invocation, const struct outcome *outcome)
{
	say(invocation, outcome, 0);
	if (invocation->event->ended != NULL)
		dispatch_give_up(invocation, outcome);
	else
		dead_letter_begin(invocation, outcome);
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
