/* SPDX-License-Identifier: MIT
 * Errors as lines of text.
 */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	return -1;
}

/* Appends ": <tail>" to the text, cut where it does not fit. */
static void
append_tail(struct err *err, const char *tail)
{
	size_t len = strlen(err->text);

	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", tail);
}

int
err_prefix(struct err *err, const char *format, ...)
{
	struct err tail = *err;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	append_tail(err, tail.text);
	return -1;
}

int
err_errno(struct err *err, const char *format, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	append_tail(err, strerror(saved));
	return -1;
}
