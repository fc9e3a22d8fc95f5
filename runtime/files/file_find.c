/* SPDX-License-Identifier: MIT
 * Whether a file is whole. A writer that has it open is known by the lease that the kernel then
 * refuses (fcntl(2), F_SETLEASE). Where there are no leases, as on a file of somebody else or on
 * some network file systems, a file must have rested for longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/log.h"
#include "lib/sys.h"
#include "lib/utf8.h"
#include "runtime/files/file_below.h"
#include "runtime/files/file_thread_private.h"

enum {
	REST_MS = 1000,	      /* of a file whose closing was not seen */
	REST_BLIND_MS = 5000, /* where nobody can say whether it is open, too */
};

enum writer { WRITER_NONE, WRITER_OPEN, WRITER_UNKNOWN };

/* A writer who opens the file in these microseconds waits for their end; the signal that tells of
 * it is one that nothing happens at. */
static enum writer
writer_of(int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		return WRITER_NONE;
	}
	return errno == EAGAIN ? WRITER_OPEN : WRITER_UNKNOWN;
}

static int64_t
changed_ns(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

/* How long the file has been as it is: by its own time, or since it was seen so. */
static int64_t
rest_ms(const struct stat *status, const struct file_young *young)
{
	struct timespec now;
	int64_t age_ms, seen_ms = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	age_ms = ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec - changed_ns(status)) / 1000000;
	if (young != NULL && young->size == status->st_size &&
	    young->changed_ns == changed_ns(status))
		seen_ms = sys_posix.monotonic_us() / 1000 - young->since_ms;
	return age_ms > seen_ms ? age_ms : seen_ms;
}

static bool
is_whole(int fd, const struct stat *status, const struct file_young *young, bool closed)
{
	switch (writer_of(fd)) {
	case WRITER_NONE:
		return closed || rest_ms(status, young) >= REST_MS;
	case WRITER_OPEN:
		return false;
	case WRITER_UNKNOWN:
		break;
	}
	return closed || rest_ms(status, young) >= REST_BLIND_MS;
}

static void
young_remove(struct file_thread *thread, size_t i)
{
	free(thread->young[i].path);
	thread->young[i] = thread->young[--thread->young_count];
}

static struct file_young *
young_find(struct file_thread *thread, const char *path)
{
	for (size_t i = 0; i < thread->young_count; i++) {
		if (strcmp(thread->young[i].path, path) == 0)
			return &thread->young[i];
	}
	return NULL;
}

/* It is looked at again: with all others where there are too many. */
static void
find_later(struct file_thread *thread, const char *path, const struct stat *status)
{
	struct file_young *young = young_find(thread, path);
	int64_t since_ms = sys_posix.monotonic_us() / 1000;

	if (young == NULL && thread->young_count == FILE_YOUNG_MAX) {
		thread->walk_again = true;
		return;
	}
	if (young == NULL) {
		young = &thread->young[thread->young_count++];
		*young = (struct file_young){ .path = xstrdup(path) };
	} else if (young->size == status->st_size && young->changed_ns == changed_ns(status)) {
		since_ms = young->since_ms;
	}
	young->size = status->st_size;
	young->changed_ns = changed_ns(status);
	young->since_ms = since_ms;
}

/* False: it has changed meanwhile. */
static bool
read_content(int fd, struct file_news *news, const struct stat *status)
{
	struct stat after;

	file_news_take(news, status);
	news->has_content = news->size <= FILE_CONTENT_BYTES_MAX &&
			    file_below_read(fd, 0, (size_t)news->size, &news->content) &&
			    utf8_is_valid(buf_bytes(&news->content));
	if (!news->has_content)
		buf_clear(&news->content);
	return fstat(fd, &after) == 0 && after.st_size == status->st_size &&
	       changed_ns(&after) == changed_ns(status);
}

static void
forget_young(struct file_thread *thread, const char *path)
{
	struct file_young *young = young_find(thread, path);

	if (young != NULL)
		young_remove(thread, (size_t)(young - thread->young));
}

static void
take_file(struct file_thread *thread, const char *path, int fd, bool closed)
{
	struct file_news *news;
	struct stat status;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		forget_young(thread, path);
		return;
	}
	if (!is_whole(fd, &status, young_find(thread, path), closed)) {
		find_later(thread, path, &status);
		return;
	}
	news = file_news_new(FILE_FOUND, path);
	if (!read_content(fd, news, &status)) {
		file_news_free(news);
		find_later(thread, path, &status);
		return;
	}
	forget_young(thread, path);
	file_thread_tell(thread, news);
}

void
file_find(struct file_thread *thread, const char *path, bool closed)
{
	int fd;

	if (!file_thread_wants(thread, path))
		return;
	if (!utf8_is_valid(bytes_of_string(path))) {
		log_warn("files", "a file is left alone: its name is not UTF-8");
		return;
	}
	fd = file_folders_at(thread->folders, path, O_RDONLY);
	if (fd >= 0) {
		take_file(thread, path, fd, closed);
		(void)close(fd);
		return;
	}
	if (errno != ENOENT && errno != ELOOP && errno != EXDEV)
		log_warn("files", "%s: %s", path, strerror(errno));
	forget_young(thread, path);
}

void
file_find_young(struct file_thread *thread)
{
	size_t count = thread->young_count;
	char *paths[FILE_YOUNG_MAX];

	for (size_t i = 0; i < count; i++)
		paths[i] = xstrdup(thread->young[i].path);
	for (size_t i = 0; i < count; i++) {
		file_find(thread, paths[i], false);
		free(paths[i]);
	}
}

void
file_young_clear(struct file_thread *thread)
{
	while (thread->young_count > 0)
		young_remove(thread, 0);
}
