/* SPDX-License-Identifier: MIT
 * /healthz and /metrics.
 */
#include "runtime/api/web.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "lib/protocol.h"
#include "runtime/api/api_parts.h"
#include "runtime/options.h"

struct web {
	struct web_parts parts;
	struct http_server *server;
	int64_t started_us;
};

static const struct {
	enum cage_layer layer;
	const char *name;
	bool needed; /* without it a handler is not caged */
} layers[] = {
	{ CAGE_RLIMITS, "rlimits", true },
	{ CAGE_NAMESPACES, "namespaces", false },
	{ CAGE_EMPTY_ROOT, "empty_root", false },
	{ CAGE_NO_NEW_PRIVS, "no_new_privs", true },
	{ CAGE_LANDLOCK, "landlock", false },
	{ CAGE_SECCOMP, "seccomp", true },
	{ CAGE_MDWE, "memory_deny_write_execute", false },
	{ CAGE_UNPRIVILEGED, "unprivileged_user", false },
};

static bool
is_caged(const struct health *health)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		if (layers[i].needed && (health->cage_layers & (uint32_t)layers[i].layer) == 0)
			return false;
	}
	return true;
}

static bool
is_connected(const struct health *health)
{
	for (size_t i = 0; i < health->broker_count; i++) {
		if (!health->brokers[i].connected)
			return false;
	}
	return true;
}

const char *
health_status(const struct health *health)
{
	if (health->store == STORE_RED || health->workers == 0 || health->draining)
		return "failing";
	if (health->store != STORE_GREEN || health->workers < health->workers_wanted ||
	    health->lua_is_systems || health->functions_failed > 0 || !is_caged(health) ||
	    !is_connected(health))
		return "degraded";
	return "ok";
}

static void
add_cage(cJSON *root, const struct health *health)
{
	cJSON *active = api_array(), *missing = api_array();

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		bool has = (health->cage_layers & (uint32_t)layers[i].layer) != 0;

		if (!cJSON_AddItemToArray(
			has ? active : missing, cJSON_CreateString(layers[i].name)))
			abort();
	}
	api_add(root, "cage", active);
	api_add(root, "cage_missing", missing);
}

static void
add_brokers(cJSON *root, const struct health *health)
{
	cJSON *brokers = api_array();

	for (size_t i = 0; i < health->broker_count; i++) {
		cJSON *broker = api_object();

		api_add_string(broker, "name", health->brokers[i].name);
		api_add_string(broker, "state", health->brokers[i].state);
		if (!cJSON_AddItemToArray(brokers, broker))
			abort();
	}
	api_add(root, "brokers", brokers);
}

static void
add_lua(cJSON *root, const struct health *health)
{
	api_add_string(root, "lua", health->lua_version);
	if (health->lua_is_systems)
		api_add_string(root, "lua_warning",
		    "the system's Lua may have faults that are known; ./bootstrap builds one "
		    "without");
}

cJSON *
health_object(const struct health *health, int64_t uptime_ms)
{
	cJSON *root = api_object();

	api_add_string(root, "status", health_status(health));
	api_add_string(root, "version", PACKAGE_VERSION);
	api_add_number(root, "uptime_s", (double)(uptime_ms / 1000));
	add_lua(root, health);
	add_cage(root, health);
	api_add_string(root, "store", store_health_text(health->store));
	api_add_number(root, "workers", health->workers);
	api_add_number(root, "workers_wanted", health->workers_wanted);
	api_add_number(root, "functions", health->functions);
	api_add_number(root, "functions_failed", health->functions_failed);
	add_brokers(root, health);
	api_add_bool(root, "draining", health->draining);
	return root;
}

/* Names of functions and figures tell a stranger much. */
static bool
may_read_all(const struct web *web, const struct http_exchange *exchange)
{
	const struct peer *peer = http_exchange_peer_of(exchange);

	return web->parts.options == NULL || (peer != NULL && peer->is_loopback) ||
	       strcmp(options_text(web->parts.options, OPTION_METRICS), "all") == 0;
}

static cJSON *
status_object(const struct health *health)
{
	cJSON *root = api_object();

	api_add_string(root, "status", health_status(health));
	return root;
}

static void
get_health(void *arg, struct http_exchange *exchange)
{
	struct web *web = arg;
	struct health health = { .broker_count = 0 };
	int64_t uptime_us = loop_now_us(web->parts.loop) - web->started_us;

	web->parts.health(web->parts.arg, &health);
	api_send(exchange, strcmp(health_status(&health), "failing") == 0 ? 503 : 200,
	    may_read_all(web, exchange) ? health_object(&health, uptime_us / 1000)
					: status_object(&health));
}

static void
get_metrics(void *arg, struct http_exchange *exchange)
{
	struct web *web = arg;
	struct buf text = { 0 };

	if (!may_read_all(web, exchange)) {
		http_exchange_error(exchange, 403,
		    "figures are for clients of this machine; metrics = \"all\" lets others read "
		    "them");
		return;
	}
	web->parts.metrics(web->parts.arg, &text);
	http_exchange_respond(
	    exchange, &(struct http_answer){
			  .status = 200,
			  .content_type = "text/plain; version=0.0.4; charset=utf-8",
			  .body = buf_bytes(&text),
		      });
	buf_clear(&text);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/healthz", get_health, "how the host is, as JSON; 503 where it is failing" },
	{ HTTP_GET, "/metrics", get_metrics, "figures in Prometheus' text form" },
};

struct http_server_config
web_config(const struct options *options, struct gate *gate)
{
	struct http_server_config config = http_server_defaults;

	config.gate = gate;
	config.limits.body_bytes_max =
	    (uint64_t)options_number(options, OPTION_HTTP_BODY_BYTES_MAX);
	config.connections_max = (unsigned)options_number(options, OPTION_HTTP_CLIENTS_MAX);
	config.head_timeout_ms = (uint32_t)options_number(options, OPTION_HTTP_HEAD_TIMEOUT_MS);
	config.body_timeout_ms = (uint32_t)options_number(options, OPTION_HTTP_BODY_TIMEOUT_MS);
	config.idle_timeout_ms = (uint32_t)options_number(options, OPTION_HTTP_IDLE_TIMEOUT_MS);
	return config;
}

struct web *
web_open(const struct web_parts *parts, const char *address, struct err *err)
{
	struct web *web = xcalloc(1, sizeof(*web));

	web->parts = *parts;
	web->started_us = loop_now_us(parts->loop);
	web->server = http_server_new(parts->loop, parts->group, &parts->config);
	if (http_server_add_table(
		web->server, routes, sizeof(routes) / sizeof(routes[0]), web, err) < 0 ||
	    (strcmp(address, "off") != 0 && http_server_listen(web->server, address, err) < 0)) {
		web_close(web);
		(void)err_prefix(err, "HTTP");
		return NULL;
	}
	return web;
}

void
web_close(struct web *web)
{
	if (web == NULL)
		return;
	http_server_free(web->server);
	loop_free_later(web->parts.loop, web);
}

struct http_server *
web_server(struct web *web)
{
	return web->server;
}
