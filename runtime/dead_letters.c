/* SPDX-License-Identifier: MIT
 * Giving events up, and forgetting the oldest that were.
 */
#include "runtime/dead_letters.h"

#include <stdlib.h>

#include "runtime/commit.h"
#include "runtime/destination.h"
#include "runtime/function.h"
#include "runtime/tables.h"

/* How soon after a dead letter, and how often without one, the bounds are looked at. */
enum { PRUNE_SOON_US = 1000000, PRUNE_SELDOM_US = 600000000 };

struct dead_letters {
	struct host *host;
	struct timer prune;
	uint64_t count; /* of this run */
	uint64_t dropped;
	bool pruning;
	bool soon;
};

/* --- bounds --- */

struct pruning {
	struct store_job job;
	struct host *host;
	struct failed_bounds bounds;
	size_t dropped;
};

static int
run_prune(struct txn *txn, struct store_job *job, struct err *err)
{
	struct pruning *pruning = (struct pruning *)(void *)job;

	return failed_prune(txn, &pruning->bounds, &pruning->dropped, err);
}

static void
prune_done(struct store_job *job)
{
	struct pruning *pruning = (struct pruning *)(void *)job;
	struct dead_letters *letters = pruning->host->dead_letters;

	if (job->status < 0)
		log_error("function", "failed events: %s", job->err.text);
	else if (pruning->dropped > 0)
		log_error("function",
		    "the %zu oldest failed events are gone for good: there were more than "
		    "failed_max, or they were older than failed_age_max (moonlet replay and "
		    "moonlet discard make room)",
		    pruning->dropped);
	if (letters != NULL) {
		letters->pruning = false;
		letters->dropped += job->status == 0 ? pruning->dropped : 0;
		if (letters->count > 0 && !letters->soon)
			timer_set(&letters->prune, PRUNE_SELDOM_US);
	}
	free(pruning);
}

static void
prune(void *arg)
{
	struct dead_letters *letters = arg;
	struct host *host = letters->host;
	struct pruning *pruning;

	letters->soon = false;
	if (letters->pruning || host->dispatch == NULL || host->dispatch->stopped)
		return;
	pruning = xcalloc(1, sizeof(*pruning));
	pruning->job = (struct store_job){ .run = run_prune, .done = prune_done };
	pruning->host = host;
	pruning->bounds.most = (size_t)options_number(host->options, OPTION_FAILED_MAX);
	pruning->bounds.oldest_ms =
	    loop_age_ms(host->loop) - options_number(host->options, OPTION_FAILED_AGE_MS_MAX);
	letters->pruning = true;
	store_submit(host->store, &pruning->job);
}

struct dead_letters *
dead_letters_new(struct host *host)
{
	struct dead_letters *letters = xcalloc(1, sizeof(*letters));

	letters->host = host;
	timer_init(&letters->prune, host->loop, prune, letters);
	timer_set(&letters->prune, PRUNE_SOON_US);
	return letters;
}

void
dead_letters_free(struct dead_letters *letters)
{
	if (letters == NULL)
		return;
	timer_clear(&letters->prune);
	free(letters);
}

uint64_t
dead_letters_dropped(const struct dead_letters *letters)
{
	return letters->dropped;
}

void
dead_letter_stamp(struct host *host, struct failed_row *failed)
{
	struct dead_letters *letters = host->dead_letters;
	uint64_t random;

	loop_sys(host->loop)->random(&random, sizeof(random));
	failed->failed_ms = loop_wall_ms(host->loop);
	failed_id(failed->failed_ms, ++letters->count, random, failed->id);
	if (!letters->soon)
		timer_set(&letters->prune, PRUNE_SOON_US);
	letters->soon = true;
}

/* --- giving up --- */

/* An event that is given up, on its way to the disk. */
struct burial {
	struct store_job job;
	struct host *host;
	struct invocation *invocation;
	struct version *version; /* whose on_failure holds; NULL: the function is no more */
	struct writes writes;
	struct followers followers;
	struct table_ops tables;
	struct route *route;
	struct outcome outcome;
	struct buf message, traceback;
	bool tells; /* a record goes to on_failure */
};

/* What its source says of it. */
static void
tell_source(const struct occurrence *event, struct failed_row *failed, struct writes *writes)
{
	const struct event_source *source = event->source;

	if (source == NULL)
		return;
	if (source->give_up != NULL)
		source->give_up(event->source_arg, event, failed, writes);
	else
		source->mark(event->source_arg, event, writes);
}

static void
put_letter(struct burial *burial)
{
	struct invocation *invocation = burial->invocation;
	const struct occurrence *event = invocation->event;
	struct failed_row failed = { .error = burial->outcome.message,
		.traceback = burial->outcome.traceback };
	struct buf encoded = { 0 };
	char trace[EVENT_ID_BYTES * 2 + 1];

	if (burial->version != NULL)
		failed.function_version = bytes_of_string(burial->version->hash);
	invocation_id(invocation, trace);
	failed.trace = bytes_of_string(trace);
	dead_letter_stamp(burial->host, &failed);
	failure_row(invocation, &failed.row, &encoded);
	if (invocation->stored)
		queue_remove(&burial->writes, &failed.row);
	tell_source(event, &failed, &burial->writes);
	failed_put(&burial->writes, &failed);
	buf_clear(&encoded);
}

/* Where the record cannot go the event is a dead letter all the same. */
static void
put_record(struct burial *burial)
{
	const struct destination_story story = { burial->invocation, burial->version,
		failure_is_too_old(burial->invocation) ? "EventAgeExceeded" : "RetriesExhausted",
		&burial->outcome };
	struct destination_parts parts = { &burial->writes, &burial->followers, &burial->tables,
		NULL };
	struct err err;

	if (destination_add(&burial->version->manifest->on_failure, &story, &parts, &err) < 0)
		log_error(
		    "function", "%s: on_failure: %s", burial->invocation->function->name, err.text);
	burial->route = parts.route;
	followers_store(&burial->followers, burial->host, &burial->writes);
}

static int
run_burial(struct txn *txn, struct store_job *job, struct err *err)
{
	struct burial *burial = (struct burial *)(void *)job;

	if (store_apply_writes(txn, &burial->writes, err) < 0)
		return -1;
	return table_ops_apply(&burial->tables, txn, err);
}

static void
forget_parts(struct burial *burial)
{
	route_drop(burial->route);
	burial->route = NULL;
	followers_drop(&burial->followers);
	table_ops_clear(&burial->tables);
	writes_clear(&burial->writes);
}

static void burial_submit(struct burial *burial);

static void
burial_end(struct burial *burial)
{
	dispatch_give_up(burial->invocation, &burial->outcome);
	forget_parts(burial);
	version_drop(burial->version);
	free(burial->followers.list);
	buf_clear(&burial->message);
	buf_clear(&burial->traceback);
	free(burial);
}

static void
burial_done(struct store_job *job)
{
	struct burial *burial = (struct burial *)(void *)job;
	struct invocation *invocation = burial->invocation;

	if (job->status == 0) {
		if (burial->route != NULL)
			broker_deliver(burial->route);
		burial->route = NULL;
		(void)followers_submit(&burial->followers);
		tables_committed(burial->host->tables, &burial->tables);
		invocation->event->handled = true;
		failure_let_ack_go(invocation);
		burial_end(burial);
		return;
	}
	log_error("function", "%s: a failed event: %s", invocation->function->name, job->err.text);
	tables_failed(burial->host->tables, &burial->tables, job->version);
	if (burial->tells) {
		burial->tells = false; /* perhaps that is what the store does not take */
		forget_parts(burial);
		burial_submit(burial);
		return;
	}
	/* It could not be stored: the source is told, and keeps it. */
	if (invocation->event->ack != NULL)
		ack_release(ack_hold(invocation->event->ack), MQTT_QUOTA_EXCEEDED);
	burial_end(burial);
}

static void
burial_submit(struct burial *burial)
{
	table_ops_init(&burial->tables, loop_wall_ms(burial->host->loop));
	burial->tables.hops = burial->invocation->event->hops + 1u;
	put_letter(burial);
	if (burial->tells)
		put_record(burial);
	burial->job = (struct store_job){ .run = run_burial,
		.done = burial_done,
		.bytes = burial->writes.encoded.len + burial->tables.bytes + sizeof(*burial) };
	store_submit(burial->host->store, &burial->job);
	tables_submitted(burial->host->tables, &burial->tables, burial->job.version);
}

void
dead_letter_begin(struct invocation *invocation, const struct outcome *outcome)
{
	struct burial *burial = xcalloc(1, sizeof(*burial));

	burial->host = invocation->dispatch->host;
	burial->invocation = invocation;
	burial->version = invocation->function->current;
	if (burial->version != NULL)
		version_hold(burial->version);
	burial->tells = burial->version != NULL &&
			burial->version->manifest->on_failure.kind != DESTINATION_NONE;
	buf_append_bytes(&burial->message, outcome->message);
	buf_append_bytes(&burial->traceback, outcome->traceback);
	burial->outcome = *outcome;
	burial->outcome.message = buf_bytes(&burial->message);
	burial->outcome.traceback = buf_bytes(&burial->traceback);
	invocation->function->metrics.dead_letters++;
	burial_submit(burial);
}
