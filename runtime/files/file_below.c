/* SPDX-License-Identifier: MIT
 * The kernel keeps the path below the folder (openat2(2)).
 */
#include "runtime/files/file_below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int
file_below_open(int folder, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, folder, path[0] != '\0' ? path : ".", &how, sizeof(how));
}

bool
file_below_read(int fd, int64_t offset, size_t length, struct buf *out)
{
	size_t begun = out->len;

	while (out->len - begun < length) {
		size_t left = length - (out->len - begun);
		ssize_t got =
		    pread(fd, buf_reserve(out, left), left, offset + (int64_t)(out->len - begun));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			break;
		out->len += (size_t)got;
	}
	return true;
}
