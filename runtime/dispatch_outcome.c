/* SPDX-License-Identifier: MIT
 * How invocations end: committed, in conflict, failed, given up.
 */
#include "runtime/commit.h"
#include "runtime/function.h"
#include "runtime/pool.h"
#include "runtime/traces/tracer.h"

/* A handler that loses this often in a row has failed. */
enum { CONFLICTS_MAX = 100 };

bool
dispatch_done(struct invocation *invocation, struct cursor *cursor)
{
	struct commit_input input = { .busy_us = cursor_u32(cursor) };

	input.stage_bytes = cursor_u32(cursor);
	input.result_kind = (enum result_kind)cursor_u8(cursor);
	input.result = cursor_bytes(cursor);
	input.effect_count = cursor_u16(cursor);
	input.effects = bytes_of(cursor->at, (size_t)(cursor->end - cursor->at));
	if (cursor->bad || input.result_kind > RESULT_RAW ||
	    !commit_check(input.effects, input.effect_count))
		return false;
	latency_add(&invocation->function->metrics.busy, input.busy_us);
	input.version = invocation->version;
	version_hold(input.version);
	if (invocation->lane != NULL)
		invocation->lane->committing++;
	invocation_leave_worker(invocation);
	invocation->state = INVOCATION_COMMITTING;
	commit_begin(invocation, &input);
	version_drop(input.version);
	return true;
}

static void
out_of_lane(struct invocation *invocation)
{
	struct lane *lane = invocation->lane;

	if (lane == NULL)
		return;
	TAILQ_REMOVE(&lane->invocations, invocation, link);
	lane_settle(invocation->dispatch, lane);
}

/* When all of a lane that was on its way to the disk is back, what came back in vain goes again. */
static void
end_committing(struct lane *lane)
{
	if (lane == NULL || --lane->committing > 0)
		return;
	lane->broken = false;
	if (!lane->returning)
		return;
	lane->returning = false;
	lane_stall(lane->function->host->dispatch, lane);
}

void
dispatch_committed(struct invocation *invocation, const struct outcome *outcome)
{
	struct occurrence *event = invocation->event;

	invocation->function->crashes = 0;
	latency_add(&invocation->function->metrics.latency,
	    loop_now_us(invocation->dispatch->host->loop) - invocation->begun_us);
	if (log_traced())
		dispatch_trace(invocation, outcome);
	event->handled = true;
	end_committing(invocation->lane);
	if (event->ended != NULL)
		event->ended(event->arg, outcome);
	out_of_lane(invocation);
	invocation_free(invocation);
}

/* A commit of the lane failed: nothing of it is sent until those behind it are back too. */
static void
come_back(struct lane *lane)
{
	if (lane == NULL)
		return;
	lane->returning = true;
	end_committing(lane);
}

void
dispatch_fail(struct invocation *invocation, const struct outcome *outcome)
{
	struct lane *lane = invocation->lane;

	if (invocation->state == INVOCATION_COMMITTING)
		come_back(lane);
	invocation->state = INVOCATION_FAILING;
	if (lane != NULL) {
		lane_restart(lane, invocation);
		lane->pausing = true;
		lane_unstall(invocation->dispatch, lane);
	}
	failure_begin(invocation, outcome);
}

void
dispatch_conflict(struct invocation *invocation, bool behind)
{
	struct dispatch *dispatch = invocation->dispatch;
	struct lane *lane = invocation->lane;
	const struct outcome outcome = { .reason = FAIL_ERROR,
		.message = bytes_of_string("conflict: what the handler read was changed by others "
					   "before it could commit, too many times in a row") };

	invocation->function->metrics.conflicts += !behind;
	if (!behind && ++invocation->conflicts > CONFLICTS_MAX) {
		dispatch_fail(invocation, &outcome);
		return;
	}
	come_back(lane);
	invocation->state = INVOCATION_WAITS;
	if (lane != NULL) {
		lane_restart(lane, invocation);
		lane_stall(dispatch, lane);
	} else {
		invocation->due_us = 0;
		TAILQ_INSERT_HEAD(&dispatch->loose, invocation, link);
	}
	task_schedule(&dispatch->pump, dispatch->host->loop);
}

bool
dispatch_failed(struct invocation *invocation, struct cursor *cursor, bool cancelled)
{
	struct function *function = invocation->function;
	uint32_t busy_us = cursor_u32(cursor);
	struct outcome outcome = { .reason = (enum fail_reason)cursor_u8(cursor) };

	outcome.message = cursor_bytes(cursor);
	outcome.traceback = cursor_bytes(cursor);
	if (!cursor_end(cursor) || outcome.reason < FAIL_ERROR || outcome.reason > FAIL_NO_FUNCTION)
		return false;
	latency_add(&function->metrics.busy, busy_us);
	if (outcome.reason == FAIL_NO_FUNCTION)
		invocation->version->workers &=
		    ~((uint64_t)1 << invocation->sending->worker->index);
	if (outcome.reason == FAIL_CANCELLED && cancelled) {
		outcome.reason = FAIL_TIMEOUT;
		outcome.message = bytes_of_string("timeout: the handler waited too long");
	}
	if (outcome.reason == FAIL_TIMEOUT)
		function->metrics.timeouts++;
	else
		function->metrics.errors++;
	tracer_end(
	    invocation, &(struct tracer_end){ TRACE_FAILED, invocation->version, outcome.message });
	invocation_leave_worker(invocation);
	dispatch_fail(invocation, &outcome);
	return true;
}

void
dispatch_give_up(struct invocation *invocation, const struct outcome *outcome)
{
	struct occurrence *event = invocation->event;

	if (event->ended != NULL)
		event->ended(event->arg, outcome);
	dispatch_forget(invocation);
}
