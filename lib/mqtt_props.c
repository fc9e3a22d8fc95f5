/* SPDX-License-Identifier: MIT
 * MQTT 5 properties (§2.2.2): one row for each says its type, where its value goes and in which
 * packets it may stand.
 */
#include <stddef.h>

#include "lib/mqtt_read.h"

enum prop_type {
	PROP_NONE,
	PROP_FLAG,
	PROP_U8,
	PROP_U16,
	PROP_U32,
	PROP_VARINT,
	PROP_BINARY,
	PROP_STRING,
	PROP_PAIR
};

enum { PROP_COUNT = 43, PROP_NOT_ZERO = 1 };

struct prop_row {
	uint8_t type;
	uint8_t flags;
	uint16_t at;	  /* in struct mqtt_props */
	uint32_t packets; /* bits of enum mqtt_type and MQTT_WILL */
};

#define IN(type) (1u << (type))
#define ACKS (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define MESSAGE (IN(MQTT_PUBLISH) | IN(MQTT_WILL))
#define CONNS (IN(MQTT_CONNECT) | IN(MQTT_CONNACK))
#define AT(field) offsetof(struct mqtt_props, field)

static const struct prop_row rows[PROP_COUNT] = {
	[MQTT_PAYLOAD_FORMAT] = { PROP_FLAG, 0, AT(payload_format), MESSAGE },
	[MQTT_MESSAGE_EXPIRY] = { PROP_U32, 0, AT(message_expiry_s), MESSAGE },
	[MQTT_CONTENT_TYPE] = { PROP_STRING, 0, AT(content_type), MESSAGE },
	[MQTT_RESPONSE_TOPIC] = { PROP_STRING, 0, AT(response_topic), MESSAGE },
	[MQTT_CORRELATION_DATA] = { PROP_BINARY, 0, AT(correlation_data), MESSAGE },
	[MQTT_SUBSCRIPTION_ID] = { PROP_VARINT, PROP_NOT_ZERO, AT(subscription_id),
	    IN(MQTT_PUBLISH) | IN(MQTT_SUBSCRIBE) },
	[MQTT_SESSION_EXPIRY] = { PROP_U32, 0, AT(session_expiry_s), CONNS | IN(MQTT_DISCONNECT) },
	[MQTT_ASSIGNED_CLIENT_ID] = { PROP_STRING, 0, AT(assigned_client_id), IN(MQTT_CONNACK) },
	[MQTT_SERVER_KEEP_ALIVE] = { PROP_U16, 0, AT(server_keep_alive_s), IN(MQTT_CONNACK) },
	[MQTT_AUTH_METHOD] = { PROP_STRING, 0, AT(auth_method), CONNS | IN(MQTT_AUTH) },
	[MQTT_AUTH_DATA] = { PROP_BINARY, 0, AT(auth_data), CONNS | IN(MQTT_AUTH) },
	[MQTT_REQUEST_PROBLEM_INFO] = { PROP_FLAG, 0, AT(request_problem_info), IN(MQTT_CONNECT) },
	[MQTT_WILL_DELAY] = { PROP_U32, 0, AT(will_delay_s), IN(MQTT_WILL) },
	[MQTT_REQUEST_RESPONSE_INFO] = { PROP_FLAG, 0, AT(request_response_info),
	    IN(MQTT_CONNECT) },
	[MQTT_RESPONSE_INFO] = { PROP_STRING, 0, AT(response_info), IN(MQTT_CONNACK) },
	[MQTT_SERVER_REFERENCE] = { PROP_STRING, 0, AT(server_reference),
	    IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT) },
	[MQTT_REASON_STRING] = { PROP_STRING, 0, AT(reason_string),
	    IN(MQTT_CONNACK) | ACKS | IN(MQTT_SUBACK) | IN(MQTT_UNSUBACK) | IN(MQTT_DISCONNECT) |
		IN(MQTT_AUTH) },
	[MQTT_RECEIVE_MAXIMUM] = { PROP_U16, PROP_NOT_ZERO, AT(receive_maximum), CONNS },
	[MQTT_TOPIC_ALIAS_MAXIMUM] = { PROP_U16, 0, AT(topic_alias_maximum), CONNS },
	[MQTT_TOPIC_ALIAS] = { PROP_U16, PROP_NOT_ZERO, AT(topic_alias), IN(MQTT_PUBLISH) },
	[MQTT_MAXIMUM_QOS] = { PROP_FLAG, 0, AT(maximum_qos), IN(MQTT_CONNACK) },
	[MQTT_RETAIN_AVAILABLE] = { PROP_FLAG, 0, AT(retain_available), IN(MQTT_CONNACK) },
	[MQTT_USER_PROPERTY] = { PROP_PAIR, 0, 0,
	    CONNS | MESSAGE | ACKS | IN(MQTT_SUBSCRIBE) | IN(MQTT_SUBACK) | IN(MQTT_UNSUBSCRIBE) |
		IN(MQTT_UNSUBACK) | IN(MQTT_DISCONNECT) | IN(MQTT_AUTH) },
	[MQTT_MAXIMUM_PACKET_SIZE] = { PROP_U32, PROP_NOT_ZERO, AT(maximum_packet_size), CONNS },
	[MQTT_WILDCARD_AVAILABLE] = { PROP_FLAG, 0, AT(wildcard_available), IN(MQTT_CONNACK) },
	[MQTT_SUBSCRIPTION_ID_AVAILABLE] = { PROP_FLAG, 0, AT(subscription_id_available),
	    IN(MQTT_CONNACK) },
	[MQTT_SHARED_AVAILABLE] = { PROP_FLAG, 0, AT(shared_available), IN(MQTT_CONNACK) },
};

/* A number as the row's type has it, into the field where `props` is not NULL. */
static uint32_t
read_number(struct mqtt_reader *reader, const struct prop_row *row, struct mqtt_props *props)
{
	uint8_t *field = (uint8_t *)props + row->at;
	uint32_t value;

	if (row->type == PROP_FLAG || row->type == PROP_U8) {
		value = mqtt_read_u8(reader);
		*field = (uint8_t)value;
	} else if (row->type == PROP_U16) {
		value = mqtt_read_u16(reader);
		*(uint16_t *)(void *)field = (uint16_t)value;
	} else {
		value = row->type == PROP_U32 ? mqtt_read_u32(reader) : mqtt_read_varint(reader);
		*(uint32_t *)(void *)field = value;
	}
	return value;
}

static bool
read_value(struct mqtt_reader *reader, const struct prop_row *row, struct mqtt_props *props,
    struct mqtt_defect *defect)
{
	struct bytes *text = (struct bytes *)(void *)((uint8_t *)props + row->at);
	uint32_t number = 1;

	if (row->type == PROP_PAIR) {
		(void)mqtt_read_string(reader);
		(void)mqtt_read_string(reader);
	} else if (row->type == PROP_STRING) {
		*text = mqtt_read_string(reader);
	} else if (row->type == PROP_BINARY) {
		*text = mqtt_read_binary(reader);
	} else {
		number = read_number(reader, row, props);
	}
	if (reader->bad)
		return mqtt_refuse(defect, MQTT_MALFORMED, "a property does not decode");
	if (row->type == PROP_FLAG && number > 1)
		return mqtt_refuse(defect, MQTT_PROTOCOL_ERROR, "a property is neither 0 nor 1");
	if ((row->flags & PROP_NOT_ZERO) != 0 && number == 0)
		return mqtt_refuse(defect,
		    row->at == AT(topic_alias) ? MQTT_TOPIC_ALIAS_INVALID : MQTT_PROTOCOL_ERROR,
		    "a property is 0 that must not be");
	return true;
}

bool
mqtt_props_decode(struct bytes raw, int type, struct mqtt_props *props, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(raw);

	*props = (struct mqtt_props){ .raw = raw };
	while (mqtt_left(&reader) > 0) {
		uint32_t id = mqtt_read_varint(&reader);
		uint32_t first_id = props->subscription_id;
		bool repeats = id == MQTT_USER_PROPERTY ||
			       (id == MQTT_SUBSCRIPTION_ID && type == MQTT_PUBLISH);

		if (reader.bad || id >= PROP_COUNT || rows[id].type == PROP_NONE)
			return mqtt_refuse(defect, MQTT_MALFORMED, "a property of unknown number");
		if ((rows[id].packets & IN(type)) == 0)
			return mqtt_refuse(defect, MQTT_PROTOCOL_ERROR,
			    "a property that this packet does not have");
		if ((props->present >> id & 1) != 0 && !repeats)
			return mqtt_refuse(defect, MQTT_PROTOCOL_ERROR, "a property stands twice");
		if (!read_value(&reader, &rows[id], props, defect))
			return false;
		props->present |= (uint64_t)1 << id;
		if (first_id != 0)
			props->subscription_id = first_id;
	}
	return true;
}

static void
write_value(struct buf *out, const struct prop_row *row, const struct mqtt_props *props)
{
	const uint8_t *field = (const uint8_t *)props + row->at;

	switch ((enum prop_type)row->type) {
	case PROP_FLAG:
	case PROP_U8:
		buf_append_u8(out, *field);
		break;
	case PROP_U16:
		mqtt_write_u16(out, *(const uint16_t *)(const void *)field);
		break;
	case PROP_U32:
		mqtt_write_u32(out, *(const uint32_t *)(const void *)field);
		break;
	case PROP_VARINT:
		mqtt_write_varint(out, *(const uint32_t *)(const void *)field);
		break;
	case PROP_BINARY:
	case PROP_STRING:
		mqtt_write_binary(out, *(const struct bytes *)(const void *)field);
		break;
	case PROP_PAIR:
	case PROP_NONE:
		break;
	}
}

static size_t
value_size(const struct prop_row *row, const struct mqtt_props *props)
{
	const uint8_t *field = (const uint8_t *)props + row->at;

	switch ((enum prop_type)row->type) {
	case PROP_FLAG:
	case PROP_U8:
		return 1;
	case PROP_U16:
		return 2;
	case PROP_U32:
		return 4;
	case PROP_VARINT:
		return mqtt_varint_size(*(const uint32_t *)(const void *)field);
	case PROP_BINARY:
	case PROP_STRING:
		return 2 + ((const struct bytes *)(const void *)field)->len;
	case PROP_PAIR:
	case PROP_NONE:
		break;
	}
	return 0;
}

void
mqtt_props_encode(struct buf *out, const struct mqtt_props *props)
{
	uint64_t present = props->present & ~((uint64_t)1 << MQTT_USER_PROPERTY);
	size_t size = props->user.len;

	for (int id = 1; id < PROP_COUNT; id++) {
		if ((present >> id & 1) != 0)
			size += 1 + value_size(&rows[id], props);
	}
	mqtt_write_varint(out, (uint32_t)size);
	for (int id = 1; id < PROP_COUNT; id++) {
		if ((present >> id & 1) == 0)
			continue;
		buf_append_u8(out, (uint8_t)id);
		write_value(out, &rows[id], props);
	}
	buf_append_bytes(out, props->user);
}

/* One property out of valid ones; false at the end. `*whole` is all of it, its number included. */
static bool
next_property(struct mqtt_reader *reader, uint8_t *id, struct bytes *whole)
{
	const uint8_t *start = reader->at;
	struct mqtt_props ignored;
	struct mqtt_defect defect;

	if (mqtt_left(reader) == 0)
		return false;
	*id = mqtt_read_u8(reader);
	if (*id >= PROP_COUNT || !read_value(reader, &rows[*id], &ignored, &defect))
		return false;
	*whole = bytes_of(start, (size_t)(reader->at - start));
	return true;
}

void
mqtt_props_forward(struct buf *out, struct bytes raw)
{
	struct mqtt_reader reader = mqtt_reader_of(raw);
	struct bytes whole;
	uint8_t id;

	while (next_property(&reader, &id, &whole)) {
		if ((rows[id].packets & IN(MQTT_PUBLISH)) != 0 && id != MQTT_TOPIC_ALIAS &&
		    id != MQTT_SUBSCRIPTION_ID && id != MQTT_MESSAGE_EXPIRY)
			buf_append_bytes(out, whole);
	}
}

bool
mqtt_user_property_next(struct bytes raw, size_t *at, struct bytes *name, struct bytes *value)
{
	struct mqtt_reader reader = mqtt_reader_of(bytes_of(raw.data + *at, raw.len - *at));
	struct bytes whole;
	uint8_t id;

	while (raw.len > 0 && next_property(&reader, &id, &whole)) {
		*at = (size_t)(reader.at - raw.data);
		if (id == MQTT_USER_PROPERTY) {
			struct mqtt_reader pair =
			    mqtt_reader_of(bytes_of(whole.data + 1, whole.len - 1));

			*name = mqtt_read_binary(&pair);
			*value = mqtt_read_binary(&pair);
			return true;
		}
	}
	return false;
}

bool
mqtt_subscription_id_next(struct bytes raw, size_t *at, uint32_t *number)
{
	struct mqtt_reader reader = mqtt_reader_of(bytes_of(raw.data + *at, raw.len - *at));
	struct bytes whole;
	uint8_t id;

	while (raw.len > 0 && next_property(&reader, &id, &whole)) {
		*at = (size_t)(reader.at - raw.data);
		if (id == MQTT_SUBSCRIPTION_ID) {
			struct mqtt_reader value =
			    mqtt_reader_of(bytes_of(whole.data + 1, whole.len - 1));

			*number = mqtt_read_varint(&value);
			return true;
		}
	}
	return false;
}

void
mqtt_user_property_encode(struct buf *out, struct bytes name, struct bytes value)
{
	buf_append_u8(out, MQTT_USER_PROPERTY);
	mqtt_write_binary(out, name);
	mqtt_write_binary(out, value);
}
