/* SPDX-License-Identifier: MIT
 * Lanes, and what is in them.
 */
#include "runtime/dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/protocol.h"
#include "runtime/backlog.h"
#include "runtime/commit.h"
#include "runtime/dead_letters.h"
#include "runtime/function.h"
#include "runtime/pool.h"
#include "runtime/replays.h"
#include "runtime/traces/tracer.h"

enum {
	LANE_SENT_MAX = 512,
	SHED_AFTER_US = 1000000,
	PUMP_VAIN_MAX = 64,
	PUMP_REST_US = 1000,
};

static void pump_rest(void *arg);

static void
pump_later(void *arg)
{
	dispatch_pump(arg);
}

struct dispatch *
dispatch_new(struct host *host)
{
	struct dispatch *dispatch = xcalloc(1, sizeof(*dispatch));

	dispatch->host = host;
	host->backlog = backlog_new(host);
	host->dead_letters = dead_letters_new(host);
	host->replays = replays_new(host);
	timer_init(&dispatch->rest, host->loop, pump_rest, dispatch);
	task_init(&dispatch->pump, pump_later, dispatch);
	TAILQ_INIT(&dispatch->stalled);
	TAILQ_INIT(&dispatch->spare_lanes);
	TAILQ_INIT(&dispatch->loose);
	TAILQ_INIT(&dispatch->spare);
	return dispatch;
}

static struct invocation *
invocation_new(struct dispatch *dispatch, struct function *function, struct occurrence *event)
{
	struct invocation *invocation = TAILQ_FIRST(&dispatch->spare);

	if (invocation != NULL)
		TAILQ_REMOVE(&dispatch->spare, invocation, link);
	else
		invocation = xmalloc(sizeof(*invocation));
	memset(invocation, 0, sizeof(*invocation));
	invocation->dispatch = dispatch;
	invocation->function = function;
	function_hold(function);
	invocation->event = occurrence_hold(event);
	invocation->attempt = 1;
	invocation->begun_us = loop_now_us(dispatch->host->loop);
	function->load++;
	dispatch->load++;
	return invocation;
}

/* Only the function that was full lets its sources go on: others that have room say nothing. */
static void
resume_sources(struct dispatch *dispatch, struct function *function)
{
	uint32_t most = (uint32_t)options_number(dispatch->host->options, OPTION_IN_FLIGHT_MAX);

	if (function->full_since_us == 0 || function->load > most / 2)
		return;
	function->full_since_us = 0;
	dispatch->paused = false;
	broker_resume(dispatch->host->broker);
	if (dispatch->host->resume != NULL)
		dispatch->host->resume(dispatch->host);
}

void
invocation_free(struct invocation *invocation)
{
	struct dispatch *dispatch = invocation->dispatch;
	struct function *function = invocation->function;

	tracer_forget(invocation);
	if (invocation->stored)
		backlog_leave(invocation);
	occurrence_drop(invocation->event);
	function->load--;
	dispatch->load--;
	TAILQ_INSERT_HEAD(&dispatch->spare, invocation, link);
	resume_sources(dispatch, function);
	function_drop(function);
}

void
invocation_id(const struct invocation *invocation, char out[EVENT_ID_BYTES * 2 + 1])
{
	for (size_t i = 0; i < EVENT_ID_BYTES; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", invocation->event->id[i]);
}

static void
lane_goes_on(void *arg)
{
	struct lane *lane = arg;

	lane->pausing = false;
	lane_send(lane);
}

static struct lane *
lane_new(struct dispatch *dispatch, struct function *function, struct bytes key, uint64_t hash)
{
	struct lane *lane = TAILQ_FIRST(&dispatch->spare_lanes);

	if (lane != NULL) {
		TAILQ_REMOVE(&dispatch->spare_lanes, lane, stalled_link);
	} else {
		lane = xcalloc(1, sizeof(*lane));
		timer_init(&lane->pause, dispatch->host->loop, lane_goes_on, lane);
	}
	TAILQ_INIT(&lane->invocations);
	lane->function = function;
	lane->next = NULL;
	lane->worker = NULL;
	lane->number = ++dispatch->next_lane;
	if (lane->number == 0)
		lane->number = ++dispatch->next_lane;
	lane->epoch = 1;
	lane->sent = lane->committing = 0;
	lane->pausing = lane->stalled = lane->held = lane->returning = lane->broken = false;
	buf_reset(&lane->key);
	buf_append_bytes(&lane->key, key);
	hash_insert_hashed(&function->lanes, &lane->link, buf_bytes(&lane->key), hash);
	return lane;
}

void
lane_unstall(struct dispatch *dispatch, struct lane *lane)
{
	if (!lane->stalled)
		return;
	lane->stalled = false;
	dispatch->stalled_count--;
	TAILQ_REMOVE(&dispatch->stalled, lane, stalled_link);
}

/* A lane exists as long as something is in it. */
void
lane_settle(struct dispatch *dispatch, struct lane *lane)
{
	if (!TAILQ_EMPTY(&lane->invocations))
		return;
	lane_unstall(dispatch, lane);
	timer_cancel(&lane->pause);
	hash_remove(&lane->function->lanes, &lane->link);
	TAILQ_INSERT_HEAD(&dispatch->spare_lanes, lane, stalled_link);
}

static struct lane *
lane_get(struct dispatch *dispatch, struct function *function, const struct occurrence *event)
{
	struct bytes key =
	    function->current->manifest->order == ORDER_FUNCTION ? bytes_of(NULL, 0) : event->key;
	uint64_t hash = hash_bytes(key);
	struct hash_node *node = hash_find_hashed(&function->lanes, key, hash);

	return node != NULL ? HASH_OWNER(node, struct lane, link)
			    : lane_new(dispatch, function, key, hash);
}

static bool
may_run_more(const struct function *function)
{
	uint32_t most = function->current->manifest->concurrency;

	if (function->stuck > 0 && function->stuck >= function->host->pool->wanted)
		return false;
	return most == 0 || function->running < most;
}

static void
send_to(struct worker *worker, struct invocation *invocation)
{
	struct function *function = invocation->function;

	invocation->version = function->current;
	version_hold(invocation->version);
	invocation->state = INVOCATION_SENT;
	function->running++;
	function->metrics.invocations++;
	tracer_begin(invocation);
	worker_invoke(worker, invocation);
}

/* It is no longer with a worker. */
void
invocation_leave_worker(struct invocation *invocation)
{
	struct lane *lane = invocation->lane;

	assert(invocation->state == INVOCATION_SENT);
	invocation->function->running--;
	if (lane != NULL && --lane->sent == 0) {
		lane->worker = NULL;
		lane->held = false;
	}
	version_drop(invocation->version);
	invocation->version = NULL;
	invocation->sending = NULL;
	if (invocation->http_call != NULL)
		commit_abort_call(invocation);
}

void
lane_stall(struct dispatch *dispatch, struct lane *lane)
{
	if (lane->stalled)
		return;
	lane->stalled = true;
	dispatch->stalled_count++;
	TAILQ_INSERT_TAIL(&dispatch->stalled, lane, stalled_link);
}

static bool
worker_has_room(const struct worker *worker)
{
	return worker->state == WORKER_SERVES && !worker->solo && !worker->reserved &&
	       worker->inflight < WORKER_WINDOW && conn_pending(worker->conn) < WORKER_BYTES_MAX;
}

/* The worker for the lane's next; NULL: none now. */
static struct worker *
lane_worker(struct dispatch *dispatch, struct lane *lane)
{
	if (lane->worker == NULL)
		return pool_choose(
		    dispatch->host->pool, lane->function->current, lane->next->suspect);
	if (lane->next->suspect || lane->sent >= LANE_SENT_MAX || !worker_has_room(lane->worker))
		return NULL;
	return lane->worker;
}

/* The first from here on that waits: those that are on their way to the disk are passed over. */
static struct invocation *
first_waiting(struct invocation *invocation)
{
	while (invocation != NULL && invocation->state != INVOCATION_WAITS &&
	       invocation->state != INVOCATION_FAILING)
		invocation = TAILQ_NEXT(invocation, link);
	return invocation;
}

static void
fail_removed(struct invocation *invocation)
{
	const struct outcome outcome = { .reason = FAIL_CANCELLED,
		.message = bytes_of_string("the function was removed before it ran") };

	dispatch_fail(invocation, &outcome);
}

static bool
may_send(const struct lane *lane)
{
	return lane->next != NULL && lane->next->state == INVOCATION_WAITS && !lane->pausing &&
	       !lane->held && !lane->returning && !lane->function->host->dispatch->stopped;
}

/* Drops those whose sources have no need of them any more. False: the lane is no more. */
static bool
drop_void(struct lane *lane)
{
	while (lane->next != NULL && lane->next->state == INVOCATION_WAITS &&
	       occurrence_is_void(lane->next->event)) {
		struct invocation *invocation = lane->next;
		struct dispatch *dispatch = invocation->dispatch;

		lane->next = first_waiting(TAILQ_NEXT(invocation, link));
		TAILQ_REMOVE(&lane->invocations, invocation, link);
		invocation_free(invocation);
		if (TAILQ_EMPTY(&lane->invocations)) {
			lane_settle(dispatch, lane);
			return false;
		}
	}
	return true;
}

void
lane_send(struct lane *lane)
{
	struct dispatch *dispatch = lane->function->host->dispatch;

	lane_unstall(dispatch, lane);
	while (may_send(lane)) {
		struct worker *worker;

		if (!drop_void(lane))
			return;
		if (!may_send(lane))
			break;

		if (lane->function->removed) {
			fail_removed(lane->next);
			return; /* the next follows when this one stands in the dead letters */
		}
		if (lane->function->current == NULL || !may_run_more(lane->function) ||
		    (worker = lane_worker(dispatch, lane)) == NULL) {
			lane_stall(dispatch, lane);
			return;
		}
		lane->worker = worker;
		lane->sent++;
		send_to(worker, lane->next);
		lane->next = first_waiting(lane->next);
	}
}

/* For the one that is due next: the timer is moved to an earlier moment only. */
static void
wake_loose(struct dispatch *dispatch, int64_t due_us)
{
	int64_t now_us = loop_now_us(dispatch->host->loop);

	if (timer_is_set(&dispatch->loose_timer) && dispatch->loose_due_us <= due_us)
		return;
	dispatch->loose_due_us = due_us;
	timer_set(&dispatch->loose_timer, due_us > now_us ? due_us - now_us : 0);
}

static void
loose_due(void *arg)
{
	struct dispatch *dispatch = arg;
	int64_t now_us = loop_now_us(dispatch->host->loop);
	struct invocation *invocation;

	dispatch_pump(dispatch);
	TAILQ_FOREACH (invocation, &dispatch->loose, link) {
		if (invocation->due_us > now_us)
			wake_loose(dispatch, invocation->due_us);
	}
}

/* Of functions without order: all that are due and find room. */
static void
send_loose(struct dispatch *dispatch)
{
	int64_t now_us = loop_now_us(dispatch->host->loop);
	struct invocation *invocation, *next;

	TAILQ_FOREACH_SAFE (invocation, &dispatch->loose, link, next) {
		struct worker *worker;

		if (invocation->function->removed) {
			TAILQ_REMOVE(&dispatch->loose, invocation, link);
			fail_removed(invocation);
			continue;
		}
		if (occurrence_is_void(invocation->event)) {
			TAILQ_REMOVE(&dispatch->loose, invocation, link);
			invocation_free(invocation);
			continue;
		}
		if (invocation->due_us > now_us || invocation->function->current == NULL ||
		    !may_run_more(invocation->function))
			continue;
		worker = pool_choose(
		    dispatch->host->pool, invocation->function->current, invocation->suspect);
		if (worker == NULL)
			return;
		TAILQ_REMOVE(&dispatch->loose, invocation, link);
		send_to(worker, invocation);
	}
}

static bool
pool_has_room(const struct pool *pool)
{
	for (unsigned i = 0; i < pool->highest; i++) {
		const struct worker *worker = &pool->workers[i];

		if (worker_has_room(worker) ||
		    (worker->state == WORKER_SERVES && worker->inflight == 0))
			return true;
	}
	return false;
}

/* Each stalled lane once, but only so many in vain at a time: the others follow a little later. */
static void
pump_stalled(struct dispatch *dispatch)
{
	unsigned vain = 0;
	struct lane *lane;

	while (dispatch->rest_count > 0 && vain < PUMP_VAIN_MAX &&
	       (lane = TAILQ_FIRST(&dispatch->stalled)) != NULL) {
		uint32_t sent = lane->sent;

		dispatch->rest_count--;
		lane_send(lane);
		vain += lane->stalled && lane->sent <= sent;
	}
	if (dispatch->rest_count > 0 && !TAILQ_EMPTY(&dispatch->stalled))
		timer_set(&dispatch->rest, PUMP_REST_US);
}

static void
pump_rest(void *arg)
{
	struct dispatch *dispatch = arg;

	if (!dispatch->stopped && dispatch->host->pool != NULL)
		pump_stalled(dispatch);
}

void
dispatch_pump(struct dispatch *dispatch)
{
	if (dispatch == NULL || dispatch->stopped || dispatch->host->pool == NULL)
		return;
	/* Where no worker can take more, one will say something when it can. */
	if (!TAILQ_EMPTY(&dispatch->stalled) && pool_has_room(dispatch->host->pool)) {
		dispatch->rest_count = dispatch->stalled_count;
		pump_stalled(dispatch);
	}
	if (!TAILQ_EMPTY(&dispatch->loose))
		send_loose(dispatch);
}

/* `pause_ms`: it is not due before, which matters where it is the first of its lane. */
static void
enter(struct invocation *invocation, int64_t pause_ms)
{
	struct dispatch *dispatch = invocation->dispatch;
	struct function *function = invocation->function;

	function->metrics.events++;
	if (function->current->manifest->order == ORDER_NONE && pause_ms > 0) {
		dispatch_again(invocation, pause_ms * 1000);
		return;
	}
	if (function->current->manifest->order == ORDER_NONE) {
		struct worker *worker =
		    !dispatch->stopped && may_run_more(function) && TAILQ_EMPTY(&dispatch->loose)
			? pool_choose(dispatch->host->pool, function->current, false)
			: NULL;

		if (worker != NULL)
			send_to(worker, invocation);
		else
			TAILQ_INSERT_TAIL(&dispatch->loose, invocation, link);
		return;
	}
	invocation->lane = lane_get(dispatch, function, invocation->event);
	TAILQ_INSERT_TAIL(&invocation->lane->invocations, invocation, link);
	if (invocation->lane->next == NULL)
		invocation->lane->next = invocation;
	if (pause_ms > 0 && TAILQ_FIRST(&invocation->lane->invocations) == invocation) {
		invocation->lane->pausing = true;
		dispatch_again(invocation, pause_ms * 1000);
	} else if (!invocation->lane->stalled) {
		lane_send(invocation->lane);
	}
}

bool
dispatch_would_shed(const struct function *function, const struct occurrence *event)
{
	uint32_t most = (uint32_t)options_number(function->host->options, OPTION_IN_FLIGHT_MAX);
	int64_t now_us = loop_now_us(function->host->loop);

	if (function->load < most)
		return false;
	if (function->load >= most * 4)
		return true;
	return !occurrence_is_kept(event) && function->full_since_us != 0 &&
	       now_us - function->full_since_us > SHED_AFTER_US;
}

enum dispatch_flow
dispatch_submit(struct function *function, struct occurrence *event)
{
	struct dispatch *dispatch = function->host->dispatch;
	uint32_t most = (uint32_t)options_number(function->host->options, OPTION_IN_FLIGHT_MAX);
	struct invocation *invocation;

	if (function->current != NULL && backlog_takes(function, event) &&
	    backlog_spill(function, event))
		return DISPATCH_GO_ON;
	if (function->current == NULL || backlog_takes(function, event) ||
	    dispatch_would_shed(function, event)) {
		function->metrics.shed++;
		return DISPATCH_SHED;
	}
	invocation = invocation_new(dispatch, function, event);
	enter(invocation, event->tried > 0 ? failure_resume(invocation) : 0);
	if (function->load < most)
		return DISPATCH_GO_ON;
	if (function->full_since_us == 0)
		function->full_since_us = loop_now_us(function->host->loop);
	dispatch->paused = true;
	return DISPATCH_FULL;
}

void
dispatch_submit_stored(
    struct function *function, struct occurrence *event, const struct queue_row *row)
{
	struct invocation *invocation = invocation_new(function->host->dispatch, function, event);

	invocation->sequence = row->sequence;
	invocation->attempt = row->attempt;
	invocation->since_ms = row->created_ms;
	backlog_enter(invocation);
	enter(invocation, row->due_ms - loop_wall_ms(function->host->loop));
}

bool
dispatch_is_idle(const struct dispatch *dispatch)
{
	return dispatch->load == 0;
}

/* Everything behind `first`, which waits again, is to be sent again: it is stale from now on. */
void
lane_restart(struct lane *lane, struct invocation *first)
{
	struct invocation *invocation;

	lane->epoch++;
	for (invocation = TAILQ_NEXT(first, link); invocation != NULL;
	     invocation = TAILQ_NEXT(invocation, link)) {
		if (invocation->state != INVOCATION_SENT)
			continue;
		sending_revoke(invocation->sending);
		invocation_leave_worker(invocation);
		invocation->state = INVOCATION_WAITS;
	}
	/* Where commits fail one before it may wait already. */
	lane->next = first_waiting(TAILQ_FIRST(&lane->invocations));
}

void
dispatch_again(struct invocation *invocation, int64_t pause_us)
{
	struct dispatch *dispatch = invocation->dispatch;

	invocation->state = INVOCATION_WAITS;
	if (invocation->lane != NULL) {
		timer_set(&invocation->lane->pause, pause_us);
		return;
	}
	invocation->due_us = loop_now_us(dispatch->host->loop) + pause_us;
	TAILQ_INSERT_TAIL(&dispatch->loose, invocation, link);
	if (dispatch->loose_timer.event == NULL)
		timer_init(&dispatch->loose_timer, dispatch->host->loop, loose_due, dispatch);
	wake_loose(dispatch, invocation->due_us);
}

void
dispatch_forget(struct invocation *invocation)
{
	struct lane *lane = invocation->lane;

	if (lane != NULL) {
		TAILQ_REMOVE(&lane->invocations, invocation, link);
		lane->next = first_waiting(TAILQ_FIRST(&lane->invocations));
		lane->pausing = false;
		if (TAILQ_EMPTY(&lane->invocations))
			lane_settle(invocation->dispatch, lane);
		else
			lane_send(lane);
	}
	invocation_free(invocation);
}
