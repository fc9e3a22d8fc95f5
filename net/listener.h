/* SPDX-License-Identifier: MIT
 * Listening sockets: TCP by "ADDRESS:PORT" ("[::1]:1883" for IPv6; port 0 picks a free one) and
 * Unix sockets by path. "fd:3" is a TCP socket that whoever started the program has bound for it.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "lib/err.h"
#include "net/loop.h"
#include "net/peer.h"

struct listener;

/* Takes over `fd` (non-blocking), and `peer`. */
typedef void (*listener_accepted)(void *arg, int fd, struct peer *peer);

/* NULL with the error where the address cannot be read or bound ("port 1883 is in use"). */
struct listener *listener_open(struct loop *loop, const char *address, listener_accepted accepted,
    void *arg, struct err *err) __attribute__((warn_unused_result));
/* A Unix socket of mode 0600; a left-over one nobody listens on is replaced. */
struct listener *listener_open_unix(struct loop *loop, const char *path, listener_accepted accepted,
    void *arg, struct err *err) __attribute__((warn_unused_result));

/* Binds and listens alone: the descriptor, for "fd:N". -1 with the error. */
int listener_bind(const char *address, struct err *err) __attribute__((warn_unused_result));

/* What it accepts goes by this gate, which must outlive it. TCP only. */
void listener_guard(struct listener *listener, struct gate *gate);
const char *listener_address(const struct listener *listener); /* with the port that it has */
void listener_pause(struct listener *listener, bool pause);
void listener_close(struct listener *listener); /* takes NULL */

#endif
