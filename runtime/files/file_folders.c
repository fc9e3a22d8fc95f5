/* SPDX-License-Identifier: MIT
 * Each folder is held open, so that it stays the same one whatever is renamed or mounted.
 */
#include "runtime/files/file_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/path_glob.h"
#include "runtime/files/file_below.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct bytes
trim(struct bytes text)
{
	while (text.len > 0 && is_space((char)text.data[0]))
		text = bytes_of(text.data + 1, text.len - 1);
	while (text.len > 0 && is_space((char)text.data[text.len - 1]))
		text.len--;
	return text;
}

static bool
is_name(struct bytes name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == 0 || strchr(letters, name.data[i]) == NULL)
			return false;
	}
	return name.len > 0 && name.len <= FILE_FOLDER_NAME_MAX && name.data[0] != '.';
}

static int
add(struct file_folders *folders, struct bytes name, struct bytes path, struct err *err)
{
	struct file_folder *folder = &folders->list[folders->count];

	if (path.len == 0)
		return err_set(err, "must have a folder behind \"%.*s=\": inbox=/srv/in",
		    (int)name.len, (const char *)name.data);
	if (folders->count == FILE_FOLDERS_MAX)
		return err_set(err, "must not name more than %d folders", FILE_FOLDERS_MAX);
	for (size_t i = 0; i < folders->count; i++) {
		if (bytes_equal_string(name, folders->list[i].name))
			return err_set(err, "must not call two folders %s", folders->list[i].name);
	}
	folder->name = bytes_to_string(name);
	folder->path = bytes_to_string(path);
	folder->fd = -1;
	folders->count++;
	return 0;
}

static int
add_named(struct file_folders *folders, struct bytes entry, struct err *err)
{
	const uint8_t *equals = entry.len > 0 ? memchr(entry.data, '=', entry.len) : NULL;
	struct bytes name;

	if (equals == NULL)
		return err_set(err,
		    "must give each of several folders a name (inbox=/srv/in), \"%.*s\" has none",
		    (int)entry.len, (const char *)entry.data);
	name = trim(bytes_of(entry.data, (size_t)(equals - entry.data)));
	if (!is_name(name))
		return err_set(err,
		    "must call a folder by 1 to %d letters, digits, \"-\", \"_\" and \".\", not "
		    "first a \".\": not \"%.*s\"",
		    FILE_FOLDER_NAME_MAX, (int)name.len, (const char *)name.data);
	return add(folders, name,
	    trim(bytes_of(equals + 1, (size_t)(entry.data + entry.len - equals - 1))), err);
}

int
file_folders_read(struct file_folders *folders, const char *text, struct err *err)
{
	struct bytes rest = bytes_of_string(text);

	*folders = (struct file_folders){ .count = 0 };
	if (strchr(text, '=') == NULL && strchr(text, ',') == NULL)
		return add(folders, bytes_of_string(""), rest, err);
	while (rest.data != NULL) {
		const uint8_t *comma = rest.len > 0 ? memchr(rest.data, ',', rest.len) : NULL;
		size_t len = comma != NULL ? (size_t)(comma - rest.data) : rest.len;

		if (add_named(folders, trim(bytes_of(rest.data, len)), err) < 0) {
			file_folders_clear(folders);
			return -1;
		}
		rest =
		    comma != NULL ? bytes_of(comma + 1, rest.len - len - 1) : (struct bytes){ 0 };
	}
	return 0;
}

void
file_folders_clear(struct file_folders *folders)
{
	for (size_t i = 0; i < folders->count; i++) {
		free(folders->list[i].name);
		free(folders->list[i].path);
		if (folders->list[i].fd >= 0)
			(void)close(folders->list[i].fd);
	}
	folders->count = 0;
}

/* Appends "inbox=/srv/in" to what an error says. */
static int
complain(const struct file_folder *folder, struct err *err)
{
	return err_prefix(err, "option files: %s%s%s", folder->name,
	    folder->name[0] != '\0' ? "=" : "", folder->path);
}

static int
open_one(struct file_folder *folder, struct err *err)
{
	if (folder->name[0] == '\0' && mkdir(folder->path, 0750) < 0 && errno != EEXIST)
		return err_errno(err, "cannot be made");
	folder->fd = open(folder->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0)
		return err_errno(err, errno == ENOENT ? "make it, or mount it, first" : "open it");
	if (faccessat(folder->fd, ".", R_OK | X_OK, AT_EACCESS) < 0)
		return err_errno(err, "the host may not list it");
	return 0;
}

/* Whether the folder of the path `inner` lies in `outer`, or is it. Both are absolute and
 * resolved. */
static bool
is_in(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	if (strcmp(outer, "/") == 0)
		return true;
	return strncmp(inner, outer, len) == 0 && (inner[len] == '/' || inner[len] == '\0');
}

/* Also the same folder in two places of the file system. */
static bool
is_same(const struct file_folder *one, const struct file_folder *other)
{
	struct stat a, b;

	return fstat(one->fd, &a) == 0 && fstat(other->fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int
check_apart(const struct file_folder *folder, const struct file_folder *other, struct err *err)
{
	char *path = realpath(folder->path, NULL), *other_path = realpath(other->path, NULL);
	int result = 0;

	if (path == NULL || other_path == NULL)
		result = err_errno(err, "resolve it");
	else if (is_in(path, other_path) || is_in(other_path, path) || is_same(folder, other))
		result =
		    err_set(err, "lies in %s=%s, or the other way round: folders must not overlap",
			other->name, other->path);
	free(path);
	free(other_path);
	return result;
}

int
file_folders_open(struct file_folders *folders, struct err *err)
{
	for (size_t i = 0; i < folders->count; i++) {
		struct file_folder *folder = &folders->list[i];

		if (folder->fd < 0 && open_one(folder, err) < 0)
			return complain(folder, err);
		for (size_t j = 0; j < i; j++) {
			if (check_apart(folder, &folders->list[j], err) < 0)
				return complain(folder, err);
		}
	}
	return 0;
}

const struct file_folder *
file_folders_of(const struct file_folders *folders, const char *path)
{
	size_t len = strcspn(path, "/");

	for (size_t i = 0; i < folders->count; i++) {
		const char *name = folders->list[i].name;

		if (name[0] == '\0' || (strlen(name) == len && memcmp(name, path, len) == 0))
			return &folders->list[i];
	}
	return NULL;
}

int
file_folders_at(const struct file_folders *folders, const char *path, int flags)
{
	const struct file_folder *folder = file_folders_of(folders, path);

	if (folder == NULL) {
		errno = ENOENT;
		return -1;
	}
	path += strlen(folder->name);
	return file_below_open(folder->fd, path + (folder->name[0] != '\0' && *path == '/'), flags);
}

int
file_folders_check(const struct file_folders *folders, const char *pattern, struct err *err)
{
	struct bytes first = bytes_of(pattern, strcspn(pattern, "/"));
	char *part = bytes_to_string(first);
	bool takes = folders->list[0].name[0] == '\0' || strcmp(part, "**") == 0;
	struct buf names = { 0 };

	for (size_t i = 0; i < folders->count; i++) {
		takes = takes ||
			(path_glob_match(part, folders->list[i].name) && pattern[first.len] == '/');
		buf_printf(&names, "%s%s", i > 0 ? ", " : "", folders->list[i].name);
	}
	if (!takes)
		(void)err_set(err,
		    "\"%.100s\": a path begins with the name of a folder of the option files: "
		    "%.200s",
		    pattern, buf_string(&names));
	free(part);
	buf_clear(&names);
	return takes ? 0 : -1;
}
