/* SPDX-License-Identifier: MIT
 * One error, as a line for a person. A function that can fail takes `struct err *` last, fills it
 * and returns -1; each caller adds what it knew in front; the top logs it once.
 */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include <stddef.h>

struct err {
	char text[1024]; /* always terminated; cut where it is longer */
};

/* Sets the text. Returns -1, so that a caller can write `return err_set(err, ...)`. */
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<formatted>: " in front of the text that is there. Returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the text to "<formatted>: <strerror(errno)>". Returns -1. */
int err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
