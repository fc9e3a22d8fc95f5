/* SPDX-License-Identifier: MIT
 * Inside of the data plane: what its files share.
 */
#ifndef RUNTIME_DATA_PLANE_PARTS_H
#define RUNTIME_DATA_PLANE_PARTS_H

#include <cjson/cJSON.h>

#include "net/http_server.h"
#include "runtime/host.h"

/* {"message":...,"traceId":...}, and AWS' name of the error in a header. */
void data_plane_say(
    const struct host *host, struct http_exchange *exchange, int status, const char *message);
/* Whether the client may do `action` ("iot:Publish") to the resource ("topic/a"), or to a kind of
 * resource ("topic/") of that name. False: it has been answered. */
bool data_plane_permits(
    struct host *host, struct http_exchange *exchange, const char *action, struct bytes resource);
bool data_plane_permits_on(struct host *host, struct http_exchange *exchange, const char *action,
    const char *kind, struct bytes name);
/* A number of the query: 0 where it is not there. -1: it is not one of 0 to `max`. */
int64_t data_plane_number(const struct http_exchange *exchange, const char *name, int64_t max);
/* Pages are continued by what was the last; the token hides what it is. Appends that. False: it is
 * no token. */
bool data_plane_token(const struct http_exchange *exchange, struct buf *last);
void data_plane_add_token(cJSON *json, struct bytes last);

extern const struct http_route data_plane_shadow_routes[];
extern const size_t data_plane_shadow_route_count;

#endif
