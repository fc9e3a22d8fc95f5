/* SPDX-License-Identifier: MIT
 * What runs: /v1/functions, and one of them by hand: /v1/functions/<name>/invoke.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api_parts.h"
#include "runtime/changes/change_follower.h"
#include "runtime/dispatch.h"
#include "runtime/effect_json.h"
#include "runtime/function.h"
#include "runtime/log_ring.h"
#include "store/queue_row.h"

enum { LOG_LINES_MAX = 1000 };

static cJSON *
triggers_of(const struct manifest *manifest)
{
	cJSON *triggers = api_array();

	for (size_t i = 0; i < manifest->trigger_count; i++) {
		cJSON *trigger = api_object();
		struct buf subject = { 0 };

		manifest->triggers[i].trigger->describe(manifest->triggers[i].spec, &subject);
		api_add_string(trigger, "kind", manifest->triggers[i].trigger->name);
		api_add_string(trigger, "subject", buf_string(&subject));
		buf_clear(&subject);
		if (!cJSON_AddItemToArray(triggers, trigger))
			abort();
	}
	return triggers;
}

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{ "events", offsetof(struct function_metrics, events) },
	{ "invocations", offsetof(struct function_metrics, invocations) },
	{ "errors", offsetof(struct function_metrics, errors) },
	{ "timeouts", offsetof(struct function_metrics, timeouts) },
	{ "crashes", offsetof(struct function_metrics, crashes) },
	{ "retries", offsetof(struct function_metrics, retries) },
	{ "conflicts", offsetof(struct function_metrics, conflicts) },
	{ "dead_letters", offsetof(struct function_metrics, dead_letters) },
	{ "shed", offsetof(struct function_metrics, shed) },
};

/* Of a function that follows tables. */
static void
add_lag(const struct function *function, cJSON *json)
{
	struct change_lag lag;

	if (!change_followers_lag(function->host->change_followers, function, &lag))
		return;
	api_add_number(json, "changes_behind", (double)lag.changes);
	api_add_number(json, "changes_behind_ms", (double)lag.ms);
	api_add_number(json, "changes_parked", (double)lag.parked);
}

static cJSON *
describe(const struct function *function)
{
	const struct version *version = function->current;
	cJSON *json = api_object();

	api_add_string(json, "name", function->name);
	if (version != NULL) {
		api_add_string(json, "file", version->file);
		api_add_number(json, "version", version->number);
		if (version->manifest->description != NULL)
			api_add_string(json, "description", version->manifest->description);
	}
	api_add(json, "triggers", version != NULL ? triggers_of(version->manifest) : api_array());
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t value;

		memcpy(
		    &value, (const char *)&function->metrics + counters[i].offset, sizeof(value));
		api_add_number(json, counters[i].name, (double)value);
	}
	api_add_number(json, "waiting", function->load - function->running);
	api_add_number(json, "running", function->running);
	add_lag(function, json);
	if (function->problem != NULL)
		api_add_string(json, "error", function->problem);
	return json;
}

static int
compare_names(const void *a, const void *b)
{
	const struct function *one = *(const struct function *const *)a;
	const struct function *other = *(const struct function *const *)b;

	return strcmp(one->name, other->name);
}

static void
get_functions(void *arg, struct http_exchange *exchange)
{
	const struct hash_map *map = &((struct api *)arg)->parts.host->functions->map;
	const struct function **sorted = xcalloc(map->count + 1, sizeof(*sorted));
	cJSON *list = api_array();
	size_t count = 0;

	for (struct hash_node *node = hash_next(map, NULL); node != NULL;
	     node = hash_next(map, node))
		sorted[count++] = HASH_OWNER(node, struct function, link);
	qsort(sorted, count, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < count; i++) {
		if (!cJSON_AddItemToArray(list, describe(sorted[i])))
			abort();
	}
	free(sorted);
	api_send(exchange, 200, list);
}

/* An invocation that somebody at a terminal waits for. */
struct calling {
	struct api *api;
	struct http_exchange *exchange;
	struct function *function;
	char id[QUEUE_ID_TEXT];
};

/* The lines that the invocation has logged, out of those of its function. */
struct gathering {
	const char *id;
	cJSON *lines;
};

static void
on_line(void *arg, const struct log_line *line)
{
	struct gathering *gathering = arg;
	struct buf text = { 0 };

	if (line->invocation_id == NULL || strcmp(line->invocation_id, gathering->id) != 0)
		return;
	buf_printf(&text, "%s: %s", log_level_name(line->level), line->text);
	if (!cJSON_AddItemToArray(gathering->lines, cJSON_CreateString(buf_string(&text))))
		abort();
	buf_clear(&text);
}

static void
on_ended(void *arg, const struct outcome *outcome)
{
	struct calling *calling = arg;
	struct gathering gathering = { calling->id, api_array() };
	cJSON *json = api_object();

	api_add_string(json, "invocation", calling->id);
	log_ring_last(calling->api->parts.log_ring, calling->function->name, LOG_LINES_MAX, on_line,
	    &gathering);
	api_add(json, "logs", gathering.lines);
	if (outcome->ok) {
		api_add(json, "effects", effects_json(outcome->effects, outcome->effect_count));
		result_json(json, outcome->result_kind, outcome->result);
	} else {
		api_add_bytes(json, "error", outcome->message);
		if (outcome->traceback.len > 0)
			api_add_bytes(json, "traceback", outcome->traceback);
	}
	api_send(calling->exchange, 200, json);
	function_drop(calling->function);
	free(calling);
}

static void
submit(struct calling *calling, const char *topic)
{
	struct host *host = calling->api->parts.host;
	struct happening happening = {
		.trigger = topic != NULL ? "topic" : "invoke",
		.subject = bytes_of_string(topic != NULL ? topic : "moonlet invoke"),
		.payload = http_exchange_body(calling->exchange),
		.dry_run = api_query_number(calling->exchange, "dry_run", 0, 1) == 1,
		.ended = on_ended,
		.arg = calling,
	};
	struct occurrence *event = occurrence_new(host, &happening);

	queue_id_text(event->id, calling->id);
	if (dispatch_submit(calling->function, event) == DISPATCH_SHED) {
		http_exchange_error(calling->exchange, 503, "%s has too many events to handle",
		    calling->function->name);
		function_drop(calling->function);
		free(calling);
	}
	occurrence_drop(event);
}

static void
post_invoke(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	struct bytes name = http_match_param(http_exchange_match(exchange), "name");
	struct function *function = function_find(api->parts.host->functions, name);
	struct calling *calling;
	char *topic;

	if (function == NULL || function->current == NULL) {
		http_exchange_error(exchange, 404, "%s %.*s%s%s",
		    function == NULL ? "there is no function"
				     : "there is no version that serves of",
		    (int)name.len, (const char *)name.data,
		    function != NULL && function->problem != NULL ? ": " : "",
		    function != NULL && function->problem != NULL ? function->problem : "");
		return;
	}
	calling = xcalloc(1, sizeof(*calling));
	calling->api = api;
	calling->exchange = exchange;
	calling->function = function;
	function_hold(function);
	topic = api_query_string(exchange, "topic");
	submit(calling, topic);
	free(topic);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/functions", get_functions, "an array: what is there and how it fares" },
	{ HTTP_POST, "/v1/functions/{name}/invoke", post_invoke,
	    "topic=TOPIC, dry_run=1, the event as body: {result, logs, effects, error, "
	    "traceback}" },
};

const struct api_table api_functions_table = { routes, sizeof(routes) / sizeof(routes[0]) };
