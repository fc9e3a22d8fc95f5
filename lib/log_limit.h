/* SPDX-License-Identifier: MIT
 * How often something may be logged: what anybody outside can cause must not fill the log. Ten
 * lines at once, then one a second; the next line says how many were left out.
 *
 *	if (log_limit_take(&limit, now_us, &more))
 *		log_warn("gateway", "...%s", more.text);
 */
#ifndef LIB_LOG_LIMIT_H
#define LIB_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { LOG_LIMIT_BURST = 10, LOG_LIMIT_US = 1000000 };

/* All zero is a valid start. */
struct log_limit {
	int64_t full_us; /* when there is room for the whole burst again */
	unsigned left_out;
};

/* The end of a line: " (3 more like it)" where others were left out before it, or "". */
struct log_more {
	char text[40];
};

/* False: not now. `now_us` is monotonic. */
static inline bool
log_limit_take(struct log_limit *limit, int64_t now_us, struct log_more *more)
{
	if (limit->full_us < now_us)
		limit->full_us = now_us;
	if (limit->full_us - now_us >= (int64_t)LOG_LIMIT_BURST * LOG_LIMIT_US) {
		limit->left_out++;
		return false;
	}
	limit->full_us += LOG_LIMIT_US;
	more->text[0] = '\0';
	if (limit->left_out > 0)
		(void)snprintf(
		    more->text, sizeof(more->text), " (%u more like it)", limit->left_out);
	limit->left_out = 0;
	return true;
}

#endif
