/* SPDX-License-Identifier: MIT
 * From packets to bytes.
 */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "lib/mqtt_read.h"

enum { REST_BYTES_MAX = 268435455 };

static const struct {
	uint8_t reason;
	const char *text;
} reason_texts[] = {
	{ MQTT_SUCCESS, "Success" },
	{ MQTT_DISCONNECT_WITH_WILL, "Disconnect with will message" },
	{ MQTT_NO_MATCHING_SUBSCRIBERS, "No matching subscribers" },
	{ MQTT_NO_SUBSCRIPTION_EXISTED, "No subscription existed" },
	{ MQTT_UNSPECIFIED, "Unspecified error" },
	{ MQTT_MALFORMED, "Malformed packet" },
	{ MQTT_PROTOCOL_ERROR, "Protocol error" },
	{ MQTT_IMPLEMENTATION_ERROR, "Implementation specific error" },
	{ MQTT_UNSUPPORTED_VERSION, "Unsupported protocol version" },
	{ MQTT_CLIENT_ID_INVALID, "Client identifier not valid" },
	{ MQTT_BAD_CREDENTIALS, "Bad user name or password" },
	{ MQTT_NOT_AUTHORIZED, "Not authorized" },
	{ MQTT_SERVER_UNAVAILABLE, "Server unavailable" },
	{ MQTT_SERVER_BUSY, "Server busy" },
	{ MQTT_SERVER_SHUTTING_DOWN, "Server shutting down" },
	{ MQTT_BAD_AUTH_METHOD, "Bad authentication method" },
	{ MQTT_KEEP_ALIVE_TIMEOUT, "Keep alive timeout" },
	{ MQTT_SESSION_TAKEN_OVER, "Session taken over" },
	{ MQTT_FILTER_INVALID, "Topic filter invalid" },
	{ MQTT_TOPIC_INVALID, "Topic name invalid" },
	{ MQTT_PACKET_ID_IN_USE, "Packet identifier in use" },
	{ MQTT_PACKET_ID_NOT_FOUND, "Packet identifier not found" },
	{ MQTT_RECEIVE_MAXIMUM_EXCEEDED, "Receive maximum exceeded" },
	{ MQTT_TOPIC_ALIAS_INVALID, "Topic alias invalid" },
	{ MQTT_PACKET_TOO_LARGE, "Packet too large" },
	{ MQTT_MESSAGE_RATE_TOO_HIGH, "Message rate too high" },
	{ MQTT_QUOTA_EXCEEDED, "Quota exceeded" },
	{ MQTT_ADMINISTRATIVE, "Administrative action" },
	{ MQTT_PAYLOAD_FORMAT_INVALID, "Payload format invalid" },
	{ MQTT_RETAIN_NOT_SUPPORTED, "Retain not supported" },
	{ MQTT_QOS_NOT_SUPPORTED, "QoS not supported" },
	{ MQTT_SHARED_NOT_SUPPORTED, "Shared subscriptions not supported" },
	{ MQTT_CONNECTION_RATE_EXCEEDED, "Connection rate exceeded" },
	{ MQTT_SUBSCRIPTION_ID_NOT_SUPPORTED, "Subscription identifiers not supported" },
	{ MQTT_WILDCARD_NOT_SUPPORTED, "Wildcard subscriptions not supported" },
};

const char *
mqtt_reason_text(uint8_t reason)
{
	for (size_t i = 0; i < sizeof(reason_texts) / sizeof(reason_texts[0]); i++) {
		if (reason_texts[i].reason == reason)
			return reason_texts[i].text;
	}
	return "Unknown reason";
}

/* Packets but PUBLISH are small: the rest is written behind room for the longest head, which is
 * then moved to where the head really ends. */
struct packet {
	struct buf *out;
	size_t begun;
};

static struct packet
packet_begin(struct buf *out, uint8_t first)
{
	struct packet packet = { out, out->len };

	buf_append_u8(out, first);
	return packet;
}

static void
packet_finish(const struct packet *packet)
{
	struct buf *out = packet->out;
	size_t rest = out->len - packet->begun - 1;
	size_t head = mqtt_varint_size((uint32_t)rest);
	uint8_t *at;

	assert(rest <= REST_BYTES_MAX);
	(void)buf_reserve(out, head);
	at = out->data + packet->begun + 1;
	memmove(at + head, at, rest);
	out->len -= rest;
	mqtt_write_varint(out, (uint32_t)rest);
	out->len += rest;
}

static uint8_t
first_byte(enum mqtt_type type, uint8_t flags)
{
	return (uint8_t)(type << 4 | flags);
}

static uint8_t
connect_flags(const struct mqtt_connect *connect)
{
	uint8_t flags = connect->clean_start ? 0x02 : 0;

	if (connect->has_will)
		flags |=
		    (uint8_t)(0x04 | connect->will_qos << 3 | (connect->will_retain ? 0x20 : 0));
	if (connect->has_password)
		flags |= 0x40;
	if (connect->has_user)
		flags |= 0x80;
	return flags;
}

void
mqtt_connect_encode(struct buf *out, const struct mqtt_connect *connect)
{
	struct packet packet = packet_begin(out, first_byte(MQTT_CONNECT, 0));

	mqtt_write_binary(
	    out, bytes_of_string(connect->version == MQTT_VERSION_3_1 ? "MQIsdp" : "MQTT"));
	buf_append_u8(out, connect->version);
	buf_append_u8(out, connect_flags(connect));
	mqtt_write_u16(out, connect->keep_alive_s);
	if (connect->version >= MQTT_VERSION_5)
		mqtt_props_encode(out, &connect->props);
	mqtt_write_binary(out, connect->client_id);
	if (connect->has_will) {
		if (connect->version >= MQTT_VERSION_5)
			mqtt_props_encode(out, &connect->will_props);
		mqtt_write_binary(out, connect->will_topic);
		mqtt_write_binary(out, connect->will_payload);
	}
	if (connect->has_user)
		mqtt_write_binary(out, connect->user);
	if (connect->has_password)
		mqtt_write_binary(out, connect->password);
	packet_finish(&packet);
}

/* MQTT 3.1.1 §3.2.2.3 has five ways to say no. */
static uint8_t
return_code_of(uint8_t reason)
{
	switch (reason) {
	case MQTT_SUCCESS:
		return 0;
	case MQTT_UNSUPPORTED_VERSION:
		return 1;
	case MQTT_CLIENT_ID_INVALID:
		return 2;
	case MQTT_BAD_CREDENTIALS:
		return 4;
	case MQTT_NOT_AUTHORIZED:
		return 5;
	default:
		return 3;
	}
}

void
mqtt_connack_encode(struct buf *out, uint8_t version, const struct mqtt_connack *connack)
{
	struct packet packet = packet_begin(out, first_byte(MQTT_CONNACK, 0));

	buf_append_u8(out, connack->session_present ? 1 : 0);
	if (version >= MQTT_VERSION_5) {
		buf_append_u8(out, connack->reason);
		mqtt_props_encode(out, &connack->props);
	} else {
		buf_append_u8(out, return_code_of(connack->reason));
	}
	packet_finish(&packet);
}

void
mqtt_ack_encode(struct buf *out, enum mqtt_type type, uint8_t version, const struct mqtt_ack *ack)
{
	struct packet packet = packet_begin(out, first_byte(type, type == MQTT_PUBREL ? 2 : 0));
	bool has_props = ack->props.present != 0;

	mqtt_write_u16(out, ack->packet_id);
	if (version >= MQTT_VERSION_5 && (ack->reason != 0 || has_props)) {
		buf_append_u8(out, ack->reason);
		if (has_props)
			mqtt_props_encode(out, &ack->props);
	}
	packet_finish(&packet);
}

void
mqtt_subscribe_encode(struct buf *out, uint8_t version, uint16_t packet_id,
    const struct mqtt_props *props, const struct mqtt_filter *filter)
{
	struct packet packet = packet_begin(out, first_byte(MQTT_SUBSCRIBE, 2));
	uint8_t options = filter->qos;

	mqtt_write_u16(out, packet_id);
	if (version >= MQTT_VERSION_5) {
		mqtt_props_encode(out, props);
		options |=
		    (uint8_t)((filter->no_local ? 4 : 0) | (filter->retain_as_published ? 8 : 0) |
			      filter->retain_handling << 4);
	}
	mqtt_write_binary(out, filter->filter);
	buf_append_u8(out, options);
	packet_finish(&packet);
}

void
mqtt_unsubscribe_encode(struct buf *out, uint8_t version, uint16_t packet_id, struct bytes filter)
{
	struct packet packet = packet_begin(out, first_byte(MQTT_UNSUBSCRIBE, 2));

	mqtt_write_u16(out, packet_id);
	if (version >= MQTT_VERSION_5)
		buf_append_u8(out, 0);
	mqtt_write_binary(out, filter);
	packet_finish(&packet);
}

void
mqtt_suback_encode(
    struct buf *out, enum mqtt_type type, uint8_t version, const struct mqtt_suback *suback)
{
	struct packet packet = packet_begin(out, first_byte(type, 0));

	mqtt_write_u16(out, suback->packet_id);
	if (version >= MQTT_VERSION_5)
		mqtt_props_encode(out, &suback->props);
	for (size_t i = 0; i < suback->codes.len; i++) {
		uint8_t code = suback->codes.data[i];

		if (version >= MQTT_VERSION_5)
			buf_append_u8(out, code);
		else if (type == MQTT_SUBACK)
			buf_append_u8(out, code >= MQTT_UNSPECIFIED ? MQTT_UNSPECIFIED : code);
	}
	packet_finish(&packet);
}

void
mqtt_disconnect_encode(struct buf *out, const struct mqtt_disconnect *disconnect)
{
	struct packet packet = packet_begin(out, first_byte(MQTT_DISCONNECT, 0));

	if (disconnect->reason != 0 || disconnect->props.present != 0) {
		buf_append_u8(out, disconnect->reason);
		if (disconnect->props.present != 0)
			mqtt_props_encode(out, &disconnect->props);
	}
	packet_finish(&packet);
}

void
mqtt_ping_encode(struct buf *out, enum mqtt_type type)
{
	buf_append_u8(out, first_byte(type, 0));
	buf_append_u8(out, 0);
}

static size_t
outgoing_props_size(const struct mqtt_outgoing *publish)
{
	size_t size = publish->forward.len;

	size += publish->has_expiry ? 5 : 0;
	size += publish->topic_alias != 0 ? 3 : 0;
	for (size_t i = 0; i < publish->subscription_id_count; i++)
		size += 1 + mqtt_varint_size(publish->subscription_ids[i]);
	return size;
}

static size_t
outgoing_rest_size(const struct mqtt_outgoing *publish)
{
	size_t size = 2 + publish->topic.len + (publish->qos > 0 ? 2 : 0) + publish->payload_len;

	if (publish->version >= MQTT_VERSION_5) {
		size_t props = outgoing_props_size(publish);

		size += mqtt_varint_size((uint32_t)props) + props;
	}
	return size;
}

size_t
mqtt_publish_size(const struct mqtt_outgoing *publish)
{
	size_t rest = outgoing_rest_size(publish);

	return 1 + mqtt_varint_size((uint32_t)rest) + rest;
}

static void
write_outgoing_props(struct buf *out, const struct mqtt_outgoing *publish)
{
	mqtt_write_varint(out, (uint32_t)outgoing_props_size(publish));
	if (publish->has_expiry) {
		buf_append_u8(out, MQTT_MESSAGE_EXPIRY);
		mqtt_write_u32(out, publish->expiry_s);
	}
	if (publish->topic_alias != 0) {
		buf_append_u8(out, MQTT_TOPIC_ALIAS);
		mqtt_write_u16(out, publish->topic_alias);
	}
	for (size_t i = 0; i < publish->subscription_id_count; i++) {
		buf_append_u8(out, MQTT_SUBSCRIPTION_ID);
		mqtt_write_varint(out, publish->subscription_ids[i]);
	}
	buf_append_bytes(out, publish->forward);
}

size_t
mqtt_publish_encode(struct buf *out, const struct mqtt_outgoing *publish)
{
	uint8_t flags =
	    (uint8_t)((publish->dup ? 8 : 0) | publish->qos << 1 | (publish->retain ? 1 : 0));
	size_t rest = outgoing_rest_size(publish), packet_id_at = 0;

	assert(rest <= REST_BYTES_MAX);
	(void)buf_reserve(out, 5 + rest);
	buf_append_u8(out, first_byte(MQTT_PUBLISH, flags));
	mqtt_write_varint(out, (uint32_t)rest);
	mqtt_write_binary(out, publish->topic);
	if (publish->qos > 0) {
		packet_id_at = out->len;
		mqtt_write_u16(out, publish->packet_id);
	}
	if (publish->version >= MQTT_VERSION_5)
		write_outgoing_props(out, publish);
	return packet_id_at;
}
