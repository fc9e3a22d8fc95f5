/* SPDX-License-Identifier: MIT
 * The folders of files: which there are, by the option `files`, and opening what is below them.
 *
 * The option is one folder ("files", "/srv/in"), whose files are called by their paths below it, or
 * several with names ("inbox=/srv/in,scans=/mnt/scans"): then a path begins with the folder's name
 * ("inbox/today.csv").
 */
#ifndef RUNTIME_FILES_FILE_FOLDERS_H
#define RUNTIME_FILES_FILE_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum { FILE_FOLDERS_MAX = 32, FILE_FOLDER_NAME_MAX = 64 };

struct file_folder {
	char *name; /* "": the only one, without a name */
	char *path;
	int fd; /* -1: not opened */
};

struct file_folders {
	struct file_folder list[FILE_FOLDERS_MAX];
	size_t count;
};

/* From the option's text. -1: what is wrong with it, and `folders` is empty. */
int file_folders_read(struct file_folders *folders, const char *text, struct err *err)
    __attribute__((warn_unused_result));
void file_folders_clear(struct file_folders *folders);

/* Opens all of them; the one without a name is made where it is missing. -1: one is missing, is no
 * folder, may not be read, or lies in another. */
int file_folders_open(struct file_folders *folders, struct err *err)
    __attribute__((warn_unused_result));

/* A descriptor of what is at this path, or -1 with errno, as file_below_open. */
int file_folders_at(const struct file_folders *folders, const char *path, int flags);

/* The folder that a path, or a pattern's first part without wildcards, names; NULL: none. */
const struct file_folder *file_folders_of(const struct file_folders *folders, const char *path);

/* -1: the pattern's first part takes no folder's name. */
int file_folders_check(const struct file_folders *folders, const char *pattern, struct err *err)
    __attribute__((warn_unused_result));

#endif
