/* SPDX-License-Identifier: MIT
 * The dead letters: what can be asked of them and done with them under /v1/failed.
 */
#include <stdlib.h>

#include "runtime/api_parts.h"
#include "runtime/backlog.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/webhooks.h"
#include "store/queue_row.h"
#include "store/store.h"

enum { FAILED_DEFAULT = 100, FAILED_MAX = 1000 };

/* A job on the store thread whose outcome is the answer. */
struct failed_job {
	struct store_job job;
	struct http_exchange *exchange;
	char *id;
	char *function_name;
	unsigned limit;
	struct host *host;
	int found;
	uint64_t sequence;
	int64_t now_ms; /* of a replay: its new due time */
	struct buf json;
};

static struct failed_job *
job_of(struct store_job *job)
{
	return (struct failed_job *)(void *)((char *)job - offsetof(struct failed_job, job));
}

static void
on_done(struct store_job *job)
{
	struct failed_job *failed = job_of(job);

	if (job->status < 0)
		http_exchange_error(failed->exchange, 500, "%s", job->err.text);
	else if (failed->found == 0)
		http_exchange_error(failed->exchange, 404, "there is no failed event of that id");
	else
		http_exchange_json(
		    failed->exchange, 200, failed->json.len > 0 ? buf_string(&failed->json) : "{}");
	buf_clear(&failed->json);
	free(failed->id);
	free(failed->function_name);
	free(failed);
}

static struct failed_job *
job_new(struct http_exchange *exchange, int (*run)(struct txn *, struct store_job *, struct err *))
{
	struct failed_job *failed = xcalloc(1, sizeof(*failed));

	failed->job.run = run;
	failed->job.done = on_done;
	failed->exchange = exchange;
	failed->found = 1;
	return failed;
}

static int
run_list(struct txn *txn, struct store_job *job, struct err *err)
{
	struct failed_job *failed = job_of(job);
	struct failed_query query = {
		.function_name = bytes_of_string(failed->function_name),
		.after = bytes_of_string(failed->id),
		.limit = failed->limit,
	};

	return failed_list(txn, &query, &failed->json, err);
}

static int
run_get(struct txn *txn, struct store_job *job, struct err *err)
{
	struct failed_job *failed = job_of(job);

	failed->found = failed_get(txn, bytes_of_string(failed->id), &failed->json, err);
	return failed->found < 0 ? -1 : 0;
}

static int
run_discard(struct txn *txn, struct store_job *job, struct err *err)
{
	struct failed_job *failed = job_of(job);

	failed->found = failed_discard(txn, bytes_of_string(failed->id), err);
	return failed->found < 0 ? -1 : 0;
}

static int
run_replay(struct txn *txn, struct store_job *job, struct err *err)
{
	struct failed_job *failed = job_of(job);
	const struct failed_again again = { bytes_of_string(failed->id), failed->sequence,
		failed->now_ms };

	failed->found = failed_replay(txn, &again, &failed->json, err);
	return failed->found < 0 ? -1 : 0;
}

static void
list_failed(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct failed_job *failed = job_new(exchange, run_list);

	failed->function_name = api_query_string(exchange, "function");
	failed->id = api_query_string(exchange, "after");
	failed->limit = api_query_number(exchange, "limit", FAILED_DEFAULT, FAILED_MAX);
	store_submit(api->parts.store, &failed->job);
}

static void
submit_with_id(struct api *api, struct http_exchange *exchange, struct failed_job *failed)
{
	failed->id = bytes_to_string(http_match_param(http_exchange_match(exchange), "id"));
	store_submit(api->parts.store, &failed->job);
}

static void
get_failed(void *arg, struct http_exchange *exchange)
{
	submit_with_id(arg, exchange, job_new(exchange, run_get));
}

static void
delete_failed(void *arg, struct http_exchange *exchange)
{
	submit_with_id(arg, exchange, job_new(exchange, run_discard));
}

/* It stands in the queue again, due now. It goes on at once where its function is there. */
static void
run_again(const struct failed_job *failed)
{
	struct host *host = failed->host;
	struct queue_read read;
	struct function *function;
	struct occurrence *event;

	if (queue_row_read(&read, buf_bytes(&failed->json)) < 0)
		return;
	function = function_find(host->functions, read.row.function_name);
	if (read.kind == FAILED_WEBHOOK)
		webhooks_wake(host->webhooks, failed->now_ms, failed->sequence);
	event = read.kind == FAILED_EVENT ? occurrence_decode(host, read.row.event) : NULL;
	read.row.sequence = failed->sequence;
	read.row.due_ms = failed->now_ms;
	read.row.created_ms = failed->now_ms;
	read.row.attempt = 1;
	if (function != NULL && function->current != NULL && event != NULL)
		backlog_offer(function, event, &read.row);
	occurrence_drop(event);
	queue_read_clear(&read);
}

static void
on_replayed(struct store_job *job)
{
	struct failed_job *failed = job_of(job);

	if (job->status == 0 && failed->found == 1)
		run_again(failed);
	buf_reset(&failed->json);
	on_done(job);
}

static void
replay_failed(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct failed_job *failed = job_new(exchange, run_replay);

	failed->job.done = on_replayed;
	failed->host = api->parts.host;
	failed->now_ms = loop_wall_ms(api->parts.loop);
	failed->sequence = backlog_sequence(failed->host->backlog);
	submit_with_id(api, exchange, failed);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/failed", list_failed, "function=NAME, after=ID, limit=N: an array" },
	{ HTTP_GET, "/v1/failed/{id}", get_failed, "one dead letter, with its event and error" },
	{ HTTP_DELETE, "/v1/failed/{id}", delete_failed, "forgets it" },
	{ HTTP_POST, "/v1/failed/{id}/replay", replay_failed, "runs it again, as a first attempt" },
};

const struct api_table api_failed_table = { routes, sizeof(routes) / sizeof(routes[0]) };
