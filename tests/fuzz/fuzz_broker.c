/* SPDX-License-Identifier: MIT
 * A live broker under four clients that send anything, a store and functions that take their time,
 * clocks that jump and restarts. What the broker sends must be packets.
 *
 * Input is a list of steps: a byte with the client (two bits) and the kind, and for some a length
 * and bytes.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "tests/broker_world.h"

enum { CLIENTS = 4, STEPS_MAX = 200, RESTARTS_MAX = 2 };

enum kind {
	KIND_SEND, /* a length, and bytes as they are */
	KIND_CONNECT_5,
	KIND_CONNECT_4,
	KIND_PUBLISH, /* a byte: flags and topic */
	KIND_SUBSCRIBE,
	KIND_ACK, /* two bytes: type, packet identifier */
	KIND_CLOSE,
	KIND_ADVANCE, /* a byte: seconds */
	KIND_STORE,
	KIND_ACKS,
	KIND_PAUSE,
	KIND_RESTART,
	KIND_COUNT
};

struct fuzz_peer {
	int fd; /* -1: none */
	struct buf in;
};

struct input {
	const uint8_t *data;
	size_t len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t
take(struct input *input)
{
	if (input->len == 0)
		return 0;
	input->len--;
	return *input->data++;
}

static void
hang_up(struct fuzz_peer *peer)
{
	if (peer->fd >= 0)
		(void)close(peer->fd);
	peer->fd = -1;
	buf_clear(&peer->in);
}

static void
check_output(struct fuzz_peer *peer)
{
	struct mqtt_header header;
	struct mqtt_defect defect;
	enum mqtt_result result;

	do {
		result = mqtt_header_decode(buf_bytes(&peer->in), UINT32_MAX, &header, &defect);
		assert(result != MQTT_BAD);
		if (result == MQTT_OK)
			buf_drain(&peer->in, header.head_bytes + header.rest_bytes);
	} while (result == MQTT_OK);
}

static void
receive(struct fuzz_peer *peer)
{
	uint8_t some[65536];

	while (peer->fd >= 0) {
		ssize_t got = recv(peer->fd, some, sizeof(some), MSG_DONTWAIT);

		if (got > 0) {
			buf_append(&peer->in, some, (size_t)got);
			check_output(peer);
		} else if (got == 0 || errno != EAGAIN) {
			hang_up(peer);
		} else {
			return;
		}
	}
}

static void
settle(struct world *world, struct fuzz_peer *peers)
{
	for (int i = 0; i < 2; i++)
		world_turn(world);
	for (int i = 0; i < CLIENTS; i++)
		receive(&peers[i]);
}

static void
say(struct world *world, struct fuzz_peer *peer, const void *bytes, size_t len)
{
	if (peer->fd < 0)
		peer->fd = world_connect(world);
	(void)send(peer->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A CONNECT whose flags and session expiry the input chooses; client identifiers clash. */
static void
say_connect(struct world *world, struct fuzz_peer *peer, struct input *input, uint8_t version)
{
	uint8_t choice = take(input);
	const uint8_t will = choice & 2;
	struct mqtt_connect connect = { .version = version,
		.clean_start = (choice & 1) != 0,
		.has_will = will != 0,
		.will_qos = will != 0 ? choice >> 2 & 1 : 0,
		.will_retain = will != 0 && (choice & 8) != 0,
		.will_topic = bytes_of_string("a/w"),
		.will_payload = bytes_of_string("gone"),
		.keep_alive_s = choice & 16 ? 30 : 0,
		.client_id = bytes_of_string(choice & 32 ? "one" : "two") };
	struct buf out = { 0 };

	if (version == MQTT_VERSION_5) {
		connect.props.present = (uint64_t)1 << MQTT_SESSION_EXPIRY |
					(uint64_t)1 << MQTT_RECEIVE_MAXIMUM |
					(uint64_t)1 << MQTT_TOPIC_ALIAS_MAXIMUM;
		connect.props.session_expiry_s = choice & 64 ? 3600 : 0;
		connect.props.receive_maximum = 2;
		connect.props.topic_alias_maximum = 1;
	}
	hang_up(peer);
	mqtt_connect_encode(&out, &connect);
	say(world, peer, out.data, out.len);
	buf_clear(&out);
}

static void
say_publish(struct world *world, struct fuzz_peer *peer, struct input *input)
{
	static const char *const topics[] = { "a", "a/b", "b", "$x/a" };
	uint8_t choice = take(input);
	const struct mqtt_outgoing publish = { .qos = choice % 3,
		.retain = (choice & 64) != 0,
		.version = choice & 128 ? MQTT_VERSION_5 : MQTT_VERSION_3_1_1,
		.packet_id = (uint16_t)(1 + (choice >> 4 & 3)),
		.has_expiry = true,
		.expiry_s = choice & 1 ? 20 : 2000,
		.topic = bytes_of_string(topics[choice >> 2 & 3]),
		.payload_len = choice & 32 ? 6000 : 2 };
	struct buf out = { 0 };

	(void)mqtt_publish_encode(&out, &publish);
	memset(buf_reserve(&out, publish.payload_len), 'x', publish.payload_len);
	out.len += publish.payload_len;
	say(world, peer, out.data, out.len);
	buf_clear(&out);
}

static void
say_subscribe(struct world *world, struct fuzz_peer *peer, struct input *input)
{
	static const char *const filters[] = { "#", "a/+", "$share/g/a/#", "b" };
	uint8_t choice = take(input), version = choice & 128 ? MQTT_VERSION_5 : MQTT_VERSION_3_1_1;
	const struct mqtt_filter filter = { .filter = bytes_of_string(filters[choice & 3]),
		.qos = (uint8_t)((choice >> 2 & 3) % 3),
		.retain_as_published = (choice & 16) != 0 };
	const struct mqtt_props none = { 0 };
	struct buf out = { 0 };

	if ((choice & 96) == 96)
		mqtt_unsubscribe_encode(&out, version, 9, filter.filter);
	else
		mqtt_subscribe_encode(&out, version, 9, &none, &filter);
	say(world, peer, out.data, out.len);
	buf_clear(&out);
}

static void
say_ack(struct world *world, struct fuzz_peer *peer, struct input *input)
{
	enum mqtt_type type = MQTT_PUBACK + take(input) % 4;
	const struct mqtt_ack ack = { .packet_id = take(input) };
	struct buf out = { 0 };

	mqtt_ack_encode(&out, type, MQTT_VERSION_5, &ack);
	say(world, peer, out.data, out.len);
	buf_clear(&out);
}

static void
say_raw(struct world *world, struct fuzz_peer *peer, struct input *input)
{
	size_t len = take(input);

	if (len > input->len)
		len = input->len;
	say(world, peer, input->data, len);
	input->data += len;
	input->len -= len;
}

static void
client_step(struct world *world, struct fuzz_peer *peer, enum kind kind, struct input *input)
{
	if (kind == KIND_SEND)
		say_raw(world, peer, input);
	else if (kind == KIND_CONNECT_5)
		say_connect(world, peer, input, MQTT_VERSION_5);
	else if (kind == KIND_CONNECT_4)
		say_connect(world, peer, input, MQTT_VERSION_3_1_1);
	else if (kind == KIND_PUBLISH)
		say_publish(world, peer, input);
	else if (kind == KIND_SUBSCRIBE)
		say_subscribe(world, peer, input);
	else if (kind == KIND_ACK)
		say_ack(world, peer, input);
	else if (kind == KIND_CLOSE)
		hang_up(peer);
}

/* The last step of each may be followed by its opposite: `choice` is the client's number. */
static void
world_step(struct world *world, enum kind kind, uint8_t choice, struct input *input)
{
	if (kind == KIND_ADVANCE) {
		world_advance((int64_t)take(input) * 1000000);
	} else if (kind == KIND_STORE) {
		world->store_is_held = (choice & 1) != 0;
		world->store_status = (choice & 2) != 0 ? -1 : 0;
	} else if (kind == KIND_ACKS) {
		world->acks_are_held = (choice & 1) != 0;
		world_release_acks(world, (choice & 2) != 0 ? MQTT_QUOTA_EXCEEDED : 0);
	} else if (kind == KIND_PAUSE) {
		world->pauses_clients = (choice & 1) != 0;
		broker_resume(world->broker);
	}
}

static void
play(struct world *world, struct fuzz_peer *peers, struct input *input)
{
	int restarts = 0;

	for (int step = 0; step < STEPS_MAX && input->len > 0; step++) {
		uint8_t first = take(input);
		enum kind kind = (enum kind)((first >> 2) % KIND_COUNT);

		if (kind == KIND_RESTART && restarts++ < RESTARTS_MAX) {
			for (int i = 0; i < CLIENTS; i++)
				hang_up(&peers[i]);
			world_restart(world);
		}
		client_step(world, &peers[first & 3], kind, input);
		world_step(world, kind, first & 3, input);
		settle(world, peers);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *world = xcalloc(1, sizeof(*world));
	struct input input = { data, len };
	struct fuzz_peer peers[CLIENTS];

	log_open(STDERR_FILENO, LOG_FORMAT_HUMAN, LOG_LEVEL_ERROR);
	for (int i = 0; i < CLIENTS; i++)
		peers[i] = (struct fuzz_peer){ .fd = -1 };
	world_init(world);
	play(world, peers, &input);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&peers[i]);
	world_clear(world);
	free(world);
	return 0;
}
