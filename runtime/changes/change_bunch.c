/* SPDX-License-Identifier: MIT
 * Changes become events: one each, or gathered into batches. A batch is one event in the lane of
 * its table, so that order holds whatever keys are in it; a key that stands aside has its own.
 *
 * Where a batch fails, all that waits is taken back and gathered anew, with cuts in the middle and
 * at the end of the one that failed: what stands behind it cannot overtake its halves.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/changes/change_follower_private.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

static void
mark(void *arg, const struct occurrence *event, struct writes *writes)
{
	struct bunch *bunch = arg;

	(void)event;
	pendings_mark(bunch->follower, bunch->list, bunch->count, writes);
}

static bool
is_void(void *arg, const struct occurrence *event)
{
	struct bunch *bunch = arg;
	const struct change_follower *follower = bunch->follower;

	(void)event;
	bunch->taken_back = bunch->function->removed ||
			    (!bunch->aside && bunch->generation != follower->generation) ||
			    bunch->in_array != (follower->wish.batch > 0);
	for (size_t i = 0; follower->chains.count > 0 && i < bunch->count; i++)
		bunch->taken_back =
		    bunch->taken_back || chain_blocks(follower, bunch->list[i]->key);
	return bunch->taken_back;
}

static bool
take_failure(void *arg, const struct occurrence *event, const struct outcome *outcome)
{
	struct bunch *bunch = arg;

	if (bunch->count < 2) {
		bunch->taken_back = !bunch->aside && aside_begins(bunch->follower, bunch->list[0],
							 event, outcome->message);
		return bunch->taken_back;
	}
	bunch->list[(bunch->count - 1) / 2]->cut = true;
	bunch->list[bunch->count - 1]->cut = true;
	bunch->taken_back = true;
	bunch->follower->halved++;
	bunches_take_back(bunch->follower);
	return true;
}

static void
give_up(void *arg, const struct occurrence *event, struct failed_row *failed, struct writes *writes)
{
	struct bunch *bunch = arg;
	const struct pending *pending = bunch->list[0];

	mark(arg, event, writes);
	if (bunch->count != 1)
		return;
	failed->kind = FAILED_CHANGE;
	if (bunch->falling == NULL) {
		bunch->falling = chain_get(bunch->follower, pending->key);
		bunch->falling->rows++;
	}
	chain_fall(bunch->falling, pending, failed, writes);
}

static void
bunch_free(struct bunch *bunch)
{
	function_drop(bunch->function);
	free(bunch);
}

static void
settled(void *arg, const struct occurrence *event, bool handled)
{
	struct bunch *bunch = arg;
	struct change_follower *follower = bunch->follower;

	(void)event;
	if (!bunch->aside)
		follower->bunches--;
	if (bunch->in_lane)
		lane_leave(follower, bunch->list[0]->key, handled);
	if (!bunch->aside && bunch->generation != follower->generation)
		follower->stale--;
	if (bunch->falling != NULL)
		chain_fallen(bunch->falling, handled);
	pendings_settle(follower, bunch->list, bunch->count, handled);
	if (bunch->taken_back && follower_is_live(follower))
		task_schedule(&follower->task, follower->all->host->loop);
	bunch_free(bunch);
}

static const struct event_source bunch_source = { .mark = mark,
	.is_void = is_void,
	.take_failure = take_failure,
	.give_up = give_up,
	.settled = settled };

static struct bunch *
bunch_new(struct change_follower *follower, size_t most)
{
	struct bunch *bunch = xcalloc(1, sizeof(*bunch) + most * sizeof(struct pending *));

	bunch->follower = follower;
	bunch->function = follower->function;
	bunch->generation = follower->generation;
	bunch->in_array = follower->wish.batch > 0;
	function_hold(bunch->function);
	return bunch;
}

/* `key` empty: in the order of its table. `again`: what has been tried before, or NULL. */
static void
submit(struct bunch *bunch, struct bytes payload, struct bytes key, const struct pending *again)
{
	struct change_follower *follower = bunch->follower;
	struct happening happening = { .trigger = "table",
		.subject = bytes_of_string(follower->table),
		.key = key,
		.payload = payload,
		.qos = 1,
		.hops = (uint8_t)bunch->hops,
		.source = &bunch_source,
		.source_arg = bunch };
	struct occurrence *event;

	if (again != NULL && again->tried > 0) {
		happening.tried = again->tried;
		happening.event_id = again->event_id;
		happening.time_ms = again->event_ms;
	}
	event = occurrence_new(follower->all->host, &happening);
	follower->bunches += !bunch->aside;
	(void)dispatch_submit(bunch->function, event);
	occurrence_drop(event);
}

static void
take_in(struct bunch *bunch, struct pending *pending, const struct change *change)
{
	bunch->hops = change->hops > bunch->hops ? change->hops : bunch->hops;
	bunch->list[bunch->count++] = pending;
	pending->in_flight = true;
	bunch->follower->in_flight++;
}

static void
enter(struct bunch *bunch, const struct pending *pending)
{
	bunch->in_lane = true;
	lane_enter(bunch->follower, pending->key);
}

void
bunch_close(struct change_follower *follower)
{
	struct bunch *bunch = follower->open;
	struct buf text = follower->text;

	if (bunch == NULL)
		return;
	follower->open = NULL;
	follower->text = (struct buf){ 0 };
	timer_cancel(&follower->window);
	buf_append_u8(&text, ']');
	submit(bunch, buf_bytes(&text), bytes_of(NULL, 0), NULL);
	buf_clear(&text);
}

void
bunch_discard(struct change_follower *follower)
{
	struct bunch *bunch = follower->open;

	if (bunch == NULL)
		return;
	follower->open = NULL;
	buf_reset(&follower->text);
	timer_cancel(&follower->window);
	pendings_settle(follower, bunch->list, bunch->count, false);
	bunch_free(bunch);
}

void
bunches_take_back(struct change_follower *follower)
{
	bunch_discard(follower);
	follower->generation++;
	follower->stale = follower->bunches;
}

static void
submit_aside(struct change_follower *follower, struct pending *pending, const struct change *change)
{
	struct bunch *bunch = bunch_new(follower, 1);
	struct buf text = { 0 };

	bunch->aside = true;
	enter(bunch, pending);
	take_in(bunch, pending, change);
	buf_append_u8(&text, '[');
	buf_append_bytes(&text, change->text);
	buf_append_u8(&text, ']');
	submit(bunch, buf_bytes(&text), pending->key, pending);
	pending->tried = 0;
	buf_clear(&text);
}

void
bunch_add(struct change_follower *follower, struct pending *pending, const struct change *change)
{
	struct bunch *bunch;

	if (follower->wish.batch == 0) {
		bunch = bunch_new(follower, 1);
		enter(bunch, pending);
		take_in(bunch, pending, change);
		submit(bunch, change->text, pending->key, NULL);
		return;
	}
	if (aside_takes(follower, pending)) {
		submit_aside(follower, pending, change);
		return;
	}
	if (follower->open == NULL) {
		follower->open = bunch_new(follower, follower->wish.batch);
		if (follower->wish.window_ms > 0)
			timer_set(&follower->window, follower->wish.window_ms * 1000);
	}
	bunch = follower->open;
	buf_append_u8(&follower->text, bunch->count == 0 ? '[' : ',');
	buf_append_bytes(&follower->text, change->text);
	take_in(bunch, pending, change);
	if (bunch->count == follower->wish.batch || follower->text.len >= BATCH_BYTES_MAX ||
	    pending->cut)
		bunch_close(follower);
}
