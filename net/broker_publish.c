/* SPDX-License-Identifier: MIT
 * PUBLISH packets from clients, and their acknowledgement when all that they caused is done.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topic.h"
#include "net/broker_private.h"

/* A QoS 1 or 2 message of a client that has no answer yet. */
struct inbound {
	struct ack ack;
	TAILQ_ENTRY(inbound) link; /* in incoming->taken; QoS 2 only */
	struct session *session;
	uint64_t connection; /* the one it came by; another one gets no answer to it */
	uint16_t packet_id;
	uint8_t qos;
	bool marked; /* somebody made the marker durable with the event */
};

/* A route whose writes are on their way to the disk. */
struct waiting_route {
	struct route *route;
	struct ack *ack;
	struct session *publisher; /* NULL: the host itself, or it is gone */
};

static void
answer(struct inbound *inbound)
{
	struct session *session = inbound->session;
	struct client *client = session->dead ? NULL : session_client(session);
	enum mqtt_type type = inbound->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
	const struct mqtt_ack ack = { .packet_id = inbound->packet_id,
		.reason = inbound->ack.code };

	if (inbound->qos == 2) {
		TAILQ_REMOVE(&session->incoming->taken, inbound, link);
		session_set_mark(session, inbound->ack.code == 0 ? MARK_PROCESSED : MARK_RECEIVED,
		    inbound->packet_id, inbound->ack.code == 0);
	}
	if (client != NULL && session->connection == inbound->connection) {
		client->unacknowledged--;
		if (inbound->qos == 1 || inbound->ack.code != 0)
			client_free_quota(client);
		/* 3.1.1 has no way to say no: the sender shall send it again (after reconnecting).
		 */
		if (client->version < MQTT_VERSION_5 && inbound->ack.code != 0) {
			broker_client_end(
			    client, inbound->ack.code, "a message could not be taken");
		} else {
			mqtt_ack_encode(conn_out(client->conn), type, client->version, &ack);
			conn_wrote(client->conn);
		}
		client_update_reading(client);
	}
	session_unref(session);
	free(inbound);
}

static void
marker_done(void *arg, int status)
{
	struct inbound *inbound = arg;

	if (status < 0 && inbound->ack.code == 0)
		inbound->ack.code = MQTT_QUOTA_EXCEEDED;
	answer(inbound);
}

static void
inbound_settled(struct ack *ack)
{
	struct inbound *inbound = (struct inbound *)(void *)ack;
	struct session *session = inbound->session;
	struct writes writes = { 0 };

	/* A message that failed is not received: its mark goes where it was set. */
	if (inbound->qos == 2 && session->durable && !session->dead &&
	    inbound->marked != (ack->code == 0)) {
		persist_received(&writes, session, inbound->packet_id, ack->code == 0);
		broker_persist(session->broker, &writes, marker_done, inbound);
		writes_clear(&writes);
		return;
	}
	answer(inbound);
}

static struct inbound *
inbound_new(struct client *client, const struct mqtt_publish *publish)
{
	struct inbound *inbound = xcalloc(1, sizeof(*inbound));

	ack_init(&inbound->ack, inbound_settled);
	inbound->session = session_ref(client->session);
	inbound->connection = client->session->connection;
	inbound->packet_id = publish->packet_id;
	inbound->qos = publish->qos;
	if (publish->qos == 2)
		TAILQ_INSERT_TAIL(&session_incoming(client->session)->taken, inbound, link);
	client->unacknowledged++;
	client->quota_used++;
	return inbound;
}

static void
route_durable(void *arg, int status)
{
	struct waiting_route *waiting = arg;
	struct broker *broker = waiting->route->broker;

	if (status == 0)
		broker_deliver(waiting->route);
	else
		route_drop(waiting->route);
	ack_release(waiting->ack, status == 0 ? MQTT_SUCCESS : MQTT_QUOTA_EXCEEDED);
	broker->routes_waiting--;
	if (waiting->publisher != NULL)
		waiting->publisher->routes_waiting--;
	session_unref(waiting->publisher);
	free(waiting);
}

static void
deliver_when_durable(
    struct route *route, const struct writes *writes, struct ack *ack, struct session *publisher)
{
	struct waiting_route *waiting = xmalloc(sizeof(*waiting));
	struct broker *broker = route->broker;

	route_keep(route);
	*waiting = (struct waiting_route){ route, ack_hold(ack), publisher };
	broker->routes_waiting++;
	if (publisher != NULL)
		session_ref(publisher)->routes_waiting++;
	broker_persist(broker, writes, route_durable, waiting);
}

/* For an exactly-once message the mark and what its subscribers get are one transaction: that of
 * the hook where it stores events, else ours. Where the hook works without storing, the mark
 * follows when that is done. */
static enum broker_flow
publish_marked(struct route *route, struct message message, struct writes *writes, struct ack *ack)
{
	struct broker *broker = route->broker;
	enum broker_flow flow = BROKER_GO_ON;
	const struct writes *mark = message.marker;
	struct writes whole = { 0 };
	uint32_t refs = ack->refs;

	writes_append(&whole, writes);
	writes_append(&whole, mark);
	message.marker = &whole;
	if (broker->hooks.published != NULL)
		flow = broker->hooks.published(broker->hooks.arg, &message, ack);
	if (*message.marked) {
		writes_clear(writes);
	} else if (ack->refs == refs) {
		writes_append(writes, mark);
		*message.marked = true;
	}
	writes_clear(&whole);
	return flow;
}

enum broker_flow
broker_publish(struct broker *broker, const struct message *message, struct ack *ack)
{
	enum broker_flow flow = BROKER_GO_ON;
	struct session *publisher = NULL;
	struct writes writes = { 0 };
	struct route *route = broker_route(broker, message, &writes);
	bool marked = message->marker != NULL && ack != NULL;

	if (marked)
		flow = publish_marked(route, *message, &writes, ack);
	else if (broker->hooks.published != NULL)
		flow = broker->hooks.published(broker->hooks.arg, message, ack);
	if ((marked || writes.count > 0 || broker->routes_waiting > 0) &&
	    message->publisher.len > 0)
		publisher = session_find(broker, message->publisher);
	/* Nothing overtakes what its publisher sent before it. */
	if (!marked && writes.count == 0 && (publisher == NULL || publisher->routes_waiting == 0))
		broker_deliver(route);
	else
		deliver_when_durable(route, &writes, ack, publisher);
	writes_clear(&writes);
	return flow;
}

uint8_t
broker_takes(struct broker *broker, const struct message *message)
{
	if (broker_keeps_topic(broker, message->topic))
		return MQTT_NOT_AUTHORIZED;
	if (message->retain && !broker_is_direct(broker, message->topic) &&
	    !retained_has_room(
		broker, message->topic, message->payload.len, message->properties.len)) {
		broker_tell_retained_full(broker, message->topic);
		return MQTT_QUOTA_EXCEEDED;
	}
	return MQTT_SUCCESS;
}

static void
refuse(struct client *client, const struct mqtt_publish *publish, uint8_t reason)
{
	const struct mqtt_ack ack = { .packet_id = publish->packet_id, .reason = reason };
	enum mqtt_type type = publish->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;

	if (publish->qos == 0)
		return;
	/* 3.1.1 §3.3.5: a message that is not allowed is acknowledged all the same. */
	mqtt_ack_encode(conn_out(client->conn), type, client->version, &ack);
	conn_wrote(client->conn);
	if (publish->qos == 2 && client->version < MQTT_VERSION_5) {
		session_set_mark(client->session, MARK_RECEIVED, publish->packet_id, true);
		session_set_mark(client->session, MARK_PROCESSED, publish->packet_id, true);
	}
}

static bool
is_allowed(struct client *client, const struct mqtt_publish *publish)
{
	return broker_authorized(client, BROKER_ACTION_PUBLISH, publish->topic) &&
	       (!publish->retain ||
		   broker_authorized(client, BROKER_ACTION_RETAIN, publish->topic));
}

/* 3.1.1 has no way to say no: who was told that its message is here would not ask for it again.
 * So its connection ends, as AWS IoT's do. */
static bool
refuse_rights(struct client *client, const struct mqtt_publish *publish)
{
	client->broker->metrics.refused_publish++;
	if (client->version < MQTT_VERSION_5 && publish->qos > 0) {
		broker_client_end(client, MQTT_NOT_AUTHORIZED, "it may not publish on this topic");
		return false;
	}
	refuse(client, publish, MQTT_NOT_AUTHORIZED);
	return true;
}

/* What an earlier connection sent and this one sends again is answered on this one. */
static void
adopt(struct client *client, uint16_t packet_id)
{
	struct session *session = client->session;
	struct inbound *inbound;

	TAILQ_FOREACH (inbound, &session->incoming->taken, link) {
		if (inbound->packet_id != packet_id || inbound->connection == session->connection)
			continue;
		inbound->connection = session->connection;
		client->unacknowledged++;
		client->quota_used++;
	}
}

/* A QoS 2 message that is here already is not taken again (MQTT 5.0 §4.3.3). */
static bool
is_repeated(struct client *client, const struct mqtt_publish *publish)
{
	struct session *session = client->session;
	const struct mqtt_ack ack = { .packet_id = publish->packet_id };

	if (publish->qos != 2 || !session_has_mark(session, MARK_RECEIVED, publish->packet_id))
		return false;
	if (session_has_mark(session, MARK_PROCESSED, publish->packet_id)) {
		mqtt_ack_encode(conn_out(client->conn), MQTT_PUBREC, client->version, &ack);
		conn_wrote(client->conn);
	} else {
		adopt(client, publish->packet_id);
	}
	return true;
}

static void
take(struct client *client, const struct mqtt_publish *publish)
{
	struct broker *broker = client->broker;
	struct session *session = client->session;
	struct inbound *inbound = publish->qos > 0 ? inbound_new(client, publish) : NULL;
	struct writes marker = { 0 };
	struct message message = { .topic = publish->topic,
		.payload = publish->payload,
		.publisher = session->link.key,
		.qos = publish->qos,
		.retain = publish->retain,
		.has_expiry = mqtt_props_has(&publish->props, MQTT_MESSAGE_EXPIRY),
		.expiry_s = publish->props.message_expiry_s };

	buf_reset(&broker->scratch);
	if (publish->props.raw.len > 0)
		mqtt_props_forward(&broker->scratch, publish->props.raw);
	message.properties = buf_bytes(&broker->scratch);
	if (publish->qos == 2) {
		session_set_mark(session, MARK_RECEIVED, publish->packet_id, true);
		if (session->durable) {
			persist_received(&marker, session, publish->packet_id, true);
			message.marker = &marker;
			message.marked = &inbound->marked;
		}
	}
	if (broker_publish(broker, &message, inbound != NULL ? &inbound->ack : NULL) ==
	    BROKER_PAUSE) {
		if (!client->paused) {
			client->paused = true;
			TAILQ_INSERT_TAIL(&broker->paused, client, pause_link);
		}
	}
	writes_clear(&marker);
	if (inbound != NULL)
		ack_release(&inbound->ack, MQTT_SUCCESS);
	client_update_reading(client);
}

static bool
decode(struct client *client, const struct mqtt_header *header, struct bytes rest,
    struct mqtt_publish *publish)
{
	struct mqtt_defect defect;
	uint8_t reason;

	if (!mqtt_publish_decode(rest, header, client->version, publish, &defect)) {
		broker_client_end(client, defect.reason, defect.text);
		return false;
	}
	reason = alias_resolve(client, publish);
	if (reason != MQTT_SUCCESS) {
		broker_client_end(client, reason, "the topic alias is not known");
		return false;
	}
	if (mqtt_props_has(&publish->props, MQTT_SUBSCRIPTION_ID)) {
		broker_client_end(client, MQTT_PROTOCOL_ERROR,
		    "a client's PUBLISH has no subscription identifier");
		return false;
	}
	return true;
}

static bool
topic_is_good(struct client *client, const struct mqtt_publish *publish)
{
	enum topic_defect defect = topic_name_check(publish->topic);
	struct bytes response = publish->props.response_topic;

	if (defect == TOPIC_OK && mqtt_props_has(&publish->props, MQTT_RESPONSE_TOPIC))
		defect = topic_name_check(response);
	if (defect == TOPIC_OK)
		return broker_topic_fits(client, publish->topic);
	broker_client_end(client, defect == TOPIC_NOT_UTF8 ? MQTT_MALFORMED : MQTT_TOPIC_INVALID,
	    topic_defect_text(defect));
	return false;
}

bool
broker_on_publish(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct broker *broker = client->broker;
	struct mqtt_publish publish;

	if (!decode(client, header, rest, &publish) || !topic_is_good(client, &publish))
		return false;
	broker->metrics.messages_in++;
	if (is_repeated(client, &publish))
		return true;
	if (publish.qos > 0 && client->version >= MQTT_VERSION_5 &&
	    client->quota_used >= broker->config.receive_maximum) {
		broker_client_end(client, MQTT_RECEIVE_MAXIMUM_EXCEEDED,
		    "more QoS 1 and 2 messages on their way than the receive maximum");
		return false;
	}
	if (!is_allowed(client, &publish))
		return refuse_rights(client, &publish);
	if (publish.retain && !broker_is_direct(broker, publish.topic) &&
	    !retained_has_room(broker, publish.topic, publish.payload.len, publish.props.raw.len)) {
		broker_tell_retained_full(broker, publish.topic);
		refuse(client, &publish, MQTT_QUOTA_EXCEEDED);
		return true;
	}
	take(client, &publish);
	return true;
}
