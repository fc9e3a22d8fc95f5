/* SPDX-License-Identifier: MIT
 * Requests that handlers left to be sent (webhook.send). They stand in the store from the commit
 * on and are sent after it, until they are taken or given up: a row of SPACE_WEBHOOK by the time
 * at which it is due. A window of what is due is in memory, with its targets (hosts of URLs)
 * taking turns; a request that is to be tried again stands on the disk only, until it is due.
 *
 * What stands in a row's `event`: bytes idempotency key; bytes trace (the event's id, in
 * hexadecimal digits); bytes version (a hash of the sources); then the fields of CALL_HTTP.
 *
 * Nothing is lost by a crash. A request whose answer was not made durable before is sent again,
 * with the same Idempotency-Key.
 */
#ifndef RUNTIME_WEBHOOKS_H
#define RUNTIME_WEBHOOKS_H

#include "lib/writes.h"
#include "runtime/host.h"

struct effect;
struct invocation;
struct version;
struct queue_row;
struct webhooks;

struct webhooks *webhooks_new(struct host *host);
void webhooks_free(struct webhooks *webhooks); /* takes NULL; what is under way is aborted */
/* Functions are loaded: sends what an earlier run left. */
void webhooks_start(struct webhooks *webhooks);

/* Of one commit. All zero is none. */
struct webhook_ops {
	uint32_t count;
	uint64_t bytes;
	int64_t due_ms;
	uint64_t first; /* sequence */
};

/* An EFFECT_WEBHOOK: checked, and put into the writes. -1: it may not be sent, or too many wait. */
int webhooks_take_effect(const struct invocation *invocation, const struct version *version,
    const struct effect *effect, struct writes *writes, struct webhook_ops *ops, struct err *err)
    __attribute__((warn_unused_result));
/* The writes are on their way to the disk, and count from now on. Then one of these two. */
void webhooks_submitted(struct webhooks *webhooks, const struct webhook_ops *ops);
void webhooks_failed(struct webhooks *webhooks, const struct webhook_ops *ops);
/* The writes are durable. */
void webhooks_committed(struct webhooks *webhooks, const struct webhook_ops *ops);
/* A row was put again. The bounds do not hold for it: it has been counted before. */
void webhooks_replayed(struct webhooks *webhooks, const struct queue_row *row);

struct webhook_sum {
	uint64_t count;
	uint64_t bytes;
};

struct webhook_figures {
	uint64_t sent;	   /* and taken */
	uint64_t failed;   /* attempts */
	uint64_t given_up; /* now among the failed ones */
	uint32_t waiting;  /* in memory */
	uint32_t active;   /* under way */
	uint64_t refused;  /* commits */
	struct webhook_sum stored;
};
struct webhook_figures webhooks_figures(const struct webhooks *webhooks);

#endif
