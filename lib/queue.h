/* SPDX-License-Identifier: MIT
 * The BSD lists of <sys/queue.h>, with the safe walks that glibc's copy leaves out.
 */
#ifndef LIB_QUEUE_H
#define LIB_QUEUE_H

#include <sys/queue.h>

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                                             \
	for ((var) = TAILQ_FIRST(head); (var) != NULL && ((next) = TAILQ_NEXT(var, field), 1); \
	     (var) = (next))
#endif

#ifndef TAILQ_FOREACH_REVERSE_SAFE
#define TAILQ_FOREACH_REVERSE_SAFE(var, head, headname, field, before)              \
	for ((var) = TAILQ_LAST(head, headname);                                    \
	     (var) != NULL && ((before) = TAILQ_PREV(var, headname, field), 1);     \
	     (var) = (before))
#endif

#endif
