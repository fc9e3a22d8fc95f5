/* SPDX-License-Identifier: MIT
 * A connection: bytes in and out of a stream socket, whatever speaks on it.
 *
 * Input is read into one large buffer that all connections of a group share; what the owner did
 * not consume is kept by the connection until more is there, so an idle one holds no buffer.
 * Output gathers and leaves by one system call at the end of the loop's turn. Large payloads are
 * queued by reference to a block that many connections may share.
 *
 * A connection ends in one way: conn_end with a reason. The owner hears `ended` at the end of
 * that turn (or when the output has left), once, and the connection is gone for it. Where output
 * was flushed, the socket lingers a moment more, so that the peer can read it.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "lib/bytes.h"
#include "net/loop.h"
#include "net/stream.h"

struct conn;

struct conn_events {
	/* Returns how many of the bytes it consumed. The rest comes again in front of what arrives
	 * next, or when conn_read goes on. */
	size_t (*input)(void *arg, struct bytes in);
	/* The connection is over; frees the owner. `reason` is for the log. */
	void (*ended)(void *arg, const char *reason);
	/* All output has left. May be NULL. */
	void (*drained)(void *arg);
};

struct conn_group; /* what the connections of one loop share */

struct conn_group *conn_group_new(struct loop *loop);
void conn_group_free(struct conn_group *group);		   /* after the last of its connections */
size_t conn_group_pending(const struct conn_group *group); /* of all connections */
size_t conn_group_kept(const struct conn_group *group);	   /* input that was not consumed yet */

/* Takes over `fd`. Reading begins at once. */
struct conn *conn_new(
    struct conn_group *group, int fd, const struct conn_events *events, void *arg);

/* The same over any transport. Takes over all of `stream` but its peer. */
struct conn *conn_open(
    struct conn_group *group, struct stream *stream, const struct conn_events *events, void *arg);
/* Gives the connection away to another owner, all but the peer: it is gone without `ended`. Not
 * from `input`, and only while nothing is pending. */
void conn_take(struct conn *conn, struct stream *stream);

/* Copies to the output. */
void conn_write(struct conn *conn, struct bytes bytes);
/* The output's tail, to encode into; call conn_wrote afterwards. */
struct buf *conn_out(struct conn *conn);
void conn_wrote(struct conn *conn);
/* Queues a part of a block by reference. */
void conn_write_blob(struct conn *conn, struct blob *blob);
size_t conn_pending(const struct conn *conn); /* bytes that have not left */
/* How many bytes have come so far that the peer's system has them, roughly where something encrypts
 * or frames them. */
uint64_t conn_arrived(const struct conn *conn);

void conn_read(struct conn *conn, bool on); /* false: back-pressure, the peer is not read */
bool conn_is_reading(const struct conn *conn);
/* For an owner within its `input`, between two pieces of work: true where it has worked for so long
 * that others wait. It then returns what it has used, and is offered the rest in the next turn. */
bool conn_yields(struct conn *conn);

/* `reason` is copied. With `flush`, what is queued leaves first, for at most five seconds. */
void conn_end(struct conn *conn, bool flush, const char *reason);
/* The same where the peer has said goodbye: it closes first, so that what it still sends (an alert
 * of TLS) is not answered with a reset. */
void conn_leave(struct conn *conn, const char *reason);
bool conn_is_ending(const struct conn *conn);
/* Tells the peer that nothing more comes; it is still read. Only while nothing is pending. */
void conn_shut(struct conn *conn);

int conn_fd(const struct conn *conn);

#endif
