/* SPDX-License-Identifier: MIT
 * Streams, and the transport that does nothing.
 */
#include "net/stream.h"

static ssize_t
plain_recv(void *state, const struct sys *sys, int fd, void *out, size_t len)
{
	(void)state;
	return sys->recv(fd, out, len);
}

static ssize_t
plain_writev(void *state, const struct sys *sys, int fd, const struct iovec *parts, int count)
{
	(void)state;
	return sys->writev(fd, parts, count);
}

static int
plain_shut(void *state, const struct sys *sys, int fd)
{
	(void)state;
	return sys->shutdown(fd, SHUT_WR);
}

static void
plain_finish(void *state)
{
	(void)state;
}

const struct transport transport_plain = { "plain", plain_recv, plain_writev, plain_shut,
	plain_finish };

struct stream
stream_plain(int fd, struct peer *peer)
{
	return (
	    struct stream){ .fd = fd, .transport = &transport_plain, .peer = peer };
}

void
stream_close(struct stream *stream, const struct sys *sys)
{
	stream->transport->finish(stream->state);
	(void)sys->close(stream->fd);
	peer_unref(stream->peer);
	buf_clear(&stream->ahead);
}
