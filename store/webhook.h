/* SPDX-License-Identifier: MIT
 * Requests that handlers left to be sent (webhook.send): rows as those of the queue, by due time.
 */
#ifndef STORE_WEBHOOK_H
#define STORE_WEBHOOK_H

#include "store/queue.h"

/* A webhook waits in a row too: its event is the request (runtime/webhook_request.h). Its key is
 * its due time in 13 digits and its sequence: what is due first stands first. */
void webhook_put(struct writes *writes, const struct queue_row *row);
void webhook_remove(struct writes *writes, const struct queue_row *row); /* due_ms and sequence */
/* Rows that are due at `until_ms`, from behind the place of `after` (due_ms and sequence). */
struct webhook_page {
	struct queue_row after;
	int64_t until_ms;
	size_t limit;
};
int webhook_scan(struct txn *txn, const struct webhook_page *page, queue_each_fn *each, void *arg,
    struct err *err) __attribute__((warn_unused_result));

#endif
