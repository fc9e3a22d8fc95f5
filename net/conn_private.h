/* SPDX-License-Identifier: MIT
 * What a connection and a group of them consist of, for net/conn.c alone.
 */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include "net/conn.h"

enum { SPARE_BUFFERS = 64 };

struct piece {
	struct blob *blob; /* NULL: own bytes */
	size_t at;
	size_t len;
};

struct conn_group {
	struct loop *loop;
	struct buf scratch;
	struct buf spare[SPARE_BUFFERS];
	size_t spares;
	size_t pending; /* of all connections' output, as of their last `count` */
	size_t kept;	/* of all connections' `rest` */
	TAILQ_HEAD(, conn) lingering;
};

/* Lingering: the owner is gone and all output has left, but the peer may still send. To close now
 * would reset the connection, and the peer would lose what it has not read yet: the reason why. */
enum conn_state { CONN_OPEN, CONN_FLUSHING, CONN_LINGERING, CONN_ENDED };

struct conn {
	TAILQ_ENTRY(conn) link; /* in group->lingering */
	struct conn_group *group;
	const struct conn_events *events;
	void *arg;
	const struct transport *transport;
	void *transport_state;
	struct watch watch;
	struct task flush_task;
	struct task input_task; /* offers what was kept again; later: ends */
	struct buf rest;	/* input that was not consumed */
	struct buf out;
	size_t sent; /* of the first piece, or of the own bytes where there is none */
	struct piece *pieces;
	size_t piece_count;
	size_t piece_cap;
	size_t own_queued; /* own bytes that stand in pieces */
	size_t own_gone;   /* of those, in pieces that have left */
	size_t blob_bytes;
	size_t counted; /* of conn_pending, in group->pending */
	uint64_t left;	/* bytes that the transport took */
	enum conn_state state;
	bool reading;
	bool in_input;
	struct timer *end_timer;
	char *reason; /* NULL: it goes on */
};

#endif
