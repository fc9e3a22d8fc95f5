/* SPDX-License-Identifier: MIT
 * The dead letters: what can be asked of them and done with them under /v1/failed.
 */
#include <stdlib.h>

#include "runtime/api_parts.h"
#include "store/queue.h"
#include "store/store.h"

enum { FAILED_DEFAULT = 100, FAILED_MAX = 1000 };

/* A job on the store thread whose outcome is the answer. */
struct failed_job {
	struct store_job job;
	struct http_exchange *exchange;
	char *id;
	char *function_name;
	unsigned limit;
	int found;
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

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/failed", list_failed, "function=NAME, after=ID, limit=N: an array" },
	{ HTTP_GET, "/v1/failed/{id}", get_failed, "one dead letter, with its event and error" },
	{ HTTP_DELETE, "/v1/failed/{id}", delete_failed, "forgets it" },
};

const struct api_table api_failed_table = { routes, sizeof(routes) / sizeof(routes[0]) };
