/* SPDX-License-Identifier: MIT
 * Shadow requests that belong to one transaction, and the messages that follow from them. Made on
 * the loop thread, run on the store thread inside the commit's job, told on the loop thread.
 *
 * Messages that somebody must not miss are put into the outbox by the same transaction, so that a
 * crash between commit and routing loses none: the outbox is sent again at the next start.
 */
#ifndef RUNTIME_SHADOW_BATCH_H
#define RUNTIME_SHADOW_BATCH_H

#include "store/shadows.h"
#include "store/store.h"

struct shadow_service;
struct shadow_batch;

/* What the messages of a batch carry on. */
struct shadow_cause {
	uint8_t hops;	 /* of the event that the requests came from */
	bool is_mqtt;	 /* asked for by a message: gets and refusals are answered by messages */
	struct ack *ack; /* held by messages that are not in the outbox until they are safe */
};

struct shadow_batch *shadow_batch_new(
    struct shadow_service *service, const struct shadow_cause *cause);
void shadow_batch_free(struct shadow_batch *batch); /* takes NULL */

/* Copies what the request points to; its `now_s` and `shadows_max` are set here. -1: thing or name is not valid. */
int shadow_batch_add(struct shadow_batch *batch, enum shadow_request_kind kind,
    const struct shadow_request *request, struct err *err) __attribute__((warn_unused_result));

/* On the store thread. 0, or -1: one of the requests was refused (`err` says which and why) or the
 * database failed; the job then fails. */
int shadow_batch_run(struct shadow_batch *batch, struct txn *txn, struct err *err)
    __attribute__((warn_unused_result));

/* As shadow_batch_run, but a refusal is an answer like any other. */
int shadow_batch_run_each(struct shadow_batch *batch, struct txn *txn, struct err *err)
    __attribute__((warn_unused_result));

/* On the loop thread, after the commit: publishes what follows, and frees the batch. */
void shadow_batch_deliver(struct shadow_batch *batch);

/* The answer to the request at `index`, after it was run. Borrowed. */
const struct shadow_reply *shadow_batch_reply(const struct shadow_batch *batch, size_t index);

/* About what it holds, for store_job's `bytes`. */
size_t shadow_batch_bytes(const struct shadow_batch *batch);

#endif
