/* SPDX-License-Identifier: MIT
 * Kept runs under /v1/traces: the newest, an event's story, and what a replay needs.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/topic.h"
#include "runtime/api/api_parts.h"
#include "runtime/function.h"
#include "runtime/traces/trace_raw.h"
#include "runtime/traces/trace_story.h"
#include "runtime/traces/tracer.h"

enum {
	TRACES_DEFAULT = 20,
	TRACES_MAX = 1000,
	PAGE_ROWS = 100,
	LOOK_AT_MAX = 20000,
	STRANGERS_MAX = 50
};

/* A job on the store thread whose outcome is the answer. */
struct traces_job {
	struct store_job job;
	struct http_exchange *exchange;
	struct host *host;
	char *function_name; /* NULL: of all */
	uint64_t run;	     /* of a raw one; 0: the last */
	char *id;	     /* as it was asked for */
	unsigned limit;
	unsigned seen;
	uint64_t before; /* where a list goes on */
	bool failed_only;
	struct buf raw;
	cJSON *list;
};

static struct traces_job *
job_of(struct store_job *job)
{
	return (struct traces_job *)(void *)job;
}

static struct traces_job *
job_new(struct api *api, struct http_exchange *exchange)
{
	struct traces_job *traces = xcalloc(1, sizeof(*traces));

	traces->exchange = exchange;
	traces->host = api->parts.host;
	traces->function_name = api_query_string(exchange, "function");
	traces->list = api_array();
	return traces;
}

static void
job_free(struct traces_job *traces)
{
	free(traces->function_name);
	free(traces->id);
	buf_clear(&traces->raw);
	cJSON_Delete(traces->list);
	free(traces);
}

static void
submit(struct traces_job *traces)
{
	if (traces->host->tracer != NULL)
		tracer_flush(traces->host->tracer);
	store_submit(traces->host->store, &traces->job);
}

static bool
is_wanted(const struct traces_job *traces, const struct trace_record *record)
{
	if (traces->function_name != NULL &&
	    !bytes_equal_string(record->function_name, traces->function_name))
		return false;
	return !traces->failed_only || record->end != TRACE_DONE;
}

static bool
add_summary(void *arg, const struct trace_row *row)
{
	struct traces_job *traces = arg;
	struct trace_record record;

	traces->seen++;
	traces->before = row->number;
	if (trace_record_read(row->trace, &record) && is_wanted(traces, &record))
		(void)cJSON_AddItemToArray(traces->list, trace_summary(&record, row->number));
	return (unsigned)cJSON_GetArraySize(traces->list) < traces->limit;
}

/* Page by page, for of one function there may be few. */
static int
run_list(struct txn *txn, struct store_job *job, struct err *err)
{
	struct traces_job *traces = job_of(job);
	unsigned before;

	do {
		const struct traces_page page = { traces->before, PAGE_ROWS };

		before = traces->seen;
		if (traces_list(txn, &page, add_summary, traces, err) < 0)
			return -1;
	} while (traces->seen - before == PAGE_ROWS && traces->seen < LOOK_AT_MAX &&
		 (unsigned)cJSON_GetArraySize(traces->list) < traces->limit);
	return 0;
}

static void
on_listed(struct store_job *job)
{
	struct traces_job *traces = job_of(job);

	if (job->status < 0) {
		http_exchange_error(traces->exchange, 500, "%s", job->err.text);
	} else {
		api_send(traces->exchange, 200, traces->list);
		traces->list = NULL;
	}
	job_free(traces);
}

static void
list_traces(void *arg, struct http_exchange *exchange)
{
	struct traces_job *traces = job_new(arg, exchange);

	traces->limit = api_query_number(exchange, "limit", TRACES_DEFAULT, TRACES_MAX);
	traces->failed_only = api_query_number(exchange, "failed", 0, 1) == 1;
	traces->job.run = run_list;
	traces->job.done = on_listed;
	submit(traces);
}

static bool
add_story(void *arg, const struct trace_row *row)
{
	struct traces_job *traces = arg;
	struct trace_record record;

	if (trace_record_read(row->trace, &record) && is_wanted(traces, &record))
		(void)cJSON_AddItemToArray(traces->list, trace_story(&record, row->number));
	return true;
}

static int
run_story(struct txn *txn, struct store_job *job, struct err *err)
{
	struct traces_job *traces = job_of(job);
	uint8_t id[TRACE_ID_BYTES];
	int found = trace_id_resolve(txn, traces->id, id, err);

	if (found == 1 && traces_of(txn, id, add_story, traces, err) < 0)
		found = -1;
	return found < 0 ? -1 : 0;
}

/* How a function's triggers stand to the event. */
static void
add_stance(cJSON *list, const struct function *function, const char *trigger, const char *subject)
{
	const struct manifest *manifest = function->current->manifest;
	struct buf others = { 0 };
	cJSON *json = api_object();
	bool matched = false;

	for (size_t i = 0; i < manifest->trigger_count; i++) {
		const struct trigger *row = manifest->triggers[i].trigger;
		struct buf subject_of = { 0 };

		row->describe(manifest->triggers[i].spec, &subject_of);
		if (strcmp(row->name, trigger) != 0)
			buf_printf(&others, "%s%s %s", others.len > 0 ? ", " : "", row->name,
			    buf_string(&subject_of));
		else if (strcmp(trigger, "topic") == 0 &&
			 topic_match(buf_bytes(&subject_of), bytes_of_string(subject)))
			matched = true;
		else
			buf_printf(&others, "%s%s %s", others.len > 0 ? ", " : "", row->name,
			    buf_string(&subject_of));
		buf_clear(&subject_of);
	}
	api_add_string(json, "function", function->name);
	api_add_bool(json, "matches", matched);
	if (!matched)
		api_add_string(json, "listens_to", buf_string(&others));
	(void)cJSON_AddItemToArray(list, json);
	buf_clear(&others);
}

/* Of the functions that serve now, and of messages alone: other events are for one function. */
static cJSON *
stances(const struct host *host, const cJSON *run)
{
	const char *trigger =
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "trigger"));
	const char *subject =
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(run, "subject"));
	cJSON *list = api_array();

	if (trigger == NULL || subject == NULL || strcmp(trigger, "topic") != 0)
		return list;
	for (struct hash_node *at = hash_next(&host->functions->map, NULL);
	     at != NULL && cJSON_GetArraySize(list) < STRANGERS_MAX;
	     at = hash_next(&host->functions->map, at)) {
		const struct function *function = HASH_OWNER(at, struct function, link);

		if (function->current != NULL)
			add_stance(list, function, trigger, subject);
	}
	return list;
}

static void
on_story(struct store_job *job)
{
	struct traces_job *traces = job_of(job);
	cJSON *json;

	if (job->status < 0) {
		http_exchange_error(traces->exchange, 500, "%s", job->err.text);
	} else if (cJSON_GetArraySize(traces->list) == 0) {
		http_exchange_error(traces->exchange, 404,
		    "there is no trace of that id: kept are failed runs, and others where "
		    "trace_sample says so (moonlet run --record keeps all)");
	} else {
		json = api_object();
		api_add(json, "functions", stances(traces->host, traces->list->child));
		api_add(json, "runs", traces->list);
		traces->list = NULL;
		api_send(traces->exchange, 200, json);
	}
	job_free(traces);
}

static int
run_raw(struct txn *txn, struct store_job *job, struct err *err)
{
	struct traces_job *traces = job_of(job);
	const struct trace_wanted wanted = { traces->id, traces->function_name, traces->run };

	return trace_raw_read(txn, &wanted, &traces->raw, err) < 0 ? -1 : 0;
}

static void
on_raw(struct store_job *job)
{
	struct traces_job *traces = job_of(job);
	struct http_answer answer = { .status = 200, .content_type = "application/octet-stream" };

	if (job->status < 0) {
		http_exchange_error(traces->exchange, 500, "%s", job->err.text);
	} else if (traces->raw.len == 0) {
		http_exchange_error(traces->exchange, 404, "there is no trace of that id");
	} else {
		answer.body = buf_bytes(&traces->raw);
		http_exchange_respond(traces->exchange, &answer);
	}
	job_free(traces);
}

static void
submit_id(struct traces_job *traces)
{
	traces->id = bytes_to_string(http_match_param(http_exchange_match(traces->exchange), "id"));
	submit(traces);
}

static void
get_trace(void *arg, struct http_exchange *exchange)
{
	struct traces_job *traces = job_new(arg, exchange);

	traces->job.run = run_story;
	traces->job.done = on_story;
	submit_id(traces);
}

static void
get_raw(void *arg, struct http_exchange *exchange)
{
	struct traces_job *traces = job_new(arg, exchange);
	char *run = api_query_string(exchange, "run");

	traces->run = run != NULL ? strtoull(run, NULL, 10) : 0;
	traces->job.run = run_raw;
	traces->job.done = on_raw;
	free(run);
	submit_id(traces);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/traces", list_traces,
	    "function=NAME, failed=1, limit=N: an array of runs, the newest first" },
	{ HTTP_GET, "/v1/traces/{id}", get_trace,
	    "of an event or a dead letter, function=NAME: {functions, runs}" },
	{ HTTP_GET, "/v1/traces/{id}/raw", get_raw,
	    "run=N, function=NAME: what moonlet replay --local needs, as bytes" },
};

const struct api_table api_traces_table = { routes, sizeof(routes) / sizeof(routes[0]) };
