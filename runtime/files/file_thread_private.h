/* SPDX-License-Identifier: MIT
 * What the parts of the thread of files share.
 */
#ifndef RUNTIME_FILES_FILE_THREAD_PRIVATE_H
#define RUNTIME_FILES_FILE_THREAD_PRIVATE_H

#include <pthread.h>
#include <unistd.h>

#include "runtime/files/file_folders.h"
#include "runtime/files/file_thread.h"

enum { FILE_YOUNG_MAX = 1024 };

enum file_order_kind { ORDER_WALK, ORDER_LOOK, ORDER_CHECK, ORDER_READ };

struct file_order {
	STAILQ_ENTRY(file_order) link;
	enum file_order_kind kind;
	char *path;
	int64_t offset;
	size_t length;
	uint64_t device; /* CHECK: of the file, when it was known */
	void *arg;
};

struct file_watch {
	int watch;
	char *path;
};

/* A file that may be being written still. */
struct file_young {
	char *path;
	int64_t size;
	int64_t changed_ns; /* as it was seen, and ... */
	int64_t since_ms;   /* ... since when; by the monotonic clock */
};

STAILQ_HEAD(file_news_list, file_news);

/* `mutex` guards what stands below it; the rest is the thread's after the start. */
struct file_thread {
	pthread_t id;
	const struct file_folders *folders; /* opened */
	int notify_fd;
	int order_fd; /* the thread waits for it */
	int news_fd;  /* the loop waits for it */
	struct file_watch *watches;
	size_t watch_count;
	bool walk_again; /* soon: events were lost */
	struct file_young young[FILE_YOUNG_MAX];
	size_t young_count;
	int64_t later_ms; /* when those two are done, by the monotonic clock; 0: nothing waits */

	pthread_mutex_t mutex;
	pthread_cond_t room;
	STAILQ_HEAD(, file_order) orders;
	struct file_news_list answers; /* FILE_READ; handlers wait for them */
	struct file_news_list news;    /* the others */
	size_t news_count;
	size_t news_bytes;
	char **patterns;
	size_t pattern_count;
	bool stopping;
};

/* For the loop's side, in the order of these calls; waits while too much waits already. */
void file_thread_tell(struct file_thread *thread, struct file_news *news);
bool file_thread_wants(struct file_thread *thread, const char *path);

/* --- file_find.c --- */

/* Tells of one file, if it is a file, one that is asked for, and nobody writes it as far as can be
 * known; where somebody may, it is looked at again. `closed`: a writer has just closed it. */
void file_find(struct file_thread *thread, const char *path, bool closed);
void file_find_young(struct file_thread *thread); /* those that may be done now */
void file_young_clear(struct file_thread *thread);

/* --- file_walk.c --- */

/* Watches what is below the path ("": all folders), and finds the files there. */
void file_walk(struct file_thread *thread, const char *path);
void file_walk_events(struct file_thread *thread); /* those of inotify */
void file_walk_clear(struct file_thread *thread);

static inline void
file_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

#endif
