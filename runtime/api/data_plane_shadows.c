/* SPDX-License-Identifier: MIT
 * Shadows by HTTP: one of them, and the names of those that a thing has.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "lib/shadow_topic.h"
#include "runtime/api/api_parts.h"
#include "runtime/api/data_plane_parts.h"
#include "runtime/shadow_service.h"
#include "store/shadows.h"

enum { NAMES_MAX = 100, NAMES_USUAL = 25 };

struct asking {
	struct host *host;
	struct http_exchange *exchange;
};

static void
on_reply(void *arg, const struct shadow_reply *reply)
{
	struct asking *asking = arg;
	int status = reply->code == 0 ? 200 : reply->code;
	cJSON *json = cJSON_ParseWithLength((const char *)reply->answer.data, reply->answer.len);
	const cJSON *message = cJSON_GetObjectItemCaseSensitive(json, "message");

	if (status != 200 && cJSON_IsString(message))
		data_plane_say(asking->host, asking->exchange, status, message->valuestring);
	else
		http_exchange_respond(asking->exchange, &(struct http_answer){ .status = status,
							    .content_type = "application/json",
							    .body = buf_bytes(&reply->answer) });
	cJSON_Delete(json);
	free(asking);
}

static void
ask(const struct data_plane_call *call, enum shadow_request_kind kind, const char *action)
{
	struct http_exchange *exchange = call->exchange;
	struct buf name = { 0 }, resource = { 0 };
	struct shadow_request request = {
		.thing = http_match_param(http_exchange_match(exchange), "thing"),
		.payload = http_exchange_body(exchange),
	};
	struct asking *asking;

	(void)http_exchange_query(exchange, "name", &name);
	request.name = buf_bytes(&name);
	buf_append_bytes(&resource, request.thing);
	if (name.len > 0) {
		buf_append_u8(&resource, '/');
		buf_append_bytes(&resource, request.name);
	}
	if (data_plane_permits(call, action, "thing/", buf_bytes(&resource))) {
		asking = xcalloc(1, sizeof(*asking));
		*asking = (struct asking){ call->host, exchange };
		shadow_service_request(
		    call->host->shadow_service, kind, &request, on_reply, asking);
	}
	buf_clear(&name);
	buf_clear(&resource);
}

static void
get_shadow(const struct data_plane_call *call)
{
	ask(call, SHADOW_REQUEST_GET, "iot:GetThingShadow");
}

static void
post_shadow(const struct data_plane_call *call)
{
	ask(call, SHADOW_REQUEST_UPDATE, "iot:UpdateThingShadow");
}

static void
delete_shadow(const struct data_plane_call *call)
{
	ask(call, SHADOW_REQUEST_DELETE, "iot:DeleteThingShadow");
}

/* --- their names --- */

struct listing {
	struct store_job job;
	struct host *host;
	struct http_exchange *exchange;
	int64_t most;
	struct buf thing;
	struct buf after; /* the last one of the page before; empty: there is none */
	struct buf names;
};

static int
run_listing(struct txn *txn, struct store_job *job, struct err *err)
{
	struct listing *listing = (struct listing *)(void *)job;

	return shadows_names(txn, buf_bytes(&listing->thing), &listing->names, err);
}

static void
listing_free(struct listing *listing)
{
	buf_clear(&listing->thing);
	buf_clear(&listing->after);
	buf_clear(&listing->names);
	free(listing);
}

/* The names in their order, without the classic one's, which is empty. */
static cJSON *
make_page(const struct listing *listing, const cJSON *all)
{
	cJSON *page = api_object(), *results = api_array();
	struct bytes last = { 0 };
	const cJSON *name;
	int64_t count = 0;
	bool more = false;

	cJSON_ArrayForEach(name, all)
	{
		struct bytes text = bytes_of_string(name->valuestring);

		if (text.len == 0 || bytes_compare(text, buf_bytes(&listing->after)) <= 0)
			continue;
		more = count == listing->most;
		if (more)
			break;
		if (!cJSON_AddItemToArray(results, cJSON_CreateString(name->valuestring)))
			abort();
		last = text;
		count++;
	}
	api_add(page, "results", results);
	if (more)
		data_plane_add_token(page, last);
	api_add_number(page, "timestamp", (double)(loop_wall_ms(listing->host->loop) / 1000));
	return page;
}

static void
listing_done(struct store_job *job)
{
	struct listing *listing = (struct listing *)(void *)job;
	cJSON *all;

	if (job->status < 0) {
		data_plane_say(listing->host, listing->exchange, 500, job->err.text);
	} else {
		all = cJSON_ParseWithLength((const char *)listing->names.data, listing->names.len);
		api_send(listing->exchange, 200, make_page(listing, all));
		cJSON_Delete(all);
	}
	listing_free(listing);
}

static const char *
listing_problem(struct listing *listing)
{
	struct bytes thing = http_match_param(http_exchange_match(listing->exchange), "thing");

	buf_append_bytes(&listing->thing, thing);
	if (!shadow_thing_is_valid(thing))
		return "a thing's name is 1 to 128 letters, digits, ':', '_' or '-'";
	listing->most = data_plane_number(listing->exchange, "pageSize", NAMES_MAX);
	if (listing->most < 0)
		return "pageSize is 1 to 100";
	if (listing->most == 0)
		listing->most = NAMES_USUAL;
	if (!data_plane_token(listing->exchange, &listing->after))
		return "nextToken is one of an answer";
	return NULL;
}

static void
list_shadows(const struct data_plane_call *call)
{
	struct host *host = call->host;
	struct http_exchange *exchange = call->exchange;
	struct listing *listing = xcalloc(1, sizeof(*listing));
	const char *problem;

	listing->host = host;
	listing->exchange = exchange;
	problem = listing_problem(listing);
	if (problem != NULL)
		data_plane_say(host, exchange, 400, problem);
	else if (store_is_full(host->store))
		data_plane_say(host, exchange, 429, "too many requests wait for the store");
	else if (data_plane_permits(
		     call, "iot:ListNamedShadowsForThing", "thing/", buf_bytes(&listing->thing))) {
		listing->job.run = run_listing;
		listing->job.done = listing_done;
		listing->job.bytes = sizeof(*listing);
		store_submit(host->store, &listing->job);
		return;
	}
	listing_free(listing);
}

const struct data_plane_route data_plane_shadow_routes[DATA_PLANE_SHADOW_ROUTES] = {
	{ HTTP_GET, "/things/{thing}/shadow", get_shadow, "name=NAME: the shadow's document" },
	{ HTTP_POST, "/things/{thing}/shadow", post_shadow,
	    "name=NAME, a request document: what was accepted" },
	{ HTTP_DELETE, "/things/{thing}/shadow", delete_shadow, "name=NAME: forgets it" },
	{ HTTP_GET, "/api/things/shadow/ListNamedShadowsForThing/{thing}", list_shadows,
	    "pageSize=, nextToken=: the names of a thing's shadows" },
};
