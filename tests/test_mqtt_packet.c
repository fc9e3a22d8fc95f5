/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mqtt_packet.h"

struct any {
	struct mqtt_connect connect;
	struct mqtt_connack connack;
	struct mqtt_publish publish;
	struct mqtt_ack ack;
	struct mqtt_subscribe subscribe;
	struct mqtt_suback suback;
	struct mqtt_disconnect disconnect;
};

/* Decodes whatever it is; false with the defect where it is refused. */
static bool
decode(struct bytes rest, const struct mqtt_header *header, uint8_t version, struct any *any,
    struct mqtt_defect *defect)
{
	switch ((enum mqtt_type)header->type) {
	case MQTT_CONNECT:
		return mqtt_connect_decode(rest, &any->connect, defect);
	case MQTT_CONNACK:
		return mqtt_connack_decode(rest, version, &any->connack, defect);
	case MQTT_PUBLISH:
		return mqtt_publish_decode(rest, header, version, &any->publish, defect);
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
		return mqtt_ack_decode(rest, header, version, &any->ack, defect);
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return mqtt_subscribe_decode(rest, header, version, &any->subscribe, defect);
	case MQTT_SUBACK:
	case MQTT_UNSUBACK:
		return mqtt_suback_decode(rest, header, version, &any->suback, defect);
	case MQTT_DISCONNECT:
	case MQTT_AUTH:
		return mqtt_disconnect_decode(rest, header, version, &any->disconnect, defect);
	case MQTT_PINGREQ:
	case MQTT_PINGRESP:
		return true;
	}
	return false;
}

static void
append_samples(struct buf *out, size_t *ends, size_t *count)
{
	const uint8_t codes[] = { 0, 0x80 };
	const uint32_t ids[] = { 1, 300 };
	const struct mqtt_props message = { .present =
						1u << MQTT_CONTENT_TYPE | 1u << MQTT_WILL_DELAY,
		.content_type = bytes_of_string("text/plain"),
		.will_delay_s = 5 };
	const struct mqtt_connect connect = { .version = 5,
		.clean_start = true,
		.keep_alive_s = 60,
		.client_id = bytes_of_string("car"),
		.has_will = true,
		.will_qos = 1,
		.will_topic = bytes_of_string("gone"),
		.will_payload = bytes_of_string("x"),
		.will_props = message,
		.has_user = true,
		.user = bytes_of_string("u"),
		.has_password = true,
		.password = bytes_of_string("p") };
	const struct mqtt_connack connack = { .session_present = true,
		.props = {
		    .present = (uint64_t)1 << MQTT_RECEIVE_MAXIMUM, .receive_maximum = 100 } };
	const struct mqtt_outgoing publish = { .qos = 1,
		.version = 5,
		.packet_id = 7,
		.has_expiry = true,
		.expiry_s = 9,
		.topic_alias = 3,
		.subscription_ids = ids,
		.subscription_id_count = 2,
		.topic = bytes_of_string("a/b"),
		.payload_len = 3 };
	const struct mqtt_ack ack = { .packet_id = 7, .reason = MQTT_QUOTA_EXCEEDED };
	const struct mqtt_filter filter = {
		.filter = bytes_of_string("a/+"), .qos = 2, .no_local = true, .retain_handling = 2
	};
	const struct mqtt_suback suback = { .packet_id = 8, .codes = bytes_of(codes, 2) };
	const struct mqtt_disconnect disconnect = { .reason = MQTT_SESSION_TAKEN_OVER };
	const struct mqtt_props none = { 0 };
	size_t n = 0;

	mqtt_connect_encode(out, &connect);
	ends[n++] = out->len;
	mqtt_connack_encode(out, 5, &connack);
	ends[n++] = out->len;
	(void)mqtt_publish_encode(out, &publish);
	buf_append_string(out, "xyz");
	ends[n++] = out->len;
	for (int type = MQTT_PUBACK; type <= MQTT_PUBCOMP; type++) {
		mqtt_ack_encode(out, (enum mqtt_type)type, 5, &ack);
		ends[n++] = out->len;
	}
	mqtt_subscribe_encode(out, 5, 8, &none, &filter);
	ends[n++] = out->len;
	mqtt_suback_encode(out, MQTT_SUBACK, 5, &suback);
	ends[n++] = out->len;
	mqtt_unsubscribe_encode(out, 5, 9, filter.filter);
	ends[n++] = out->len;
	mqtt_ping_encode(out, MQTT_PINGREQ);
	ends[n++] = out->len;
	mqtt_disconnect_encode(out, &disconnect);
	ends[n++] = out->len;
	*count = n;
}

static void
packets_come_back_as_they_were_encoded(void **state)
{
	struct mqtt_defect defect = { 0 };
	struct mqtt_header header;
	struct buf out = { 0 };
	size_t ends[16], count, at = 0;
	struct any any;

	(void)state;
	append_samples(&out, ends, &count);
	for (size_t i = 0; i < count; i++) {
		struct bytes in = bytes_of(out.data + at, ends[i] - at);

		assert_int_equal(mqtt_header_decode(in, 1000, &header, &defect), MQTT_OK);
		assert_int_equal(header.head_bytes + header.rest_bytes, in.len);
		assert_true(decode(bytes_of(in.data + header.head_bytes, header.rest_bytes),
		    &header, 5, &any, &defect));
		at = ends[i];
	}
	assert_true(bytes_equal_string(any.connect.client_id, "car"));
	assert_int_equal(any.connect.will_props.will_delay_s, 5);
	assert_int_equal(any.connack.props.receive_maximum, 100);
	assert_true(bytes_equal_string(any.publish.payload, "xyz"));
	assert_int_equal(any.publish.props.message_expiry_s, 9);
	assert_int_equal(any.publish.props.subscription_id, 1);
	assert_int_equal(any.publish.packet_id, 7);
	assert_int_equal(any.ack.reason, MQTT_QUOTA_EXCEEDED);
	assert_int_equal(any.disconnect.reason, MQTT_SESSION_TAKEN_OVER);
	buf_clear(&out);
}

/* Each packet stands alone in its own heap block, so that a read outside is seen. */
static void
changed_and_cut_packets_are_decoded_or_refused_within_their_bounds(void **state)
{
	size_t ends[16], count, at = 0;
	struct mqtt_defect defect;
	struct mqtt_header header;
	struct buf out = { 0 };
	struct any any;

	(void)state;
	append_samples(&out, ends, &count);
	for (size_t i = 0; i < count; at = ends[i++]) {
		size_t len = ends[i] - at;

		for (size_t cut = 0; cut <= len; cut++) {
			for (int flip = 0; flip < 256; flip++) {
				uint8_t *copy = malloc(cut + 1);

				memcpy(copy, out.data + at, cut);
				if (cut > 0)
					copy[cut - 1] ^= (uint8_t)flip;
				if (mqtt_header_decode(
					bytes_of(copy, cut), 1000, &header, &defect) == MQTT_OK)
					(void)decode(
					    bytes_of(copy + header.head_bytes, header.rest_bytes),
					    &header, flip & 1 ? 4 : 5, &any, &defect);
				free(copy);
			}
		}
	}
	buf_clear(&out);
}

static const struct {
	const char *packet;
	size_t len;
	uint8_t version, reason;
} refused[] = {
	{ "\x00\x00", 2, 5, MQTT_MALFORMED }, /* type 0 */
	{ "\x36\x05\x00\x01"
	  "a\x00\x01",
	    7, 5, MQTT_MALFORMED },				 /* QoS 3 */
	{ "\x30\xff\xff\xff\xff\x01", 6, 5, MQTT_MALFORMED },	 /* length of five bytes */
	{ "\x30\xff\xff\xff\x7f", 5, 5, MQTT_PACKET_TOO_LARGE }, /* from the header */
	{ "\x32\x06\x00\x01"
	  "a\x00\x00\x00",
	    8, 5, MQTT_PROTOCOL_ERROR },			/* id 0 */
	{ "\x30\x04\x00\x00\x00x", 6, 5, MQTT_PROTOCOL_ERROR }, /* no topic, no alias */
	{ "\x30\x07\x00\x01"
	  "a\x03\x23\x00\x00",
	    9, 5, MQTT_TOPIC_ALIAS_INVALID },
	{ "\x30\x08\x00\x01"
	  "a\x04\x01\x01\x01\x01",
	    10, 5, MQTT_PROTOCOL_ERROR }, /* twice */
	{ "\x30\x06\x00\x01"
	  "a\x02\x01\x02",
	    8, 5, MQTT_PROTOCOL_ERROR }, /* format 2 */
	{ "\x30\x06\x00\x01"
	  "a\x02\x24\x01",
	    8, 5, MQTT_PROTOCOL_ERROR }, /* not in PUBLISH */
	{ "\x30\x05\x00\x01"
	  "a\x01\x7f",
	    7, 5, MQTT_MALFORMED }, /* unknown property */
	{ "\x30\x07\x00\x01"
	  "a\x03\x81\x00\x01",
	    9, 5, MQTT_MALFORMED }, /* a number longer than it needs to be */
	{ "\x82\x03\x00\x01\x00", 5, 5, MQTT_PROTOCOL_ERROR }, /* no filter */
	{ "\x82\x06\x00\x01\x00\x01"
	  "a\x04",
	    8, 4, MQTT_MALFORMED }, /* 3.1.1 options */
	{ "\x80\x06\x00\x01\x00\x01"
	  "a\x00",
	    8, 4, MQTT_MALFORMED }, /* flags */
	{ "\x10\x0a\x00\x04MQTX\x04\x02\x00\x00", 12, 4, MQTT_UNSUPPORTED_VERSION },
	{ "\x10\x0c\x00\x04MQTT\x06\x02\x00\x00\x00\x00", 14, 4, MQTT_UNSUPPORTED_VERSION },
	{ "\x10\x0c\x00\x04MQTT\x04\x03\x00\x00\x00\x00", 14, 4, MQTT_MALFORMED },
};

static void
defects_have_the_reason_of_the_specification(void **state)
{
	struct mqtt_defect defect;
	struct mqtt_header header;
	struct any any;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct bytes in = bytes_of(refused[i].packet, refused[i].len);

		defect.reason = 0;
		if (mqtt_header_decode(in, 1000, &header, &defect) == MQTT_OK)
			assert_false(
			    decode(bytes_of(in.data + header.head_bytes, header.rest_bytes),
				&header, refused[i].version, &any, &defect));
		assert_int_equal(defect.reason, refused[i].reason);
		assert_non_null(defect.text);
	}
}

static void
forwarded_properties_leave_out_what_is_between_two_peers(void **state)
{
	static const uint8_t raw[] = { 1, 1, 2, 0, 0, 0, 9, 11, 5, 35, 0, 1, 38, 0, 1, 'k', 0, 1,
		'v' };
	static const uint8_t expected[] = { 1, 1, 38, 0, 1, 'k', 0, 1, 'v' };
	struct bytes name, value;
	struct buf out = { 0 };
	size_t at = 0;

	(void)state;
	mqtt_props_forward(&out, bytes_of(raw, sizeof(raw)));
	assert_int_equal(out.len, sizeof(expected));
	assert_memory_equal(out.data, expected, sizeof(expected));
	assert_true(mqtt_user_property_next(buf_bytes(&out), &at, &name, &value));
	assert_true(bytes_equal_string(name, "k") && bytes_equal_string(value, "v"));
	assert_false(mqtt_user_property_next(buf_bytes(&out), &at, &name, &value));
	buf_clear(&out);
}

static void
every_subscription_identifier_is_found(void **state)
{
	static const uint8_t raw[] = { 1, 1, 11, 5, 38, 0, 1, 'k', 0, 1, 'v', 11, 0xac, 2 };
	uint32_t id = 0;
	size_t at = 0;

	(void)state;
	assert_true(mqtt_subscription_id_next(bytes_of(raw, sizeof(raw)), &at, &id));
	assert_int_equal(id, 5);
	assert_true(mqtt_subscription_id_next(bytes_of(raw, sizeof(raw)), &at, &id));
	assert_int_equal(id, 300);
	assert_false(mqtt_subscription_id_next(bytes_of(raw, sizeof(raw)), &at, &id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_back_as_they_were_encoded),
		cmocka_unit_test(
		    changed_and_cut_packets_are_decoded_or_refused_within_their_bounds),
		cmocka_unit_test(defects_have_the_reason_of_the_specification),
		cmocka_unit_test(every_subscription_identifier_is_found),
		cmocka_unit_test(forwarded_properties_leave_out_what_is_between_two_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
