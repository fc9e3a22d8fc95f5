/* SPDX-License-Identifier: MIT
 * Each thing is opened without following links, looked at, and changed through the descriptor: it
 * cannot be swapped in between.
 */
#include "runtime/give_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 16 };

struct giving {
	uid_t uid;
	gid_t gid;
	dev_t device;
	struct err *err;
};

static int give_in(const struct giving *giving, int folder, int depth);

/* Takes over `fd`. A folder goes last: its new owner cannot interfere with what is in it before. */
static int
give_one(const struct giving *giving, int fd, const char *name, int depth)
{
	struct stat status;
	int result = 0;

	if (fstat(fd, &status) < 0)
		result = err_errno(giving->err, "%s", name);
	else if (status.st_dev != giving->device ||
		 !(S_ISDIR(status.st_mode) ||
		     ((S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode)) &&
			 status.st_nlink == 1)))
		goto out;
	if (result == 0 && S_ISDIR(status.st_mode) && depth < DEPTH_MAX)
		result = give_in(giving, fd, depth + 1);
	if (result == 0 && status.st_uid == 0 &&
	    fchownat(fd, "", giving->uid, giving->gid, AT_EMPTY_PATH) < 0)
		result = err_errno(giving->err, "give %s to the user", name);
out:
	(void)close(fd);
	return result;
}

static int
give_in(const struct giving *giving, int folder, int depth)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return err_errno(giving->err, "read the data folder");
	}
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		int inner;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		inner = openat(dirfd(dir), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		/* It may have gone meanwhile: SQLite's files come and go. */
		if (inner >= 0)
			result = give_one(giving, inner, entry->d_name, depth);
	}
	(void)closedir(dir);
	return result;
}

static int
open_without_links(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	/* Kernels before 5.6, and filters of system calls that do not know it. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

int
give_folder(const char *path, uid_t uid, gid_t gid, struct err *err)
{
	struct giving giving = { uid, gid, 0, err };
	struct stat status;
	int fd;

	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return err_errno(err, "data folder %s: cannot be made", path);
	fd = open_without_links(path);
	if (fd < 0 && errno == ELOOP)
		return err_set(err,
		    "data folder %s: there is a symbolic link on the way, which root does not "
		    "follow; name the folder itself (realpath %s)",
		    path, path);
	if (fd < 0 || fstat(fd, &status) < 0) {
		(void)err_errno(err, "data folder %s", path);
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	giving.device = status.st_dev;
	return give_one(&giving, fd, path, 0);
}
