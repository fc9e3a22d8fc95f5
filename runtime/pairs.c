/* SPDX-License-Identifier: MIT
 * Folders of certificates.
 */
#include "runtime/pairs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/hash.h"

static const char certificate_end[] = ".pem";

struct pair *
pairs_add(struct pairs *pairs, const char *name)
{
	struct pair *pair;

	if (pairs->count == TLS_PAIRS_MAX)
		return NULL;
	pair = &pairs->list[pairs->count++];
	*pair = (struct pair){ .name = name != NULL ? xstrdup(name) : NULL };
	return pair;
}

void
pairs_clear(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		struct pair *pair = &pairs->list[i];

		if (pair->key.len > 0)
			explicit_bzero(pair->key.data, pair->key.len);
		buf_clear(&pair->key);
		buf_clear(&pair->certificate);
		free(pair->name);
	}
	pairs->count = 0;
}

bool
pairs_is_folder(const char *path, const struct early *early)
{
	struct stat status;
	size_t at = 0;

	return early_next(early, path, &at) != NULL ||
	       (stat(path, &status) == 0 && S_ISDIR(status.st_mode));
}

/* Names of certificates in a folder; one more than there may be is too many. */
struct names {
	char *list[TLS_PAIRS_MAX + 1];
	size_t count;
};

static void
add_name(struct names *names, const char *name)
{
	size_t len = strlen(name), end = sizeof(certificate_end) - 1;

	if (name[0] != '.' && len > end && strcmp(name + len - end, certificate_end) == 0 &&
	    names->count <= TLS_PAIRS_MAX)
		names->list[names->count++] = xstrdup(name);
}

static int
list_names(struct names *names, const char *folder, const struct early *early, struct err *err)
{
	const struct dirent *entry;
	const char *path;
	size_t at = 0;
	DIR *dir;

	while ((path = early_next(early, folder, &at)) != NULL)
		add_name(names, strrchr(path, '/') + 1);
	if (at > 0 && names->count > 0)
		return 0;
	dir = opendir(folder);
	if (dir == NULL)
		return err_errno(err, "open %s", folder);
	while ((entry = readdir(dir)) != NULL)
		add_name(names, entry->d_name);
	(void)closedir(dir);
	return 0;
}

static int
in_order(const void *a, const void *b)
{
	const char *one = *(char *const *)a, *other = *(char *const *)b;
	bool first = strcmp(one, "default.pem") == 0, second = strcmp(other, "default.pem") == 0;

	if (first != second)
		return first ? -1 : 1;
	return strcmp(one, other);
}

/* A folder, and what was read of it before. */
struct source {
	const char *folder;
	const struct early *early;
};

static int
read_pair(struct pairs *pairs, const struct source *source, const char *file, struct err *err)
{
	struct pair *pair = pairs_add(pairs, file);
	struct buf path = { 0 };
	int result;

	if (pair == NULL)
		return err_set(err, "%s: more than %d certificates", source->folder, TLS_PAIRS_MAX);
	buf_printf(&path, "%s/%s", source->folder, file);
	result = early_read(source->early, buf_string(&path), &pair->certificate, err);
	path.len -= sizeof(certificate_end) - 1;
	buf_append_string(&path, ".key");
	if (result == 0)
		result = early_read(source->early, buf_string(&path), &pair->key, err);
	buf_clear(&path);
	return result;
}

int
pairs_read(struct pairs *pairs, const char *folder, const struct early *early, struct err *err)
{
	const struct source source = { folder, early };
	struct names names = { .count = 0 };
	int result = list_names(&names, folder, early, err);

	if (result == 0 && names.count == 0)
		result = err_set(err,
		    "%s: no certificate in the folder: NAME.pem and NAME.key are a pair", folder);
	if (names.count > 0)
		qsort(names.list, names.count, sizeof(names.list[0]), in_order);
	for (size_t i = 0; i < names.count; i++) {
		if (result == 0)
			result = read_pair(pairs, &source, names.list[i], err);
		free(names.list[i]);
	}
	return result;
}

uint64_t
pairs_folder_state(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	uint64_t state = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct {
			uint64_t name;
			int64_t size, changed_s, changed_ns;
		} file = { .name = hash_bytes(bytes_of_string(entry->d_name)) };
		struct stat status;

		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &status, 0) < 0)
			continue;
		file.size = status.st_size;
		file.changed_s = status.st_mtim.tv_sec;
		file.changed_ns = status.st_mtim.tv_nsec;
		/* In whatever order they come. */
		state += hash_bytes(bytes_of(&file, sizeof(file)));
	}
	if (dir != NULL)
		(void)closedir(dir);
	return state;
}
