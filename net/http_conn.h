/* SPDX-License-Identifier: MIT
 * A connection of the HTTP server: inside of net/http_server.c and net/http_exchange.c.
 *
 *   HEAD --head complete--> BODY --body complete--> ANSWER --answer written--> HEAD
 *     \___ refused ___________\______________________________________________> LEAVING
 *
 * LEAVING: the last answer is on its way; what still comes is dropped, for at most two seconds, so
 * that the peer can read the answer before the socket is closed on its unread bytes.
 */
#ifndef NET_HTTP_CONN_H
#define NET_HTTP_CONN_H

#include "lib/log_limit.h"
#include "lib/queue.h"
#include "net/http_server.h"
#include "net/listener.h"

enum http_phase {
	HTTP_PHASE_HEAD,
	HTTP_PHASE_BODY,
	HTTP_PHASE_ANSWER,
	HTTP_PHASE_LEAVING,
	HTTP_PHASE_GIVING, /* another protocol follows: its owner gets the connection */
};

struct http_conn {
	TAILQ_ENTRY(http_conn) link;
	struct http_server *server;
	struct conn *conn;
	struct timer timer;
	struct http_exchange *exchange; /* in BODY and ANSWER */
	struct task give_task;
	void (*taken)(void *arg, struct stream *stream);
	void *taken_arg;
	enum http_phase phase;
	bool begun;	       /* HEAD: its first byte is here */
	bool served;	       /* it has had an answer */
	bool in_input;	       /* the server is walking through its input */
	bool choked;	       /* not read until its output has left */
	size_t pending_before; /* output, when the timer was set last */
	struct peer *peer;
};

struct http_exchange {
	struct http_conn *conn; /* NULL: the client has left */
	struct buf head_bytes;
	struct http_head head; /* points into head_bytes */
	struct http_match match;
	struct http_chunks chunks;
	struct buf body;
	struct http_refusal refusal; /* of the body; status 0: none */
	bool keep_alive;
	bool shared; /* with the page that is its origin */
	bool streaming;
	bool chunked;
	void (*gone)(void *arg);
	void *gone_arg;
};

struct handler {
	http_handler handle;
	void *arg;
};

struct http_listener {
	SLIST_ENTRY(http_listener) link;
	struct listener *listener;
};

struct http_server {
	struct loop *loop;
	struct conn_group *group;
	struct http_server_config config;
	struct http_routes *routes;
	SLIST_HEAD(, http_listener) listeners;
	TAILQ_HEAD(, http_conn) conns;
	unsigned conn_count;
	struct http_figures figures;
	struct log_limit slow_lines;
	struct log_limit full_lines;
	struct http_foreign foreign;
	bool draining;
	bool closing;
	int64_t date_s; /* of `date` */
	char date[HTTP_DATE_BYTES];
};

/* Beside connections_max there may be so many that are told why they are not let in. */
enum { HTTP_CONNS_BESIDE = 256 };

/* net/http_listen.c. False: all connections have something to do. */
bool http_make_room(struct http_server *server);
void http_tell_full(struct http_server *server, const struct peer *peer, const char *what);
void http_conn_turn_away(struct http_conn *conn); /* says why, and ends it */
void http_close_listeners(struct http_server *server);

struct http_exchange *exchange_new(struct http_conn *conn);
void exchange_free(struct http_exchange *exchange);
/* The client has left. */
void exchange_abandon(struct http_exchange *exchange);
/* The answer is written: the connection goes on to the next request, or ends. */
void http_conn_answered(struct http_conn *conn, bool keep_alive);
/* Gives the connection away when its output has left. */
void http_conn_give(
    struct http_conn *conn, void (*taken)(void *arg, struct stream *stream), void *arg);
/* Ends a connection whose output nobody reads. */
void http_conn_check_output(struct http_conn *conn);

#endif
