/* SPDX-License-Identifier: MIT
 * Threads for the expensive steps of TLS handshakes, so that the loop never waits for arithmetic. A
 * step belongs to one lane, and a lane is one thread: what belongs to a lane (keys and certificates
 * of a tls_context) is used by that thread alone and needs no lock.
 *
 * The threads run at a lower priority than the loop: where the processors are busy, connections
 * that are there go before those that want to come.
 */
#ifndef NET_TLS_POOL_H
#define NET_TLS_POOL_H

#include "lib/queue.h"
#include "net/loop.h"

enum { TLS_LANES_MAX = 8 };

struct tls_step {
	TAILQ_ENTRY(tls_step) link;
	void (*run)(struct tls_step *step);  /* on the lane's thread */
	void (*done)(struct tls_step *step); /* on the loop, afterwards; may free it */
	unsigned lane;
};

struct tls_pool;

/* `lanes` 0: one for each processor. NULL where no thread can be made. */
struct tls_pool *tls_pool_new(struct loop *loop, unsigned lanes, struct err *err)
    __attribute__((warn_unused_result));
/* Waits for steps that run; those that wait are not run any more, but all are `done`. Takes NULL.
 */
void tls_pool_free(struct tls_pool *pool);

unsigned tls_pool_lanes(const struct tls_pool *pool);
unsigned tls_pool_choose(const struct tls_pool *pool); /* the lane with the least to do */
/* `first`: before steps that wait already: it ends what they would only begin. */
void tls_pool_submit(struct tls_pool *pool, struct tls_step *step, bool first);

#endif
