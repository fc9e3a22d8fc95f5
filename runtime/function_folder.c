/* SPDX-License-Identifier: MIT
 * Reading the folder of the functions. Whether something changed is told by size, time and inode,
 * so that a look at thousands of functions costs a stat for each and reads only what is new.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/function_folder.h"

#define LUA_SUFFIX ".lua"

/* The names of a folder, sorted. */
struct names {
	char **names;
	size_t count;
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
names_clear(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct names){ 0 };
}

static int
names_read(const char *path, struct names *names, struct err *err)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t room = 0;

	if (dir == NULL)
		return err_errno(err, "%s", path);
	while ((entry = readdir(dir)) != NULL && names->count < FUNCTIONS_MAX) {
		if (entry->d_name[0] == '.')
			continue;
		if (names->count == room) {
			room = room == 0 ? 64 : room * 2;
			names->names = xrealloc(names->names, room * sizeof(char *));
		}
		names->names[names->count++] = xstrdup(entry->d_name);
	}
	closedir(dir);
	if (names->count > 0)
		qsort(names->names, names->count, sizeof(char *), compare_names);
	return 0;
}

static bool
is_lua(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(LUA_SUFFIX) && strcmp(name + len - strlen(LUA_SUFFIX), LUA_SUFFIX) == 0;
}

bool
function_name_check(const char *name, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";

	if (name[0] == '\0' || name[strspn(name, letters)] != '\0')
		err_set(err, "a function's name has only letters, digits, - and _: rename it");
	else if (strlen(name) > FUNCTION_NAME_BYTES_MAX)
		err_set(err, "a function's name has at most %d letters: rename it",
		    FUNCTION_NAME_BYTES_MAX);
	else if (strcmp(name, "lib") == 0)
		err_set(err, "lib is where shared files stand: rename it");
	else
		return true;
	return false;
}

static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * 0x100000001b3U;
	return hash;
}

static uint64_t
mix_stat(uint64_t hash, const struct stat *stat)
{
	hash = mix(hash, &stat->st_mtim, sizeof(stat->st_mtim));
	hash = mix(hash, &stat->st_size, sizeof(stat->st_size));
	return mix(hash, &stat->st_ino, sizeof(stat->st_ino));
}

/* Of all Lua files in a folder, by their names; 0 where there is no folder. */
static uint64_t
folder_signature(const char *folder, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325U;
	struct names names = { 0 };
	struct err ignored;
	char path[PATH_MAX];
	struct stat stat;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (names_read(path, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count; i++) {
		if (!is_lua(names.names[i]))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", folder, name, names.names[i]);
		hash = mix(hash, names.names[i], strlen(names.names[i]));
		if (lstat(path, &stat) == 0 &&
		    (!S_ISLNK(stat.st_mode) || fstatat(AT_FDCWD, path, &stat, 0) == 0))
			hash = mix_stat(hash, &stat);
	}
	names_clear(&names);
	return hash;
}

static void
list_add(struct folder_list *list, struct folder_entry *entry)
{
	struct err err;

	if (!function_name_check(entry->name, &err))
		entry->problem = xstrdup(err.text);
	if ((list->count & (list->count - 1)) == 0)
		list->entries = xrealloc(list->entries,
		    (list->count == 0 ? 1 : list->count * 2) * sizeof(list->entries[0]));
	list->entries[list->count++] = *entry;
}

/* Adds what stands under this name in the folder, if it is a function. */
static void
list_look(struct folder_list *list, const char *folder, const char *name, uint64_t shared)
{
	struct folder_entry entry = { 0 };
	char path[PATH_MAX];
	struct stat stat;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (fstatat(AT_FDCWD, path, &stat, 0) < 0)
		return;
	if (S_ISDIR(stat.st_mode)) {
		snprintf(path, sizeof(path), "%s/%s/init.lua", folder, name);
		if (strcmp(name, "lib") == 0 || access(path, F_OK) < 0)
			return;
		entry.is_folder = true;
		entry.name = xstrdup(name);
		entry.signature = folder_signature(folder, name);
	} else if (is_lua(name)) {
		entry.name = xstrdup(name);
		entry.name[strlen(name) - strlen(LUA_SUFFIX)] = '\0';
		entry.signature = mix_stat(1, &stat);
	} else {
		return;
	}
	entry.signature = mix(entry.signature, &shared, sizeof(shared));
	list_add(list, &entry);
}

static int
compare_entries(const void *a, const void *b)
{
	const struct folder_entry *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order != 0 ? order : (int)left->is_folder - (int)right->is_folder;
}

/* Two of one name: the first stays, with a problem. */
static void
list_find_clashes(struct folder_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct folder_entry *entry = &list->entries[i];

		if (kept > 0 && strcmp(list->entries[kept - 1].name, entry->name) == 0) {
			struct buf text = { 0 };

			buf_printf(&text,
			    "%s.lua and %s/init.lua are one function's name: remove one",
			    entry->name, entry->name);
			free(list->entries[kept - 1].problem);
			list->entries[kept - 1].problem = xstrdup(buf_string(&text));
			buf_clear(&text);
			free(entry->name);
			free(entry->problem);
			continue;
		}
		list->entries[kept++] = *entry;
	}
	list->count = kept;
}

int
folder_list_read(const char *folder, struct folder_list *list, struct err *err)
{
	struct names names = { 0 };
	uint64_t shared = folder_signature(folder, "lib");

	*list = (struct folder_list){ 0 };
	if (names_read(folder, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		list_look(list, folder, names.names[i], shared);
	names_clear(&names);
	if (list->count > 0)
		qsort(list->entries, list->count, sizeof(list->entries[0]), compare_entries);
	list_find_clashes(list);
	return 0;
}

void
folder_list_clear(struct folder_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->entries[i].name);
		free(list->entries[i].problem);
	}
	free(list->entries);
	*list = (struct folder_list){ 0 };
}

static int
read_all(int fd, struct buf *out, struct err *err)
{
	ssize_t got;

	while ((got = read(fd, buf_reserve(out, 8192), 8192)) > 0) {
		out->len += (size_t)got;
		if (out->len > FUNCTION_FILE_BYTES_MAX)
			return err_set(err, "larger than %d bytes", FUNCTION_FILE_BYTES_MAX);
	}
	return got == 0 ? 0 : err_errno(err, "read");
}

/* Adds a file; `path` is below the folder. */
static int
sources_add(const char *folder, const char *path, struct function_sources *sources, struct err *err)
{
	struct source_file *file = &sources->files[sources->count];
	char full[PATH_MAX];
	int fd, status;

	if (sources->count == FUNCTION_FILES_MAX)
		return err_set(
		    err, "%s: more than %d files for one function", path, FUNCTION_FILES_MAX);
	snprintf(full, sizeof(full), "%s/%s", folder, path);
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, "%s", path);
	*file = (struct source_file){ .path = xstrdup(path) };
	sources->count++;
	status = read_all(fd, &file->source, err);
	close(fd);
	return status == 0 ? 0 : err_prefix(err, "%s", path);
}

/* Adds all Lua files of a folder below, but not `except`. */
static int
sources_add_folder(const char *folder, const char *name, const char *except,
    struct function_sources *sources, struct err *err)
{
	struct names names = { 0 };
	struct err ignored;
	char path[PATH_MAX];
	int status = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (names_read(path, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count && status == 0; i++) {
		if (!is_lua(names.names[i]) || strcmp(names.names[i], except) == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", name, names.names[i]);
		status = sources_add(folder, path, sources, err);
	}
	names_clear(&names);
	return status;
}

static bool
mentions_require(const struct function_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		const struct buf *source = &sources->files[i].source;

		if (memmem(source->data, source->len, "require", 7) != NULL)
			return true;
	}
	return false;
}

int
function_sources_read(const char *folder, const struct folder_entry *entry,
    struct function_sources *sources, struct err *err)
{
	char path[FUNCTION_NAME_BYTES_MAX + 16];
	int status;

	sources->count = 0;
	snprintf(sources->name, sizeof(sources->name), "%s", entry->name);
	snprintf(path, sizeof(path), entry->is_folder ? "%s/init.lua" : "%s.lua", entry->name);
	status = sources_add(folder, path, sources, err);
	if (status == 0 && entry->is_folder)
		status = sources_add_folder(folder, entry->name, "init.lua", sources, err);
	/* Thousands of functions shall not each hold what none of them requires. */
	if (status == 0 && mentions_require(sources))
		status = sources_add_folder(folder, "lib", "", sources, err);
	if (status < 0)
		function_sources_clear(sources);
	return status;
}

void
function_sources_clear(struct function_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		free(sources->files[i].path);
		buf_clear(&sources->files[i].source);
	}
	sources->count = 0;
}
