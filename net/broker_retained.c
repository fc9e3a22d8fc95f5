/* SPDX-License-Identifier: MIT
 * Retained messages (MQTT 5.0 §3.3.1.3) and their sending at a subscription (§3.8.3.1).
 */
#include <stdlib.h>
#include <string.h>

#include "net/broker_private.h"

static size_t
retained_bytes(const struct kept *kept)
{
	return kept->topic.len + kept_content_bytes(kept);
}

static void
remove_retained(struct broker *broker, struct retained *retained)
{
	(void)trie_remove(&broker->retained, retained->kept->topic, retained);
	TAILQ_REMOVE(&broker->all_retained, retained, link);
	broker->retained_bytes -= retained_bytes(retained->kept);
	kept_unref(retained->kept);
	free(retained);
	broker->metrics.retained--;
}

void
retained_set(struct broker *broker, const struct message *message, struct kept *kept)
{
	struct retained *retained = trie_get(&broker->retained, message->topic);

	if (retained != NULL)
		remove_retained(broker, retained);
	if (message->payload.len == 0)
		return;
	retained = xcalloc(1, sizeof(*retained));
	retained->kept = kept_ref(kept);
	retained->qos = message->qos;
	trie_add(&broker->retained, kept->topic, retained);
	TAILQ_INSERT_TAIL(&broker->all_retained, retained, link);
	broker->metrics.retained++;
	broker->retained_bytes += retained_bytes(kept);
}

/* One that takes the place of another, or away, has room. */
bool
retained_has_room(
    const struct broker *broker, struct bytes topic, size_t payload_bytes, size_t properties_bytes)
{
	const struct broker_config *config = &broker->config;

	if (payload_bytes == 0)
		return true;
	if (!broker_has_memory(broker) || broker->retained_bytes + broker->coming_bytes +
						  topic.len + payload_bytes + properties_bytes >
					      config->retained_bytes_max)
		return false;
	return broker->metrics.retained + broker->coming < config->retained_max ||
	       trie_get(&broker->retained, topic) != NULL;
}

struct sending {
	struct subscription *subscription;
	struct writes writes;
};

static void
send_live(struct client *client, const struct subscription *subscription, struct kept *kept)
{
	struct broker *broker = client->broker;
	struct mqtt_outgoing publish = { .retain = true,
		.version = client->version,
		.has_expiry = kept->has_expiry,
		.expiry_s = kept_expiry_s(kept, broker),
		.subscription_ids = &subscription->id,
		.subscription_id_count = subscription->id != 0 ? 1 : 0,
		.topic = kept->topic,
		.forward = kept->properties,
		.payload_len = kept->payload.len };

	if (client_is_slow(client)) {
		client_tell_dropped(client);
		return;
	}
	alias_use(client, &publish);
	if (mqtt_publish_size(&publish) > client->packet_bytes_max)
		return;
	(void)mqtt_publish_encode(conn_out(client->conn), &publish);
	alias_sent(client, &publish);
	buf_append_bytes(conn_out(client->conn), kept->payload);
	conn_wrote(client->conn);
	broker->metrics.messages_out++;
}

static void
send_one(void *arg, void *value)
{
	struct sending *sending = arg;
	struct retained *retained = value;
	struct subscription *subscription = sending->subscription;
	struct session *session = subscription->session;
	struct client *client = session_client(session);
	struct target target = { .retain = true, .id_count = subscription->id != 0 };
	struct delivery *delivery;

	if (client == NULL || kept_expired(retained->kept, session->broker) ||
	    !client_may_receive(client, retained->kept->topic))
		return;
	target.qos = retained->qos < subscription->qos ? retained->qos : subscription->qos;
	if (target.qos == 0) {
		send_live(client, subscription, retained->kept);
		return;
	}
	if (!session_has_queue_room(session, kept_content_bytes(retained->kept)))
		return;
	delivery = delivery_new(session, retained->kept, &target, &subscription->id);
	if (session->durable) {
		delivery_make_durable(delivery);
		persist_delivery(&sending->writes, session, delivery);
	}
	delivery_queue(session, delivery);
}

void
retained_send(struct subscription *subscription, bool is_new)
{
	struct sending sending = { .subscription = subscription };
	struct session *session = subscription->session;

	if (subscription->share != NULL || subscription->retain_handling == 2 ||
	    (subscription->retain_handling == 1 && !is_new))
		return;
	trie_select(&session->broker->retained, subscription->filter, send_one, &sending);
	if (sending.writes.count > 0)
		broker_persist(session->broker, &sending.writes, NULL, NULL);
	writes_clear(&sending.writes);
	session_pump(session);
}

static bool
show(struct broker *broker, const struct retained *retained, struct retained_view *view)
{
	if (retained == NULL)
		return false;
	*view = (struct retained_view){ .changed_ms = retained->kept->made_ms };
	kept_message(retained->kept, broker, &view->message);
	view->message.qos = retained->qos;
	view->message.retain = true;
	return true;
}

bool
broker_retained_find(struct broker *broker, struct bytes topic, struct retained_view *view)
{
	const struct retained *retained = trie_get(&broker->retained, topic);

	if (retained != NULL && kept_expired(retained->kept, broker))
		retained = NULL;
	return show(broker, retained, view);
}

bool
broker_retained_next(struct broker *broker, struct bytes after, struct retained_view *view)
{
	const struct retained *retained;

	if (after.len == 0) {
		retained = TAILQ_FIRST(&broker->all_retained);
	} else {
		retained = trie_get(&broker->retained, after);
		if (retained != NULL)
			retained = TAILQ_NEXT(retained, link);
	}
	while (retained != NULL && kept_expired(retained->kept, broker))
		retained = TAILQ_NEXT(retained, link);
	return show(broker, retained, view);
}

void
retained_clear(struct broker *broker)
{
	while (!TAILQ_EMPTY(&broker->all_retained))
		remove_retained(broker, TAILQ_FIRST(&broker->all_retained));
	trie_clear(&broker->retained);
}
