/* SPDX-License-Identifier: MIT
 * Keys that stand aside of the batches: a change that has failed alone, and is to be tried again,
 * waits in a lane of its key, so that the batches behind it go on without that key. Later changes
 * of the key follow it there, one by one, until none of them is in flight any more. So do those of
 * a key whose parked changes are let go.
 *
 * Nothing of the key is in a batch meanwhile: when it steps aside all batches are taken back, and
 * nothing is read before those that run have ended.
 */
#include <string.h>

#include "lib/log.h"
#include "runtime/changes/change_follower_private.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"

bool
aside_takes(const struct change_follower *follower, const struct pending *pending)
{
	if (pending->tried > 0)
		return true;
	return lane_is_there(follower, pending->key) ||
	       (follower->chains.count > 0 && chain_find(follower, pending->key) != NULL);
}

bool
aside_begins(struct change_follower *follower, struct pending *pending,
    const struct occurrence *event, struct bytes message)
{
	const struct function *function = follower->function;

	if (follower->wish.batch == 0 || function->current == NULL || function->removed ||
	    function->current->manifest->retries == 0)
		return false;
	pending->tried = 1;
	memcpy(pending->event_id, event->id, sizeof(pending->event_id));
	pending->event_ms = event->time_ms;
	log_warn("tables",
	    "function %s: a change of %.*s in table %s failed alone, it is tried again aside of "
	    "the "
	    "batches: %.*s",
	    function->name, (int)(pending->key.len < 200 ? pending->key.len : 200),
	    (const char *)pending->key.data, follower->table,
	    (int)(message.len < 500 ? message.len : 500), (const char *)message.data);
	bunches_take_back(follower);
	return true;
}
