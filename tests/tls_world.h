/* SPDX-License-Identifier: MIT
 * Both ends of TLS on one loop, over socket pairs, with certificates of an authority of their own.
 */
#ifndef TESTS_TLS_WORLD_H
#define TESTS_TLS_WORLD_H

#include "net/authority.h"
#include "net/conn.h"
#include "net/tls.h"

enum tls_end { END_SERVER, END_CLIENT, TLS_ENDS };

struct tls_end_state {
	struct tls_world *world;
	struct tls_handshake *handshake;
	struct conn *conn; /* NULL: not yet, or no more */
	struct peer *peer;
	struct buf in; /* what came */
	bool failed;   /* the handshake */
	bool verified;
	bool over; /* the connection was there, and has ended */
	char protocol[32];
	char problem[400];
};

struct tls_world {
	char folder[64];
	struct loop *loop;
	struct conn_group *group;
	struct authority *authority;
	struct tls *tls;
	struct tls_context *contexts[TLS_ENDS];
	struct tls_end_state ends[TLS_ENDS];
};

/* What a world's certificates are like; all zero: good ones. */
struct tls_world_config {
	const char *client;	   /* common name of the client's certificate; NULL: it has none */
	bool foreign;		   /* the client's is of another authority */
	uint32_t handshake_ms_max; /* 0: 10 s */
};

void tls_world_open(struct tls_world *world, const struct tls_world_config *config);
void tls_world_close(struct tls_world *world);

/* Begins a handshake at one end; takes over `fd`, which must not block. */
void tls_world_shake(struct tls_world *world, enum tls_end end, int fd, const char *host);
/* Until both handshakes that were begun are over. */
void tls_world_settle(struct tls_world *world);
void tls_world_turn(struct tls_world *world);
/* Ends what is left of the two connections. */
void tls_world_hang_up(struct tls_world *world);

#endif
