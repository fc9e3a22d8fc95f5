/* SPDX-License-Identifier: MIT
 * Looking at a data folder's database from outside: copying it while a host works on it, and
 * checking it. Neither changes anything in it, and neither needs the host.
 */
#ifndef STORE_INSPECT_H
#define STORE_INSPECT_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backup_result {
	int64_t bytes;
};

/* Writes a whole copy of one moment's state to `path` (mode 0600), which must not be there unless
 * `replace`. It is written beside it first and synced, so that `path` is never half a copy. */
int store_backup(const char *folder, const char *path, bool replace, struct backup_result *result,
    struct err *err) __attribute__((warn_unused_result));

struct verify_result {
	uint64_t rows;
	uint64_t items;
	uint64_t problems;
};

/* Checks the file's structure, that every row decodes, and that items, indexes and expiry agree.
 * `problem` is called for each of the first 1,000 problems. -1: it could not be read at all. A
 * `path` that is a file is taken as a database itself (a backup). */
int store_verify(const char *path, void (*problem)(void *arg, const char *text), void *arg,
    struct verify_result *result, struct err *err) __attribute__((warn_unused_result));

#endif
