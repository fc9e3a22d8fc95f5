/* SPDX-License-Identifier: MIT
 * From a host's name to its addresses without making the loop wait: the system's resolver runs on
 * a thread of its own for each question. Literal addresses need none.
 */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include <netdb.h>
#include <stdint.h>

#include "net/loop.h"

struct lookup;

/* Calls `found` once, later, with the addresses (borrowed until lookup_free) or with NULL and why
 * there are none. */
struct lookup *lookup_start(struct loop *loop, const char *host, uint16_t port,
    void (*found)(void *arg, const struct addrinfo *addresses, const char *error), void *arg);
/* Also before an answer is there: `found` is not called then. Takes NULL. */
void lookup_free(struct lookup *lookup);

#endif
