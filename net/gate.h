/* SPDX-License-Identifier: MIT
 * Who may connect at all: how many connections there are, how quickly they come, and both for each
 * address, over all listeners that speak TCP.
 *
 * Where all together are too many or too quick, nobody is accepted for a while: who wants to come
 * waits in the kernel's queue. Where one address is, its connections are let in to be told so by
 * their protocol (a few at a time, the others are closed at once).
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include "lib/err.h"
#include "net/loop.h"

struct gate;
struct gate_address;

struct gate_config {
	uint32_t connections_max; /* 0: no limit, as everywhere here */
	uint32_t connects_per_s_max;
	uint32_t address_connections_max;
	uint32_t address_connects_per_s_max;
	/* Addresses without limits of their own, borrowed for the call: "none", or words with
	 * commas between them: "loopback", "192.0.2.7", "10.0.0.0/8", "2001:db8::/32". */
	const char *exempt;
	uint32_t keep_alive_s; /* TCP's, of idle connections; a peer that is silent twice as long */
			       /* while something is sent to it is gone */
};

enum gate_verdict { GATE_OPEN, GATE_TOO_MANY, GATE_TOO_QUICK };

struct gate_figures {
	uint64_t too_many;  /* of one address */
	uint64_t too_quick; /* the same */
	uint64_t waits;	    /* how often all had to wait */
	unsigned open;	    /* connections now */
	unsigned addresses; /* that are known now */
};

struct gate *gate_new(struct loop *loop);
/* -1: `exempt` cannot be read; nothing has changed then. */
int gate_configure(struct gate *gate, const struct gate_config *config, struct err *err)
    __attribute__((warn_unused_result));
void gate_free(struct gate *gate); /* when the last connection has left; takes NULL */
const struct gate_figures *gate_figures(const struct gate *gate);

/* Until the next connection may be accepted; 0: now. */
int64_t gate_wait_us(struct gate *gate);
void gate_tune(const struct gate *gate, int fd); /* a listening socket, for those that it accepts */

struct sockaddr;

/* One was accepted. False: close it. `*from` is given back by gate_leave, at its end. */
bool gate_enter(struct gate *gate, const struct sockaddr *peer, struct gate_address **from,
    enum gate_verdict *verdict);
void gate_leave(struct gate_address *from, enum gate_verdict verdict); /* takes NULL */

#endif
