/* SPDX-License-Identifier: MIT
 * The thread that looks after the folders of files: it watches and walks them, and reads from them,
 * so that no disk makes the loop wait. Nothing outside of the folders is ever opened, and no
 * symbolic link is followed.
 *
 * Everything here is called on the loop thread. What was found waits in a bounded queue; while it
 * is full the thread stops walking.
 */
#ifndef RUNTIME_FILES_FILE_THREAD_H
#define RUNTIME_FILES_FILE_THREAD_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/queue.h"

struct file_thread;

enum {
	FILE_CONTENT_BYTES_MAX = 128 * 1024, /* of a file that comes with its event */
	FILE_READ_BYTES_MAX = 256 * 1024,
	FILE_PATH_BYTES_MAX = 1024,
	FILE_VERSION_BYTES = 96,
};

enum file_news_kind {
	FILE_FOUND, /* it is there, and nobody writes it as far as is known */
	FILE_GONE,
	FILE_LOST,    /* files may be gone of which nothing was told */
	FILE_CHECKED, /* answers file_thread_check */
	FILE_READ,    /* answers file_thread_read */
};

enum file_check {
	FILE_THERE,
	FILE_AWAY,
	FILE_FOLDER_AWAY, /* its folder is not one of the option's, or seems not to be mounted */
};

struct file_news {
	STAILQ_ENTRY(file_news) link;
	enum file_news_kind kind;
	enum file_check check;		  /* CHECKED */
	char *path;			  /* as handlers know it; NULL: LOST, READ */
	char version[FILE_VERSION_BYTES]; /* device, inode, size, time */
	int64_t size;
	int64_t time_ms;    /* of its last change */
	struct buf content; /* FOUND: where it is small enough; READ: what was read */
	bool has_content;
	bool failed; /* READ: `content` says why */
	void *arg;   /* READ, CHECKED */
};

struct stat;
/* `path` is copied; it may be NULL. */
struct file_news *file_news_new(enum file_news_kind kind, const char *path);
void file_news_take(struct file_news *news, const struct stat *status); /* size, time, version */
void file_news_free(struct file_news *news);				/* takes NULL */

/* Whether this is the same version: another inode, size or time is another one. Devices get other
 * numbers when the machine starts. */
bool file_version_is(const char *version, struct bytes other);
uint64_t file_version_device(struct bytes version); /* 0: it is none */

/* `folders` are opened, and stay until it is freed. */
struct file_folders;
struct file_thread *file_thread_new(const struct file_folders *folders, struct err *err)
    __attribute__((warn_unused_result));
void file_thread_free(struct file_thread *thread); /* takes NULL */

int file_thread_fd(const struct file_thread *thread); /* readable when there are news */
/* The next news, to be freed with file_news_free; answers to reads come first, and are all that is
 * given where `reads_only`. NULL: none now. */
struct file_news *file_thread_next(struct file_thread *thread, bool reads_only);

/* Only files that one of the patterns takes are told; walks the folders again. */
void file_thread_patterns(struct file_thread *thread, const char *const *patterns, size_t count);
/* Tells of this file again, if it is there. */
void file_thread_look(struct file_thread *thread, const char *path);
void file_thread_read(
    struct file_thread *thread, const char *path, int64_t offset, size_t length, void *arg);
/* Tells whether a file that was there, on this device, is there still. */
void file_thread_check(struct file_thread *thread, const char *path, uint64_t device, void *arg);

#endif
