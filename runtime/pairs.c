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
#include "net/pem_file.h"

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
pairs_is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int
is_certificate(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), end = sizeof(certificate_end) - 1;

	return entry->d_name[0] != '.' && len > end &&
	       strcmp(entry->d_name + len - end, certificate_end) == 0;
}

static bool
is_default(const struct dirent *entry)
{
	return strcmp(entry->d_name, "default.pem") == 0;
}

static int
in_order(const struct dirent **a, const struct dirent **b)
{
	if (is_default(*a) != is_default(*b))
		return is_default(*a) ? -1 : 1;
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
read_pair(struct pairs *pairs, const char *folder, const char *file, struct err *err)
{
	struct pair *pair = pairs_add(pairs, file);
	struct buf path = { 0 };
	int result;

	if (pair == NULL)
		return err_set(err, "%s: more than %d certificates", folder, TLS_PAIRS_MAX);
	buf_printf(&path, "%s/%s", folder, file);
	result = pem_file_read(buf_string(&path), &pair->certificate, err);
	path.len -= sizeof(certificate_end) - 1;
	buf_append_string(&path, ".key");
	if (result == 0)
		result = pem_file_read(buf_string(&path), &pair->key, err);
	buf_clear(&path);
	return result;
}

int
pairs_read(struct pairs *pairs, const char *folder, struct err *err)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_certificate, in_order), result = 0;

	if (count < 0)
		return err_errno(err, "open %s", folder);
	if (count == 0)
		result = err_set(err,
		    "%s: no certificate in the folder: NAME.pem and NAME.key are a pair", folder);
	for (int i = 0; i < count; i++) {
		if (result == 0)
			result = read_pair(pairs, folder, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
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
