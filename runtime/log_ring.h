/* SPDX-License-Identifier: MIT
 * The last lines of the log, by function, for `moonlet logs`: fed by log_tap from any thread, read
 * and followed on the loop thread.
 */
#ifndef RUNTIME_LOG_RING_H
#define RUNTIME_LOG_RING_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "net/loop.h"

struct log_ring;

struct log_ring_config {
	unsigned function_lines_max; /* kept of one function; and of all that is no function's */
	size_t bytes_max;	     /* of all lines; the oldest go first */
	unsigned pending_max;	     /* lines on their way from the threads to the loop */
};

/* Becomes the log's tap. One at a time in a process. */
struct log_ring *log_ring_new(struct loop *loop, const struct log_ring_config *config,
    struct err *err) __attribute__((warn_unused_result));
void log_ring_free(struct log_ring *ring); /* takes NULL; no follower may be left */

/* Calls `line` for the last `count` lines of the function (NULL: of everything), oldest first. The
 * line is borrowed for the call. */
void log_ring_last(struct log_ring *ring, const char *function_name, unsigned count,
    void (*line)(void *arg, const struct log_line *line), void *arg);

/* Somebody who gets every new line. Embedded in its owner. */
struct log_follower {
	TAILQ_ENTRY(log_follower) link;
	const char *function_name;			      /* NULL: all; the owner's */
	void (*line)(void *arg, const struct log_line *line); /* may unfollow itself */
	void *arg;
};

void log_ring_follow(struct log_ring *ring, struct log_follower *follower);
void log_ring_unfollow(struct log_ring *ring, struct log_follower *follower);

/* Appends the line as a JSON object and a line end: time, level, component, function, invocation,
 * message, traceback. */
void log_line_json(const struct log_line *line, struct buf *out);

#endif
