/* SPDX-License-Identifier: MIT
 * The client against a broker that the test plays packet by packet.
 */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "net/listener.h"
#include "net/mqtt_client.h"

enum { HELD_MAX = 32, TURNS_MAX = 60000 };

/* What the client sends, and what it hands over. */
struct world {
	struct loop *loop;
	struct listener *listener;
	struct conn_group *group;
	struct conn *peer; /* NULL: nobody is connected */
	struct mqtt_client *client;
	struct buf said; /* names of packets in their order: "CONNECT5 SUBSCRIBE:a/+ PUBACK:7 " */
	struct buf came; /* payloads of messages, each with a space */
	struct ack *held[HELD_MAX];
	size_t held_count;
	uint32_t last_numbers[4];
	size_t last_number_count;
	uint8_t version;       /* that the peer speaks */
	uint8_t refuse_5_with; /* CONNACK of the first byte 0: hangs up */
	bool refuses_5;
	bool session_present;
	bool hold;
	bool mute; /* no CONNACK */
	bool pause;
};

static struct bytes
text(const char *chars)
{
	return bytes_of_string(chars);
}

static void
send_hex(struct world *world, const void *data, size_t len)
{
	assert_non_null(world->peer);
	conn_write(world->peer, bytes_of(data, len));
}

static void
answer_connect(struct world *world, uint8_t version)
{
	struct mqtt_connack connack = { .session_present = world->session_present };

	if (world->mute)
		return;
	if (version == MQTT_VERSION_5 && world->refuses_5) {
		if (world->refuse_5_with != 0) {
			const uint8_t refused[] = { 0x20, 2, 0, world->refuse_5_with };

			send_hex(world, refused, sizeof(refused));
		}
		conn_end(world->peer, true, "refused");
		return;
	}
	world->version = version;
	mqtt_connack_encode(conn_out(world->peer), version, &connack);
	conn_wrote(world->peer);
}

static void
heard_subscribe(
    struct world *world, const struct mqtt_header *header, struct bytes rest, const char *name)
{
	const uint8_t granted = 1;
	struct mqtt_subscribe subscribe;
	struct mqtt_filter filter;
	struct mqtt_defect defect;
	size_t at = 0;

	assert_true(mqtt_subscribe_decode(rest, header, world->version, &subscribe, &defect));
	while (mqtt_filter_next(subscribe.filters, header->type == MQTT_SUBSCRIBE, &at, &filter))
		buf_printf(&world->said, "%s:%.*s ", name, (int)filter.filter.len,
		    (const char *)filter.filter.data);
	mqtt_suback_encode(conn_out(world->peer),
	    header->type == MQTT_SUBSCRIBE ? MQTT_SUBACK : MQTT_UNSUBACK, world->version,
	    &(struct mqtt_suback){
		.packet_id = subscribe.packet_id, .codes = bytes_of(&granted, 1) });
	conn_wrote(world->peer);
}

static void
heard_publish(struct world *world, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_publish publish;
	struct mqtt_defect defect;

	assert_true(mqtt_publish_decode(rest, header, world->version, &publish, &defect));
	buf_printf(&world->said, "PUBLISH%s:%.*s ", publish.dup ? "+DUP" : "",
	    (int)publish.payload.len, (const char *)publish.payload.data);
	if (publish.qos > 0 && !world->mute) {
		mqtt_ack_encode(conn_out(world->peer), MQTT_PUBACK, world->version,
		    &(struct mqtt_ack){ .packet_id = publish.packet_id });
		conn_wrote(world->peer);
	}
}

static void
heard(struct world *world, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_connect connect;
	struct mqtt_defect defect;
	struct mqtt_ack ack;

	switch ((enum mqtt_type)header->type) {
	case MQTT_CONNECT:
		assert_true(mqtt_connect_decode(rest, &connect, &defect));
		assert_false(connect.clean_start);
		buf_printf(&world->said, "CONNECT%d ", connect.version);
		answer_connect(world, connect.version);
		break;
	case MQTT_SUBSCRIBE:
		heard_subscribe(world, header, rest, "SUBSCRIBE");
		break;
	case MQTT_UNSUBSCRIBE:
		heard_subscribe(world, header, rest, "UNSUBSCRIBE");
		break;
	case MQTT_PUBLISH:
		heard_publish(world, header, rest);
		break;
	case MQTT_PUBACK:
		assert_true(mqtt_ack_decode(rest, header, world->version, &ack, &defect));
		buf_printf(&world->said, "PUBACK:%d ", ack.packet_id);
		break;
	case MQTT_PINGREQ:
		mqtt_ping_encode(conn_out(world->peer), MQTT_PINGRESP);
		conn_wrote(world->peer);
		break;
	case MQTT_DISCONNECT:
		buf_append_string(&world->said, "DISCONNECT ");
		break;
	case MQTT_CONNACK:
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
	case MQTT_SUBACK:
	case MQTT_UNSUBACK:
	case MQTT_PINGRESP:
	case MQTT_AUTH:
		fail_msg("packet type %d", header->type);
		break;
	}
}

static size_t
peer_input(void *arg, struct bytes in)
{
	struct world *world = arg;
	struct mqtt_header header;
	struct mqtt_defect defect;
	size_t used = 0;

	while (mqtt_header_decode(
		   bytes_of(in.data + used, in.len - used), 100000, &header, &defect) == MQTT_OK) {
		heard(world, &header,
		    bytes_of(in.data + used + header.head_bytes, header.rest_bytes));
		used += header.head_bytes + header.rest_bytes;
	}
	return used;
}

static void
peer_ended(void *arg, const char *reason)
{
	(void)reason;
	((struct world *)arg)->peer = NULL;
}

static const struct conn_events peer_events = { .input = peer_input, .ended = peer_ended };

static void
accepted(void *arg, int fd, struct peer *peer)
{
	struct world *world = arg;

	peer_unref(peer);
	assert_null(world->peer);
	world->peer = conn_new(world->group, fd, &peer_events, world);
}

static enum broker_flow
on_message(void *arg, const struct mqtt_client_delivery *delivery, struct ack *ack)
{
	struct world *world = arg;

	buf_append_bytes(&world->came, delivery->message->payload);
	buf_append_u8(&world->came, ' ');
	world->last_number_count = delivery->subscription_count;
	for (size_t i = 0; i < delivery->subscription_count && i < 4; i++)
		world->last_numbers[i] = delivery->subscriptions[i];
	if (world->hold)
		world->held[world->held_count++] = ack_hold(ack);
	return world->pause ? BROKER_PAUSE : BROKER_GO_ON;
}

static void
turn_until_said(struct world *world, const char *expected)
{
	struct err err;

	for (int i = 0; i < TURNS_MAX; i++) {
		if (strcmp(buf_string(&world->said), expected) == 0)
			break;
		assert_int_equal(loop_turn(world->loop, true, &err), 0);
	}
	assert_string_equal(buf_string(&world->said), expected);
	buf_reset(&world->said);
}

static void
turn_until_came(struct world *world, const char *expected)
{
	struct err err;

	for (int i = 0; i < TURNS_MAX && strcmp(buf_string(&world->came), expected) != 0; i++)
		assert_int_equal(loop_turn(world->loop, true, &err), 0);
	assert_string_equal(buf_string(&world->came), expected);
	buf_reset(&world->came);
}

static void
turn_until_gone(struct world *world)
{
	struct err err;

	while (world->peer != NULL)
		assert_int_equal(loop_turn(world->loop, true, &err), 0);
}

static void
publish_to_client(struct world *world, const char *payload, uint16_t packet_id, bool dup)
{
	const struct mqtt_outgoing outgoing = { .dup = dup,
		.qos = packet_id > 0 ? 1 : 0,
		.version = world->version,
		.packet_id = packet_id,
		.topic = text("a/b"),
		.payload_len = strlen(payload) };

	(void)mqtt_publish_encode(conn_out(world->peer), &outgoing);
	conn_write(world->peer, text(payload));
}

static void
cut(struct world *world)
{
	conn_end(world->peer, false, "cut");
	turn_until_gone(world);
}

static int
start(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	struct mqtt_client_config config = mqtt_client_defaults;
	const struct mqtt_client_events events = { .arg = world, .message = on_message };
	struct err err;

	world->loop = loop_new(&sys_posix, &err);
	assert_non_null(world->loop);
	world->group = conn_group_new(world->loop);
	world->listener = listener_open(world->loop, "127.0.0.1:0", accepted, world, &err);
	assert_non_null(world->listener);
	config.name = "test";
	config.host = "localhost";
	config.port = (uint16_t)atoi(strrchr(listener_address(world->listener), ':') + 1);
	config.client_id = "host-1";
	config.share = "moonlet";
	config.pause_ms_min = 2;
	config.pause_ms_max = 20;
	config.receive_maximum = 4;
	world->client = mqtt_client_new(world->loop, &config, &events);
	mqtt_client_subscribe(world->client, text("a/+"), 1);
	*state = world;
	return 0;
}

static int
finish(void **state)
{
	struct world *world = *state;
	struct err err;

	mqtt_client_free(world->client);
	for (size_t i = 0; i < world->held_count; i++)
		ack_release(world->held[i], 0);
	if (world->peer != NULL)
		conn_end(world->peer, false, "over");
	while (world->peer != NULL)
		assert_int_equal(loop_turn(world->loop, false, &err), 0);
	listener_close(world->listener);
	conn_group_free(world->group);
	loop_free(world->loop);
	buf_clear(&world->said);
	buf_clear(&world->came);
	free(world);
	return 0;
}

static struct world *
connected(void **state)
{
	struct world *world = *state;

	mqtt_client_start(world->client);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/a/+ ");
	return world;
}

static void
release(struct world *world, size_t i, uint8_t code)
{
	struct ack *ack = world->held[i];

	world->held[i] = NULL;
	ack_release(ack, code);
}

static void
message_is_acknowledged_when_its_work_is_done(void **state)
{
	struct world *world = connected(state);

	publish_to_client(world, "now", 7, false);
	turn_until_said(world, "PUBACK:7 ");
	turn_until_came(world, "now ");
	world->hold = true;
	publish_to_client(world, "later", 8, false);
	publish_to_client(world, "quick", 0, false);
	turn_until_came(world, "later quick ");
	assert_null(world->held[1]);
	release(world, 0, 0);
	turn_until_said(world, "PUBACK:8 ");
}

static void
acknowledgements_leave_in_the_order_of_the_messages(void **state)
{
	struct world *world = connected(state);

	world->hold = true;
	publish_to_client(world, "1", 1, false);
	publish_to_client(world, "2", 2, false);
	publish_to_client(world, "3", 3, false);
	turn_until_came(world, "1 2 3 ");
	release(world, 2, 0);
	release(world, 1, 0);
	release(world, 0, 0);
	turn_until_said(world, "PUBACK:1 PUBACK:2 PUBACK:3 ");
}

static void
slow_message_does_not_hold_the_others_for_long(void **state)
{
	struct world *world = connected(state);

	world->hold = true;
	publish_to_client(world, "1", 1, false);
	publish_to_client(world, "2", 2, false);
	turn_until_came(world, "1 2 ");
	release(world, 1, 0);
	turn_until_said(world, "PUBACK:2 ");
	publish_to_client(world, "3", 3, false);
	turn_until_came(world, "3 ");
	release(world, 2, 0);
	turn_until_said(world, "PUBACK:3 ");
	release(world, 0, 0);
	turn_until_said(world, "PUBACK:1 ");
}

static void
no_more_is_taken_than_the_receive_maximum(void **state)
{
	struct world *world = connected(state);

	world->hold = true;
	for (uint16_t id = 1; id <= 6; id++)
		publish_to_client(world, "x", id, false);
	turn_until_came(world, "x x x x ");
	release(world, 0, 0);
	turn_until_said(world, "PUBACK:1 ");
	turn_until_came(world, "x ");
}

static void
message_that_comes_again_while_it_is_worked_on_is_not_worked_on_twice(void **state)
{
	struct world *world = connected(state);

	world->hold = true;
	world->session_present = true;
	publish_to_client(world, "1", 1, false);
	publish_to_client(world, "2", 2, false);
	turn_until_came(world, "1 2 ");
	cut(world);
	release(world, 1, 0);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/a/+ ");
	publish_to_client(world, "1", 1, true);
	publish_to_client(world, "2", 2, true);
	publish_to_client(world, "3", 3, false);
	turn_until_came(world, "3 ");
	release(world, 0, 0);
	turn_until_said(world, "PUBACK:1 PUBACK:2 ");
}

static void
message_of_a_session_that_is_gone_is_new(void **state)
{
	struct world *world = connected(state);

	world->hold = true;
	publish_to_client(world, "1", 1, false);
	turn_until_came(world, "1 ");
	cut(world);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/a/+ ");
	publish_to_client(world, "1", 1, false);
	turn_until_came(world, "1 ");
	release(world, 0, 0);
	release(world, 1, 0);
	turn_until_said(world, "PUBACK:1 ");
}

static void
message_that_could_not_be_taken_is_asked_for_again(void **state)
{
	struct world *world = connected(state);

	world->hold = true;
	world->session_present = true;
	publish_to_client(world, "1", 1, false);
	turn_until_came(world, "1 ");
	release(world, 0, MQTT_QUOTA_EXCEEDED);
	turn_until_said(world, "DISCONNECT CONNECT5 SUBSCRIBE:$share/moonlet/a/+ ");
	publish_to_client(world, "1", 1, true);
	turn_until_came(world, "1 ");
	release(world, 1, 0);
	turn_until_said(world, "PUBACK:1 ");
}

static void
pause_stops_reading_until_it_is_resumed(void **state)
{
	struct world *world = connected(state);

	world->pause = true;
	publish_to_client(world, "1", 0, false);
	publish_to_client(world, "2", 0, false);
	turn_until_came(world, "1 ");
	world->pause = false;
	mqtt_client_resume(world->client);
	turn_until_came(world, "2 ");
}

static void
broker_that_refuses_version_5_is_asked_with_3_1_1(void **state)
{
	struct mqtt_client_status status;
	struct world *world = *state;

	world->refuses_5 = true;
	world->refuse_5_with = 1;
	mqtt_client_start(world->client);
	turn_until_said(world, "CONNECT5 CONNECT4 SUBSCRIBE:a/+ ");
	mqtt_client_status(world->client, &status);
	assert_int_equal(status.version, MQTT_VERSION_3_1_1);
	assert_false(status.shared);
	publish_to_client(world, "old", 9, false);
	turn_until_said(world, "PUBACK:9 ");
	cut(world);
	turn_until_said(world, "CONNECT4 SUBSCRIBE:a/+ ");
}

static void
broker_that_hangs_up_at_version_5_is_asked_with_3_1_1(void **state)
{
	struct world *world = *state;

	world->refuses_5 = true;
	mqtt_client_start(world->client);
	turn_until_said(world, "CONNECT5 CONNECT4 SUBSCRIBE:a/+ ");
}

static void
filters_come_and_go_on_a_live_connection_and_stay_over_the_next(void **state)
{
	struct world *world = connected(state);

	mqtt_client_subscribe(world->client, text("b/#"), 2);
	turn_until_said(world, "SUBSCRIBE:$share/moonlet/b/# ");
	mqtt_client_unsubscribe(world->client, text("a/+"));
	turn_until_said(world, "UNSUBSCRIBE:$share/moonlet/a/+ ");
	cut(world);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/b/# ");
}

static void
message_tells_by_which_filters_it_came(void **state)
{
	static const uint8_t packet[] = { 0x30, 11, 0, 3, 'a', '/', 'b', 4, 11, 1, 11, 2, 'x' };
	struct world *world = connected(state);

	send_hex(world, packet, sizeof(packet));
	turn_until_came(world, "x ");
	assert_int_equal(world->last_number_count, 2);
	assert_int_equal(world->last_numbers[0], 1);
	assert_int_equal(world->last_numbers[1], 2);
}

static void
note_settled(struct ack *ack)
{
	assert_int_equal(ack->refs, 0);
}

static void
publish_is_sent_again_until_it_is_acknowledged(void **state)
{
	struct world *world = connected(state);
	const struct message message = { .topic = text("out"), .payload = text("p"), .qos = 1 };
	struct ack ack;
	struct err err;

	ack_init(&ack, note_settled);
	world->mute = true;
	assert_true(mqtt_client_publish(world->client, &message, &ack));
	ack_release(&ack, 0);
	turn_until_said(world, "PUBLISH:p ");
	world->mute = false;
	world->session_present = true;
	cut(world);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/a/+ PUBLISH+DUP:p ");
	while (ack.refs > 0)
		assert_int_equal(loop_turn(world->loop, true, &err), 0);
	assert_int_equal(ack.code, 0);
}

static void
publish_waits_for_the_first_connection(void **state)
{
	struct world *world = *state;
	const struct message message = { .topic = text("out"), .payload = text("p"), .qos = 1 };

	assert_true(mqtt_client_publish(world->client, &message, NULL));
	mqtt_client_start(world->client);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/a/+ PUBLISH:p ");
}

static void
broker_that_breaks_the_protocol_is_told_and_left(void **state)
{
	static const struct {
		const char *packet;
		size_t len;
	} rows[] = {
		{ "\x34\x06\x00\x01"
		  "a\x00\x01\x00",
		    8 }, /* QoS 2 was not granted */
		{ "\x30\x08\x00\x01"
		  "a\x03\x23\x00\x01x",
		    10 },				    /* no alias was granted */
		{ "\x20\x03\x00\x00\x00", 5 },		    /* a second CONNACK */
		{ "\x82\x07\x00\x01\x00\x00\x01x\x00", 9 }, /* SUBSCRIBE */
		{ "\x30\xff\xff\xff\x7f", 5 },		    /* too large */
		{ "\x00\x00", 2 },			    /* no packet */
		{ "\x30\x05\x00\x01+\x00x", 7 },	    /* a wildcard in a topic */
	};
	struct world *world = connected(state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		send_hex(world, rows[i].packet, rows[i].len);
		turn_until_said(world, "DISCONNECT CONNECT5 SUBSCRIBE:$share/moonlet/a/+ ");
	}
	assert_int_equal(world->came.len, 0);
}

static void
stopped_client_says_goodbye_and_stays_away(void **state)
{
	struct world *world = connected(state);
	struct mqtt_client_status status;

	mqtt_client_stop(world->client);
	turn_until_said(world, "DISCONNECT ");
	turn_until_gone(world);
	mqtt_client_status(world->client, &status);
	assert_int_equal(status.state, MQTT_CLIENT_STOPPED);
	mqtt_client_start(world->client);
	turn_until_said(world, "CONNECT5 SUBSCRIBE:$share/moonlet/a/+ ");
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(message_is_acknowledged_when_its_work_is_done),
		CLIENT_TEST(acknowledgements_leave_in_the_order_of_the_messages),
		CLIENT_TEST(slow_message_does_not_hold_the_others_for_long),
		CLIENT_TEST(no_more_is_taken_than_the_receive_maximum),
		CLIENT_TEST(message_that_comes_again_while_it_is_worked_on_is_not_worked_on_twice),
		CLIENT_TEST(message_of_a_session_that_is_gone_is_new),
		CLIENT_TEST(message_that_could_not_be_taken_is_asked_for_again),
		CLIENT_TEST(pause_stops_reading_until_it_is_resumed),
		CLIENT_TEST(broker_that_refuses_version_5_is_asked_with_3_1_1),
		CLIENT_TEST(broker_that_hangs_up_at_version_5_is_asked_with_3_1_1),
		CLIENT_TEST(filters_come_and_go_on_a_live_connection_and_stay_over_the_next),
		CLIENT_TEST(message_tells_by_which_filters_it_came),
		CLIENT_TEST(publish_is_sent_again_until_it_is_acknowledged),
		CLIENT_TEST(publish_waits_for_the_first_connection),
		CLIENT_TEST(broker_that_breaks_the_protocol_is_told_and_left),
		CLIENT_TEST(stopped_client_says_goodbye_and_stays_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
