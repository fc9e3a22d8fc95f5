/* SPDX-License-Identifier: MIT
 * The host as a whole: /v1/status and /v1/workers.
 */
#include <stdlib.h>
#include <unistd.h>

#include "runtime/api/api_parts.h"
#include "runtime/api/web.h"
#include "runtime/dispatch.h"
#include "runtime/doors.h"
#include "runtime/host.h"
#include "runtime/pool.h"

static void
get_status(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	const struct host *host = api->parts.host;
	struct health health = { .broker_count = 0 };
	const char *address =
	    host->http_server != NULL ? http_server_address(host->http_server) : NULL;
	cJSON *json;

	api->parts.health(api->parts.health_arg, &health);
	json = health_object(&health, (loop_now_us(host->loop) - api->started_us) / 1000);
	api_add_number(json, "pid", getpid());
	api_add_string(json, "mqtt", host->mqtt != NULL ? listener_address(host->mqtt) : NULL);
	api_add_string(json, "mqtts", doors_mqtts_address(host->doors));
	api_add_string(json, "http", address);
	api_add_number(json, "clients", broker_client_count(host->broker));
	api_add_number(json, "events", host->dispatch->load);
	api_send(exchange, 200, json);
}

static const char *const state_names[] = {
	[WORKER_NONE] = "none",
	[WORKER_STARTING] = "starting",
	[WORKER_SERVES] = "serves",
	[WORKER_ENDING] = "ending",
};

static void
get_workers(void *arg, struct http_exchange *exchange)
{
	const struct api *api = arg;
	const struct pool *pool = api->parts.host->pool;
	int64_t now_us = loop_now_us(api->parts.loop);
	cJSON *list = api_array();

	for (unsigned i = 0; i < pool->highest; i++) {
		const struct worker *worker = &pool->workers[i];
		cJSON *json;

		if (worker->state == WORKER_NONE)
			continue;
		json = api_object();
		api_add_number(json, "index", worker->index);
		api_add_string(json, "state", state_names[worker->state]);
		api_add_number(json, "in_flight", worker->inflight);
		api_add_number(json, "waiting", worker->waiting_count);
		api_add_number(json, "uptime_s", (double)((now_us - worker->started_us) / 1000000));
		if (!cJSON_AddItemToArray(list, json))
			abort();
	}
	api_send(exchange, 200, list);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/status", get_status, "the health and the addresses" },
	{ HTTP_GET, "/v1/workers", get_workers, "an array of the worker processes" },
};

const struct api_table api_host_table = { routes, sizeof(routes) / sizeof(routes[0]) };
