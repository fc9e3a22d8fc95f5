/* SPDX-License-Identifier: MIT
 * The registry's things under /v1/things, the list of certificates, and everything as JSON lines
 * under /v1/registry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api_registry.h"
#include "runtime/host.h"
#include "runtime/registry/registry_record.h"
#include "runtime/registry/thing_search.h"

enum { PAGE_MAX = 1000, CERTIFICATES_LOOKED_AT = 5000 };

static struct registry *
registry_of(void *arg)
{
	return ((struct api *)arg)->parts.host->registry;
}

static int
create_steps(const struct api_change *made, struct err *err)
{
	cJSON *record = cJSON_Duplicate(made->body, true);
	int status;

	cJSON_DeleteItemFromObjectCaseSensitive(record, "kind");
	api_add_string(record, "kind", "thing");
	status = record_apply(made->change, record, RECORD_NEW, err);
	cJSON_Delete(record);
	return status;
}

static void
create_thing(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, create_steps);
}

static void
get_thing(void *arg, struct http_exchange *exchange)
{
	struct bytes name = http_match_param(http_exchange_match(exchange), "thing");
	const struct thing *thing = registry_thing(registry_of(arg), name);
	cJSON *record;

	if (thing == NULL) {
		http_exchange_error(exchange, 404, "there is no thing %.*s", (int)name.len,
		    (const char *)name.data);
		return;
	}
	record = record_of_thing(thing);
	record_add_connectivity(record, thing);
	api_send(exchange, 200, record);
}

static int
change_steps(const struct api_change *made, struct err *err)
{
	char *name = api_param(made->exchange, "thing");
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(made->body, "version");
	const struct thing_wish wish = { .name = name,
		.type = cJSON_GetStringValue(
		    cJSON_GetObjectItemCaseSensitive(made->body, "thingTypeName")),
		.attributes = cJSON_GetObjectItemCaseSensitive(made->body, "attributes"),
		.merge = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(made->body, "merge")),
		.version = cJSON_IsNumber(version) && version->valuedouble > 0
			       ? (uint64_t)version->valuedouble
			       : 0 };
	int status = registry_put_thing(made->change, &wish, err);

	free(name);
	return status;
}

static void
change_thing(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, change_steps);
}

static int
delete_steps(const struct api_change *made, struct err *err)
{
	char *name = api_param(made->exchange, "thing");
	int status = registry_delete_thing(made->change, name, err);

	free(name);
	return status;
}

static void
delete_thing(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, delete_steps);
}

/* --- certificates, page by page --- */

void
certificate_page_fill(struct certificate_page *page, const struct registry *registry)
{
	struct registry_certificate *at = registry_certificate_after(registry, page->after);

	page->list = xcalloc(page->limit + 1, sizeof(*page->list));
	for (size_t looked_at = 0; at != NULL; looked_at++) {
		if (page->count == page->limit || looked_at == CERTIFICATES_LOOKED_AT) {
			page->next = page->after;
			return;
		}
		if (page->state == NULL || strcmp(registry_state_text(at->state), page->state) == 0)
			page->list[page->count++] = at;
		page->after = at->place;
		at = registry_certificate_after(registry, page->after);
	}
}

static void
list_certificates(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = registry_of(arg);
	char *after = api_query_string(exchange, "after"),
	     *state = api_query_string(exchange, "status");
	struct certificate_page page = { .after = after != NULL ? strtoull(after, NULL, 10) : 0,
		.state = state,
		.limit = api_query_number(exchange, "limit", 100, PAGE_MAX) };
	cJSON *answer = api_object(), *list = api_array();
	char next[24];

	certificate_page_fill(&page, registry);
	for (size_t i = 0; i < page.count; i++)
		cJSON_AddItemToArray(list, record_of_certificate(registry, page.list[i]));
	api_add(answer, "certificates", list);
	(void)snprintf(next, sizeof(next), "%llu", (unsigned long long)page.next);
	if (page.next != 0)
		api_add_string(answer, "next", next);
	api_send(exchange, 200, answer);
	free(page.list);
	free(after);
	free(state);
}

/* --- search --- */

static void
on_found(void *arg, const struct thing_page *page, const struct err *err)
{
	cJSON *answer, *list;
	char next[24];

	if (page == NULL) {
		http_exchange_error(arg, 400, "%s", err->text);
		return;
	}
	answer = api_object();
	list = api_array();
	for (size_t i = 0; i < page->count; i++) {
		cJSON *record = record_of_thing(page->things[i]);

		record_add_connectivity(record, page->things[i]);
		cJSON_AddItemToArray(list, record);
	}
	api_add(answer, "things", list);
	(void)snprintf(next, sizeof(next), "%llu", (unsigned long long)page->next);
	if (page->next != 0)
		api_add_string(answer, "next", next);
	api_send(arg, 200, answer);
}

static void
search_things(void *arg, struct http_exchange *exchange)
{
	struct host *host = ((struct api *)arg)->parts.host;
	char *query = api_query_string(exchange, "query"),
	     *after = api_query_string(exchange, "after");
	struct thing_wanted wanted = { .query = bytes_of_string(query),
		.after = after != NULL ? strtoull(after, NULL, 10) : 0,
		.limit = api_query_number(exchange, "limit", 100, THING_PAGE_MAX) };

	if (wanted.limit == 0)
		wanted.limit = 1;
	thing_search(host->thing_searches, &wanted, on_found, exchange);
	free(query);
	free(after);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/things", search_things,
	    "query=QUERY, limit=N, after=NEXT: a page of the things that match" },
	{ HTTP_POST, "/v1/things", create_thing,
	    "thingName, thingTypeName, attributes, thingGroupNames, certificatePem, policies" },
	{ HTTP_GET, "/v1/things/{thing}", get_thing, "one thing" },
	{ HTTP_POST, "/v1/things/{thing}", change_thing,
	    "thingTypeName, attributes, merge, version" },
	{ HTTP_DELETE, "/v1/things/{thing}", delete_thing, "its certificates stay" },
	{ HTTP_GET, "/v1/certificates", list_certificates,
	    "status=STATE, limit=N, after=NEXT: a page of certificates, maybe with few of them" },
};

const struct api_table api_things_table = { routes, sizeof(routes) / sizeof(routes[0]) };
