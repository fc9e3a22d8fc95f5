/* SPDX-License-Identifier: MIT
 * What the thread of files tells of one file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/files/file_thread.h"

struct file_news *
file_news_new(enum file_news_kind kind, const char *path)
{
	struct file_news *news = xcalloc(1, sizeof(*news));

	news->kind = kind;
	news->path = path != NULL ? xstrdup(path) : NULL;
	return news;
}

void
file_news_take(struct file_news *news, const struct stat *status)
{
	news->size = status->st_size;
	news->time_ms = (int64_t)status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000;
	(void)snprintf(news->version, sizeof(news->version), "%llx-%llx-%llx-%lld.%09ld",
	    (unsigned long long)status->st_dev, (unsigned long long)status->st_ino,
	    (unsigned long long)status->st_size, (long long)status->st_mtim.tv_sec,
	    status->st_mtim.tv_nsec);
}

static struct bytes
without_device(struct bytes version)
{
	const uint8_t *dash = version.len > 0 ? memchr(version.data, '-', version.len) : NULL;

	return dash != NULL ? bytes_of(dash, (size_t)(version.data + version.len - dash)) : version;
}

bool
file_version_is(const char *version, struct bytes other)
{
	return bytes_equal(without_device(bytes_of_string(version)), without_device(other));
}

uint64_t
file_version_device(struct bytes version)
{
	char *text = bytes_to_string(version);
	uint64_t device = strtoull(text, NULL, 16);

	free(text);
	return device;
}

void
file_news_free(struct file_news *news)
{
	if (news == NULL)
		return;
	free(news->path);
	buf_clear(&news->content);
	free(news);
}
