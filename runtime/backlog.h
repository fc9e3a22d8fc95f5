/* SPDX-License-Identifier: MIT
 * The durable queue as the loop sees it: a window of each function's rows is in memory, as
 * invocations; the rest stays on the disk and is read page by page when there is room.
 *
 *   rows of one function, by sequence:  [done] [in memory ...] | [on the disk only ...]
 *                                                              read_from
 *
 * A function is behind while rows of it may be on the disk only. New events of it go behind those
 * then: they are stored too, so that the events of one key run in the order in which they came.
 * (What stands durably elsewhere, and what somebody waits for, does not queue.) A row that is in
 * memory already is known by its sequence, and passed over when a page has it.
 */
#ifndef RUNTIME_BACKLOG_H
#define RUNTIME_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct backlog;
struct function;
struct host;
struct invocation;
struct occurrence;
struct queue_row;

/* Of one function. */
struct backlog_part {
	bool attached;	     /* its rows have been asked for */
	bool behind;	     /* rows of it may be on the disk only */
	bool reading;	     /* a page is on its way */
	bool left_meanwhile; /* since that page was asked for a row was left on the disk */
	uint64_t read_from;  /* the least sequence that may be on the disk only */
	uint64_t left_from;  /* the same, of those left meanwhile */
	uint32_t stored;     /* invocations that stand in the queue */
	uint32_t spilling;   /* events on their way into the queue */
	uint64_t left;	     /* about how many were left on the disk in this run */
};

struct backlog *backlog_new(struct host *host);
void backlog_free(struct backlog *backlog); /* takes NULL */

/* A place in the queue: greater than all before, also those of earlier runs. */
uint64_t backlog_sequence(struct backlog *backlog);

/* The function can run: what waits for it goes on. */
void backlog_attach(struct function *function);
/* At start, when functions are loaded: waits for their first pages, and tells what else stands in
 * the queue. */
int backlog_restore(struct host *host, struct err *err) __attribute__((warn_unused_result));

/* The row is on the disk: its event runs, or waits there. */
void backlog_offer(
    struct function *function, struct occurrence *event, const struct queue_row *row);
/* The row is on the disk, its event will be read from there. */
void backlog_left(struct function *function, uint64_t sequence);

/* Whether a new event has to go behind what is on the disk. */
bool backlog_takes(const struct function *function, const struct occurrence *event);
/* Stores it; it is acknowledged when that is done. False: not taken, there is too much. */
bool backlog_spill(struct function *function, struct occurrence *event)
    __attribute__((warn_unused_result));

/* The invocation stands in the queue as its sequence says; is no more. */
void backlog_enter(struct invocation *invocation);
void backlog_leave(struct invocation *invocation);

/* Invocations in memory that stand in the queue, and functions with more on the disk. */
uint32_t backlog_waiting(const struct backlog *backlog);
uint32_t backlog_behind(const struct backlog *backlog);

#endif
