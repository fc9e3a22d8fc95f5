/* SPDX-License-Identifier: MIT
 * TLS handshakes, as server and as client, and listeners that make them.
 *
 * A handshake waits on the loop for the socket and calculates on a thread of the pool; when it is
 * over there is a stream like any other. It takes memory for its records only when the peer has
 * sent its first byte. How many there are at once is bounded, and how long one takes as a whole.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/certificate.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls_context.h"

struct tls;
struct tls_handshake;

struct tls_limits {
	unsigned threads;	   /* 0: one for each processor */
	unsigned handshakes_max;   /* of servers; at this many, listeners rest */
	uint32_t handshake_ms_max; /* from its start to its end */
};

struct tls_figures {
	uint64_t handshakes; /* that were begun as a server */
	uint64_t failed;     /* in TLS itself, or by time */
	uint64_t cut_slow;   /* silent or slow, for others, where there were too many */
	uint64_t refused;    /* by the certificate that was shown, or not */
	unsigned under_way;
};

struct tls *tls_new(struct loop *loop, const struct tls_limits *limits, struct err *err)
    __attribute__((warn_unused_result));
/* After its doors, its clients and all streams that it has made. Takes NULL. */
void tls_free(struct tls *tls);
void tls_configure(struct tls *tls, const struct tls_limits *limits); /* threads stay */
unsigned tls_lanes(const struct tls *tls);			      /* for tls_material */
const struct tls_figures *tls_figures(const struct tls *tls);

/* How a handshake has ended. Borrowed for the call. */
struct tls_outcome {
	/* NULL: it failed, and the descriptor is closed. Else who is called takes it over, or
	 * refuses it. */
	struct stream *stream;
	const char *protocol; /* by ALPN; NULL: none was agreed */
	/* Of stream->peer->certificate. */
	bool verified;	     /* within its time, and signed by one of the authorities */
	const char *problem; /* why not; or why the handshake failed */
	uint8_t alert;	     /* that says it best, for tls_refuse */
};

struct tls_request {
	struct tls_context *context; /* a reference is taken */
	int fd;			     /* non-blocking, taken over */
	const char *address;	     /* the peer's, for its name in logs */
	struct peer *peer;	     /* instead, of a server; taken over */
	const char *host;	     /* a client: whose certificate must be shown; else NULL */
	bool asks_nothing; /* a server that wants no certificate, whatever `context` asks */
	void (*done)(void *arg, struct tls_outcome *outcome); /* once, never from tls_shake */
	void *arg;
};

/* Until done, or cancelled: the descriptor is closed and `done` is not called. */
struct tls_handshake *tls_shake(struct tls *tls, const struct tls_request *request);
void tls_cancel(struct tls_handshake *handshake);
/* Closes a stream with an alert (RFC 5246 §7.2). */
void tls_refuse(struct stream *stream, const struct sys *sys, uint8_t alert);

/* What a client claims to be, before it is let in. */
struct tls_claim {
	const struct peer *peer; /* its certificate may be NULL */
	bool verified;		 /* see tls_outcome */
	const char *problem;
};

enum tls_protocol { TLS_PROTOCOL_MQTT, TLS_PROTOCOL_HTTP };

/* Of every listener; NULL at the end. */
extern const char *const tls_protocols[];

/* What a door wants of its clients. One that asks needs a context that does. */
enum tls_client_mode { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

struct tls_door;

struct tls_door_config {
	const char *address;	     /* "0.0.0.0:8883" */
	struct tls_context *context; /* a reference is taken */
	struct gate *gate;	     /* that it accepts by; NULL: none */
	enum tls_protocol protocol;  /* where the client agrees on none */
	enum tls_client_mode clients;
	void *arg;
	/* 0: let in. -1: `err` says why not. Not asked where a certificate is needed and missing.
	 * NULL: a certificate must be verified. */
	int (*identify)(void *arg, const struct tls_claim *claim, struct err *err);
	/* Takes over the stream. */
	void (*accepted)(void *arg, struct stream *stream, enum tls_protocol protocol);
};

struct tls_door *tls_door_open(struct tls *tls, const struct tls_door_config *config,
    struct err *err) __attribute__((warn_unused_result));
void tls_door_close(struct tls_door *door); /* takes NULL */
/* For new connections. A reference is taken. */
void tls_door_change(
    struct tls_door *door, struct tls_context *context, enum tls_client_mode clients);
void tls_door_pause(struct tls_door *door, bool pause);
const char *tls_door_address(const struct tls_door *door);

#endif
