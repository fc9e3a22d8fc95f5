/* SPDX-License-Identifier: MIT
 * The thread, its orders and what it tells. What it looks for stands in file_walk.c and
 * file_find.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/path_glob.h"
#include "lib/sys.h"
#include "runtime/files/file_below.h"
#include "runtime/files/file_thread_private.h"

enum {
	NEWS_MAX = 256,
	NEWS_BYTES_MAX = 16 * 1024 * 1024,
	LATER_MS = 1000,
};

static void serve_reads(struct file_thread *thread);

/* Reads go on while the queue is full: handlers wait for them. */
void
file_thread_tell(struct file_thread *thread, struct file_news *news)
{
	(void)pthread_mutex_lock(&thread->mutex);
	while (news->kind == FILE_FOUND && !thread->stopping &&
	       (thread->news_count >= NEWS_MAX || thread->news_bytes >= NEWS_BYTES_MAX)) {
		if (!STAILQ_EMPTY(&thread->orders))
			serve_reads(thread);
		else
			(void)pthread_cond_wait(&thread->room, &thread->mutex);
	}
	if (news->kind == FILE_READ) {
		STAILQ_INSERT_TAIL(&thread->answers, news, link);
	} else {
		STAILQ_INSERT_TAIL(&thread->news, news, link);
		thread->news_count++;
		thread->news_bytes += news->content.len;
	}
	(void)pthread_mutex_unlock(&thread->mutex);
	(void)eventfd_write(thread->news_fd, 1);
}

bool
file_thread_wants(struct file_thread *thread, const char *path)
{
	bool wanted = false;

	(void)pthread_mutex_lock(&thread->mutex);
	for (size_t i = 0; i < thread->pattern_count && !wanted; i++)
		wanted = path_glob_match(thread->patterns[i], path);
	(void)pthread_mutex_unlock(&thread->mutex);
	return wanted;
}

/* --- orders --- */

/* Why a file below the folders cannot be opened, of errno. */
static const char *
reason(int number)
{
	if (number == EXDEV)
		return "leads out of the folder of files";
	return number == ELOOP ? "is or goes through a symbolic link, which is not followed"
			       : strerror(number);
}

static void
read_file(struct file_thread *thread, const struct file_order *order)
{
	struct file_news *news = file_news_new(FILE_READ, NULL);
	int fd = file_folders_at(thread->folders, order->path, O_RDONLY);
	struct stat status;

	news->arg = order->arg;
	news->failed = fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
		       !file_below_read(fd, order->offset, order->length, &news->content);
	if (news->failed) {
		buf_reset(&news->content);
		buf_printf(&news->content, "files.read: %s: %s", order->path,
		    fd < 0 ? reason(errno) : "is no file, or cannot be read");
	} else {
		news->size = status.st_size;
	}
	file_close(fd);
	file_thread_tell(thread, news);
}

static void
order_free(struct file_order *order)
{
	free(order->path);
	free(order);
}

static void
answer_check(struct file_thread *thread, const struct file_order *order, enum file_check check)
{
	struct file_news *news = file_news_new(FILE_CHECKED, order->path);

	news->check = check;
	news->arg = order->arg;
	file_thread_tell(thread, news);
}

/* A folder that is empty and on another device than its file was is one that is not mounted. */
static bool
is_mounted(const struct file_folder *folder, uint64_t device)
{
	struct stat status;
	const struct dirent *entry;
	bool mounted = fstat(folder->fd, &status) == 0 && status.st_dev == device;
	int fd = mounted ? -1 : file_below_open(folder->fd, "", O_RDONLY | O_DIRECTORY);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;

	while (listing != NULL && !mounted && (entry = readdir(listing)) != NULL)
		mounted = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (listing != NULL)
		(void)closedir(listing);
	else
		file_close(fd);
	return mounted;
}

static enum file_check
check_file(const struct file_thread *thread, const struct file_order *order)
{
	const struct file_folder *folder = file_folders_of(thread->folders, order->path);
	int fd;

	if (folder == NULL)
		return FILE_FOLDER_AWAY;
	fd = file_folders_at(thread->folders, order->path, O_RDONLY);
	if (fd >= 0) {
		(void)close(fd);
		return FILE_THERE;
	}
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return FILE_THERE;
	return is_mounted(folder, order->device) ? FILE_AWAY : FILE_FOLDER_AWAY;
}

/* With the mutex held, which is given up meanwhile. What a walk has found waits in front of it, so
 * nothing is said to be gone that was found before; other orders stay for later. */
static void
serve_reads(struct file_thread *thread)
{
	struct file_order *order = STAILQ_FIRST(&thread->orders);

	STAILQ_REMOVE_HEAD(&thread->orders, link);
	(void)pthread_mutex_unlock(&thread->mutex);
	if (order->kind == ORDER_READ)
		read_file(thread, order);
	else if (order->kind == ORDER_CHECK)
		answer_check(thread, order, FILE_THERE);
	else
		thread->walk_again = true;
	order_free(order);
	(void)pthread_mutex_lock(&thread->mutex);
}

static struct file_order *
next_order(struct file_thread *thread)
{
	struct file_order *order;

	(void)pthread_mutex_lock(&thread->mutex);
	order = STAILQ_FIRST(&thread->orders);
	if (order != NULL)
		STAILQ_REMOVE_HEAD(&thread->orders, link);
	(void)pthread_mutex_unlock(&thread->mutex);
	return order;
}

static void
follow_orders(struct file_thread *thread)
{
	struct file_order *order;
	eventfd_t count;

	(void)eventfd_read(thread->order_fd, &count);
	while ((order = next_order(thread)) != NULL) {
		if (order->kind == ORDER_WALK)
			file_walk(thread, "");
		else if (order->kind == ORDER_LOOK)
			file_find(thread, order->path, true);
		else if (order->kind == ORDER_CHECK)
			answer_check(thread, order, check_file(thread, order));
		else
			read_file(thread, order);
		order_free(order);
	}
}

/* Milliseconds until what waits is done, however busy the folder is meanwhile; -1: nothing waits.
 */
static int
later_ms(struct file_thread *thread)
{
	int64_t now_ms = sys_posix.monotonic_us() / 1000;

	if (!thread->walk_again && thread->young_count == 0)
		thread->later_ms = 0;
	else if (thread->later_ms == 0)
		thread->later_ms = now_ms + LATER_MS;
	if (thread->later_ms == 0)
		return -1;
	return thread->later_ms > now_ms ? (int)(thread->later_ms - now_ms) : 0;
}

static void
do_later(struct file_thread *thread)
{
	bool walk_again = thread->walk_again;

	thread->later_ms = 0;
	thread->walk_again = false;
	file_find_young(thread);
	if (walk_again)
		file_walk(thread, "");
}

static void *
run(void *arg)
{
	struct file_thread *thread = arg;

	while (!__atomic_load_n(&thread->stopping, __ATOMIC_ACQUIRE)) {
		struct pollfd fds[] = { { thread->notify_fd, POLLIN, 0 },
			{ thread->order_fd, POLLIN, 0 } };

		(void)poll(fds, 2, later_ms(thread));
		if (later_ms(thread) == 0)
			do_later(thread);
		if (fds[0].revents != 0)
			file_walk_events(thread);
		if (fds[1].revents != 0)
			follow_orders(thread);
	}
	return NULL;
}

/* --- the loop's side --- */

struct file_thread *
file_thread_new(const struct file_folders *folders, struct err *err)
{
	struct file_thread *thread = xcalloc(1, sizeof(*thread));

	(void)pthread_mutex_init(&thread->mutex, NULL);
	(void)pthread_cond_init(&thread->room, NULL);
	STAILQ_INIT(&thread->orders);
	STAILQ_INIT(&thread->answers);
	STAILQ_INIT(&thread->news);
	thread->folders = folders;
	thread->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	thread->order_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	thread->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (thread->notify_fd >= 0 && thread->order_fd >= 0 && thread->news_fd >= 0 &&
	    (errno = pthread_create(&thread->id, NULL, run, thread)) == 0)
		return thread;
	(void)err_errno(err, "watch the folders of files");
	thread->id = 0;
	file_thread_free(thread);
	return NULL;
}

static void
patterns_free(struct file_thread *thread)
{
	for (size_t i = 0; i < thread->pattern_count; i++)
		free(thread->patterns[i]);
	free(thread->patterns);
	thread->patterns = NULL;
	thread->pattern_count = 0;
}

void
file_thread_free(struct file_thread *thread)
{
	struct file_order *order;
	struct file_news *news;

	if (thread == NULL)
		return;
	(void)pthread_mutex_lock(&thread->mutex);
	__atomic_store_n(&thread->stopping, true, __ATOMIC_RELEASE);
	(void)pthread_cond_signal(&thread->room);
	(void)pthread_mutex_unlock(&thread->mutex);
	if (thread->id != 0) {
		(void)eventfd_write(thread->order_fd, 1);
		(void)pthread_join(thread->id, NULL);
	}
	while ((order = next_order(thread)) != NULL)
		order_free(order);
	while ((news = file_thread_next(thread, false)) != NULL)
		file_news_free(news);
	file_walk_clear(thread);
	file_young_clear(thread);
	patterns_free(thread);
	file_close(thread->notify_fd);
	file_close(thread->order_fd);
	file_close(thread->news_fd);
	free(thread);
}

int
file_thread_fd(const struct file_thread *thread)
{
	return thread->news_fd;
}

struct file_news *
file_thread_next(struct file_thread *thread, bool reads_only)
{
	struct file_news *news;
	eventfd_t count;

	(void)pthread_mutex_lock(&thread->mutex);
	news = STAILQ_FIRST(&thread->answers);
	if (news != NULL) {
		STAILQ_REMOVE_HEAD(&thread->answers, link);
	} else if (!reads_only && (news = STAILQ_FIRST(&thread->news)) != NULL) {
		STAILQ_REMOVE_HEAD(&thread->news, link);
		thread->news_count--;
		thread->news_bytes -= news->content.len;
		(void)pthread_cond_signal(&thread->room);
	} else {
		(void)eventfd_read(thread->news_fd, &count);
	}
	(void)pthread_mutex_unlock(&thread->mutex);
	return news;
}

static void
give(struct file_thread *thread, const struct file_order *given)
{
	struct file_order *order = xmalloc(sizeof(*order));

	*order = *given;
	order->path = xstrdup(given->path);
	(void)pthread_mutex_lock(&thread->mutex);
	STAILQ_INSERT_TAIL(&thread->orders, order, link);
	(void)pthread_cond_signal(&thread->room);
	(void)pthread_mutex_unlock(&thread->mutex);
	(void)eventfd_write(thread->order_fd, 1);
}

void
file_thread_patterns(struct file_thread *thread, const char *const *patterns, size_t count)
{
	(void)pthread_mutex_lock(&thread->mutex);
	patterns_free(thread);
	thread->patterns = xcalloc(count + 1, sizeof(*thread->patterns));
	while (thread->pattern_count < count) {
		thread->patterns[thread->pattern_count] = xstrdup(patterns[thread->pattern_count]);
		thread->pattern_count++;
	}
	(void)pthread_mutex_unlock(&thread->mutex);
	give(thread, &(struct file_order){ .kind = ORDER_WALK, .path = (char *)(uintptr_t) "" });
}

void
file_thread_look(struct file_thread *thread, const char *path)
{
	give(thread, &(struct file_order){ .kind = ORDER_LOOK, .path = (char *)(uintptr_t)path });
}

void
file_thread_read(
    struct file_thread *thread, const char *path, int64_t offset, size_t length, void *arg)
{
	give(thread, &(struct file_order){ .kind = ORDER_READ,
			 .path = (char *)(uintptr_t)path,
			 .offset = offset,
			 .length = length,
			 .arg = arg });
}

void
file_thread_check(struct file_thread *thread, const char *path, uint64_t device, void *arg)
{
	give(thread, &(struct file_order){ .kind = ORDER_CHECK,
			 .path = (char *)(uintptr_t)path,
			 .device = device,
			 .arg = arg });
}
