/* SPDX-License-Identifier: MIT
 * Opening and reading files below a folder, and nowhere else.
 */
#ifndef RUNTIME_FILES_FILE_BELOW_H
#define RUNTIME_FILES_FILE_BELOW_H

#include "lib/bytes.h"

/* A descriptor, or -1 with errno: also where the path leads out of the folder, or by a symbolic
 * link.
 * "" is the folder itself. */
int file_below_open(int folder, const char *path, int flags);

/* Appends up to `length` bytes from `offset` on, fewer only at the file's end. False with errno. */
bool file_below_read(int fd, int64_t offset, size_t length, struct buf *out);

#endif
