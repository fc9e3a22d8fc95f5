/* SPDX-License-Identifier: MIT
 * The MQTT codec. The first byte chooses the version; the rest is a stream of packets. What decodes
 * is walked to its last byte, and what was encoded from it must decode again.
 */
#include <assert.h>

#include "lib/mqtt_packet.h"
#include "lib/topic.h"

enum { PACKET_BYTES_MAX = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	struct mqtt_header header;
	struct bytes rest;
	uint8_t version;
};

static volatile uint8_t sink;

static void
touch(struct bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		sink ^= bytes.data[i];
}

static void
walk_props(const struct mqtt_props *props, int type)
{
	struct bytes name, value;
	struct mqtt_defect defect;
	struct mqtt_props again;
	struct buf forward = { 0 };
	size_t at = 0;

	while (mqtt_user_property_next(props->raw, &at, &name, &value)) {
		touch(name);
		touch(value);
	}
	if (type == MQTT_PUBLISH || type == MQTT_WILL) {
		mqtt_props_forward(&forward, props->raw);
		assert(mqtt_props_decode(buf_bytes(&forward), MQTT_PUBLISH, &again, &defect));
		assert(mqtt_props_has(&again, MQTT_CONTENT_TYPE) ==
		       mqtt_props_has(props, MQTT_CONTENT_TYPE));
	}
	buf_clear(&forward);
}

/* The rest of the one packet in `out`, which must be whole. */
static struct bytes
rest_of(const struct buf *out, struct mqtt_header *header)
{
	struct mqtt_defect defect;

	assert(mqtt_header_decode(buf_bytes(out), UINT32_MAX, header, &defect) == MQTT_OK);
	assert(header->head_bytes + header->rest_bytes == out->len);
	return bytes_of(out->data + header->head_bytes, header->rest_bytes);
}

static void
try_connect(const struct input *in)
{
	struct mqtt_connect connect, again;
	struct mqtt_header header;
	struct mqtt_defect defect;
	struct buf out = { 0 };

	if (!mqtt_connect_decode(in->rest, &connect, &defect))
		return;
	walk_props(&connect.props, MQTT_CONNECT);
	walk_props(&connect.will_props, MQTT_WILL);
	mqtt_connect_encode(&out, &connect);
	assert(mqtt_connect_decode(rest_of(&out, &header), &again, &defect));
	assert(bytes_equal(again.client_id, connect.client_id));
	assert(bytes_equal(again.will_payload, connect.will_payload));
	assert(bytes_equal(again.password, connect.password));
	assert(again.keep_alive_s == connect.keep_alive_s);
	buf_clear(&out);
}

static void
try_connack(const struct input *in)
{
	struct mqtt_connack connack, again;
	struct mqtt_header header;
	struct mqtt_defect defect;
	struct buf out = { 0 };

	if (!mqtt_connack_decode(in->rest, in->version, &connack, &defect))
		return;
	walk_props(&connack.props, MQTT_CONNACK);
	mqtt_connack_encode(&out, in->version, &connack);
	assert(mqtt_connack_decode(rest_of(&out, &header), in->version, &again, &defect));
	assert(again.session_present == connack.session_present);
	buf_clear(&out);
}

static void
encode_again(const struct input *in, const struct mqtt_publish *publish)
{
	struct buf out = { 0 }, forward = { 0 };
	struct mqtt_outgoing outgoing = { .dup = publish->dup,
		.retain = publish->retain,
		.qos = publish->qos,
		.version = in->version,
		.packet_id = publish->packet_id,
		.topic_alias = publish->props.topic_alias,
		.has_expiry = mqtt_props_has(&publish->props, MQTT_MESSAGE_EXPIRY),
		.expiry_s = publish->props.message_expiry_s,
		.topic = publish->topic,
		.payload_len = publish->payload.len };
	struct mqtt_publish again;
	struct mqtt_header header;
	struct mqtt_defect defect;

	mqtt_props_forward(&forward, publish->props.raw);
	outgoing.forward = buf_bytes(&forward);
	(void)mqtt_publish_encode(&out, &outgoing);
	buf_append_bytes(&out, publish->payload);
	assert(out.len == mqtt_publish_size(&outgoing));
	assert(mqtt_publish_decode(rest_of(&out, &header), &header, in->version, &again, &defect));
	assert(bytes_equal(again.topic, publish->topic));
	assert(bytes_equal(again.payload, publish->payload));
	assert(again.packet_id == publish->packet_id && again.qos == publish->qos);
	buf_clear(&forward);
	buf_clear(&out);
}

static void
try_publish(const struct input *in)
{
	struct mqtt_publish publish;
	struct mqtt_defect defect;

	if (!mqtt_publish_decode(in->rest, &in->header, in->version, &publish, &defect))
		return;
	(void)topic_name_check(publish.topic);
	touch(publish.payload);
	walk_props(&publish.props, MQTT_PUBLISH);
	encode_again(in, &publish);
}

static void
try_subscribe(const struct input *in)
{
	struct mqtt_subscribe subscribe;
	struct mqtt_filter filter;
	struct mqtt_defect defect;
	uint32_t count = 0;
	size_t at = 0;

	if (!mqtt_subscribe_decode(in->rest, &in->header, in->version, &subscribe, &defect))
		return;
	walk_props(&subscribe.props, in->header.type);
	while (
	    mqtt_filter_next(subscribe.filters, in->header.type == MQTT_SUBSCRIBE, &at, &filter)) {
		touch(filter.filter);
		assert(filter.qos <= 2 && filter.retain_handling <= 2);
		count++;
	}
	assert(count == subscribe.count && at == subscribe.filters.len);
}

static void
try_ack(const struct input *in)
{
	struct mqtt_header header;
	struct mqtt_ack ack, again;
	struct mqtt_defect defect;
	struct buf out = { 0 };

	if (!mqtt_ack_decode(in->rest, &in->header, in->version, &ack, &defect))
		return;
	walk_props(&ack.props, in->header.type);
	mqtt_ack_encode(&out, (enum mqtt_type)in->header.type, in->version, &ack);
	assert(mqtt_ack_decode(rest_of(&out, &header), &header, in->version, &again, &defect));
	assert(again.packet_id == ack.packet_id && again.reason == ack.reason);
	buf_clear(&out);
}

static void
try_suback(const struct input *in)
{
	struct mqtt_suback suback;
	struct mqtt_defect defect;

	if (!mqtt_suback_decode(in->rest, &in->header, in->version, &suback, &defect))
		return;
	walk_props(&suback.props, in->header.type);
	touch(suback.codes);
}

static void
try_disconnect(const struct input *in)
{
	struct mqtt_disconnect disconnect;
	struct mqtt_defect defect;

	if (mqtt_disconnect_decode(in->rest, &in->header, in->version, &disconnect, &defect))
		walk_props(&disconnect.props, in->header.type);
}

static void
skip(const struct input *in)
{
	(void)in;
}

static void (*const tries[16])(const struct input *in) = {
	[0] = skip,
	[MQTT_CONNECT] = try_connect,
	[MQTT_CONNACK] = try_connack,
	[MQTT_PUBLISH] = try_publish,
	[MQTT_PUBACK] = try_ack,
	[MQTT_PUBREC] = try_ack,
	[MQTT_PUBREL] = try_ack,
	[MQTT_PUBCOMP] = try_ack,
	[MQTT_SUBSCRIBE] = try_subscribe,
	[MQTT_SUBACK] = try_suback,
	[MQTT_UNSUBSCRIBE] = try_subscribe,
	[MQTT_UNSUBACK] = try_suback,
	[MQTT_PINGREQ] = skip,
	[MQTT_PINGRESP] = skip,
	[MQTT_DISCONNECT] = try_disconnect,
	[MQTT_AUTH] = try_disconnect,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes left = bytes_of(data, len);
	struct mqtt_defect defect;
	struct input in;

	if (len == 0)
		return 0;
	in.version = (uint8_t)(MQTT_VERSION_3_1 + data[0] % 3);
	left = bytes_of(data + 1, len - 1);
	while (mqtt_header_decode(left, PACKET_BYTES_MAX, &in.header, &defect) == MQTT_OK) {
		size_t whole = in.header.head_bytes + in.header.rest_bytes;

		in.rest = bytes_of(left.data + in.header.head_bytes, in.header.rest_bytes);
		tries[in.header.type](&in);
		left = bytes_of(left.data + whole, left.len - whole);
	}
	return 0;
}
