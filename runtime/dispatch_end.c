/* SPDX-License-Identifier: MIT
 * Dispatch, where functions go and where the host does.
 */
#include <stdlib.h>

#include "lib/log.h"
#include "runtime/backlog.h"
#include "runtime/commit.h"
#include "runtime/dead_letters.h"
#include "runtime/function.h"
#include "runtime/pool.h"
#include "runtime/replays.h"

enum { FLUSHES = 3 };

static int
nothing(struct txn *txn, struct store_job *job, struct err *err)
{
	(void)txn;
	(void)job;
	(void)err;
	return 0;
}

static void
nothing_done(struct store_job *job)
{
	(void)job;
}

/* What arrives may submit once more (a commit that failed becomes a retry), but then it ends. */
void
dispatch_stop(struct dispatch *dispatch)
{
	struct store_job last = { .run = nothing, .done = nothing_done };
	struct err err;

	if (dispatch == NULL)
		return;
	dispatch->stopped = true;
	for (int i = 0; i < FLUSHES; i++) {
		if (store_run(dispatch->host->store, &last, &err) < 0)
			log_warn("dispatch", "the store did not finish: %s", err.text);
	}
}

static void
free_waiting(struct dispatch *dispatch)
{
	struct functions *functions = dispatch->host->functions;
	struct invocation *invocation;

	for (struct hash_node *at = hash_next(&functions->map, NULL); at != NULL;
	     at = hash_next(&functions->map, at)) {
		struct function *function = HASH_OWNER(at, struct function, link);
		struct hash_node *lane_at;

		while ((lane_at = hash_next(&function->lanes, NULL)) != NULL) {
			struct lane *lane = HASH_OWNER(lane_at, struct lane, link);

			while ((invocation = TAILQ_FIRST(&lane->invocations)) != NULL) {
				if (invocation->state == INVOCATION_SENT) {
					sending_revoke(invocation->sending);
					invocation_leave_worker(invocation);
				}
				TAILQ_REMOVE(&lane->invocations, invocation, link);
				invocation->event->ack = NULL;
				invocation_free(invocation);
			}
			lane_settle(dispatch, lane);
		}
	}
}

void
dispatch_removed(struct function *function)
{
	struct hash_node *at = hash_next(&function->lanes, NULL), *next;

	/* lane_send only begins what ends later: other lanes stay in the map meanwhile. */
	for (; at != NULL; at = next) {
		next = hash_next(&function->lanes, at);
		lane_send(HASH_OWNER(at, struct lane, link));
	}
	dispatch_pump(function->host->dispatch);
}

/* Those without a lane are found only where they were sent to. */
static void
free_sent(struct sendings *sendings)
{
	struct sending *sending;

	TAILQ_FOREACH (sending, sendings, link) {
		struct invocation *invocation = sending->invocation;

		if (invocation == NULL)
			continue;
		sending_revoke(sending);
		invocation_leave_worker(invocation);
		invocation->event->ack = NULL;
		invocation_free(invocation);
	}
}

void
dispatch_free(struct dispatch *dispatch)
{
	struct invocation *invocation;
	struct lane *lane;

	if (dispatch == NULL)
		return;
	dispatch->paused = false;
	free_waiting(dispatch);
	for (unsigned i = 0; dispatch->host->pool != NULL && i < dispatch->host->pool->highest;
	     i++) {
		free_sent(&dispatch->host->pool->workers[i].sent);
		free_sent(&dispatch->host->pool->workers[i].waiting);
	}
	while ((invocation = TAILQ_FIRST(&dispatch->loose)) != NULL) {
		TAILQ_REMOVE(&dispatch->loose, invocation, link);
		invocation->event->ack = NULL;
		invocation_free(invocation);
	}
	while ((invocation = TAILQ_FIRST(&dispatch->spare)) != NULL) {
		TAILQ_REMOVE(&dispatch->spare, invocation, link);
		free(invocation);
	}
	while ((lane = TAILQ_FIRST(&dispatch->spare_lanes)) != NULL) {
		TAILQ_REMOVE(&dispatch->spare_lanes, lane, stalled_link);
		timer_clear(&lane->pause);
		buf_clear(&lane->key);
		free(lane);
	}
	timer_clear(&dispatch->loose_timer);
	timer_clear(&dispatch->rest);
	task_cancel(&dispatch->pump);
	backlog_free(dispatch->host->backlog);
	dispatch->host->backlog = NULL;
	dead_letters_free(dispatch->host->dead_letters);
	dispatch->host->dead_letters = NULL;
	replays_free(dispatch->host->replays);
	dispatch->host->replays = NULL;
	free(dispatch);
}
