/* SPDX-License-Identifier: MIT
 * Inside of the data plane: what its files share.
 */
#ifndef RUNTIME_API_DATA_PLANE_PARTS_H
#define RUNTIME_API_DATA_PLANE_PARTS_H

#include <cjson/cJSON.h>

#include "net/http_server.h"
#include "runtime/access/access.h"
#include "runtime/host.h"

/* {"message":...,"traceId":...}, and AWS' name of the error in a header. */
void data_plane_say(
    const struct host *host, struct http_exchange *exchange, int status, const char *message);
/* A request of somebody who has been let in. */
struct data_plane_call {
	struct host *host;
	struct http_exchange *exchange;
	struct identity *identity; /* NULL: may do everything. Borrowed for the call */
};

struct data_plane_route {
	enum http_method method;
	const char *pattern;
	void (*handle)(const struct data_plane_call *call);
	const char *help;
};

/* Whether the client may do `action` ("iot:Publish") on the resource `kind` + `name` ("topic/",
 * "a/b"). False: it has been answered. */
bool data_plane_permits(
    const struct data_plane_call *call, const char *action, const char *kind, struct bytes name);
/* A number of the query: 0 where it is not there. -1: it is not one of 0 to `max`. */
int64_t data_plane_number(const struct http_exchange *exchange, const char *name, int64_t max);
/* Pages are continued by what was the last; the token hides what it is. Appends that. False: it is
 * no token. */
bool data_plane_token(const struct http_exchange *exchange, struct buf *last);
void data_plane_add_token(cJSON *json, struct bytes last);

enum { DATA_PLANE_SHADOW_ROUTES = 4 };
extern const struct data_plane_route data_plane_shadow_routes[DATA_PLANE_SHADOW_ROUTES];

#endif
