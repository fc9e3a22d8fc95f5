/* SPDX-License-Identifier: MIT
 * Sessions (MQTT 5.0 §4.1): they hold the subscriptions and what is on its way, and may outlive
 * their connection.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/topic.h"
#include "net/broker_private.h"

/* A sweep looks at so many of those who are away, and a quarter of all: at each within a second. */
enum { SWEEP_SESSIONS_MIN = 1024 };

struct session *
session_find(struct broker *broker, struct bytes client_id)
{
	struct hash_node *node = hash_find(&broker->sessions, client_id);

	return node != NULL ? HASH_OWNER(node, struct session, link) : NULL;
}

struct session *
session_new(struct broker *broker, struct bytes client_id)
{
	struct session *session = xcalloc(1, sizeof(*session) + client_id.len + 1);

	session->broker = broker;
	session->refs = 1;
	TAILQ_INIT(&session->outbound);
	if (client_id.len > 0)
		memcpy(session->id, client_id.data, client_id.len);
	hash_insert(&broker->sessions, &session->link, bytes_of(session->id, client_id.len));
	broker->metrics.sessions++;
	return session;
}

struct session *
session_ref(struct session *session)
{
	session->refs++;
	return session;
}

void
session_unref(struct session *session)
{
	if (session == NULL)
		return;
	assert(session->refs > 0);
	if (--session->refs > 0)
		return;
	assert(session->dead);
	free(session->incoming);
	free(session);
}

struct incoming *
session_incoming(struct session *session)
{
	if (session->incoming == NULL) {
		session->incoming = xcalloc(1, sizeof(*session->incoming));
		TAILQ_INIT(&session->incoming->taken);
	}
	return session->incoming;
}

bool
session_has_mark(const struct session *session, enum packet_mark mark, uint16_t packet_id)
{
	return session->incoming != NULL &&
	       (session->incoming->marks[mark][packet_id / 8] >> packet_id % 8 & 1) != 0;
}

void
session_set_mark(struct session *session, enum packet_mark mark, uint16_t packet_id, bool on)
{
	uint8_t bit = (uint8_t)(1 << packet_id % 8), *byte;

	if (!on && session->incoming == NULL)
		return;
	byte = &session_incoming(session)->marks[mark][packet_id / 8];
	*byte = (uint8_t)(on ? *byte | bit : *byte & ~bit);
}

static struct share *
share_get(struct broker *broker, struct bytes name, struct bytes filter)
{
	struct hash_node *node = hash_find(&broker->shares, name);
	struct share *share;

	if (node != NULL)
		return HASH_OWNER(node, struct share, link);
	share = xcalloc(1, sizeof(*share) + name.len);
	TAILQ_INIT(&share->members);
	memcpy(share->text, name.data, name.len);
	share->filter = bytes_of(share->text + (name.len - filter.len), filter.len);
	hash_insert(&broker->shares, &share->link, bytes_of(share->text, name.len));
	trie_add(&broker->subscriptions, share->filter, target_tag(share, TARGET_SHARE));
	return share;
}

static void
share_leave(struct broker *broker, struct subscription *subscription)
{
	struct share *share = subscription->share;

	TAILQ_REMOVE(&share->members, subscription, share_link);
	if (!TAILQ_EMPTY(&share->members))
		return;
	(void)trie_remove(&broker->subscriptions, share->filter, target_tag(share, TARGET_SHARE));
	hash_remove(&broker->shares, &share->link);
	free(share);
}

static struct subscription *
subscription_new(struct session *session, struct bytes whole)
{
	struct subscription *subscription = xcalloc(1, sizeof(*subscription) + whole.len);
	struct broker *broker = session->broker;
	struct bytes group, filter;

	memcpy(subscription->text, whole.data, whole.len);
	whole = bytes_of(subscription->text, whole.len);
	topic_share_split(whole, &group, &filter);
	subscription->session = session;
	subscription->filter = filter;
	if (group.len > 0) {
		struct bytes name = bytes_of(group.data, group.len + 1 + filter.len);

		subscription->share = share_get(broker, name, filter);
		TAILQ_INSERT_TAIL(&subscription->share->members, subscription, share_link);
	} else {
		trie_add(
		    &broker->subscriptions, filter, target_tag(subscription, TARGET_SUBSCRIPTION));
	}
	hash_insert(&session->subscriptions, &subscription->link, whole);
	broker->metrics.subscriptions++;
	return subscription;
}

/* NULL: the session has too many. An existing one gets the new options (MQTT 5.0 §3.8.4). */
struct subscription *
session_subscribe(
    struct session *session, const struct mqtt_filter *filter, uint32_t id, bool *is_new)
{
	struct hash_node *node = hash_find(&session->subscriptions, filter->filter);
	struct subscription *subscription;

	*is_new = node == NULL;
	if (node != NULL) {
		subscription = HASH_OWNER(node, struct subscription, link);
	} else {
		if (session->broker->restored && !broker_has_subscription_room(session))
			return NULL;
		subscription = subscription_new(session, filter->filter);
	}
	subscription->id = id;
	subscription->qos = filter->qos;
	subscription->no_local = filter->no_local;
	subscription->retain_as_published = filter->retain_as_published;
	subscription->retain_handling = filter->retain_handling;
	return subscription;
}

static void
subscription_free(struct subscription *subscription)
{
	struct session *session = subscription->session;
	struct broker *broker = session->broker;

	if (subscription->share != NULL)
		share_leave(broker, subscription);
	else
		(void)trie_remove(&broker->subscriptions, subscription->filter,
		    target_tag(subscription, TARGET_SUBSCRIPTION));
	hash_remove(&session->subscriptions, &subscription->link);
	broker->metrics.subscriptions--;
	free(subscription);
}

bool
session_unsubscribe(struct session *session, struct bytes filter)
{
	struct hash_node *node = hash_find(&session->subscriptions, filter);

	if (node == NULL)
		return false;
	subscription_free(HASH_OWNER(node, struct subscription, link));
	return true;
}

static void
drop_outbound(struct session *session, struct writes *writes)
{
	uint64_t queued_before = session_queue_bytes(session);
	struct delivery *delivery;

	while ((delivery = TAILQ_FIRST(&session->outbound)) != NULL) {
		TAILQ_REMOVE(&session->outbound, delivery, link);
		if (delivery->durable && writes != NULL)
			persist_delivery_gone(writes, session, delivery);
		delivery_free(delivery);
	}
	session->next_to_send = NULL;
	session->queued = session->inflight = 0;
	session->queued_bytes = 0;
	owner_recount(session, queued_before);
}

static void
drop_received(struct session *session, struct writes *writes)
{
	for (uint32_t id = 1; session->incoming != NULL && writes != NULL && id <= PACKET_IDS;
	     id++) {
		if (session_has_mark(session, MARK_RECEIVED, (uint16_t)id))
			persist_received(writes, session, (uint16_t)id, false);
	}
}

void
session_destroy(struct session *session, struct writes *writes)
{
	struct broker *broker = session->broker;
	struct hash_node *node;

	assert(!session->dead && session->client == NULL);
	if (!session->durable)
		writes = NULL;
	while ((node = hash_next(&session->subscriptions, NULL)) != NULL) {
		if (writes != NULL)
			persist_subscription_gone(writes, session, node->key);
		subscription_free(HASH_OWNER(node, struct subscription, link));
	}
	hash_clear(&session->subscriptions);
	drop_outbound(session, writes);
	drop_received(session, writes);
	will_clear(session);
	if (writes != NULL)
		persist_session_gone(writes, session);
	if (session->is_away)
		TAILQ_REMOVE(&broker->away, session, away_link);
	session_own(session, bytes_of("", 0));
	hash_remove(&broker->sessions, &session->link);
	broker->metrics.sessions--;
	session->dead = true;
	session_unref(session);
}

void
session_detach(struct session *session)
{
	struct broker *broker = session->broker;
	struct will *will = session->will;
	int64_t now_us = loop_now_us(broker->loop);

	will_sign(session);
	session->client = NULL;
	session->expires_us = session->expiry_s == UINT32_MAX
				  ? INT64_MAX
				  : now_us + (int64_t)session->expiry_s * 1000000;
	if (will != NULL && !broker->shutting) {
		will->waits = true;
		will->due_us = now_us + (int64_t)will->delay_s * 1000000;
		if (will->due_us > session->expires_us)
			will->due_us = session->expires_us;
	}
	session->is_away = true;
	TAILQ_INSERT_TAIL(&broker->away, session, away_link);
}

/* What is due for a session that is away: its will, its end. */
static void
settle(struct session *session, struct writes *writes)
{
	struct broker *broker = session->broker;
	int64_t now_us = loop_now_us(broker->loop);

	if (session->will != NULL && session->will->waits && session->will->due_us <= now_us)
		will_publish(session);
	if (session->expires_us <= now_us && !broker->shutting)
		session_destroy(session, writes);
}

void
session_settle(struct session *session)
{
	struct broker *broker = session->broker;
	struct writes writes = { 0 };

	settle(session, &writes);
	if (writes.count > 0)
		broker_persist(broker, &writes, NULL, NULL);
	writes_clear(&writes);
}

void
session_sweep(struct broker *broker)
{
	uint32_t slice = broker->metrics.sessions / 4 + SWEEP_SESSIONS_MIN;
	struct writes writes = { 0 };

	if (slice > broker->metrics.sessions)
		slice = broker->metrics.sessions;
	for (; slice > 0 && !TAILQ_EMPTY(&broker->away); slice--) {
		struct session *session = TAILQ_FIRST(&broker->away);

		TAILQ_REMOVE(&broker->away, session, away_link);
		TAILQ_INSERT_TAIL(&broker->away, session, away_link);
		settle(session, &writes);
	}
	if (writes.count > 0)
		broker_persist(broker, &writes, NULL, NULL);
	writes_clear(&writes);
}
