/* SPDX-License-Identifier: MIT
 * /v1/leftovers: what functions that are no more have left in the store.
 */
#include <stdlib.h>

#include "runtime/api/api_parts.h"
#include "runtime/leftovers.h"

static void
listed(void *arg, const struct leftover *list, size_t count, const struct err *err)
{
	struct http_exchange *exchange = arg;
	cJSON *array;

	if (err != NULL) {
		http_exchange_error(exchange, 500, "%s", err->text);
		return;
	}
	array = api_array();
	for (size_t i = 0; i < count; i++) {
		cJSON *json = api_object();

		api_add_string(json, "name", list[i].name);
		api_add_number(json, "gone_ms", (double)list[i].gone_ms);
		api_add_number(json, "waiting", (double)leftover_waits(&list[i]));
		for (int kind = 0; kind < LEFTOVER_KINDS; kind++)
			api_add_number(
			    json, leftover_kinds[kind].name, (double)list[i].sum.counts[kind]);
		(void)cJSON_AddItemToArray(array, json);
	}
	api_send(exchange, 200, array);
}

static void
list_leftovers(void *arg, struct http_exchange *exchange)
{
	const struct api *api = arg;

	leftovers_list(api->parts.host->leftovers, listed, exchange);
}

static void
forgotten(void *arg, const struct err *err)
{
	if (err != NULL)
		http_exchange_error(arg, 409, "%s", err->text);
	else
		api_send_ok(arg);
}

static void
forget(void *arg, struct http_exchange *exchange)
{
	const struct api *api = arg;
	char *name = bytes_to_string(http_match_param(http_exchange_match(exchange), "name"));

	leftovers_forget_function(api->parts.host->leftovers, name, forgotten, exchange);
	free(name);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/leftovers", list_leftovers,
	    "what functions that are no more have left: an array" },
	{ HTTP_DELETE, "/v1/leftovers/{name}", forget, "forgets it, events that wait too" },
};

const struct api_table api_leftovers_table = { routes, sizeof(routes) / sizeof(routes[0]) };
