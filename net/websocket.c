/* SPDX-License-Identifier: MIT
 * WebSockets, by wslay. What comes is read into a buffer that all share and unpacked whole, so
 * nothing waits above the socket; what leaves is one frame for each write. A frame that did not
 * leave whole is kept, as TLS does (net/tls_link.c).
 */
#include "net/websocket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "lib/base64.h"
#include "lib/http_origin.h"
#include "lib/sha.h"

enum {
	RECEIVE_BYTES = 131072,
	FRAME_BYTES = 65536,   /* of those that we send */
	UNSENT_BYTES = 262144, /* frames that may wait; more are pongs that nobody reads */
	KEPT_BYTES = 8192,     /* of a frame's beginning, in wslay */
	KEY_BYTES = 16,
};

struct websockets {
	struct websockets_config config;
	char *origins;
	struct buf in;	  /* as it came */
	struct buf plain; /* what goes into one frame */
	struct buf out;	  /* frames */
};

struct websocket {
	struct websockets *shared;
	wslay_event_context_ptr context;
	const struct transport *inner;
	void *inner_state;
	struct bytes in; /* of shared->in, what wslay has not taken */
	uint8_t *to;	 /* where to put what is unpacked */
	size_t to_len;
	struct buf unsent; /* frames that the inner transport did not take */
	size_t owed;	   /* of the caller's bytes in them */
	uint8_t opcode;	   /* of the frame at hand */
	bool ended;
	bool shut;
};

static ssize_t
give(wslay_event_context_ptr context, uint8_t *out, size_t len, int flags, void *arg)
{
	struct websocket *socket = arg;
	size_t take = len < socket->in.len ? len : socket->in.len;

	(void)flags;
	if (take == 0) {
		wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(out, socket->in.data, take);
	socket->in = bytes_of(socket->in.data + take, socket->in.len - take);
	return (ssize_t)take;
}

static ssize_t
gather(wslay_event_context_ptr context, const uint8_t *data, size_t len, int flags, void *arg)
{
	struct websocket *socket = arg;

	(void)context;
	(void)flags;
	buf_append(&socket->shared->out, data, len);
	return (ssize_t)len;
}

/* MQTT 5.0 §6.0: text frames are an error. */
static void
frame_begins(wslay_event_context_ptr context,
    const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket *socket = arg;

	socket->opcode = frame->opcode;
	if (frame->opcode != WSLAY_TEXT_FRAME)
		return;
	(void)wslay_event_queue_close(context, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
	socket->ended = true;
}

static void
frame_goes_on(wslay_event_context_ptr context,
    const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct websocket *socket = arg;

	(void)context;
	if (wslay_is_ctrl_frame(socket->opcode) || socket->ended)
		return;
	assert(chunk->data_length <= socket->to_len);
	memcpy(socket->to, chunk->data, chunk->data_length);
	socket->to += chunk->data_length;
	socket->to_len -= chunk->data_length;
}

static const struct wslay_event_callbacks callbacks = {
	.recv_callback = give,
	.send_callback = gather,
	.on_frame_recv_start_callback = frame_begins,
	.on_frame_recv_chunk_callback = frame_goes_on,
};

/* -1 with errno where not all has left. */
static int
send_frames(struct websocket *socket, const struct sys *sys, int fd)
{
	struct buf *out = &socket->shared->out;

	if (wslay_event_send(socket->context) != 0) {
		errno = EPROTO;
		return -1;
	}
	buf_append_bytes(&socket->unsent, buf_bytes(out));
	buf_reset(out);
	while (socket->unsent.len > 0) {
		const struct iovec part = { socket->unsent.data, socket->unsent.len };
		ssize_t sent = socket->inner->writev(socket->inner_state, sys, fd, &part, 1);

		if (sent < 0)
			return -1;
		buf_drain(&socket->unsent, (size_t)sent);
	}
	buf_clear(&socket->unsent);
	return 0;
}

/* RFC 6455 §7.4.1: wslay tells a code for a wrong order of frames, but none for a frame that it
 * cannot read. */
static void
end_wrong(struct websocket *socket)
{
	static const uint8_t protocol_error[] = { 0x88, 2, 0x03, 0xea };

	wslay_event_shutdown_write(socket->context);
	buf_append(&socket->unsent, protocol_error, sizeof(protocol_error));
	socket->ended = true;
}

/* Unpacks all of `in`; returns how many bytes of content that gave. */
static size_t
unpack(struct websocket *socket, struct bytes in, void *out, size_t len)
{
	socket->in = in;
	socket->to = out;
	socket->to_len = len;
	if (wslay_event_recv(socket->context) != 0)
		end_wrong(socket);
	else if (!wslay_event_get_read_enabled(socket->context))
		socket->ended = true;
	socket->in = bytes_of(NULL, 0);
	return len - socket->to_len;
}

static ssize_t
socket_recv(void *state, const struct sys *sys, int fd, void *out, size_t len)
{
	struct websocket *socket = state;
	struct buf *in = &socket->shared->in;
	size_t most = len - KEPT_BYTES < RECEIVE_BYTES ? len - KEPT_BYTES : RECEIVE_BYTES;
	ssize_t got;

	if (socket->ended)
		return 0;
	buf_reset(in);
	got =
	    socket->inner->recv(socket->inner_state, sys, fd, buf_reserve(in, RECEIVE_BYTES), most);
	if (got <= 0)
		return got;
	got = (ssize_t)unpack(socket, bytes_of(in->data, (size_t)got), out, len);
	buf_reset(&socket->shared->out);
	(void)send_frames(socket, sys, fd); /* pongs, close: what stays leaves later */
	if (socket->unsent.len > UNSENT_BYTES)
		socket->ended = true;
	if (got > 0 || socket->ended)
		return got;
	errno = EAGAIN;
	return -1;
}

static void
fill_frame(const struct iovec *parts, int count, struct buf *out)
{
	buf_reset(out);
	for (int i = 0; i < count && out->len < FRAME_BYTES; i++) {
		size_t room = FRAME_BYTES - out->len;

		buf_append(
		    out, parts[i].iov_base, parts[i].iov_len < room ? parts[i].iov_len : room);
	}
}

static ssize_t
socket_writev(void *state, const struct sys *sys, int fd, const struct iovec *parts, int count)
{
	struct websocket *socket = state;
	struct buf *plain = &socket->shared->plain;
	struct wslay_event_msg message = { .opcode = WSLAY_BINARY_FRAME };
	size_t owed = socket->owed;

	buf_reset(&socket->shared->out);
	if (socket->unsent.len > 0 && send_frames(socket, sys, fd) < 0)
		return -1;
	if (owed > 0) {
		socket->owed = 0;
		return (ssize_t)owed;
	}
	fill_frame(parts, count, plain);
	message.msg = plain->data;
	message.msg_length = plain->len;
	if (wslay_event_queue_msg(socket->context, &message) != 0) {
		errno = EPIPE; /* a close has been sent */
		return -1;
	}
	if (send_frames(socket, sys, fd) == 0)
		return (ssize_t)plain->len;
	if (errno == EAGAIN)
		socket->owed = plain->len;
	return -1;
}

static int
socket_shut(void *state, const struct sys *sys, int fd)
{
	struct websocket *socket = state;

	buf_reset(&socket->shared->out);
	if (!socket->shut && socket->owed == 0) {
		(void)wslay_event_queue_close(socket->context, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
		(void)send_frames(socket, sys, fd);
	}
	socket->shut = true;
	return socket->inner->shut(socket->inner_state, sys, fd);
}

static void
socket_finish(void *state)
{
	struct websocket *socket = state;

	socket->inner->finish(socket->inner_state);
	wslay_event_context_free(socket->context);
	buf_clear(&socket->unsent);
	free(socket);
}

static const struct transport transport_websocket = { "WebSocket", socket_recv, socket_writev,
	socket_shut, socket_finish };

void
websocket_wrap(struct websockets *websockets, struct stream *stream)
{
	struct websocket *socket = xcalloc(1, sizeof(*socket));
	struct buf ahead;

	socket->shared = websockets;
	socket->inner = stream->transport;
	socket->inner_state = stream->state;
	if (wslay_event_context_server_init(&socket->context, &callbacks, socket) != 0)
		abort();
	wslay_event_config_set_no_buffering(socket->context, 1);
	wslay_event_config_set_max_recv_msg_length(
	    socket->context, websockets->config.frame_bytes_max);
	stream->transport = &transport_websocket;
	stream->state = socket;
	if (stream->ahead.len == 0)
		return;
	ahead = stream->ahead;
	stream->ahead = (struct buf){ 0 };
	stream->ahead.len =
	    unpack(socket, buf_bytes(&ahead), buf_reserve(&stream->ahead, ahead.len), ahead.len);
	buf_clear(&ahead);
}

struct websockets *
websockets_new(const struct websockets_config *config)
{
	struct websockets *websockets = xcalloc(1, sizeof(*websockets));

	websockets->config = *config;
	websockets->origins = xstrdup(config->origins);
	return websockets;
}

void
websockets_configure(struct websockets *websockets, const char *origins, uint64_t frame_bytes_max)
{
	free(websockets->origins);
	websockets->origins = xstrdup(origins);
	websockets->config.frame_bytes_max = frame_bytes_max;
}

void
websockets_free(struct websockets *websockets)
{
	if (websockets == NULL)
		return;
	free(websockets->origins);
	buf_clear(&websockets->in);
	buf_clear(&websockets->plain);
	buf_clear(&websockets->out);
	free(websockets);
}

/* RFC 6455 §4.2.2: the answer to a Sec-WebSocket-Key. */
static void
answer_key(struct bytes key, struct buf *out)
{
	uint8_t digest[SHA_1_BYTES];
	struct buf text = { 0 };

	buf_append_bytes(&text, key);
	buf_append_string(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	sha_digest(SHA_1, buf_bytes(&text), digest);
	base64_encode(bytes_of(digest, sizeof(digest)), out);
	buf_clear(&text);
}

static bool
is_key(struct bytes key)
{
	struct buf decoded = { 0 };
	bool right =
	    key.data != NULL && base64_decode(key, &decoded) == 0 && decoded.len == KEY_BYTES;

	buf_clear(&decoded);
	return right;
}

/* False where the exchange was answered. */
static bool
check(const struct websockets *websockets, struct http_exchange *exchange)
{
	static const struct http_header version = {
		{ (const uint8_t *)"Sec-WebSocket-Version", 21 }, { (const uint8_t *)"13", 2 }
	};
	const struct http_head *head = http_exchange_head(exchange);

	if (!head->upgrade || head->minor == 0 ||
	    !http_value_has_token(http_header_find(head, "Upgrade"), "websocket") ||
	    !bytes_equal_string(http_header_find(head, "Sec-WebSocket-Version"), "13")) {
		http_exchange_respond(exchange,
		    &(struct http_answer){ .status = 426,
			.content_type = "application/json",
			.headers = &version,
			.header_count = 1,
			.body = bytes_of_string(
			    "{\"error\":\"MQTT by WebSocket, version 13, is served here\"}\n") });
		return false;
	}
	if (!is_key(http_header_find(head, "Sec-WebSocket-Key"))) {
		http_exchange_error(exchange, 400, "Sec-WebSocket-Key must be 16 bytes in base64");
		return false;
	}
	if (http_origin_is_allowed(head, websockets->origins, http_exchange_is_local(exchange)))
		return true;
	http_exchange_error(exchange, 403,
	    "pages of this origin may not connect: the option ws_origins names those that may");
	return false;
}

static void
taken(void *arg, struct stream *stream)
{
	struct websockets *websockets = arg;

	websocket_wrap(websockets, stream);
	websockets->config.accepted(websockets->config.arg, stream);
}

void
websockets_open(void *arg, struct http_exchange *exchange)
{
	static const char *const protocols[] = { "mqtt", "mqttv3.1" };
	struct websockets *websockets = arg;
	struct bytes offered =
	    http_header_find(http_exchange_head(exchange), "Sec-WebSocket-Protocol");
	struct http_header headers[4] = { { bytes_of_string("Upgrade"),
					      bytes_of_string("websocket") },
		{ bytes_of_string("Connection"), bytes_of_string("Upgrade") },
		{ .name = bytes_of_string("Sec-WebSocket-Accept") },
		{ .name = bytes_of_string("Sec-WebSocket-Protocol") } };
	struct buf accept = { 0 };

	if (!check(websockets, exchange))
		return;
	for (size_t i = 0; i < 2 && headers[3].value.data == NULL; i++) {
		if (http_value_has_token(offered, protocols[i]))
			headers[3].value = bytes_of_string(protocols[i]);
	}
	if (headers[3].value.data == NULL) {
		http_exchange_error(
		    exchange, 400, "the subprotocol (Sec-WebSocket-Protocol) must be \"mqtt\"");
		return;
	}
	answer_key(http_header_find(http_exchange_head(exchange), "Sec-WebSocket-Key"), &accept);
	headers[2].value = buf_bytes(&accept);
	http_exchange_upgrade(exchange,
	    &(struct http_answer){ .status = 101, .headers = headers, .header_count = 4 }, taken,
	    websockets);
	buf_clear(&accept);
}
