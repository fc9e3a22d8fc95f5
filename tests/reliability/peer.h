/* SPDX-License-Identifier: MIT
 * An MQTT 5 client for the reliability tests: blocking to connect, polled afterwards.
 */
#ifndef TESTS_RELIABILITY_PEER_H
#define TESTS_RELIABILITY_PEER_H

#include "lib/bytes.h"

struct peer {
	int fd; /* -1: not connected */
	struct buf in;
	struct buf out;
	bool session_present;
	/* A PUBACK or PUBCOMP, a PUBREC (which the peer answers with PUBREL), and a PUBLISH (which
	 * it acknowledges by itself). */
	void (*acked)(void *arg, uint16_t packet_id, uint8_t reason);
	void (*received)(void *arg, uint16_t packet_id, uint8_t reason);
	void (*message)(void *arg, struct bytes topic, struct bytes payload);
	void *arg;
};

/* Connects and waits for the CONNACK; `keep` asks for the session that survives. False: nobody is
 * there, or it refused. */
bool peer_connect(struct peer *peer, int port, const char *client_id, bool keep);
void peer_close(struct peer *peer);

/* Waits for the SUBACK. */
bool peer_subscribe(struct peer *peer, const char *filter);
void peer_publish(struct peer *peer, const char *topic, struct bytes payload, uint16_t packet_id);
struct peer_message {
	const char *topic;
	struct bytes payload;
	uint16_t packet_id;
	uint8_t qos;
	bool again;
};
void peer_send(struct peer *peer, const struct peer_message *message);
void peer_release(struct peer *peer, uint16_t packet_id); /* a PUBREL */

/* Sends what waits, reads what is there and calls back. False: the connection has ended; it is
 * closed. */
bool peer_turn(struct peer *peer);

#endif
