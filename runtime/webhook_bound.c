/* SPDX-License-Identifier: MIT
 * How many webhooks are stored, and the bounds on them. Those of earlier runs are counted at the
 * start, page by page, before any is sent; from then on what comes and goes is counted along.
 */
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "runtime/backlog.h"
#include "runtime/webhooks_private.h"
#include "store/webhook.h"

enum { PAGE_ROWS = 256 };

struct counting {
	struct store_job job;
	struct host *host;
	struct queue_row last;	 /* where the next page begins */
	uint64_t first_sequence; /* of this run: those are counted already */
	struct webhook_sum sum;
	size_t rows; /* of the page */
};

static bool
count_row(void *arg, const struct queue_row *row)
{
	struct counting *counting = arg;

	counting->rows++;
	counting->last = (struct queue_row){ .due_ms = row->due_ms, .sequence = row->sequence };
	if (row->sequence < counting->first_sequence) {
		counting->sum.count++;
		counting->sum.bytes += row->event.len;
	}
	return true;
}

static int
count_page(struct txn *txn, struct store_job *job, struct err *err)
{
	struct counting *counting = (struct counting *)(void *)job;
	const struct webhook_page page = {
		.after = counting->last, .until_ms = 9999999999998, .limit = PAGE_ROWS
	};

	counting->rows = 0;
	return webhook_scan(txn, &page, count_row, counting, err);
}

static void
page_counted(struct store_job *job)
{
	struct counting *counting = (struct counting *)(void *)job;
	struct webhooks *webhooks = counting->host->webhooks;

	if (webhooks != NULL && job->status == 0 && counting->rows == PAGE_ROWS) {
		store_submit(counting->host->store, &counting->job);
		return;
	}
	if (webhooks != NULL) {
		if (job->status < 0)
			log_error("webhook", "counting those that wait: %s", job->err.text);
		webhooks->stored.count += counting->sum.count;
		webhooks->stored.bytes += counting->sum.bytes;
		webhooks->started = webhooks->more = true;
		webhooks_read_on(webhooks);
	}
	free(counting);
}

void
webhooks_start(struct webhooks *webhooks)
{
	struct counting *counting = xcalloc(1, sizeof(*counting));

	counting->job = (struct store_job){ .run = count_page, .done = page_counted };
	counting->host = webhooks->host;
	counting->first_sequence = backlog_sequence(webhooks->host->backlog);
	store_submit(webhooks->host->store, &counting->job);
}

int
webhooks_check_bound(struct webhooks *webhooks, const struct webhook_ops *ops, struct err *err)
{
	const struct options *options;
	int64_t count_max, bytes_max;

	if (webhooks == NULL)
		return 0;
	options = webhooks->host->options;
	count_max = options_number(options, OPTION_WEBHOOKS_MAX);
	bytes_max = options_number(options, OPTION_WEBHOOKS_BYTES_MAX);
	if ((int64_t)(webhooks->stored.count + ops->count) > count_max)
		(void)err_set(err,
		    "webhook.send: %llu requests wait to be sent, more than webhooks_max (%lld) "
		    "are "
		    "not kept",
		    (unsigned long long)webhooks->stored.count, (long long)count_max);
	else if ((int64_t)(webhooks->stored.bytes + ops->bytes) > bytes_max)
		(void)err_set(err,
		    "webhook.send: requests of %llu bytes wait to be sent, more than "
		    "webhooks_bytes_max (%lld) are not kept",
		    (unsigned long long)webhooks->stored.bytes, (long long)bytes_max);
	else
		return 0;
	webhooks->figures.refused++;
	return -1;
}

void
webhooks_submitted(struct webhooks *webhooks, const struct webhook_ops *ops)
{
	if (webhooks == NULL)
		return;
	webhooks->stored.count += ops->count;
	webhooks->stored.bytes += ops->bytes;
}

void
webhooks_failed(struct webhooks *webhooks, const struct webhook_ops *ops)
{
	if (webhooks == NULL)
		return;
	webhooks->stored.count -= ops->count;
	webhooks->stored.bytes -= ops->bytes;
}
