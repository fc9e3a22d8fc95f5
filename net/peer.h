/* SPDX-License-Identifier: MIT
 * Who is at the other side of a connection, as far as the connection itself tells: before a CONNECT
 * or a request has said anything.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bytes.h"
#include "net/gate.h"

struct certificate;

enum { PEER_ADDRESS_BYTES = 64 };

/* Counted; never changed once somebody else has it, but by peer_forget_request. */
struct peer {
	uint32_t refs;
	bool is_tls;
	bool is_loopback; /* 127.0.0.0/8, ::1, a Unix socket */
	uint8_t
	    verdict; /* enum gate_verdict; else than GATE_OPEN: it is told so, and nothing else */
	/* That it showed and proved to own; who let it in has checked it. NULL: none. */
	struct certificate *certificate;
	/* Where it was accepted by a gate; NULL: none. It has left when the peer is freed. */
	struct gate_address *from;
	char *server_name; /* by which it called us (SNI); NULL: it did not */
	/* The head of the request that opened its WebSocket, as it was sent; NULL: there is none,
	 * or it is known who the client is. There may be secrets in it. */
	struct blob *request;
	char address[]; /* "127.0.0.1:5000"; "local" for Unix sockets */
};

struct peer *peer_new(const char *address); /* with one reference */
struct peer *peer_ref(struct peer *peer);   /* returns its argument */
void peer_unref(struct peer *peer);	    /* takes NULL */
void peer_forget_request(struct peer *peer);

#endif
