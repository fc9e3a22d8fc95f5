/* SPDX-License-Identifier: MIT
 * Patterns of paths: `*` and `?` for any characters and one, but "/"; `[a-z]` and `[!a-z]` for one
 * of a set; `**` as a whole part for any number of folders. A name that begins with "." is taken
 * only by a pattern whose part begins with one.
 */
#ifndef LIB_PATH_GLOB_H
#define LIB_PATH_GLOB_H

#include <stdbool.h>

#include "lib/err.h"

bool path_glob_match(const char *pattern, const char *path);

/* -1: it is empty, absolute, climbs ("..") or has a "[" without "]". */
int path_glob_check(const char *pattern, struct err *err) __attribute__((warn_unused_result));

#endif
