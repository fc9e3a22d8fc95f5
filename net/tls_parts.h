/* SPDX-License-Identifier: MIT
 * Between net/tls.c and net/tls_door.c.
 */
#ifndef NET_TLS_PARTS_H
#define NET_TLS_PARTS_H

#include "lib/log_limit.h"
#include "lib/queue.h"
#include "net/tls.h"
#include "net/tls_private.h"

struct tls_pool;

struct tls {
	struct loop *loop;
	struct tls_pool *pool;
	struct tls_limits limits;
	struct tls_figures figures;
	struct tls_shared shared;
	TAILQ_HEAD(, tls_door) doors;
	TAILQ_HEAD(, tls_handshake) handshakes;
	struct timer look; /* while doors rest: at handshakes that have not begun */
	int64_t told_us;   /* when a refusal was logged last */
	uint64_t untold;   /* refusals since */
	struct log_limit failed_lines;
};

/* Lets the listeners rest, or go on, by how many handshakes there are. */
void tls_is_full(struct tls *tls); /* doors rest */
void tls_doors_update(struct tls *tls);
/* Those with this arg. */
void tls_cancel_all(struct tls *tls, const void *arg);

#endif
