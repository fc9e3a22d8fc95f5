/* SPDX-License-Identifier: MIT
 * What the thread of files tells of one file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "runtime/file_thread.h"

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

void
file_news_free(struct file_news *news)
{
	if (news == NULL)
		return;
	free(news->path);
	buf_clear(&news->content);
	free(news);
}
