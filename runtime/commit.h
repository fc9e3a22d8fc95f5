/* SPDX-License-Identifier: MIT
 * The commit of an invocation: its effects, its row in the queue and its acknowledgement take
 * effect together or not at all. Where none of them has to be durable no transaction is made.
 */
#ifndef RUNTIME_COMMIT_H
#define RUNTIME_COMMIT_H

#include "runtime/dispatch.h"
#include "runtime/followers.h"

struct commit_input {
	uint32_t busy_us;
	uint32_t stage_bytes;
	enum result_kind result_kind;
	struct bytes result;
	uint16_t effect_count;
	struct bytes effects;	 /* borrowed for the call */
	struct version *version; /* that made them; held for the call */
};

/* Whether the effects decode at all: a worker whose effects do not is broken. */
bool commit_check(struct bytes effects, uint16_t count);
/* Ends in dispatch_committed or dispatch_fail, now or later. */
void commit_begin(struct invocation *invocation, const struct commit_input *input);

/* failure.c: retries, or gives up into the dead letters. Ends in dispatch_again or
 * dispatch_give_up. */
void failure_begin(struct invocation *invocation, const struct outcome *outcome);
/* A new invocation whose event has failed elsewhere `tried` times: the pause before its attempt. */
int64_t failure_resume(struct invocation *invocation);
/* A new row for the durable queue. */
void failure_row(const struct invocation *invocation, struct queue_row *row, struct buf *event);
/* Its event has been stored: whoever waits for the acknowledgement gets it. */
void failure_let_ack_go(struct invocation *invocation);
bool failure_is_too_old(const struct invocation *invocation);

/* services.c: aborts the request of an invocation that was taken away from its worker. */
void commit_abort_call(struct invocation *invocation);

#endif
