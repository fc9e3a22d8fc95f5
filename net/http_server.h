/* SPDX-License-Identifier: MIT
 * An HTTP/1.1 server on TCP and Unix sockets (RFC 9110, 9112): kept connections, pipelined requests
 * answered one after another, bounded heads and bodies, total time limits that a slow sender
 * cannot stretch, answers whole or as a stream.
 *
 * A handler is called when the request is complete. It answers then or later, exactly once, by one
 * of http_exchange_respond, _error, or _stream and in the end _end. A client that leaves before is
 * no concern of the handler's: what it answers is dropped.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "lib/err.h"
#include "lib/http_parse.h"
#include "lib/http_routes.h"
#include "net/conn.h"

struct http_server;
struct http_exchange; /* one request and its answer */

struct http_server_config {
	struct gate *gate; /* for TCP; NULL: none */
	struct http_limits limits;
	unsigned connections_max; /* for one more an idle one goes; where all work, a 503 */
	uint32_t head_timeout_ms; /* from a request's first byte to the end of its head */
	uint32_t body_timeout_ms; /* from there to the end of its body */
	uint32_t idle_timeout_ms; /* between requests */
	size_t output_bytes_max;  /* waiting for a client that reads slowly */
};

struct http_figures {
	uint64_t refused;  /* for there were too many */
	uint64_t cut_slow; /* heads and bodies that took too long */
	uint64_t cut_idle; /* for others that wanted to come */
};

/* 16 KiB heads, 256 KiB bodies, 4,096 connections, 10 s, 30 s, 60 s, 1 MiB. */
extern const struct http_server_config http_server_defaults;

/* `arg` is what the route was added with. */
typedef void (*http_handler)(void *arg, struct http_exchange *exchange);

struct http_route {
	enum http_method method;
	const char *pattern; /* lib/http_routes.h */
	http_handler handle;
	const char *help;
};

struct http_server *http_server_new(
    struct loop *loop, struct conn_group *group, const struct http_server_config *config);
/* Ends all connections; they and the server are gone after the loop's next turn. Takes NULL. */
void http_server_free(struct http_server *server);

/* "127.0.0.1:8080" */
int http_server_listen(struct http_server *server, const char *address, struct err *err)
    __attribute__((warn_unused_result));
/* A Unix socket, mode 0600. */
int http_server_listen_unix(struct http_server *server, const char *path, struct err *err)
    __attribute__((warn_unused_result));
/* A connection that somebody else has accepted. Takes over the stream. */
void http_server_accept(struct http_server *server, struct stream *stream);
/* Connections by TLS that begin with the byte `first` are no HTTP: they are given away, unread. */
struct http_foreign {
	uint8_t first;
	void (*taken)(void *arg, struct stream *stream); /* NULL: there are none */
	void *arg;
};
void http_server_give_foreign(struct http_server *server, const struct http_foreign *foreign);
/* Where it listens: the address of the last http_server_listen, with its port. NULL: nowhere. */
const char *http_server_address(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
const struct http_figures *http_server_figures(const struct http_server *server);
/* No new connections and no further requests on those that are there. */
void http_server_drain(struct http_server *server);

/* -1 where the pattern is wrong or the route is taken. */
int http_server_add(struct http_server *server, const struct http_route *route, void *arg,
    struct err *err) __attribute__((warn_unused_result));
int http_server_add_table(struct http_server *server, const struct http_route *routes, size_t count,
    void *arg, struct err *err) __attribute__((warn_unused_result));
void http_server_remove(struct http_server *server, enum http_method method, const char *pattern);
/* The arg of a route; NULL where there is none. The pattern must check. */
void *http_server_find(struct http_server *server, enum http_method method, const char *pattern);

/* The request. What is borrowed is valid until the answer has begun, the match only while the
 * handler is called. */
const struct http_head *http_exchange_head(const struct http_exchange *exchange);
struct bytes http_exchange_body(const struct http_exchange *exchange);
const struct http_match *http_exchange_match(const struct http_exchange *exchange);
const char *http_exchange_peer(
    const struct http_exchange *exchange); /* "127.0.0.1:5000", "local" */
/* NULL where the client has left. */
const struct peer *http_exchange_peer_of(const struct http_exchange *exchange);
/* Whether it comes from this machine and not by TLS; also where the client has left. */
bool http_exchange_is_local(const struct http_exchange *exchange);
/* Appends the decoded value of a query's name. False: it is not there or cannot be decoded. */
bool http_exchange_query(const struct http_exchange *exchange, const char *name, struct buf *out);

/* The page that the request names as its origin, if any, may read the answer (Fetch §3.2.3): its
 * browser is told so. */
void http_exchange_share(struct http_exchange *exchange);

struct http_answer {
	int status;
	const char *content_type;	   /* NULL: none is sent */
	const struct http_header *headers; /* names and values must be valid */
	size_t header_count;
	struct bytes body; /* dropped for HEAD, 204 and 304 */
};

void http_exchange_respond(struct http_exchange *exchange, const struct http_answer *answer);
/* {"error":"..."} */
void http_exchange_error(struct http_exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Answers 101 and gives the connection away: `taken` gets it with what was read behind the head,
 * from the loop, unless the client leaves before. */
void http_exchange_upgrade(struct http_exchange *exchange, const struct http_answer *answer,
    void (*taken)(void *arg, struct stream *stream), void *arg);
void http_exchange_json(struct http_exchange *exchange, int status, const char *json);

/* Begins an answer whose body comes in pieces. `gone` is called, from the loop, where the client
 * leaves or does not read: the exchange is then over and must not be used again. -1: the client has
 * left already, the exchange is over, and gone is not called. */
int http_exchange_stream(struct http_exchange *exchange, const struct http_answer *answer,
    void (*gone)(void *arg), void *arg) __attribute__((warn_unused_result));
void http_exchange_send(struct http_exchange *exchange, struct bytes piece);
void http_exchange_end(struct http_exchange *exchange);

#endif
