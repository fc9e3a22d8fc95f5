/* SPDX-License-Identifier: MIT
 * Watching and walking. A folder is watched before it is walked, so that what comes meanwhile is
 * seen at least once.
 */
#include "runtime/file_thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/path_glob.h"
#include "lib/sys.h"
#include "lib/utf8.h"
#include "runtime/file_below.h"

enum {
	NEWS_MAX = 256,
	NEWS_BYTES_MAX = 16 * 1024 * 1024,
	DEPTH_MAX = 16,
	FOLDERS_MAX = 8192,
	YOUNG_MS = 1000, /* a file as young as this is looked at later where it was not closed */
	YOUNG_MAX = 1024,
};

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR)

enum order_kind { ORDER_WALK, ORDER_LOOK, ORDER_READ };

struct order {
	STAILQ_ENTRY(order) link;
	enum order_kind kind;
	char *path;
	int64_t offset;
	size_t length;
	void *arg;
};

struct folder {
	int watch;
	char *path; /* "" is the root */
};

STAILQ_HEAD(news_list, file_news);

/* `mutex` guards what stands below it; the rest is the thread's after the start. */
struct file_thread {
	pthread_t id;
	int root; /* the folder, opened */
	int notify_fd;
	int order_fd; /* the thread waits for it */
	int news_fd;  /* the loop waits for it */
	struct folder *folders;
	size_t folder_count;
	bool walk_again;	/* soon: events were lost */
	char *young[YOUNG_MAX]; /* files that a walk has found and that may be being written */
	size_t young_count;
	int64_t later_ms; /* when those two are done, by the monotonic clock; 0: nothing waits */

	pthread_mutex_t mutex;
	pthread_cond_t room;
	STAILQ_HEAD(, order) orders;
	struct news_list answers; /* FILE_READ; handlers wait for them */
	struct news_list news;	  /* the others */
	size_t news_count;
	size_t news_bytes;
	char **patterns;
	size_t pattern_count;
	bool stopping;
};

static void serve_reads(struct file_thread *thread);

/* Reads go on while the queue is full: handlers wait for them. */
static void
tell(struct file_thread *thread, struct file_news *news)
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

static void
close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static bool
is_wanted(struct file_thread *thread, const char *path)
{
	bool wanted = false;

	(void)pthread_mutex_lock(&thread->mutex);
	for (size_t i = 0; i < thread->pattern_count && !wanted; i++)
		wanted = path_glob_match(thread->patterns[i], path);
	(void)pthread_mutex_unlock(&thread->mutex);
	return wanted;
}

static bool
is_young(const struct stat *status)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - status->st_mtim.tv_sec) * 1000 < YOUNG_MS &&
	       now.tv_sec >= status->st_mtim.tv_sec;
}

static void
find_later(struct file_thread *thread, const char *path)
{
	if (thread->young_count < YOUNG_MAX)
		thread->young[thread->young_count++] = xstrdup(path);
	else
		thread->walk_again = true;
}

/* Tells of one file, if it is a file and one that is asked for. `closed`: its writer has closed it.
 */
static void
find(struct file_thread *thread, const char *path, bool closed)
{
	struct file_news *news;
	struct stat status;
	int fd;

	if (!is_wanted(thread, path))
		return;
	if (!utf8_is_valid(bytes_of_string(path))) {
		log_warn("files", "a file is left alone: its name is not UTF-8");
		return;
	}
	fd = file_below_open(thread->root, path, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		close_fd(fd);
		if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != EXDEV)
			log_warn("files", "%s: %s", path, strerror(errno));
		return;
	}
	if (!closed && is_young(&status)) {
		(void)close(fd);
		find_later(thread, path);
		return;
	}
	news = file_news_new(FILE_FOUND, path);
	file_news_take(news, &status);
	news->has_content = news->size <= FILE_CONTENT_BYTES_MAX &&
			    file_below_read(fd, 0, (size_t)news->size, &news->content) &&
			    utf8_is_valid(buf_bytes(&news->content));
	if (!news->has_content)
		buf_clear(&news->content);
	(void)close(fd);
	tell(thread, news);
}

static void
gone(struct file_thread *thread, const char *path)
{
	struct file_news *news;

	if (!is_wanted(thread, path) || !utf8_is_valid(bytes_of_string(path)))
		return;
	news = file_news_new(FILE_GONE, path);
	tell(thread, news);
}

/* --- folders --- */

static struct folder *
folder_find(struct file_thread *thread, int watch)
{
	for (size_t i = 0; i < thread->folder_count; i++) {
		if (thread->folders[i].watch == watch)
			return &thread->folders[i];
	}
	return NULL;
}

static void
folder_watch(struct file_thread *thread, int fd, const char *path)
{
	char name[64];
	struct folder *folder;
	int watch;

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	watch = inotify_add_watch(thread->notify_fd, name, EVENTS);
	if (watch < 0) {
		log_warn("files", "%s is not watched: %s", path, strerror(errno));
		return;
	}
	folder = folder_find(thread, watch);
	if (folder != NULL) {
		free(folder->path);
		folder->path = xstrdup(path);
		return;
	}
	thread->folders =
	    xrealloc(thread->folders, (thread->folder_count + 1) * sizeof(*thread->folders));
	thread->folders[thread->folder_count++] = (struct folder){ watch, xstrdup(path) };
}

static bool
join(char out[FILE_PATH_BYTES_MAX], const char *folder, const char *name)
{
	int len = snprintf(
	    out, FILE_PATH_BYTES_MAX, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);

	return len > 0 && len < FILE_PATH_BYTES_MAX;
}

static void
walk(struct file_thread *thread, const char *path, int depth)
{
	int fd = file_below_open(thread->root, path, O_RDONLY | O_DIRECTORY);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (folder == NULL) {
		close_fd(fd);
		return;
	}
	if (depth > DEPTH_MAX || thread->folder_count >= FOLDERS_MAX) {
		log_warn("files", "%s is left alone: too deep, or too many folders", path);
		(void)closedir(folder);
		return;
	}
	folder_watch(thread, fd, path);
	while ((entry = readdir(folder)) != NULL &&
	       !__atomic_load_n(&thread->stopping, __ATOMIC_ACQUIRE)) {
		char below[FILE_PATH_BYTES_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    !join(below, path, entry->d_name))
			continue;
		if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
			walk(thread, below, depth + 1);
		if (entry->d_type != DT_DIR)
			find(thread, below, false);
	}
	(void)closedir(folder);
}

static void
take_event(struct file_thread *thread, const struct inotify_event *event)
{
	struct folder *folder = folder_find(thread, event->wd);
	char path[FILE_PATH_BYTES_MAX];

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		thread->walk_again = true;
		return;
	}
	if ((event->mask & IN_IGNORED) != 0 && folder != NULL) {
		free(folder->path);
		*folder = thread->folders[--thread->folder_count];
		return;
	}
	if (folder == NULL || event->len == 0 || !join(path, folder->path, event->name))
		return;
	if ((event->mask & IN_ISDIR) != 0) {
		if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
			walk(thread, path, 1);
		return;
	}
	if ((event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0)
		find(thread, path, true);
	else if ((event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		gone(thread, path);
}

static void
take_events(struct file_thread *thread)
{
	char buffer[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got;

	while ((got = read(thread->notify_fd, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + got;) {
			const struct inotify_event *event =
			    (const struct inotify_event *)(void *)at;

			take_event(thread, event);
			at += sizeof(*event) + event->len;
		}
	}
}

/* --- orders --- */

static void
read_file(struct file_thread *thread, const struct order *order)
{
	struct file_news *news = file_news_new(FILE_READ, NULL);
	int fd = file_below_open(thread->root, order->path, O_RDONLY);
	struct stat status;

	news->arg = order->arg;
	news->failed = fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
		       !file_below_read(fd, order->offset, order->length, &news->content);
	if (news->failed) {
		buf_reset(&news->content);
		buf_printf(&news->content, "files.read: %s: %s", order->path,
		    fd < 0 ? strerror(errno) : "is no file, or cannot be read");
	} else {
		news->size = status.st_size;
	}
	close_fd(fd);
	tell(thread, news);
}

static void
order_free(struct order *order)
{
	free(order->path);
	free(order);
}

/* With the mutex held, which is given up meanwhile. Other orders stay for later. */
static void
serve_reads(struct file_thread *thread)
{
	struct order *order = STAILQ_FIRST(&thread->orders);

	STAILQ_REMOVE_HEAD(&thread->orders, link);
	if (order->kind != ORDER_READ) {
		thread->walk_again = true;
		order_free(order);
		return;
	}
	(void)pthread_mutex_unlock(&thread->mutex);
	read_file(thread, order);
	order_free(order);
	(void)pthread_mutex_lock(&thread->mutex);
}

static struct order *
next_order(struct file_thread *thread)
{
	struct order *order;

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
	struct order *order;
	eventfd_t count;

	(void)eventfd_read(thread->order_fd, &count);
	while ((order = next_order(thread)) != NULL) {
		if (order->kind == ORDER_WALK)
			walk(thread, "", 0);
		else if (order->kind == ORDER_LOOK)
			find(thread, order->path, true);
		else
			read_file(thread, order);
		order_free(order);
	}
}

static void
find_young(struct file_thread *thread)
{
	size_t count = thread->young_count;
	char *young[YOUNG_MAX];

	memcpy(young, thread->young, count * sizeof(*young));
	thread->young_count = 0;
	for (size_t i = 0; i < count; i++) {
		find(thread, young[i], false);
		free(young[i]);
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
		thread->later_ms = now_ms + YOUNG_MS;
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
	find_young(thread);
	if (walk_again)
		walk(thread, "", 0);
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
			take_events(thread);
		if (fds[1].revents != 0)
			follow_orders(thread);
	}
	return NULL;
}

/* --- the loop's side --- */

struct file_thread *
file_thread_new(const char *folder, struct err *err)
{
	struct file_thread *thread = xcalloc(1, sizeof(*thread));

	(void)pthread_mutex_init(&thread->mutex, NULL);
	(void)pthread_cond_init(&thread->room, NULL);
	STAILQ_INIT(&thread->orders);
	STAILQ_INIT(&thread->answers);
	STAILQ_INIT(&thread->news);
	thread->root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	thread->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	thread->order_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	thread->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (thread->root >= 0 && thread->notify_fd >= 0 && thread->order_fd >= 0 &&
	    thread->news_fd >= 0 && (errno = pthread_create(&thread->id, NULL, run, thread)) == 0)
		return thread;
	(void)err_errno(err, "files: %s", folder);
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
	struct order *order;
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
	for (size_t i = 0; i < thread->folder_count; i++)
		free(thread->folders[i].path);
	for (size_t i = 0; i < thread->young_count; i++)
		free(thread->young[i]);
	free(thread->folders);
	patterns_free(thread);
	close_fd(thread->root);
	close_fd(thread->notify_fd);
	close_fd(thread->order_fd);
	close_fd(thread->news_fd);
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
give(struct file_thread *thread, const struct order *given)
{
	struct order *order = xmalloc(sizeof(*order));

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
	give(thread, &(struct order){ .kind = ORDER_WALK, .path = (char *)(uintptr_t) "" });
}

void
file_thread_look(struct file_thread *thread, const char *path)
{
	give(thread, &(struct order){ .kind = ORDER_LOOK, .path = (char *)(uintptr_t)path });
}

void
file_thread_read(
    struct file_thread *thread, const char *path, int64_t offset, size_t length, void *arg)
{
	give(thread, &(struct order){ .kind = ORDER_READ,
			 .path = (char *)(uintptr_t)path,
			 .offset = offset,
			 .length = length,
			 .arg = arg });
}
