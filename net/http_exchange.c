/* SPDX-License-Identifier: MIT
 * The answer's side of the HTTP server.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/http_conn.h"

struct http_exchange *
exchange_new(struct http_conn *conn)
{
	struct http_exchange *exchange = xcalloc(1, sizeof(*exchange));

	exchange->conn = conn;
	return exchange;
}

void
exchange_free(struct http_exchange *exchange)
{
	if (exchange == NULL)
		return;
	http_match_clear(&exchange->match);
	buf_clear(&exchange->head_bytes);
	buf_clear(&exchange->body);
	free(exchange);
}

void
exchange_abandon(struct http_exchange *exchange)
{
	exchange->conn->exchange = NULL;
	exchange->conn = NULL;
	if (!exchange->streaming)
		return; /* until its handler answers */
	exchange->gone(exchange->gone_arg);
	exchange_free(exchange);
}

const struct http_head *
http_exchange_head(const struct http_exchange *exchange)
{
	return &exchange->head;
}

struct bytes
http_exchange_body(const struct http_exchange *exchange)
{
	return buf_bytes(&exchange->body);
}

const struct http_match *
http_exchange_match(const struct http_exchange *exchange)
{
	return &exchange->match;
}

const char *
http_exchange_peer(const struct http_exchange *exchange)
{
	return exchange->conn != NULL ? exchange->conn->peer->address : "gone";
}

const struct peer *
http_exchange_peer_of(const struct http_exchange *exchange)
{
	return exchange->conn != NULL ? exchange->conn->peer : NULL;
}

bool
http_exchange_is_local(const struct http_exchange *exchange)
{
	const struct peer *peer = http_exchange_peer_of(exchange);

	return peer == NULL || (peer->is_loopback && !peer->is_tls);
}

bool
http_exchange_query(const struct http_exchange *exchange, const char *name, struct buf *out)
{
	struct bytes query = exchange->head.query, key, value;
	bool found = false;

	while (!found && http_query_next(&query, &key, &value)) {
		struct buf decoded = { 0 };

		found = http_decode(key, true, &decoded) == 0 &&
			bytes_equal_string(buf_bytes(&decoded), name);
		buf_clear(&decoded);
	}
	return found && http_decode(value, true, out) == 0;
}

static const char *
date_now(struct http_server *server)
{
	int64_t now_ms = loop_wall_ms(server->loop);

	if (server->date_s != now_ms / 1000) {
		server->date_s = now_ms / 1000;
		http_date(now_ms, server->date);
	}
	return server->date;
}

static bool
has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

void
http_exchange_share(struct http_exchange *exchange)
{
	exchange->shared = http_header_find(&exchange->head, "Origin").len > 0;
}

static void
write_sharing(const struct http_exchange *exchange, struct buf *out)
{
	if (!exchange->shared)
		return;
	buf_append_string(out, "Access-Control-Allow-Origin: ");
	buf_append_bytes(out, http_header_find(&exchange->head, "Origin"));
	buf_append_string(out, "\r\nVary: Origin\r\nAccess-Control-Expose-Headers: "
			       "x-amzn-RequestId, x-amzn-ErrorType\r\n");
}

static void
write_head(struct http_exchange *exchange, const struct http_answer *answer)
{
	struct buf *out = conn_out(exchange->conn->conn);

	buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", answer->status,
	    http_status_text(answer->status), date_now(exchange->conn->server));
	if (answer->content_type != NULL)
		buf_printf(out, "Content-Type: %s\r\n", answer->content_type);
	for (size_t i = 0; i < answer->header_count; i++) {
		buf_append_bytes(out, answer->headers[i].name);
		buf_append_string(out, ": ");
		buf_append_bytes(out, answer->headers[i].value);
		buf_append_string(out, "\r\n");
	}
	write_sharing(exchange, out);
	if (!exchange->keep_alive)
		buf_append_string(out, "Connection: close\r\n");
	else if (exchange->head.minor == 0)
		buf_append_string(out, "Connection: keep-alive\r\n");
}

/* The exchange is over on the wire. */
static void
finish(struct http_exchange *exchange)
{
	struct http_conn *conn = exchange->conn;
	bool keep_alive = exchange->keep_alive;

	conn->exchange = NULL;
	exchange_free(exchange);
	http_conn_answered(conn, keep_alive);
}

void
http_exchange_respond(struct http_exchange *exchange, const struct http_answer *answer)
{
	struct buf *out;

	assert(!exchange->streaming);
	if (exchange->conn == NULL) {
		exchange_free(exchange);
		return;
	}
	out = conn_out(exchange->conn->conn);
	if (exchange->conn->server->draining)
		exchange->keep_alive = false;
	write_head(exchange, answer);
	if (has_body(answer->status))
		buf_printf(out, "Content-Length: %zu\r\n", answer->body.len);
	buf_append_string(out, "\r\n");
	if (has_body(answer->status) && exchange->head.method != HTTP_HEAD)
		buf_append_bytes(out, answer->body);
	conn_wrote(exchange->conn->conn);
	finish(exchange);
}

void
http_exchange_upgrade(struct http_exchange *exchange, const struct http_answer *answer,
    void (*taken)(void *arg, struct stream *stream), void *arg)
{
	struct http_conn *conn = exchange->conn;

	assert(!exchange->streaming);
	if (conn != NULL) {
		conn->peer->request = blob_new(buf_bytes(&exchange->head_bytes));
		exchange->keep_alive = true;
		write_head(exchange, answer);
		buf_append_string(conn_out(conn->conn), "\r\n");
		conn_wrote(conn->conn);
		conn->exchange = NULL;
		http_conn_give(conn, taken, arg);
	}
	exchange_free(exchange);
}

static void
append_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append_u8(out, c);
	}
}

void
http_exchange_error(struct http_exchange *exchange, int status, const char *format, ...)
{
	struct buf json = { 0 };
	char text[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	buf_append_string(&json, "{\"error\":\"");
	append_escaped(&json, text);
	buf_append_string(&json, "\"}\n");
	http_exchange_json(exchange, status, buf_string(&json));
	buf_clear(&json);
}

void
http_exchange_json(struct http_exchange *exchange, int status, const char *json)
{
	http_exchange_respond(exchange, &(struct http_answer){
					    .status = status,
					    .content_type = "application/json",
					    .body = bytes_of_string(json),
					});
}

int
http_exchange_stream(struct http_exchange *exchange, const struct http_answer *answer,
    void (*gone)(void *arg), void *arg)
{
	struct http_conn *conn = exchange->conn;

	assert(!exchange->streaming);
	exchange->streaming = true;
	exchange->gone = gone;
	exchange->gone_arg = arg;
	if (conn == NULL) {
		exchange_free(exchange);
		return -1;
	}
	/* What comes while it streams is dropped, so that the client's leaving is seen. */
	exchange->keep_alive = false;
	exchange->chunked = exchange->head.minor == 1;
	write_head(exchange, answer);
	if (exchange->chunked)
		buf_append_string(conn_out(conn->conn), "Transfer-Encoding: chunked\r\n");
	buf_append_string(conn_out(conn->conn), "\r\n");
	conn_wrote(conn->conn);
	conn_read(conn->conn, true);
	return 0;
}

void
http_exchange_send(struct http_exchange *exchange, struct bytes piece)
{
	struct http_conn *conn = exchange->conn;
	struct buf *out;

	assert(exchange->streaming && conn != NULL);
	if (piece.len == 0 || exchange->head.method == HTTP_HEAD || conn_is_ending(conn->conn))
		return;
	out = conn_out(conn->conn);
	if (exchange->chunked)
		buf_printf(out, "%zx\r\n", piece.len);
	buf_append_bytes(out, piece);
	if (exchange->chunked)
		buf_append_string(out, "\r\n");
	conn_wrote(conn->conn);
	http_conn_check_output(conn);
}

void
http_exchange_end(struct http_exchange *exchange)
{
	assert(exchange->streaming && exchange->conn != NULL);
	if (exchange->chunked && exchange->head.method != HTTP_HEAD) {
		buf_append_string(conn_out(exchange->conn->conn), "0\r\n\r\n");
		conn_wrote(exchange->conn->conn);
	}
	finish(exchange);
}
