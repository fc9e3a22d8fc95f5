/* SPDX-License-Identifier: MIT
 * Watching and walking. A folder is watched before it is walked, so that what comes meanwhile is
 * seen at least once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/utf8.h"
#include "runtime/files/file_thread_private.h"

enum { DEPTH_MAX = 16, WATCHES_MAX = 8192 };

#define EVENTS                                                                              \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | \
	    IN_ONLYDIR)

static struct file_watch *
watch_find(struct file_thread *thread, int watch)
{
	for (size_t i = 0; i < thread->watch_count; i++) {
		if (thread->watches[i].watch == watch)
			return &thread->watches[i];
	}
	return NULL;
}

static void
watch_folder(struct file_thread *thread, int fd, const char *path)
{
	char name[64];
	struct file_watch *known;
	int watch;

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	watch = inotify_add_watch(thread->notify_fd, name, EVENTS);
	if (watch < 0) {
		log_warn("files", "%s is not watched: %s", path, strerror(errno));
		return;
	}
	known = watch_find(thread, watch);
	if (known != NULL) {
		free(known->path);
		known->path = xstrdup(path);
		return;
	}
	thread->watches =
	    xrealloc(thread->watches, (thread->watch_count + 1) * sizeof(*thread->watches));
	thread->watches[thread->watch_count++] = (struct file_watch){ watch, xstrdup(path) };
}

static bool
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* A folder that was moved away tells of what happens in it no longer. */
static void
unwatch(struct file_thread *thread, const char *folder)
{
	for (size_t i = 0; i < thread->watch_count;) {
		struct file_watch *watch = &thread->watches[i];

		if (!is_below(watch->path, folder)) {
			i++;
			continue;
		}
		(void)inotify_rm_watch(thread->notify_fd, watch->watch);
		free(watch->path);
		*watch = thread->watches[--thread->watch_count];
	}
}

static bool
join(char out[FILE_PATH_BYTES_MAX], const char *folder, const char *name)
{
	int len = snprintf(
	    out, FILE_PATH_BYTES_MAX, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);

	return len > 0 && len < FILE_PATH_BYTES_MAX;
}

static void walk(struct file_thread *thread, const char *path, int depth);

static void
walk_entry(struct file_thread *thread, const char *path, const struct dirent *entry, int depth)
{
	char below[FILE_PATH_BYTES_MAX];

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
	    !join(below, path, entry->d_name))
		return;
	if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
		walk(thread, below, depth + 1);
	if (entry->d_type != DT_DIR)
		file_find(thread, below, false);
}

static void
walk(struct file_thread *thread, const char *path, int depth)
{
	int fd = file_folders_at(thread->folders, path, O_RDONLY | O_DIRECTORY);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (folder == NULL) {
		if (fd < 0 && errno == EACCES)
			log_warn("files", "%s is left alone: the host may not list it", path);
		file_close(fd);
		return;
	}
	if (depth > DEPTH_MAX || thread->watch_count >= WATCHES_MAX) {
		log_warn("files", "%s is left alone: too deep, or too many folders", path);
		(void)closedir(folder);
		return;
	}
	watch_folder(thread, fd, path);
	while ((entry = readdir(folder)) != NULL &&
	       !__atomic_load_n(&thread->stopping, __ATOMIC_ACQUIRE))
		walk_entry(thread, path, entry, depth);
	(void)closedir(folder);
}

void
file_walk(struct file_thread *thread, const char *path)
{
	if (path[0] != '\0') {
		walk(thread, path, 1);
		return;
	}
	for (size_t i = 0; i < thread->folders->count; i++)
		walk(thread, thread->folders->list[i].name, 0);
}

static void
gone(struct file_thread *thread, const char *path)
{
	if (file_thread_wants(thread, path) && utf8_is_valid(bytes_of_string(path)))
		file_thread_tell(thread, file_news_new(FILE_GONE, path));
}

static void
take_folder_event(struct file_thread *thread, const char *path, uint32_t mask)
{
	if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0)
		walk(thread, path, 1);
	if ((mask & IN_MOVED_FROM) != 0) {
		unwatch(thread, path);
		file_thread_tell(thread, file_news_new(FILE_LOST, NULL));
	}
}

/* A name that is given to a file which has another one already: nobody will close it. What is
 * created in the plain way has one name, and its writer's close tells. */
static bool
is_link(struct file_thread *thread, const char *path, uint32_t mask)
{
	struct stat status;
	bool result = false;
	int fd;

	if ((mask & IN_CREATE) == 0 || !file_thread_wants(thread, path))
		return false;
	fd = file_folders_at(thread->folders, path, O_RDONLY);
	if (fd >= 0) {
		result = fstat(fd, &status) == 0 && status.st_nlink > 1;
		(void)close(fd);
	}
	return result;
}

static void
take_event(struct file_thread *thread, const struct inotify_event *event)
{
	struct file_watch *watch = watch_find(thread, event->wd);
	char path[FILE_PATH_BYTES_MAX];

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		thread->walk_again = true;
		file_thread_tell(thread, file_news_new(FILE_LOST, NULL));
		return;
	}
	if ((event->mask & IN_IGNORED) != 0 && watch != NULL) {
		free(watch->path);
		*watch = thread->watches[--thread->watch_count];
		return;
	}
	if (watch == NULL || event->len == 0 || !join(path, watch->path, event->name))
		return;
	if ((event->mask & IN_ISDIR) != 0)
		take_folder_event(thread, path, event->mask);
	else if ((event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0)
		file_find(thread, path, true);
	else if ((event->mask & IN_ATTRIB) != 0 || is_link(thread, path, event->mask))
		file_find(thread, path, false);
	else if ((event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		gone(thread, path);
}

void
file_walk_events(struct file_thread *thread)
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

void
file_walk_clear(struct file_thread *thread)
{
	for (size_t i = 0; i < thread->watch_count; i++)
		free(thread->watches[i].path);
	free(thread->watches);
}
