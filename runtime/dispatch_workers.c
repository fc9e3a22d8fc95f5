/* SPDX-License-Identifier: MIT
 * Dispatch, where workers misbehave: what a busy one holds up runs elsewhere, what a dead one had
 * runs again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/protocol.h"
#include "runtime/commit.h"
#include "runtime/function.h"
#include "runtime/pool.h"
#include "runtime/traces/tracer.h"

enum { SKIPS_MAX = 3 };

/* Back to waiting, in its place. */
static void
send_again(struct invocation *invocation)
{
	struct lane *lane = invocation->lane;

	invocation_leave_worker(invocation);
	invocation->state = INVOCATION_WAITS;
	if (lane == NULL) {
		TAILQ_INSERT_TAIL(&invocation->dispatch->loose, invocation, link);
		return;
	}
	lane_restart(lane, invocation);
	lane_stall(invocation->dispatch, lane);
}

/* The host did not revoke it, and the worker thinks that an earlier one failed: run it again. That
 * comes of answers that crossed, and not twice for the same. */
bool
dispatch_skipped(struct invocation *invocation)
{
	struct dispatch *dispatch = invocation->dispatch;

	if (++invocation->skips > SKIPS_MAX)
		return false;
	send_again(invocation);
	dispatch_pump(dispatch);
	return true;
}

void
dispatch_take_back(struct dispatch *dispatch, struct worker *worker)
{
	struct sending *first = TAILQ_FIRST(&worker->sent), *sending, *next;
	const struct lane *kept = first->invocation != NULL ? first->invocation->lane : NULL;

	for (sending = TAILQ_NEXT(first, link); sending != NULL; sending = next) {
		struct invocation *invocation = sending->invocation;

		next = TAILQ_NEXT(sending, link);
		if (invocation == NULL || (kept != NULL && invocation->lane == kept))
			continue;
		sending_revoke(sending);
		send_again(invocation);
		dispatch->taken_back++;
	}
	dispatch_pump(dispatch);
}

/* Who killed a worker is known only where it ran alone; all that might have been are tried again
 * one by one, and none of them loses an attempt yet. */
static void
crashed(struct invocation *invocation, const char *how, bool alone)
{
	char message[160];
	struct outcome outcome = { .reason = FAIL_ERROR };

	invocation->suspect = true;
	if (!alone) {
		send_again(invocation);
		return;
	}
	(void)snprintf(message, sizeof(message), "the worker process was lost: %s", how);
	outcome.message = bytes_of_string(message);
	invocation->function->metrics.crashes++;
	invocation->function->crashes++;
	tracer_end(
	    invocation, &(struct tracer_end){ TRACE_LOST, invocation->version, outcome.message });
	invocation_leave_worker(invocation);
	dispatch_fail(invocation, &outcome);
}

void
dispatch_worker_gone(struct dispatch *dispatch, struct worker *worker, const char *how)
{
	struct sending *sending;
	bool alone = worker->inflight == 1 && worker->loads == 0;

	if (dispatch == NULL)
		return;
	while ((sending = TAILQ_FIRST(&worker->sent)) != NULL) {
		struct invocation *invocation = sending->invocation;

		sending_put(sending);
		if (invocation != NULL)
			crashed(invocation, how, alone);
	}
	while ((sending = TAILQ_FIRST(&worker->waiting)) != NULL) {
		struct invocation *invocation = sending->invocation;

		sending_put(sending);
		if (invocation != NULL)
			send_again(invocation);
	}
	dispatch_pump(dispatch);
}

void
dispatch_log(const struct invocation *invocation, enum log_level level, struct bytes text)
{
	char id[EVENT_ID_BYTES * 2 + 1], *line = bytes_to_string(text);

	occurrence_mask(invocation->event, line);
	invocation_id(invocation, id);
	log_emit(&(struct log_line){ .level = level,
	    .component = "function",
	    .function_name = invocation->function->name,
	    .invocation_id = id,
	    .text = line });
	free(line);
}

void
dispatch_trace(const struct invocation *invocation, const struct outcome *outcome)
{
	const struct occurrence *event = invocation->event;
	int64_t took_us = loop_now_us(invocation->dispatch->host->loop) - invocation->begun_us;
	struct buf text = { 0 };

	buf_printf(&text, "%s %.*s: done in %.3f ms, %u effect%s", event->trigger,
	    (int)event->subject.len, (const char *)event->subject.data, (double)took_us / 1000,
	    outcome->effect_count, outcome->effect_count == 1 ? "" : "s");
	dispatch_log(invocation, LOG_LEVEL_DEBUG, buf_bytes(&text));
	buf_clear(&text);
}

void
dispatch_announce_cage(const struct pool *pool)
{
	static const struct {
		enum cage_layer layer;
		const char *name;
	} names[] = { { CAGE_SECCOMP, "seccomp" }, { CAGE_NAMESPACES, "namespaces" },
		{ CAGE_EMPTY_ROOT, "empty root" }, { CAGE_LANDLOCK, "Landlock" },
		{ CAGE_UNPRIVILEGED, "unprivileged user" }, { CAGE_NO_NEW_PRIVS, "no_new_privs" },
		{ CAGE_RLIMITS, "rlimits" }, { CAGE_MDWE, "no executable memory" } };
	struct buf active = { 0 }, missing = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf *list = (pool->layers & names[i].layer) != 0 ? &active : &missing;

		buf_printf(list, "%s%s", list->len > 0 ? ", " : "", names[i].name);
	}
	log_info("workers", "%s, caged by %s", pool->lua_version, buf_string(&active));
	if (missing.len > 0)
		log_warn("workers", "this system does not give: %s", buf_string(&missing));
	buf_clear(&active);
	buf_clear(&missing);
}
