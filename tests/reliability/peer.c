/* SPDX-License-Identifier: MIT
 * The tests' MQTT client.
 */
#include "tests/reliability/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mqtt_packet.h"

enum { PACKET_BYTES_MAX = 1 << 20, WAIT_MS = 10000 };

void
peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		(void)close(peer->fd);
	peer->fd = -1;
	buf_clear(&peer->in);
	buf_clear(&peer->out);
}

static int
dial(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static bool
send_out(struct peer *peer)
{
	while (peer->out.len > 0) {
		ssize_t sent =
		    send(peer->fd, peer->out.data, peer->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		buf_drain(&peer->out, (size_t)sent);
	}
	return true;
}

static bool
read_in(struct peer *peer)
{
	for (;;) {
		uint8_t *room = buf_reserve(&peer->in, 65536);
		ssize_t got = recv(peer->fd, room, 65536, MSG_DONTWAIT);

		if (got <= 0)
			return got < 0 && (errno == EAGAIN || errno == EINTR);
		peer->in.len += (size_t)got;
	}
}

/* Takes the first packet; false: none is complete. */
static bool
next_packet(struct peer *peer, size_t *at, struct mqtt_header *header, struct bytes *rest)
{
	struct bytes in = bytes_of(peer->in.data + *at, peer->in.len - *at);
	struct mqtt_defect defect;

	if (mqtt_header_decode(in, PACKET_BYTES_MAX, header, &defect) != MQTT_OK ||
	    in.len < header->head_bytes + header->rest_bytes)
		return false;
	*rest = bytes_of(in.data + header->head_bytes, header->rest_bytes);
	*at += header->head_bytes + header->rest_bytes;
	return true;
}

/* Waits for a packet of this type, which is dropped after `take` has seen it. */
static bool
await(struct peer *peer, uint8_t type, bool (*take)(struct peer *peer, struct bytes rest))
{
	for (;;) {
		struct pollfd fd = { .fd = peer->fd, .events = POLLIN };
		struct mqtt_header header;
		struct bytes rest;
		size_t used = 0;

		if (next_packet(peer, &used, &header, &rest)) {
			bool good = header.type == type && take(peer, rest);

			buf_drain(&peer->in, used);
			return good;
		}
		if (!send_out(peer) || poll(&fd, 1, WAIT_MS) != 1 || !read_in(peer))
			return false;
	}
}

static bool
take_connack(struct peer *peer, struct bytes rest)
{
	struct mqtt_connack connack;
	struct mqtt_defect defect;

	if (!mqtt_connack_decode(rest, MQTT_VERSION_5, &connack, &defect) || connack.reason != 0)
		return false;
	peer->session_present = connack.session_present;
	return true;
}

static bool
take_suback(struct peer *peer, struct bytes rest)
{
	(void)peer;
	return rest.len > 0 && rest.data[rest.len - 1] < 0x80;
}

bool
peer_connect(struct peer *peer, int port, const char *client_id, bool keep)
{
	struct mqtt_connect connect = { .version = MQTT_VERSION_5, .clean_start = !keep };

	connect.client_id = bytes_of_string(client_id);
	if (keep) {
		connect.props.present = 1ull << MQTT_SESSION_EXPIRY;
		connect.props.session_expiry_s = UINT32_MAX;
	}
	peer_close(peer);
	peer->fd = dial(port);
	if (peer->fd < 0)
		return false;
	mqtt_connect_encode(&peer->out, &connect);
	if (await(peer, MQTT_CONNACK, take_connack))
		return true;
	peer_close(peer);
	return false;
}

bool
peer_subscribe(struct peer *peer, const char *filter)
{
	struct mqtt_filter wanted = { .filter = bytes_of_string(filter), .qos = 1 };

	mqtt_subscribe_encode(&peer->out, MQTT_VERSION_5, 1, &(struct mqtt_props){ 0 }, &wanted);
	return await(peer, MQTT_SUBACK, take_suback);
}

void
peer_send(struct peer *peer, const struct peer_message *message)
{
	struct mqtt_outgoing publish = { .qos = message->qos, .version = MQTT_VERSION_5 };

	publish.dup = message->again;
	publish.packet_id = message->packet_id;
	publish.topic = bytes_of_string(message->topic);
	publish.payload_len = message->payload.len;
	(void)mqtt_publish_encode(&peer->out, &publish);
	buf_append_bytes(&peer->out, message->payload);
}

void
peer_publish(struct peer *peer, const char *topic, struct bytes payload, uint16_t packet_id)
{
	peer_send(peer, &(struct peer_message){ topic, payload, packet_id, .qos = 1 });
}

void
peer_release(struct peer *peer, uint16_t packet_id)
{
	const struct mqtt_ack ack = { .packet_id = packet_id };

	mqtt_ack_encode(&peer->out, MQTT_PUBREL, MQTT_VERSION_5, &ack);
}

static void
take_packet(struct peer *peer, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_publish publish;
	struct mqtt_defect defect;
	struct mqtt_ack ack;

	if ((header->type == MQTT_PUBACK || header->type == MQTT_PUBCOMP) &&
	    mqtt_ack_decode(rest, header, MQTT_VERSION_5, &ack, &defect)) {
		if (peer->acked != NULL)
			peer->acked(peer->arg, ack.packet_id, ack.reason);
	} else if (header->type == MQTT_PUBREC &&
		   mqtt_ack_decode(rest, header, MQTT_VERSION_5, &ack, &defect)) {
		if (peer->received != NULL)
			peer->received(peer->arg, ack.packet_id, ack.reason);
		if (ack.reason < 0x80)
			peer_release(peer, ack.packet_id);
	} else if (header->type == MQTT_PUBLISH &&
		   mqtt_publish_decode(rest, header, MQTT_VERSION_5, &publish, &defect)) {
		if (peer->message != NULL)
			peer->message(peer->arg, publish.topic, publish.payload);
		ack = (struct mqtt_ack){ .packet_id = publish.packet_id };
		if (publish.qos == 1)
			mqtt_ack_encode(&peer->out, MQTT_PUBACK, MQTT_VERSION_5, &ack);
	}
}

bool
peer_turn(struct peer *peer)
{
	bool open = send_out(peer) && read_in(peer);
	struct mqtt_header header;
	struct bytes rest;
	size_t used = 0;

	while (next_packet(peer, &used, &header, &rest))
		take_packet(peer, &header, rest);
	buf_drain(&peer->in, used);
	if (open && send_out(peer))
		return true;
	peer_close(peer);
	return false;
}
