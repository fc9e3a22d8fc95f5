/* SPDX-License-Identifier: MIT
 * The HTTP listener for the world: GET /healthz and GET /metrics; functions' routes are added to
 * its server by their trigger.
 */
#ifndef RUNTIME_API_WEB_H
#define RUNTIME_API_WEB_H

#include "lib/err.h"
#include "net/http_server.h"
#include "store/store.h"

enum { HEALTH_BROKERS_MAX = 16 };

/* How the host is, gathered when somebody asks. Strings are borrowed for the call. */
struct health {
	enum store_health store;
	unsigned workers; /* that run and are ready */
	unsigned workers_wanted;
	uint32_t cage_layers;	 /* bits of enum cage_layer that every worker has */
	const char *lua_version; /* "Lua 5.4.9"; NULL: no worker has said it yet */
	bool lua_is_systems;	 /* not the one built in: it may have known faults */
	unsigned functions;
	unsigned functions_failed; /* whose newest file could not be loaded */
	size_t broker_count;
	struct {
		const char *name;
		const char *state; /* "connected", "connecting", ... */
		bool connected;
	} brokers[HEALTH_BROKERS_MAX];
	bool draining;
};

struct options;

/* The limits that the operator has set. */
struct http_server_config web_config(const struct options *options, struct gate *gate);

struct web;

struct web_parts {
	struct loop *loop;
	struct conn_group *group;
	struct http_server_config config;
	const struct options *options; /* for `metrics`; NULL: everybody may read all */
	void (*health)(void *arg, struct health *health); /* gets all zeros */
	/* Appends families in Prometheus' text form 0.0.4. */
	void (*metrics)(void *arg, struct buf *out);
	void *arg;
};

/* Listens at `address`; "off": nowhere, but the server is there all the same. */
struct web *web_open(const struct web_parts *parts, const char *address, struct err *err)
    __attribute__((warn_unused_result));
/* Its connections are gone after the loop's next turn. Takes NULL. */
void web_close(struct web *web);

struct http_server *web_server(struct web *web);

/* "ok"; "degraded": it works, but somebody should look; "failing": events are not handled. */
const char *health_status(const struct health *health);
struct cJSON;
/* The JSON object of /healthz; free with cJSON_Delete. */
struct cJSON *health_object(const struct health *health, int64_t uptime_ms);

#endif
