/* SPDX-License-Identifier: MIT
 * Where the HTTP server listens, and whom it has room for.
 */
#include <stdlib.h>

#include "lib/log.h"
#include "net/http_conn.h"

void
http_tell_full(struct http_server *server, const struct peer *peer, const char *what)
{
	struct log_more more;

	if (log_limit_take(&server->full_lines, loop_now_us(server->loop), &more))
		log_warn("http", "http_clients_max, %u connections: %s is %s%s",
		    server->config.connections_max, peer->address, what, more.text);
}

/* Who has asked for nothing for longest goes where another wants to come in: so neither idle
 * clients nor those who dribble their requests keep the others out. */
bool
http_make_room(struct http_server *server)
{
	struct http_conn *conn;

	if (server->conn_count < server->config.connections_max)
		return true;
	TAILQ_FOREACH (conn, &server->conns, link) {
		if (conn->phase != HTTP_PHASE_HEAD || conn_is_ending(conn->conn))
			continue;
		TAILQ_REMOVE(&server->conns, conn, link);
		TAILQ_INSERT_TAIL(&server->conns, conn, link);
		conn_end(conn->conn, false, "idle, and another wants to come");
		server->figures.cut_idle++;
		http_tell_full(server, conn->peer, "idle and cut");
		return true;
	}
	return false;
}

void
http_conn_turn_away(struct http_conn *conn)
{
	static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				   "Retry-After: 1\r\nConnection: close\r\n\r\n";
	static const char too_many[] = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n"
				       "Retry-After: 1\r\nConnection: close\r\n\r\n";

	conn->server->figures.refused++;
	if (conn->peer->verdict == GATE_OPEN)
		http_tell_full(conn->server, conn->peer, "refused");
	conn_write(conn->conn, bytes_of_string(conn->peer->verdict != GATE_OPEN ? too_many : full));
	conn_end(conn->conn, true, "too many connections");
}

static void
on_accepted(void *arg, int fd, struct peer *peer)
{
	struct stream stream = stream_plain(fd, peer);

	http_server_accept(arg, &stream);
}

void
http_close_listeners(struct http_server *server)
{
	struct http_listener *listener;

	while ((listener = SLIST_FIRST(&server->listeners)) != NULL) {
		SLIST_REMOVE_HEAD(&server->listeners, link);
		listener_close(listener->listener);
		free(listener);
	}
}

static int
add_listener(struct http_server *server, struct listener *listener)
{
	struct http_listener *entry;

	if (listener == NULL)
		return -1;
	entry = xcalloc(1, sizeof(*entry));
	entry->listener = listener;
	SLIST_INSERT_HEAD(&server->listeners, entry, link);
	return 0;
}

int
http_server_listen(struct http_server *server, const char *address, struct err *err)
{
	struct listener *listener = listener_open(server->loop, address, on_accepted, server, err);

	if (listener != NULL && server->config.gate != NULL)
		listener_guard(listener, server->config.gate);
	return add_listener(server, listener);
}

int
http_server_listen_unix(struct http_server *server, const char *path, struct err *err)
{
	return add_listener(
	    server, listener_open_unix(server->loop, path, on_accepted, server, err));
}

const char *
http_server_address(const struct http_server *server)
{
	const struct http_listener *first = SLIST_FIRST(&server->listeners);

	return first != NULL ? listener_address(first->listener) : NULL;
}
