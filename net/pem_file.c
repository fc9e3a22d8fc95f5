/* SPDX-License-Identifier: MIT
 * A file is written under another name and renamed: nobody sees half a key.
 */
#include "net/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20 };

static int
read_all(int fd, struct buf *out, struct err *err)
{
	for (;;) {
		ssize_t got = read(fd, buf_reserve(out, 4096), 4096);

		if (got == 0)
			return 0;
		if (got < 0)
			return err_errno(err, "read");
		out->len += (size_t)got;
		if (out->len > FILE_BYTES_MAX)
			return err_set(err, "larger than a MiB");
	}
}

int
pem_file_read(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;

	if (fd < 0)
		return err_errno(err, "open %s", path);
	result = read_all(fd, out, err);
	(void)close(fd);
	return result < 0 ? err_prefix(err, "%s", path) : 0;
}

static int
write_all(int fd, struct bytes bytes, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t wrote = write(fd, bytes.data, bytes.len);

		if (wrote < 0)
			return err_errno(err, "write");
		bytes = bytes_of(bytes.data + wrote, bytes.len - (size_t)wrote);
	}
	return fsync(fd) < 0 ? err_errno(err, "sync") : 0;
}

int
pem_file_write(const char *path, struct bytes bytes, mode_t mode, struct err *err)
{
	struct buf fresh = { 0 };
	const char *name;
	int fd, result;

	buf_printf(&fresh, "%s.new", path);
	name = buf_string(&fresh);
	(void)unlink(name);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	result = fd < 0 ? err_errno(err, "open") : write_all(fd, bytes, err);
	if (fd >= 0)
		(void)close(fd);
	if (result == 0 && rename(name, path) < 0)
		result = err_errno(err, "rename");
	if (result < 0)
		(void)unlink(name);
	buf_clear(&fresh);
	return result < 0 ? err_prefix(err, "write %s", path) : 0;
}
