/* SPDX-License-Identifier: MIT
 * From a session to its client: PUBLISH packets, in order, as far as there is room.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/broker_private.h"

enum { BY_REFERENCE_BYTES = 4096 };

uint16_t
delivery_packet_id(const struct delivery *delivery)
{
	return (uint16_t)(delivery->number % PACKET_IDS + 1);
}

/* With what the allocator adds. In memory all share a message, but in the store each has its own.
 */
static size_t
delivery_bytes(const struct delivery *delivery)
{
	size_t bytes = sizeof(*delivery) + delivery->id_count * sizeof(delivery->ids[0]) + 16;

	return bytes + (delivery->durable ? kept_content_bytes(delivery->kept) : 0);
}

struct delivery *
delivery_new(
    struct session *session, struct kept *kept, const struct target *target, const uint32_t *ids)
{
	struct delivery *delivery =
	    xmalloc(sizeof(*delivery) + target->id_count * sizeof(delivery->ids[0]));

	*delivery = (struct delivery){ .kept = kept_ref(kept),
		.number = ++session->last_number,
		.qos = target->qos,
		.retain = target->retain,
		.id_count = target->id_count };
	session->broker->metrics.kept_bytes += delivery_bytes(delivery);
	if (target->id_count > 0)
		memcpy(delivery->ids, ids, target->id_count * sizeof(delivery->ids[0]));
	return delivery;
}

void
delivery_make_durable(struct delivery *delivery)
{
	struct broker *broker = delivery->kept->broker;

	broker->metrics.kept_bytes -= delivery_bytes(delivery);
	delivery->durable = true;
	broker->metrics.kept_bytes += delivery_bytes(delivery);
}

void
delivery_free(struct delivery *delivery)
{
	if (delivery == NULL)
		return;
	delivery->kept->broker->metrics.kept_bytes -= delivery_bytes(delivery);
	kept_unref(delivery->kept);
	free(delivery);
}

void
delivery_queue(struct session *session, struct delivery *delivery)
{
	uint64_t queued_before = session_queue_bytes(session);

	TAILQ_INSERT_TAIL(&session->outbound, delivery, link);
	session->queued++;
	session->queued_bytes += kept_content_bytes(delivery->kept);
	owner_recount(session, queued_before);
	if (session->next_to_send == NULL)
		session->next_to_send = delivery;
}

/* With the newest delivery its number would be forgotten, and packet identifiers come again after a
 * restart: there are clients that take a message with one of them for what they still have of an
 * earlier one with QoS 2. */
static void
persist_number(struct writes *writes, struct session *session, bool newest_is_gone)
{
	if (!session->has_sent_qos2 || session->client == NULL ||
	    (!newest_is_gone && !TAILQ_EMPTY(&session->outbound)))
		return;
	persist_session(writes, session);
	session->has_sent_qos2 = false;
}

/* Takes a delivery out, whatever its state; the store forgets it where it knew it. */
void
delivery_done(struct session *session, struct delivery *delivery)
{
	struct writes writes = { 0 };
	uint64_t queued_before = session_queue_bytes(session);

	if (session->next_to_send == delivery)
		session->next_to_send = TAILQ_NEXT(delivery, link);
	if (delivery->state != DELIVERY_WAITS)
		session->inflight--;
	TAILQ_REMOVE(&session->outbound, delivery, link);
	session->queued--;
	session->queued_bytes -= kept_content_bytes(delivery->kept);
	owner_recount(session, queued_before);
	if (delivery->durable) {
		persist_delivery_gone(&writes, session, delivery);
		persist_number(&writes, session, delivery->number == session->last_number);
		broker_persist(session->broker, &writes, NULL, NULL);
		writes_clear(&writes);
	}
	delivery_free(delivery);
}

static void
append_payload(struct conn *conn, struct kept *kept)
{
	if (kept->payload.len < BY_REFERENCE_BYTES) {
		buf_append_bytes(conn_out(conn), kept->payload);
		conn_wrote(conn);
		return;
	}
	if (kept->payload_blob == NULL)
		kept->payload_blob = blob_new(kept->payload);
	conn_write_blob(conn, kept->payload_blob);
}

/* False where the client does not take a packet of that size, or may not get it (its rights may
 * have changed since): then it is as if it had been delivered (MQTT 5.0 §3.1.2.11.4). */
static bool
send_delivery(struct client *client, struct delivery *delivery)
{
	struct broker *broker = client->broker;
	struct kept *kept = delivery->kept;
	struct mqtt_outgoing publish = { .dup = delivery->sent_before,
		.retain = delivery->retain,
		.qos = delivery->qos,
		.version = client->version,
		.packet_id = delivery_packet_id(delivery),
		.has_expiry = kept->has_expiry,
		.expiry_s = kept_expiry_s(kept, broker),
		.subscription_ids = delivery->ids,
		.subscription_id_count = delivery->id_count,
		.topic = kept->topic,
		.forward = kept->properties,
		.payload_len = kept->payload.len };
	size_t size;

	if (!client_may_receive(client, kept->topic))
		return false;
	alias_use(client, &publish);
	size = mqtt_publish_size(&publish);
	if (size > client->packet_bytes_max)
		return false;
	(void)mqtt_publish_encode(conn_out(client->conn), &publish);
	alias_sent(client, &publish);
	append_payload(client->conn, kept);
	delivery->sent_before = true;
	client->session->has_sent_qos2 |= delivery->qos == 2;
	broker->metrics.messages_out++;
	broker->metrics.bytes_out += size;
	return true;
}

static void
send_pubrel(struct client *client, const struct delivery *delivery)
{
	const struct mqtt_ack ack = { .packet_id = delivery_packet_id(delivery) };

	mqtt_ack_encode(conn_out(client->conn), MQTT_PUBREL, client->version, &ack);
	conn_wrote(client->conn);
}

/* Packet identifiers come round after 65,535: the oldest unacknowledged one holds the rest back. */
static bool
has_room(const struct session *session, const struct client *client)
{
	const struct delivery *oldest = TAILQ_FIRST(&session->outbound);

	return session->inflight < client->receive_maximum && !client_is_slow(client) &&
	       session->next_to_send->number - oldest->number < PACKET_IDS;
}

static void
advance(struct session *session)
{
	session->next_to_send = TAILQ_NEXT(session->next_to_send, link);
	session->inflight++;
}

/* What a restart has brought back may be received already: it needs its PUBREL only. */
void
session_pump(struct session *session)
{
	struct client *client = session_client(session);

	while (client != NULL && session->next_to_send != NULL && has_room(session, client)) {
		struct delivery *delivery = session->next_to_send;

		if (delivery->state == DELIVERY_RECEIVED) {
			send_pubrel(client, delivery);
			advance(session);
		} else if (kept_expired(delivery->kept, session->broker)) {
			session->broker->metrics.dropped_expired++;
			delivery_done(session, delivery);
		} else if (!send_delivery(client, delivery)) {
			delivery_done(session, delivery);
		} else {
			delivery->state = DELIVERY_SENT;
			advance(session);
		}
	}
}

void
session_resend(struct session *session)
{
	struct client *client = session_client(session);
	struct delivery *delivery, *next;

	for (delivery = TAILQ_FIRST(&session->outbound);
	     client != NULL && delivery != NULL && delivery != session->next_to_send;
	     delivery = next) {
		next = TAILQ_NEXT(delivery, link);
		if (delivery->state == DELIVERY_RECEIVED)
			send_pubrel(client, delivery);
		else if (!send_delivery(client, delivery))
			delivery_done(session, delivery);
	}
	session_pump(session);
}

static struct delivery *
find_delivery(struct session *session, uint16_t packet_id)
{
	struct delivery *delivery;

	TAILQ_FOREACH (delivery, &session->outbound, link) {
		if (delivery->state == DELIVERY_WAITS)
			return NULL;
		if (delivery_packet_id(delivery) == packet_id)
			return delivery;
	}
	return NULL;
}

static void
answer(struct client *client, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
	const struct mqtt_ack ack = { .packet_id = packet_id, .reason = reason };

	mqtt_ack_encode(conn_out(client->conn), type, client->version, &ack);
	conn_wrote(client->conn);
}

static bool
wrong_qos(struct client *client, const struct delivery *delivery, uint8_t qos)
{
	if (delivery == NULL || delivery->qos == qos)
		return false;
	broker_client_end(
	    client, MQTT_PROTOCOL_ERROR, "the acknowledgement is not that of the message's QoS");
	return true;
}

static bool
on_puback(struct client *client, const struct mqtt_ack *ack)
{
	struct delivery *delivery = find_delivery(client->session, ack->packet_id);

	if (wrong_qos(client, delivery, 1))
		return false;
	if (delivery != NULL) {
		delivery_done(client->session, delivery);
		session_pump(client->session);
	}
	return true;
}

/* A PUBREL that waits for the store: once it has left, the message must not be sent again. */
struct release {
	struct session *session;
	uint64_t connection;
	uint16_t packet_id;
};

static void
send_release(void *arg, int status)
{
	struct release *release = arg;
	struct session *session = release->session;
	struct client *client = session->dead ? NULL : session_client(session);

	(void)status;
	if (client != NULL && session->connection == release->connection)
		answer(client, MQTT_PUBREL, release->packet_id, MQTT_SUCCESS);
	session_unref(session);
	free(release);
}

static void
release_when_durable(struct session *session, const struct delivery *delivery)
{
	struct release *release = xmalloc(sizeof(*release));
	struct writes writes = { 0 };

	*release = (struct release){ session_ref(session), session->connection,
		delivery_packet_id(delivery) };
	persist_delivery(&writes, session, delivery);
	broker_persist(session->broker, &writes, send_release, release);
	writes_clear(&writes);
}

static bool
on_pubrec(struct client *client, const struct mqtt_ack *ack)
{
	struct delivery *delivery = find_delivery(client->session, ack->packet_id);

	if (wrong_qos(client, delivery, 2))
		return false;
	if (ack->reason >= MQTT_UNSPECIFIED) {
		if (delivery != NULL)
			delivery_done(client->session, delivery);
		session_pump(client->session);
		return true;
	}
	if (delivery != NULL && delivery->state == DELIVERY_SENT && delivery->durable) {
		delivery->state = DELIVERY_RECEIVED;
		release_when_durable(client->session, delivery);
		return true;
	}
	if (delivery != NULL)
		delivery->state = DELIVERY_RECEIVED;
	answer(client, MQTT_PUBREL, ack->packet_id,
	    delivery != NULL ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND);
	return true;
}

static bool
on_pubcomp(struct client *client, const struct mqtt_ack *ack)
{
	struct delivery *delivery = find_delivery(client->session, ack->packet_id);

	if (wrong_qos(client, delivery, 2))
		return false;
	if (delivery != NULL && delivery->state == DELIVERY_RECEIVED) {
		delivery_done(client->session, delivery);
		session_pump(client->session);
	}
	return true;
}

static void
received_forget(struct session *session, uint16_t packet_id)
{
	session_set_mark(session, MARK_RECEIVED, packet_id, false);
	session_set_mark(session, MARK_PROCESSED, packet_id, false);
}

/* A PUBCOMP that waits for the store: once it has left, the client may use the packet id for
 * another message, which a mark that came back in a restart would swallow. */
static void
send_complete(void *arg, int status)
{
	struct release *release = arg;
	struct session *session = release->session;
	struct client *client = session->dead ? NULL : session_client(session);

	if (status == 0)
		received_forget(session, release->packet_id);
	if (client != NULL && session->connection == release->connection) {
		if (status == 0)
			answer(client, MQTT_PUBCOMP, release->packet_id, MQTT_SUCCESS);
		else
			broker_client_end(client, MQTT_QUOTA_EXCEEDED, "it could not be stored");
	}
	session_unref(session);
	free(release);
}

static void
complete_when_durable(struct session *session, uint16_t packet_id)
{
	struct release *release = xmalloc(sizeof(*release));
	struct writes writes = { 0 };

	*release = (struct release){ session_ref(session), session->connection, packet_id };
	persist_received(&writes, session, packet_id, false);
	broker_persist(session->broker, &writes, send_complete, release);
	writes_clear(&writes);
}

/* The client releases a QoS 2 message of its own (MQTT 5.0 §4.3.3). */
static bool
on_pubrel(struct client *client, const struct mqtt_ack *ack)
{
	struct session *session = client->session;
	bool known = session_has_mark(session, MARK_RECEIVED, ack->packet_id);

	if (known)
		client_free_quota(client);
	if (known && session->durable) {
		complete_when_durable(session, ack->packet_id);
		return true;
	}
	if (known)
		received_forget(session, ack->packet_id);
	answer(
	    client, MQTT_PUBCOMP, ack->packet_id, known ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND);
	return true;
}

bool
broker_on_ack(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	static bool (*const handlers[])(struct client *, const struct mqtt_ack *) = {
		[MQTT_PUBACK] = on_puback,
		[MQTT_PUBREC] = on_pubrec,
		[MQTT_PUBREL] = on_pubrel,
		[MQTT_PUBCOMP] = on_pubcomp,
	};
	struct mqtt_defect defect;
	struct mqtt_ack ack;

	if (!mqtt_ack_decode(rest, header, client->version, &ack, &defect)) {
		broker_client_end(client, defect.reason, defect.text);
		return false;
	}
	return handlers[header->type](client, &ack);
}
