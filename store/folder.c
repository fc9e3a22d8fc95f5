/* SPDX-License-Identifier: MIT
 * One host for one data folder: a lock on moonlet.lock, which also holds the host's process id.
 * The lock goes with the process, however it ends: it is one of POSIX, which children do not have
 * (flock()'s would stay with a child between fork and exec when the host is killed). It would also
 * go if this process closed another descriptor of that file: nobody else here opens it.
 */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"

/* A new folder outlives a power cut only when the one that names it has been synced. */
static int
sync_parent(const char *folder, struct err *err)
{
	struct buf path = { 0 };
	int fd, result;

	buf_printf(&path, "%s/..", folder);
	fd = open(buf_string(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_clear(&path);
	result = fd >= 0 ? fsync(fd) : -1;
	if (result != 0)
		(void)err_errno(err, "data folder %s: sync the folder above it", folder);
	if (fd >= 0)
		(void)close(fd);
	return result;
}

static int
folder_make(const char *folder, struct err *err)
{
	struct stat status;

	if (mkdir(folder, 0750) == 0)
		return sync_parent(folder, err);
	if (errno != EEXIST)
		return err_errno(err, "data folder %s: cannot be made", folder);
	if (stat(folder, &status) != 0)
		return err_errno(err, "data folder %s", folder);
	if (!S_ISDIR(status.st_mode))
		return err_set(err, "data folder %s: is a file; name a folder", folder);
	return 0;
}

static int
held_by_another(int fd, const char *folder, struct err *err)
{
	char holder[32] = "";
	ssize_t got = pread(fd, holder, sizeof(holder) - 1, 0);

	holder[got > 0 ? got : 0] = '\0';
	return err_set(err,
	    "data folder %s: is in use by another moonlet (process %d); stop that one, "
	    "or give this one another folder (--data)",
	    folder, atoi(holder));
}

static int
note_holder(int fd, const char *folder, struct err *err)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
		return err_errno(err, "data folder %s: write moonlet.lock", folder);
	return 0;
}

static int
lock(int fd, const char *folder, struct err *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &whole) == 0)
		return note_holder(fd, folder, err);
	if (errno == EACCES || errno == EAGAIN)
		return held_by_another(fd, folder, err);
	return err_errno(err, "data folder %s: lock", folder);
}

int
folder_lock(const char *folder, struct err *err)
{
	struct buf path = { 0 };
	int fd = -1;

	if (folder_make(folder, err) < 0)
		return -1;
	buf_printf(&path, "%s/moonlet.lock", folder);
	fd = open(buf_string(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		(void)err_errno(err, "data folder %s: open moonlet.lock", folder);
	buf_clear(&path);
	if (fd >= 0 && lock(fd, folder, err) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}
