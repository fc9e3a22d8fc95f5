/* SPDX-License-Identifier: MIT
 * Device shadows: /v1/things/<thing>/shadow, with name=NAME for a named one.
 */
#include <stdlib.h>

#include "runtime/api/api_parts.h"
#include "runtime/shadow_service.h"

static void
on_reply(void *arg, const struct shadow_reply *reply)
{
	struct http_exchange *exchange = arg;

	http_exchange_respond(exchange, &(struct http_answer){
					    .status = reply->code == 0 ? 200 : reply->code,
					    .content_type = "application/json",
					    .body = buf_bytes(&reply->answer),
					});
}

static void
ask(struct api *api, struct http_exchange *exchange, enum shadow_request_kind kind)
{
	char *name = api_query_string(exchange, "name");
	struct shadow_request request = {
		.thing = http_match_param(http_exchange_match(exchange), "thing"),
		.name = bytes_of_string(name),
		.payload = http_exchange_body(exchange),
	};

	if (!shadow_thing_is_valid(request.thing))
		http_exchange_error(exchange, 400,
		    "a thing's name is 1 to %d letters, digits, ':', '_' or '-'",
		    SHADOW_THING_BYTES_MAX);
	else if (!shadow_name_is_valid(request.name))
		http_exchange_error(exchange, 400,
		    "a shadow's name is at most %d letters, digits, ':', '_' or '-'",
		    SHADOW_NAME_BYTES_MAX);
	else
		shadow_service_request(
		    api->parts.shadow_service, kind, &request, on_reply, exchange);
	free(name);
}

static void
get_shadow(void *arg, struct http_exchange *exchange)
{
	ask(arg, exchange, SHADOW_REQUEST_GET);
}

static void
post_shadow(void *arg, struct http_exchange *exchange)
{
	ask(arg, exchange, SHADOW_REQUEST_UPDATE);
}

static void
delete_shadow(void *arg, struct http_exchange *exchange)
{
	ask(arg, exchange, SHADOW_REQUEST_DELETE);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/things/{thing}/shadow", get_shadow, "name=NAME: the shadow's document" },
	{ HTTP_POST, "/v1/things/{thing}/shadow", post_shadow,
	    "name=NAME, a request document: what was accepted" },
	{ HTTP_DELETE, "/v1/things/{thing}/shadow", delete_shadow, "name=NAME: forgets it" },
};

const struct api_table api_shadow_table = { routes, sizeof(routes) / sizeof(routes[0]) };
