/* SPDX-License-Identifier: MIT
 * From bytes to packets (MQTT 3.1.1 and 5.0, chapters 2 and 3).
 */
#include "lib/mqtt_read.h"

enum { FIXED_BYTES_MAX = 5, CONNECT_RESERVED = 1 };

/* The flags that the fixed header must have (§2.1.3); PUBLISH has its own. */
static const uint8_t required_flags[16] = {
	[MQTT_PUBREL] = 2, [MQTT_SUBSCRIBE] = 2, [MQTT_UNSUBSCRIBE] = 2
};

static enum mqtt_result
refuse_header(struct mqtt_defect *defect, enum mqtt_reason reason, const char *text)
{
	(void)mqtt_refuse(defect, reason, text);
	return MQTT_BAD;
}

static enum mqtt_result
check_first(uint8_t first, struct mqtt_defect *defect)
{
	uint8_t type = first >> 4, flags = first & 0x0f;

	if (type == 0)
		return refuse_header(defect, MQTT_MALFORMED, "packet type 0 is reserved");
	if (type != MQTT_PUBLISH && flags != required_flags[type])
		return refuse_header(defect, MQTT_MALFORMED, "the fixed header's flags are wrong");
	if (type == MQTT_PUBLISH && (flags & 0x06) == 0x06)
		return refuse_header(defect, MQTT_MALFORMED, "a PUBLISH has no QoS 3");
	if (type == MQTT_PUBLISH && (flags & 0x0e) == 0x08)
		return refuse_header(defect, MQTT_MALFORMED, "DUP is set on a QoS 0 PUBLISH");
	return MQTT_OK;
}

enum mqtt_result
mqtt_header_decode(struct bytes in, uint32_t packet_bytes_max, struct mqtt_header *header,
    struct mqtt_defect *defect)
{
	uint32_t rest = 0;
	size_t i = 1;

	if (in.len == 0)
		return MQTT_MORE;
	if (check_first(in.data[0], defect) != MQTT_OK)
		return MQTT_BAD;
	for (;; i++) {
		if (i == FIXED_BYTES_MAX)
			return refuse_header(defect, MQTT_MALFORMED,
			    "the remaining length has more than four bytes");
		if (i == in.len)
			return MQTT_MORE;
		rest |= (uint32_t)(in.data[i] & 0x7f) << (7 * (i - 1));
		if ((in.data[i] & 0x80) == 0)
			break;
	}
	if (rest + i + 1 > packet_bytes_max)
		return refuse_header(
		    defect, MQTT_PACKET_TOO_LARGE, "the packet is larger than this server takes");
	header->type = in.data[0] >> 4;
	header->flags = in.data[0] & 0x0f;
	header->head_bytes = (uint32_t)i + 1;
	header->rest_bytes = rest;
	return in.len >= header->head_bytes + rest ? MQTT_OK : MQTT_MORE;
}

/* The end that all packets share: nothing missing, nothing left. */
static bool
finish(const struct mqtt_reader *reader, struct mqtt_defect *defect)
{
	if (reader->bad)
		return mqtt_refuse(defect, MQTT_MALFORMED, "a field does not fit into the packet");
	if (mqtt_left(reader) > 0)
		return mqtt_refuse(
		    defect, MQTT_MALFORMED, "bytes are left behind the packet's fields");
	return true;
}

enum { BRIDGE_BIT = 0x80 };

static bool
read_protocol(struct mqtt_reader *reader, struct mqtt_connect *connect, struct mqtt_defect *defect)
{
	struct bytes name = mqtt_read_binary(reader);
	uint8_t level = mqtt_read_u8(reader), version = level & (uint8_t)~BRIDGE_BIT;
	bool is_old = bytes_equal_string(name, "MQIsdp") && version == MQTT_VERSION_3_1;

	connect->version = level;
	if (reader->bad)
		return mqtt_refuse(defect, MQTT_MALFORMED, "the CONNECT is too short");
	if (!is_old && !bytes_equal_string(name, "MQTT"))
		return mqtt_refuse(
		    defect, MQTT_UNSUPPORTED_VERSION, "the protocol's name is not MQTT");
	if (!is_old && version != MQTT_VERSION_3_1_1 && level != MQTT_VERSION_5)
		return mqtt_refuse(defect, MQTT_UNSUPPORTED_VERSION,
		    "only MQTT 3.1, 3.1.1 and 5.0 are spoken here");
	connect->version = version;
	connect->is_bridge = version != level;
	return true;
}

static bool
check_connect_flags(uint8_t flags, uint8_t version, struct mqtt_defect *defect)
{
	bool will = (flags & 0x04) != 0, user = (flags & 0x80) != 0, password = (flags & 0x40) != 0;

	if ((flags & CONNECT_RESERVED) != 0)
		return mqtt_refuse(defect, MQTT_MALFORMED, "the reserved CONNECT flag is set");
	if ((flags & 0x18) == 0x18)
		return mqtt_refuse(defect, MQTT_MALFORMED, "a will has no QoS 3");
	if (!will && (flags & 0x38) != 0)
		return mqtt_refuse(defect, MQTT_MALFORMED, "will flags without a will");
	if (password && !user && version < MQTT_VERSION_5)
		return mqtt_refuse(defect, MQTT_MALFORMED, "a password without a user name");
	return true;
}

static bool
read_will(struct mqtt_reader *reader, struct mqtt_connect *connect, struct mqtt_defect *defect)
{
	if (!mqtt_read_props(reader, connect->version, MQTT_WILL, &connect->will_props, defect))
		return false;
	connect->will_topic = mqtt_read_string(reader);
	connect->will_payload = mqtt_read_binary(reader);
	return true;
}

bool
mqtt_connect_decode(struct bytes rest, struct mqtt_connect *connect, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);
	uint8_t flags;

	*connect = (struct mqtt_connect){ 0 };
	if (!read_protocol(&reader, connect, defect))
		return false;
	flags = mqtt_read_u8(&reader);
	if (!check_connect_flags(flags, connect->version, defect))
		return false;
	connect->clean_start = (flags & 0x02) != 0;
	connect->has_will = (flags & 0x04) != 0;
	connect->will_qos = flags >> 3 & 3;
	connect->will_retain = (flags & 0x20) != 0;
	connect->has_password = (flags & 0x40) != 0;
	connect->has_user = (flags & 0x80) != 0;
	connect->keep_alive_s = mqtt_read_u16(&reader);
	if (!mqtt_read_props(&reader, connect->version, MQTT_CONNECT, &connect->props, defect))
		return false;
	connect->client_id = mqtt_read_string(&reader);
	if (connect->has_will && !read_will(&reader, connect, defect))
		return false;
	if (connect->has_user)
		connect->user = mqtt_read_string(&reader);
	if (connect->has_password)
		connect->password = mqtt_read_binary(&reader);
	if (mqtt_props_has(&connect->props, MQTT_AUTH_DATA) &&
	    !mqtt_props_has(&connect->props, MQTT_AUTH_METHOD))
		return mqtt_refuse(
		    defect, MQTT_PROTOCOL_ERROR, "authentication data without a method");
	return finish(&reader, defect);
}

/* From MQTT 3.1.1 §3.2.2.3 to the reason codes of 5.0. */
static uint8_t
reason_of_return_code(uint8_t code)
{
	static const uint8_t reasons[] = { MQTT_SUCCESS, MQTT_UNSUPPORTED_VERSION,
		MQTT_CLIENT_ID_INVALID, MQTT_SERVER_UNAVAILABLE, MQTT_BAD_CREDENTIALS,
		MQTT_NOT_AUTHORIZED };

	return code < sizeof(reasons) ? reasons[code] : MQTT_UNSPECIFIED;
}

bool
mqtt_connack_decode(
    struct bytes rest, uint8_t version, struct mqtt_connack *connack, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);
	uint8_t flags = mqtt_read_u8(&reader);

	*connack = (struct mqtt_connack){ .session_present = (flags & 1) != 0 };
	connack->reason = mqtt_read_u8(&reader);
	if (version < MQTT_VERSION_5)
		connack->reason = reason_of_return_code(connack->reason);
	if (flags > 1)
		return mqtt_refuse(defect, MQTT_MALFORMED, "reserved CONNACK flags are set");
	/* A server that does not know version 5 answers as 3.1.1 does: without properties. */
	if (mqtt_left(&reader) > 0 &&
	    !mqtt_read_props(&reader, version, MQTT_CONNACK, &connack->props, defect))
		return false;
	return finish(&reader, defect);
}

bool
mqtt_publish_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_publish *publish, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);

	publish->dup = (header->flags & 0x08) != 0;
	publish->qos = header->flags >> 1 & 3;
	publish->retain = (header->flags & 0x01) != 0;
	publish->packet_id = 0;
	publish->topic = mqtt_read_binary(&reader);
	if (publish->qos > 0) {
		publish->packet_id = mqtt_read_u16(&reader);
		if (!reader.bad && publish->packet_id == 0)
			return mqtt_refuse(defect, MQTT_PROTOCOL_ERROR, "packet identifier 0");
	}
	if (!mqtt_read_props(&reader, version, MQTT_PUBLISH, &publish->props, defect))
		return false;
	if (reader.bad)
		return mqtt_refuse(defect, MQTT_MALFORMED, "the PUBLISH is too short");
	if (publish->topic.len == 0 && publish->props.topic_alias == 0)
		return mqtt_refuse(defect,
		    version < MQTT_VERSION_5 ? MQTT_MALFORMED : MQTT_PROTOCOL_ERROR,
		    "a PUBLISH without a topic");
	publish->payload = bytes_of(reader.at, mqtt_left(&reader));
	return true;
}

static bool
refuse_zero_id(uint16_t packet_id, const struct mqtt_reader *reader, struct mqtt_defect *defect)
{
	return reader->bad || packet_id != 0 ||
	       mqtt_refuse(defect, MQTT_PROTOCOL_ERROR, "packet identifier 0");
}

bool
mqtt_ack_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_ack *ack, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);

	*ack = (struct mqtt_ack){ .packet_id = mqtt_read_u16(&reader) };
	if (!refuse_zero_id(ack->packet_id, &reader, defect))
		return false;
	if (version >= MQTT_VERSION_5 && mqtt_left(&reader) > 0)
		ack->reason = mqtt_read_u8(&reader);
	if (version >= MQTT_VERSION_5 && mqtt_left(&reader) > 0 &&
	    !mqtt_read_props(&reader, version, header->type, &ack->props, defect))
		return false;
	return finish(&reader, defect);
}

static bool
check_options(uint8_t options, uint8_t version, struct mqtt_defect *defect)
{
	uint8_t reserved = version < MQTT_VERSION_5 ? 0xfc : 0xc0;

	if ((options & reserved) != 0)
		return mqtt_refuse(defect, MQTT_MALFORMED, "reserved subscription options are set");
	if ((options & 3) == 3)
		return mqtt_refuse(defect, MQTT_MALFORMED, "a subscription has no QoS 3");
	if ((options & 0x30) == 0x30)
		return mqtt_refuse(defect, MQTT_PROTOCOL_ERROR, "there is no retain handling 3");
	return true;
}

bool
mqtt_subscribe_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_subscribe *subscribe, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);

	*subscribe = (struct mqtt_subscribe){ .packet_id = mqtt_read_u16(&reader) };
	if (!refuse_zero_id(subscribe->packet_id, &reader, defect) ||
	    !mqtt_read_props(&reader, version, header->type, &subscribe->props, defect))
		return false;
	subscribe->filters = bytes_of(reader.at, mqtt_left(&reader));
	while (mqtt_left(&reader) > 0) {
		(void)mqtt_read_string(&reader);
		if (header->type == MQTT_SUBSCRIBE) {
			uint8_t options = mqtt_read_u8(&reader);

			if (!reader.bad && !check_options(options, version, defect))
				return false;
		}
		subscribe->count++;
	}
	if (!reader.bad && subscribe->count == 0)
		return mqtt_refuse(defect, MQTT_PROTOCOL_ERROR, "no topic filter");
	return finish(&reader, defect);
}

bool
mqtt_filter_next(struct bytes filters, bool with_options, size_t *at, struct mqtt_filter *filter)
{
	struct mqtt_reader reader;
	uint8_t options = 0;

	if (*at >= filters.len)
		return false;
	reader = mqtt_reader_of(bytes_of(filters.data + *at, filters.len - *at));
	*filter = (struct mqtt_filter){ .filter = mqtt_read_binary(&reader) };
	if (with_options)
		options = mqtt_read_u8(&reader);
	filter->qos = options & 3;
	filter->no_local = (options & 4) != 0;
	filter->retain_as_published = (options & 8) != 0;
	filter->retain_handling = options >> 4 & 3;
	*at = (size_t)(reader.at - filters.data);
	return !reader.bad;
}

bool
mqtt_suback_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_suback *suback, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);

	*suback = (struct mqtt_suback){ .packet_id = mqtt_read_u16(&reader) };
	if (!refuse_zero_id(suback->packet_id, &reader, defect) ||
	    !mqtt_read_props(&reader, version, header->type, &suback->props, defect))
		return false;
	suback->codes = mqtt_read_bytes(&reader, mqtt_left(&reader));
	return finish(&reader, defect);
}

bool
mqtt_disconnect_decode(struct bytes rest, const struct mqtt_header *header, uint8_t version,
    struct mqtt_disconnect *disconnect, struct mqtt_defect *defect)
{
	struct mqtt_reader reader = mqtt_reader_of(rest);

	*disconnect = (struct mqtt_disconnect){ 0 };
	if (version >= MQTT_VERSION_5 && mqtt_left(&reader) > 0)
		disconnect->reason = mqtt_read_u8(&reader);
	if (version >= MQTT_VERSION_5 && mqtt_left(&reader) > 0 &&
	    !mqtt_read_props(&reader, version, header->type, &disconnect->props, defect))
		return false;
	return finish(&reader, defect);
}
