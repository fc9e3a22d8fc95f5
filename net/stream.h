/* SPDX-License-Identifier: MIT
 * A connection on its way to who serves it: a descriptor, what carries its bytes, and who is there.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "lib/bytes.h"
#include "lib/sys.h"
#include "net/peer.h"

/* What carries the bytes: plain sockets, TLS, WebSocket over either. All behave as the system calls
 * do: recv returns 0 at the end, both return -1 with errno, EAGAIN included. */
struct transport {
	const char *name;
	/* `len` is 65536 at least. What was read from the socket is given out whole: when recv
	 * says EAGAIN, nothing waits above the socket. */
	ssize_t (*recv)(void *state, const struct sys *sys, int fd, void *out, size_t len);
	/* What it reports has left for the socket. After EAGAIN the next call has the same bytes in
	 * front: some of them may be encrypted already. */
	ssize_t (*writev)(
	    void *state, const struct sys *sys, int fd, const struct iovec *parts, int count);
	/* Says to the peer that nothing follows. What it sends can still be read. -1: it has gone.
	 */
	int (*shut)(void *state, const struct sys *sys, int fd);
	void (*finish)(void *state); /* frees; the descriptor is closed by its owner */
};

extern const struct transport transport_plain;

struct stream {
	int fd;
	const struct transport *transport;
	void *state;
	struct peer *peer; /* a reference */
	struct buf ahead;  /* has been read already */
};

/* Takes over both. */
struct stream stream_plain(int fd, struct peer *peer);
/* Ends what nobody serves. */
void stream_close(struct stream *stream, const struct sys *sys);

#endif
