/* SPDX-License-Identifier: MIT
 * What the sessions of an identity are together: one that may connect under any client identifier
 * must not use up what there is for all. A session counts for who has connected to it last, also
 * after a restart.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "net/broker_private.h"

struct owner {
	struct hash_node link; /* by its name */
	uint32_t sessions;
	uint64_t queue_bytes;
	char name[];
};

enum { DELIVERY_BYTES = sizeof(struct delivery) + 16 }; /* with what the allocator adds */

static struct owner *
owner_find(const struct broker *broker, struct bytes name)
{
	struct hash_node *node = hash_find(&broker->owners, name);

	return node != NULL ? HASH_OWNER(node, struct owner, link) : NULL;
}

static struct owner *
owner_get(struct broker *broker, struct bytes name)
{
	struct owner *owner = owner_find(broker, name);

	if (owner != NULL)
		return owner;
	owner = xcalloc(1, sizeof(*owner) + name.len + 1);
	memcpy(owner->name, name.data, name.len);
	hash_insert(&broker->owners, &owner->link, bytes_of(owner->name, name.len));
	return owner;
}

static void
owner_leave(struct broker *broker, struct owner *owner)
{
	if (owner == NULL || --owner->sessions > 0)
		return;
	assert(owner->queue_bytes == 0);
	hash_remove(&broker->owners, &owner->link);
	free(owner);
}

struct bytes
session_owner(const struct session *session)
{
	return session->owner != NULL ? session->owner->link.key : bytes_of("", 0);
}

void
session_own(struct session *session, struct bytes name)
{
	struct broker *broker = session->broker;
	struct owner *owner = NULL;

	if (name.len > 0) {
		owner = owner_get(broker, name);
		owner->sessions++;
		owner->queue_bytes += session_queue_bytes(session);
	}
	if (session->owner != NULL)
		session->owner->queue_bytes -= session_queue_bytes(session);
	owner_leave(broker, session->owner);
	session->owner = owner;
}

bool
broker_has_owner_room(struct broker *broker, struct bytes name)
{
	const struct owner *owner = name.len > 0 ? owner_find(broker, name) : NULL;
	uint32_t max = broker->config.owner_sessions_max;
	struct log_more more;

	if (owner == NULL || max == 0 || owner->sessions < max)
		return true;
	broker->metrics.refused_sessions++;
	if (broker_may_tell(broker, BROKER_LIMIT_OWNER_SESSIONS, &more))
		log_warn("gateway",
		    "%.200s has %u sessions, and no more are allowed: it gets no new ones until "
		    "others of it have ended or expired%s",
		    owner->name, owner->sessions, more.text);
	return false;
}

uint64_t
session_queue_bytes(const struct session *session)
{
	return session->queued_bytes + (uint64_t)session->queued * DELIVERY_BYTES;
}

void
owner_recount(struct session *session, uint64_t before)
{
	if (session->owner != NULL)
		session->owner->queue_bytes += session_queue_bytes(session) - before;
}

/* Half of what all may keep: one alone leaves room for the others. */
bool
owner_has_queue_room(const struct session *session, size_t content_bytes)
{
	const struct owner *owner = session->owner;

	return owner == NULL || owner->queue_bytes + content_bytes + DELIVERY_BYTES <=
				    session->broker->config.kept_bytes_max / 2;
}
