/* SPDX-License-Identifier: MIT
 * GET /v1/top: the counters and the latencies of all functions at one moment, for who makes rates
 * of two of them.
 */
#include <stdlib.h>

#include "runtime/api/api_parts.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/pool.h"

static cJSON *
slots_of(const struct latency *latency)
{
	cJSON *slots = api_array();
	uint64_t rest = latency->count;

	for (int i = 0; i < LATENCY_SLOTS; i++) {
		rest -= latency->slots[i];
		(void)cJSON_AddItemToArray(slots, cJSON_CreateNumber((double)latency->slots[i]));
	}
	(void)cJSON_AddItemToArray(slots, cJSON_CreateNumber((double)rest));
	return slots;
}

static cJSON *
describe(const struct function *function)
{
	const struct function_metrics *metrics = &function->metrics;
	cJSON *json = api_object();

	api_add_string(json, "name", function->name);
	api_add_number(json, "events", (double)metrics->events);
	api_add_number(json, "runs", (double)metrics->invocations);
	api_add_number(
	    json, "failed", (double)(metrics->errors + metrics->timeouts + metrics->crashes));
	api_add_number(json, "shed", (double)metrics->shed);
	api_add_number(json, "running", function->running);
	api_add_number(json, "waiting", function->load - function->running);
	api_add(json, "latency", slots_of(&metrics->latency));
	return json;
}

static void
get_top(void *arg, struct http_exchange *exchange)
{
	const struct api *api = arg;
	const struct host *host = api->parts.host;
	const struct hash_map *map = &host->functions->map;
	cJSON *json = api_object(), *list = api_array();

	for (struct hash_node *node = hash_next(map, NULL); node != NULL;
	     node = hash_next(map, node))
		(void)cJSON_AddItemToArray(list, describe(HASH_OWNER(node, struct function, link)));
	api_add_number(json, "now_us", (double)loop_now_us(api->parts.loop));
	api_add_number(json, "clients", broker_client_count(host->broker));
	api_add_number(json, "workers", pool_serving(host->pool));
	api_add_number(json, "in_flight", host->dispatch->load);
	api_add_number(json, "store_waiting", (double)store_figures(host->store).waiting_jobs);
	api_add(json, "functions", list);
	api_send(exchange, 200, json);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/top", get_top,
	    "counters of all functions, and their latencies by powers of two of microseconds" },
};

const struct api_table api_top_table = { routes, sizeof(routes) / sizeof(routes[0]) };
