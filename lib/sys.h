/* SPDX-License-Identifier: MIT
 * The seam to the operating system: what the host takes from outside, time, random numbers, files
 * and sockets, it takes through one table of functions, so that a test can put another world in
 * its place. Each function behaves as the POSIX call of its name, errno included.
 */
#ifndef LIB_SYS_H
#define LIB_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct sys {
	int64_t (*monotonic_us)(void); /* never goes back */
	int64_t (*wall_ms)(void);      /* since 1970-01-01 UTC; may jump */
	void (*random)(void *out, size_t len);

	int (*accept)(
	    int fd, struct sockaddr *address, socklen_t *len); /* non-blocking, close-on-exec */
	ssize_t (*recv)(int fd, void *out, size_t len);	       /* never waits */
	ssize_t (*writev)(int fd, const struct iovec *parts, int count); /* never raises SIGPIPE */
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);

	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*read)(int fd, void *out, size_t len);
	ssize_t (*write)(int fd, const void *data, size_t len);
	int (*fsync)(int fd);
};

/* The real one. */
extern const struct sys sys_posix;

#endif
