/* SPDX-License-Identifier: MIT
 * Messages to the broker. QoS 1 waits in the client until the PUBACK is here; what was on its way
 * when a connection ended is sent again.
 */
#include <stdlib.h>
#include <string.h>

#include "net/mqtt_client_private.h"

enum { SEND_MAXIMUM = 100 };

static struct bytes
copy_to(uint8_t **at, struct bytes from)
{
	struct bytes copy = bytes_of(*at, from.len);

	if (from.len > 0)
		memcpy(*at, from.data, from.len);
	*at += from.len;
	return copy;
}

static struct parcel *
parcel_new(struct mqtt_client *client, const struct message *message, struct ack *ack)
{
	struct parcel *parcel = xcalloc(1,
	    sizeof(*parcel) + message->topic.len + message->payload.len + message->properties.len);
	uint8_t *at = parcel->data;

	parcel->ack = ack_hold(ack);
	parcel->topic = copy_to(&at, message->topic);
	parcel->payload = copy_to(&at, message->payload);
	parcel->properties = copy_to(&at, message->properties);
	parcel->retain = message->retain;
	parcel->expires_us = INT64_MAX;
	if (message->has_expiry)
		parcel->expires_us =
		    loop_now_us(client->loop) + (int64_t)message->expiry_s * 1000000;
	return parcel;
}

static void
parcel_free(struct mqtt_client *client, struct parcel *parcel, uint8_t code)
{
	struct ack *ack = parcel->ack;

	TAILQ_REMOVE(&client->parcels, parcel, link);
	client->parcel_count--;
	if (parcel->packet_id != 0)
		client->parcels_sent--;
	free(parcel);
	ack_release(ack, code);
}

static bool
id_in_use(const struct mqtt_client *client, uint16_t packet_id)
{
	const struct parcel *parcel;

	TAILQ_FOREACH (parcel, &client->parcels, link) {
		if (parcel->packet_id == 0)
			break;
		if (parcel->packet_id == packet_id)
			return true;
	}
	return false;
}

static uint16_t
next_id(struct mqtt_client *client)
{
	do {
		if (client->last_publish_id < PUBLISH_ID_MIN ||
		    client->last_publish_id == PUBLISH_ID_MAX)
			client->last_publish_id = PUBLISH_ID_MIN;
		else
			client->last_publish_id++;
	} while (id_in_use(client, client->last_publish_id));
	return client->last_publish_id;
}

/* False where the broker takes no packet of this size; nothing was written. */
static bool
write_publish(
    struct mqtt_client *client, const struct mqtt_outgoing *outgoing, struct bytes payload)
{
	if (mqtt_publish_size(outgoing) > client->packet_bytes_max)
		return false;
	(void)mqtt_publish_encode(conn_out(client->conn), outgoing);
	conn_write(client->conn, payload);
	client->messages_out++;
	return true;
}

static bool
send_parcel(struct mqtt_client *client, struct parcel *parcel)
{
	int64_t left_us = parcel->expires_us - loop_now_us(client->loop);
	struct mqtt_outgoing outgoing = { .dup = parcel->sent_before,
		.retain = parcel->retain,
		.qos = client->qos_max > 0 ? 1 : 0,
		.version = client->version,
		.has_expiry = parcel->expires_us != INT64_MAX,
		.topic = parcel->topic,
		.forward = parcel->properties,
		.payload_len = parcel->payload.len };

	if (left_us <= 0)
		return false;
	if (parcel->packet_id == 0) {
		parcel->packet_id = next_id(client);
		client->parcels_sent++;
	}
	outgoing.packet_id = parcel->packet_id;
	if (outgoing.has_expiry)
		outgoing.expiry_s = (uint32_t)((left_us + 999999) / 1000000);
	if (outgoing.qos == 0)
		outgoing.dup = false;
	parcel->sent_before = true;
	return write_publish(client, &outgoing, parcel->payload);
}

/* One out of the queue. What cannot be sent at all, or needs no answer, is done with. */
static void
dispatch_parcel(struct mqtt_client *client, struct parcel *parcel)
{
	if (!send_parcel(client, parcel))
		parcel_free(client, parcel, MQTT_PACKET_TOO_LARGE);
	else if (client->qos_max == 0)
		parcel_free(client, parcel, MQTT_SUCCESS);
}

void
parcels_pump(struct mqtt_client *client)
{
	struct parcel *parcel, *next;

	if (!mqtt_client_is_live(client))
		return;
	TAILQ_FOREACH_SAFE (parcel, &client->parcels, link, next) {
		if (parcel->packet_id != 0)
			continue;
		if (client->parcels_sent >= client->send_maximum)
			break;
		dispatch_parcel(client, parcel);
	}
}

/* A session that the broker has forgotten knows nothing of what was sent: it is all new. */
void
parcels_connected(struct mqtt_client *client, bool session_present)
{
	struct parcel *parcel, *next;

	if (client->send_maximum > SEND_MAXIMUM)
		client->send_maximum = SEND_MAXIMUM;
	TAILQ_FOREACH_SAFE (parcel, &client->parcels, link, next) {
		if (parcel->packet_id == 0)
			break;
		if (session_present) {
			dispatch_parcel(client, parcel);
			continue;
		}
		parcel->packet_id = 0;
		parcel->sent_before = false;
		client->parcels_sent--;
	}
	parcels_pump(client);
}

void
parcel_acknowledged(struct mqtt_client *client, const struct mqtt_ack *ack)
{
	struct parcel *parcel;

	TAILQ_FOREACH (parcel, &client->parcels, link) {
		if (parcel->packet_id == 0)
			break;
		if (parcel->packet_id != ack->packet_id)
			continue;
		parcel_free(
		    client, parcel, ack->reason >= MQTT_UNSPECIFIED ? ack->reason : MQTT_SUCCESS);
		break;
	}
	parcels_pump(client);
}

void
parcels_abandon(struct mqtt_client *client)
{
	while (!TAILQ_EMPTY(&client->parcels))
		parcel_free(client, TAILQ_FIRST(&client->parcels), MQTT_SERVER_SHUTTING_DOWN);
}

bool
mqtt_client_publish(struct mqtt_client *client, const struct message *message, struct ack *ack)
{
	const struct mqtt_outgoing outgoing = { .retain = message->retain,
		.version = client->version,
		.has_expiry = message->has_expiry,
		.expiry_s = message->expiry_s,
		.topic = message->topic,
		.forward = message->properties,
		.payload_len = message->payload.len };
	struct parcel *parcel;

	if (message->qos == 0) {
		if (mqtt_client_is_live(client))
			(void)write_publish(client, &outgoing, message->payload);
		return true;
	}
	if (client->parcel_count >= client->config.publishes_max)
		return false;
	parcel = parcel_new(client, message, ack);
	TAILQ_INSERT_TAIL(&client->parcels, parcel, link);
	client->parcel_count++;
	parcels_pump(client);
	return true;
}
