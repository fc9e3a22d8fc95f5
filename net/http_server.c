/* SPDX-License-Identifier: MIT
 * The request's side of the HTTP server: listeners, connections, and their walk through the phases.
 */
#include "net/http_server.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "net/http_conn.h"

enum { LEAVING_MS = 2000 };

const struct http_server_config http_server_defaults = {
	.limits = { .target_bytes_max = 8192, .head_bytes_max = 16384, .body_bytes_max = 262144 },
	.connections_max = 4096,
	.head_timeout_ms = 10000,
	.body_timeout_ms = 30000,
	.idle_timeout_ms = 60000,
	.output_bytes_max = 1048576,
};

static void
set_timer(struct http_conn *conn, uint32_t delay_ms)
{
	timer_set(&conn->timer, (int64_t)delay_ms * 1000);
}

static void
leave(struct http_conn *conn)
{
	conn->phase = HTTP_PHASE_LEAVING;
	set_timer(conn, LEAVING_MS);
	conn->pending_before = SIZE_MAX;
	conn_read(conn->conn, true);
	if (conn_pending(conn->conn) == 0)
		conn_shut(conn->conn);
}

void
http_conn_check_output(struct http_conn *conn)
{
	if (conn_pending(conn->conn) > conn->server->config.output_bytes_max)
		conn_end(conn->conn, false, "the client does not read its answer");
}

void
http_conn_answered(struct http_conn *conn, bool keep_alive)
{
	struct http_server *server = conn->server;

	if (conn_is_ending(conn->conn))
		return;
	if (!keep_alive) {
		leave(conn);
		return;
	}
	conn->phase = HTTP_PHASE_HEAD;
	conn->begun = false;
	conn->served = true;
	conn->pending_before = SIZE_MAX;
	set_timer(conn, server->config.idle_timeout_ms);
	/* Many small requests may ask for much at once: they wait until it has left. */
	conn->choked = conn_pending(conn->conn) > server->config.output_bytes_max / 4;
	if (!conn->in_input)
		conn_read(conn->conn, !conn->choked);
}

/* The connection leaves the server. */
static void
forget(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	timer_clear(&conn->timer);
	task_cancel(&conn->give_task);
	TAILQ_REMOVE(&server->conns, conn, link);
	server->conn_count--;
	peer_unref(conn->peer);
	loop_free_later(server->loop, conn);
}

static void
give_now(void *arg)
{
	struct http_conn *conn = arg;
	struct stream stream = { .peer = conn->peer };

	if (conn_is_ending(conn->conn) || conn_pending(conn->conn) > 0)
		return;
	conn_take(conn->conn, &stream);
	conn->peer = NULL;
	forget(conn);
	conn->taken(conn->taken_arg, &stream);
}

void
http_conn_give(struct http_conn *conn, void (*taken)(void *arg, struct stream *stream), void *arg)
{
	conn->phase = HTTP_PHASE_GIVING;
	conn->taken = taken;
	conn->taken_arg = arg;
	conn_read(conn->conn, false);
	set_timer(conn, LEAVING_MS);
	task_schedule(&conn->give_task, conn->server->loop);
}

static void
on_drained(void *arg)
{
	struct http_conn *conn = arg;

	if (conn->phase == HTTP_PHASE_GIVING)
		task_schedule(&conn->give_task, conn->server->loop);
	if (conn->phase == HTTP_PHASE_LEAVING)
		conn_shut(conn->conn);
	if (!conn->choked)
		return;
	conn->choked = false;
	conn_read(conn->conn, true);
}

/* Answers what cannot be read any further, and leaves. */
static void
refuse(struct http_conn *conn, int status, const char *why)
{
	if (conn->exchange == NULL)
		conn->exchange = exchange_new(conn);
	conn->phase = HTTP_PHASE_ANSWER;
	conn->exchange->keep_alive = false;
	http_exchange_error(conn->exchange, status, "%s", why);
}

/* A client that reads slowly keeps its connection as long as it goes on reading. */
static bool
is_draining(struct http_conn *conn)
{
	size_t pending = conn_pending(conn->conn);

	if (pending == 0 || pending >= conn->pending_before)
		return false;
	conn->pending_before = pending;
	set_timer(conn, LEAVING_MS);
	return true;
}

static void
tell_slow(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct log_more more;

	server->figures.cut_slow++;
	if (log_limit_take(&server->slow_lines, loop_now_us(server->loop), &more))
		log_warn("http", "%s is cut: its request's %s has not arrived in time%s",
		    conn->peer->address, conn->phase == HTTP_PHASE_BODY ? "body" : "head",
		    more.text);
}

static void
on_timer(void *arg)
{
	struct http_conn *conn = arg;

	if (is_draining(conn))
		return;
	if ((conn->phase == HTTP_PHASE_HEAD && (conn->begun || !conn->served)) ||
	    conn->phase == HTTP_PHASE_BODY)
		tell_slow(conn);
	if (conn->phase == HTTP_PHASE_HEAD && conn->begun)
		refuse(conn, 408, "the request's head took too long");
	else if (conn->phase == HTTP_PHASE_HEAD)
		conn_end(conn->conn, false, "idle");
	else if (conn->phase == HTTP_PHASE_BODY)
		refuse(conn, 408, "the request's body took too long");
	else if (conn->phase == HTTP_PHASE_LEAVING || conn->phase == HTTP_PHASE_GIVING)
		conn_end(conn->conn, false, "left");
}

/* "GET, HEAD, OPTIONS" */
static void
list_methods(const struct http_match *match, struct buf *out)
{
	for (int i = 0; i < HTTP_METHODS; i++) {
		if (match->allowed[i] && i != HTTP_OPTIONS)
			buf_printf(out, "%s, ", http_method_name((enum http_method)i));
	}
	buf_append_string(out, "OPTIONS");
}

static bool
is_known(const struct http_match *match)
{
	for (int i = 0; i < HTTP_METHODS; i++) {
		if (match->allowed[i])
			return true;
	}
	return match->target != NULL;
}

static void
answer_method(struct http_exchange *exchange)
{
	bool options = exchange->head.method == HTTP_OPTIONS;
	struct http_header allow = { .name = bytes_of_string("Allow") };
	struct buf methods = { 0 };

	list_methods(&exchange->match, &methods);
	allow.value = buf_bytes(&methods);
	http_exchange_respond(exchange,
	    &(struct http_answer){
		.status = options ? 204 : 405,
		.headers = &allow,
		.header_count = 1,
		.content_type = options ? NULL : "application/json",
		.body = bytes_of_string("{\"error\":\"this path has other methods: see Allow\"}\n"),
	    });
	buf_clear(&methods);
}

/* The request is complete. */
static void
dispatch(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;
	struct handler *handler;

	/* Again: the routes may have changed while the body came. */
	http_match_clear(&exchange->match);
	if (http_routes_match(conn->server->routes, exchange->head.method, exchange->head.path,
		&exchange->match) < 0)
		abort();
	handler = exchange->match.target;
	conn->phase = HTTP_PHASE_ANSWER;
	timer_cancel(&conn->timer);
	if (handler != NULL)
		handler->handle(handler->arg, exchange);
	else if (is_known(&exchange->match) || bytes_equal_string(exchange->head.path, "*"))
		answer_method(exchange);
	else
		http_exchange_error(exchange, 404, "nothing is at %.*s",
		    (int)(exchange->head.path.len < 200 ? exchange->head.path.len : 200),
		    (const char *)exchange->head.path.data);
}

static void
begin_body(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->exchange;

	conn->phase = HTTP_PHASE_BODY;
	set_timer(conn, conn->server->config.body_timeout_ms);
	if (!exchange->head.expects_continue)
		return;
	if (exchange->match.target == NULL) {
		/* The client waits with its body for our word: it hears the answer instead. */
		exchange->keep_alive = false;
		dispatch(conn);
		return;
	}
	conn_write(conn->conn, bytes_of_string("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void
begin_exchange(struct http_conn *conn, struct bytes head_bytes)
{
	struct http_exchange *exchange = exchange_new(conn);
	struct http_refusal refusal;
	size_t used;

	conn->exchange = exchange;
	buf_append_bytes(&exchange->head_bytes, head_bytes);
	/* It was read in the shared buffer; read again, it points into what the exchange owns. */
	if (http_head_parse(buf_bytes(&exchange->head_bytes), &conn->server->config.limits,
		&exchange->head, &used, &refusal) != HTTP_OK)
		abort();
	exchange->keep_alive = exchange->head.keep_alive;
	if (http_routes_match(conn->server->routes, exchange->head.method, exchange->head.path,
		&exchange->match) < 0)
		refuse(conn, 400,
		    "the path has a wrong %XX, a segment \".\" or \"..\", or too many segments");
	else if (exchange->head.framing == HTTP_NO_BODY)
		dispatch(conn);
	else
		begin_body(conn);
}

static bool
is_foreign(const struct http_conn *conn, struct bytes in)
{
	const struct http_foreign *foreign = &conn->server->foreign;

	return foreign->taken != NULL && conn->peer->is_tls && !conn->begun &&
	       in.data[0] == foreign->first;
}

static size_t
take_head(struct http_conn *conn, struct bytes in)
{
	struct http_head head;
	struct http_refusal refusal;
	size_t used = 0;

	if (in.len == 0)
		return 0;
	if (is_foreign(conn, in)) {
		http_conn_give(conn, conn->server->foreign.taken, conn->server->foreign.arg);
		return 0;
	}
	if (!conn->begun) {
		conn->begun = true;
		set_timer(conn, conn->server->config.head_timeout_ms);
	}
	switch (http_head_parse(in, &conn->server->config.limits, &head, &used, &refusal)) {
	case HTTP_OK:
		begin_exchange(conn, bytes_of(in.data, used));
		break;
	case HTTP_MORE:
		break;
	case HTTP_BAD:
		refuse(conn, refusal.status, refusal.why);
		break;
	}
	return used;
}

static size_t
take_length(struct http_conn *conn, struct bytes in)
{
	struct http_exchange *exchange = conn->exchange;
	size_t left = (size_t)exchange->head.content_length - exchange->body.len;
	size_t used = in.len < left ? in.len : left;

	buf_append(&exchange->body, in.data, used);
	if (used == left)
		dispatch(conn);
	return used;
}

static size_t
take_chunks(struct http_conn *conn, struct bytes in)
{
	struct http_exchange *exchange = conn->exchange;
	struct bytes rest = in, piece;

	for (;;) {
		enum http_result result = http_chunks_next(&exchange->chunks, &rest, &piece);

		if (result == HTTP_BAD) {
			refuse(conn, 400, "the body's chunks are not well formed");
			return in.len - rest.len;
		}
		if (exchange->body.len + piece.len > conn->server->config.limits.body_bytes_max) {
			refuse(conn, 413, "the body is too large");
			return in.len - rest.len;
		}
		buf_append_bytes(&exchange->body, piece);
		if (result == HTTP_OK)
			dispatch(conn);
		if (result == HTTP_OK || piece.len == 0)
			return in.len - rest.len;
	}
}

/* One step; how many bytes it took. */
static size_t
take(struct http_conn *conn, struct bytes in)
{
	switch (conn->phase) {
	case HTTP_PHASE_HEAD:
		return take_head(conn, in);
	case HTTP_PHASE_BODY:
		return conn->exchange->head.framing == HTTP_CHUNKED ? take_chunks(conn, in)
								    : take_length(conn, in);
	case HTTP_PHASE_ANSWER:
		return conn->exchange->streaming ? in.len : 0;
	case HTTP_PHASE_LEAVING:
		return in.len;
	case HTTP_PHASE_GIVING:
		return 0;
	}
	return 0;
}

static size_t
on_input(void *arg, struct bytes in)
{
	struct http_conn *conn = arg;
	size_t used = 0, step;

	conn->in_input = true;
	do {
		step = take(conn, bytes_of(in.data + used, in.len - used));
		used += step;
	} while (step > 0 && used < in.len && !conn->choked && !conn_is_ending(conn->conn) &&
		 !conn_yields(conn->conn));
	conn->in_input = false;
	if (conn->choked || (conn->phase == HTTP_PHASE_ANSWER && !conn->exchange->streaming))
		conn_read(conn->conn, false);
	return used;
}

static void
server_gone(struct http_server *server)
{
	http_routes_free(server->routes, free);
	loop_free_later(server->loop, server);
}

static void
on_ended(void *arg, const char *reason)
{
	struct http_conn *conn = arg;
	struct http_server *server = conn->server;

	(void)reason;
	if (conn->phase == HTTP_PHASE_BODY)
		exchange_free(conn->exchange); /* no handler has it yet */
	else if (conn->exchange != NULL)
		exchange_abandon(conn->exchange);
	forget(conn);
	if (server->closing && server->conn_count == 0)
		server_gone(server);
}

static const struct conn_events conn_events = { on_input, on_ended, on_drained };

void
http_server_accept(struct http_server *server, struct stream *stream)
{
	bool lame = stream->peer->verdict != GATE_OPEN, room = http_make_room(server);
	struct http_conn *conn;

	if (server->closing ||
	    server->conn_count >= server->config.connections_max + HTTP_CONNS_BESIDE) {
		server->figures.refused++;
		http_tell_full(server, stream->peer, "refused");
		stream_close(stream, loop_sys(server->loop));
		return;
	}
	conn = xcalloc(1, sizeof(*conn));
	conn->server = server;
	conn->peer = stream->peer;
	timer_init(&conn->timer, server->loop, on_timer, conn);
	task_init(&conn->give_task, give_now, conn);
	set_timer(conn, server->config.head_timeout_ms);
	conn->conn = conn_open(server->group, stream, &conn_events, conn);
	TAILQ_INSERT_TAIL(&server->conns, conn, link);
	server->conn_count++;
	if (room && !lame)
		return;
	http_conn_turn_away(conn);
}

struct http_server *
http_server_new(
    struct loop *loop, struct conn_group *group, const struct http_server_config *config)
{
	struct http_server *server = xcalloc(1, sizeof(*server));

	server->loop = loop;
	server->group = group;
	server->config = *config;
	server->date_s = -1;
	server->routes = http_routes_new();
	SLIST_INIT(&server->listeners);
	TAILQ_INIT(&server->conns);
	return server;
}

void
http_server_give_foreign(struct http_server *server, const struct http_foreign *foreign)
{
	server->foreign = *foreign;
}

void
http_server_drain(struct http_server *server)
{
	struct http_conn *conn;

	server->draining = true;
	http_close_listeners(server);
	TAILQ_FOREACH (conn, &server->conns, link) {
		if (conn->phase == HTTP_PHASE_HEAD && !conn->begun)
			conn_end(conn->conn, true, "the server stops");
	}
}

/* A stream ends well, for who has read it so far. */
static void
stop_conn(struct http_conn *conn)
{
	const struct http_exchange *exchange = conn->exchange;
	bool well = exchange != NULL && exchange->streaming && exchange->chunked &&
		    conn_pending(conn->conn) == 0;

	if (well)
		conn_write(conn->conn, bytes_of_string("0\r\n\r\n"));
	conn_end(conn->conn, well, "the server stops");
}

void
http_server_free(struct http_server *server)
{
	struct http_conn *conn;

	if (server == NULL)
		return;
	http_close_listeners(server);
	server->closing = true;
	TAILQ_FOREACH (conn, &server->conns, link)
		stop_conn(conn);
	if (server->conn_count == 0)
		server_gone(server);
}

const struct http_figures *
http_server_figures(const struct http_server *server)
{
	return &server->figures;
}

unsigned
http_server_connections(const struct http_server *server)
{
	return server->conn_count;
}

int
http_server_add(
    struct http_server *server, const struct http_route *route, void *arg, struct err *err)
{
	struct handler *handler;

	if (http_routes_check(route->pattern, err) < 0)
		return -1;
	if (http_routes_find(server->routes, route->method, route->pattern) != NULL)
		return err_set(
		    err, "%s %s is taken already", http_method_name(route->method), route->pattern);
	handler = xcalloc(1, sizeof(*handler));
	handler->handle = route->handle;
	handler->arg = arg;
	http_routes_add(server->routes, route->method, route->pattern, handler);
	return 0;
}

int
http_server_add_table(struct http_server *server, const struct http_route *routes, size_t count,
    void *arg, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (http_server_add(server, &routes[i], arg, err) < 0)
			return -1;
	}
	return 0;
}

void
http_server_remove(struct http_server *server, enum http_method method, const char *pattern)
{
	struct handler *handler = http_routes_find(server->routes, method, pattern);

	http_routes_remove(server->routes, method, pattern);
	loop_free_later(server->loop, handler);
}

void *
http_server_find(struct http_server *server, enum http_method method, const char *pattern)
{
	struct handler *handler = http_routes_find(server->routes, method, pattern);

	return handler != NULL ? handler->arg : NULL;
}
