/* SPDX-License-Identifier: MIT
 * The real operating system behind the seam.
 */
#include "lib/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t
posix_monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t
posix_wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* getrandom fails for no reason that we could live with. */
static void
posix_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0) {
			perror("moonlet: getrandom");
			abort();
		}
		at += got;
		len -= (size_t)got;
	}
}

static int
posix_accept(int fd, struct sockaddr *address, socklen_t *len)
{
	return accept4(fd, address, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static ssize_t
posix_recv(int fd, void *out, size_t len)
{
	return recv(fd, out, len, MSG_DONTWAIT);
}

static ssize_t
posix_writev(int fd, const struct iovec *parts, int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count };

	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int
posix_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags | O_CLOEXEC, mode);
}

const struct sys sys_posix = {
	.monotonic_us = posix_monotonic_us,
	.wall_ms = posix_wall_ms,
	.random = posix_random,
	.accept = posix_accept,
	.recv = posix_recv,
	.writev = posix_writev,
	.shutdown = shutdown,
	.close = close,
	.open = posix_open,
	.read = read,
	.write = write,
	.fsync = fsync,
};
