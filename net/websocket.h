/* SPDX-License-Identifier: MIT
 * MQTT over WebSocket (RFC 6455; MQTT 5.0 §6): the request that opens it, and the transport that it
 * is from then on. What carries it, plain or TLS, and who speaks on it do not know.
 *
 * Messages are binary; where a frame begins means nothing. Pings are answered. A text frame, a
 * frame that is too large or not masked ends it with the close code that says so.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "net/http_server.h"
#include "net/stream.h"

struct websockets; /* what those of one loop share */

struct websockets_config {
	/* Origins of web pages that may connect, separated by spaces: "https://a.example"; "same":
	 * pages of the host that is asked; "any": all. Who sends no Origin is no page. */
	const char *origins;
	uint64_t frame_bytes_max;
	void *arg;
	/* A WebSocket is open. Takes over the stream. */
	void (*accepted)(void *arg, struct stream *stream);
};

struct websockets *websockets_new(const struct websockets_config *config);
void websockets_free(struct websockets *websockets); /* after all its streams; takes NULL */
/* For new ones. */
void websockets_configure(
    struct websockets *websockets, const char *origins, uint64_t frame_bytes_max);

/* Answers a GET: 101, or why not (400, 403, 426). An http_handler; `arg` is struct websockets. */
void websockets_open(void *arg, struct http_exchange *exchange);

/* The stream as a WebSocket, from the byte behind the head on. For tests. */
void websocket_wrap(struct websockets *websockets, struct stream *stream);

#endif
