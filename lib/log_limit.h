/* SPDX-License-Identifier: MIT
 * How often something may be logged: what anybody outside can cause must not fill the log. Ten
 * lines at once, then one a second; the next line says how many were left out.
 *
 *	if (log_limit_take(&limit, now_us, &left_out))
 *		log_warn("gateway", "... (%u more like it)", left_out);
 */
#ifndef LIB_LOG_LIMIT_H
#define LIB_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_LIMIT_BURST = 10, LOG_LIMIT_US = 1000000 };

/* All zero is a valid start. */
struct log_limit {
	int64_t full_us; /* when there is room for the whole burst again */
	unsigned left_out;
};

/* False: not now. `*left_out`: how many were since the last line. `now_us` is monotonic. */
static inline bool
log_limit_take(struct log_limit *limit, int64_t now_us, unsigned *left_out)
{
	if (limit->full_us < now_us)
		limit->full_us = now_us;
	if (limit->full_us - now_us >= (int64_t)LOG_LIMIT_BURST * LOG_LIMIT_US) {
		limit->left_out++;
		return false;
	}
	limit->full_us += LOG_LIMIT_US;
	*left_out = limit->left_out;
	limit->left_out = 0;
	return true;
}

#endif
