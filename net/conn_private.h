/* SPDX-License-Identifier: MIT
 * What a connection and a group of them consist of, for net/conn.c alone.
 */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include "net/conn.h"
#include "net/output.h"

/* How a connection ends. */
struct ending {
	TAILQ_ENTRY(ending) link; /* in group->lingering */
	struct conn *conn;
	struct timer timer;
	char reason[];
};

/* A connection whose input waits for the next turn. */
struct nap {
	TAILQ_ENTRY(nap) link; /* in group->naps */
	struct conn *conn;
};

struct conn_group {
	struct loop *loop;
	struct buf scratch;
	struct outputs outputs;
	size_t pending;	  /* of all connections' output, as of their last `count` */
	size_t kept;	  /* of all connections' `rest` */
	int64_t offer_us; /* when the owner that works now was offered its input */
	TAILQ_HEAD(, ending) lingering;
	TAILQ_HEAD(, nap) naps;
	struct timer wake; /* of these */
};

/* Lingering: the owner is gone and all output has left, but the peer may still send. To close now
 * would reset the connection, and the peer would lose what it has not read yet: the reason why. */
enum conn_state { CONN_OPEN, CONN_FLUSHING, CONN_LINGERING, CONN_ENDED };

/* What a connection's task is to do. */
enum conn_due { DUE_INPUT = 1, DUE_FLUSH = 2, DUE_LINGER = 4, DUE_FINISH = 8 };

/* Of an idle connection there is no more than this. */
struct conn {
	struct conn_group *group;
	const struct conn_events *events;
	void *arg;
	const struct transport *transport;
	void *transport_state;
	struct watch watch;
	struct task task;
	struct blob *rest;     /* input that was not consumed; NULL: none */
	struct output *output; /* NULL: none */
	struct ending *ending; /* NULL: it goes on */
	uint64_t left;	       /* bytes that the transport took */
	enum conn_state state;
	uint8_t due; /* of enum conn_due */
	bool reading;
	bool in_input;
	bool naps; /* stands in group->naps */
};

#endif
