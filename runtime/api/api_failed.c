/* SPDX-License-Identifier: MIT
 * The dead letters: what can be asked of them and done with them under /v1/failed.
 */
#include <stdlib.h>

#include "runtime/api/api_parts.h"
#include "runtime/backlog.h"
#include "runtime/changes/change_follower.h"
#include "runtime/dispatch.h"
#include "runtime/replays.h"
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
	struct store *store;
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
failed_free(struct failed_job *failed)
{
	buf_clear(&failed->json);
	free(failed->id);
	free(failed->function_name);
	free(failed);
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
	failed_free(failed);
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
on_got(struct store_job *job)
{
	struct failed_job *failed = job_of(job);

	if (job->status == 0 && failed->found == 1)
		api_failed_event(failed->host, &failed->json);
	on_done(job);
}

static void
get_failed(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct failed_job *failed = job_new(exchange, run_get);

	failed->job.done = on_got;
	failed->host = api->parts.host;
	submit_with_id(api, exchange, failed);
}

/* A change whose key is parked leaves those behind it: it is read first. */
static enum parked_answer
unpark(const struct failed_job *failed)
{
	enum parked_answer answer = PARKED_NOT;
	struct queue_read read;

	if (failed->found != 1 || queue_row_read(&read, buf_bytes(&failed->json)) < 0)
		return PARKED_NOT;
	if (read.kind == FAILED_CHANGE)
		answer =
		    change_followers_discard(failed->host->change_followers, failed->id, &read.row);
	queue_read_clear(&read);
	return answer;
}

static void
discard_looked_up(struct store_job *job)
{
	struct failed_job *failed = job_of(job);

	if (job->status < 0 || failed->found == 0) {
		on_done(job);
		return;
	}
	if (unpark(failed) == PARKED_BUSY) {
		http_exchange_error(failed->exchange, 409,
		    "its key was let go, and it runs again: discard it when it has failed");
		failed_free(failed);
		return;
	}
	failed->job.run = run_discard;
	failed->job.done = on_done;
	buf_reset(&failed->json);
	store_submit(failed->store, &failed->job);
}

static void
delete_failed(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct failed_job *failed = job_new(exchange, run_get);

	failed->job.done = discard_looked_up;
	failed->host = api->parts.host;
	failed->store = api->parts.store;
	submit_with_id(api, exchange, failed);
}

static void
on_replayed(struct store_job *job)
{
	struct failed_job *failed = job_of(job);

	if (job->status == 0 && failed->found == 1)
		replay_go_on(
		    failed->host, buf_bytes(&failed->json), failed->sequence, failed->now_ms);
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

/* --- all of a function's --- */

enum { DISCARD_ROWS = 1000 };

struct discarding {
	struct store_job job;
	struct http_exchange *exchange;
	struct host *host;
	struct store *store;
	struct writes writes; /* of one step */
	char *function_name;
	uint64_t total;
};

static bool
discard_id(void *arg, struct bytes id)
{
	struct discarding *discarding = arg;

	writes_delete(&discarding->writes, SPACE_FAILED, id);
	return true;
}

static int
run_discard_step(struct txn *txn, struct store_job *job, struct err *err)
{
	struct discarding *discarding = (struct discarding *)(void *)job;
	const struct failed_query query = {
		.function_name = bytes_of_string(discarding->function_name), .limit = DISCARD_ROWS
	};

	if (failed_ids(txn, &query, discard_id, discarding, err) < 0)
		return -1;
	return store_apply_writes(txn, &discarding->writes, err);
}

static void discard_step(struct discarding *discarding);

static void
discard_step_done(struct store_job *job)
{
	struct discarding *discarding = (struct discarding *)(void *)job;
	size_t count = discarding->writes.count;
	cJSON *json;

	writes_clear(&discarding->writes);
	discarding->total += job->status == 0 ? count : 0;
	if (job->status == 0 && count == DISCARD_ROWS) {
		discard_step(discarding);
		return;
	}
	change_followers_look(
	    discarding->host->change_followers, bytes_of_string(discarding->function_name));
	if (job->status < 0) {
		http_exchange_error(discarding->exchange, 500, "%s", job->err.text);
	} else {
		json = api_object();
		api_add_number(json, "discarded", (double)discarding->total);
		api_send(discarding->exchange, 200, json);
	}
	free(discarding->function_name);
	free(discarding);
}

static void
discard_step(struct discarding *discarding)
{
	discarding->job = (struct store_job){ .run = run_discard_step, .done = discard_step_done };
	store_submit(discarding->store, &discarding->job);
}

static void
delete_all(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct discarding *discarding;
	char *name = api_query_string(exchange, "function");

	if (name == NULL) {
		http_exchange_error(exchange, 400, "needs function=NAME");
		return;
	}
	discarding = xcalloc(1, sizeof(*discarding));
	discarding->exchange = exchange;
	discarding->host = api->parts.host;
	discarding->store = api->parts.store;
	discarding->function_name = name;
	discard_step(discarding);
}

static void
begin_replay(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	char *name = api_query_string(exchange, "function");
	unsigned per_minute = api_query_number(exchange, "per_minute", 0, 100000000), number;
	cJSON *json;

	if (name == NULL) {
		http_exchange_error(exchange, 400, "needs function=NAME");
		return;
	}
	number = replays_begin(api->parts.host->replays, bytes_of_string(name), per_minute);
	free(name);
	if (number == 0) {
		http_exchange_error(
		    exchange, 429, "%d replays are under way, which is the most", REPLAYS_MAX);
		return;
	}
	json = api_object();
	api_add_number(json, "replay", number);
	api_send(exchange, 200, json);
}

static unsigned
replay_number(struct http_exchange *exchange)
{
	char *text = bytes_to_string(http_match_param(http_exchange_match(exchange), "number"));
	unsigned number = (unsigned)strtoul(text, NULL, 10);

	free(text);
	return number;
}

static void
send_progress(struct api *api, struct http_exchange *exchange)
{
	struct replay_progress progress;
	cJSON *json;

	if (!replays_progress(api->parts.host->replays, replay_number(exchange), &progress)) {
		http_exchange_error(exchange, 404, "there is no replay of that number");
		return;
	}
	json = api_object();
	api_add_number(json, "replayed", (double)progress.replayed);
	api_add_bool(json, "finished", progress.finished);
	if (progress.problem != NULL)
		api_add_string(json, "problem", progress.problem);
	api_send(exchange, 200, json);
}

static void
get_replay(void *arg, struct http_exchange *exchange)
{
	send_progress(arg, exchange);
}

static void
stop_replay(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;

	(void)replays_stop(api->parts.host->replays, replay_number(exchange));
	send_progress(api, exchange);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/failed", list_failed, "function=NAME, after=ID, limit=N: an array" },
	{ HTTP_GET, "/v1/failed/{id}", get_failed, "one dead letter, with its event and error" },
	{ HTTP_DELETE, "/v1/failed/{id}", delete_failed, "forgets it" },
	{ HTTP_DELETE, "/v1/failed", delete_all, "function=NAME: forgets all of it" },
	{ HTTP_POST, "/v1/failed/{id}/replay", replay_failed, "runs it again, as a first attempt" },
	{ HTTP_POST, "/v1/replays", begin_replay,
	    "function=NAME, per_minute=N: runs all of it again: {replay: number}" },
	{ HTTP_GET, "/v1/replays/{number}", get_replay, "{replayed, finished, problem}" },
	{ HTTP_DELETE, "/v1/replays/{number}", stop_replay, "ends it" },
};

const struct api_table api_failed_table = { routes, sizeof(routes) / sizeof(routes[0]) };
