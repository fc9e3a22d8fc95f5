/* SPDX-License-Identifier: MIT
 * The whole registry as JSON lines under /v1/registry: page by page, in an order in which it can be
 * imported, and imported by some lines at a time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/api/api_registry.h"
#include "runtime/host.h"
#include "runtime/registry/registry_record.h"

enum { PAGE_RECORDS = 256, LINES_MAX = 256 };

/* --- export --- */

/* A page that is being written. */
struct page {
	const struct registry *registry;
	struct buf lines;
	const char *after; /* within the step; "" at its beginning */
	char next[128];	   /* set: the step goes on behind this */
};

static void
add(struct page *page, cJSON *record)
{
	char *text = cJSON_PrintUnformatted(record);

	if (text == NULL)
		abort();
	buf_printf(&page->lines, "%s\n", text);
	cJSON_free(text);
	cJSON_Delete(record);
}

static void
write_policies(struct page *page)
{
	struct registry_policy *at = registry_policy_next(page->registry, NULL);

	for (; at != NULL; at = registry_policy_next(page->registry, at))
		add(page, record_of_policy(at));
}

/* As if none were deprecated, for such a type takes no things. */
static void
write_types(struct page *page)
{
	struct thing_type *at = registry_type_next(page->registry, NULL);

	for (; at != NULL; at = registry_type_next(page->registry, at)) {
		cJSON *record = record_of_type(at);

		cJSON_DeleteItemFromObjectCaseSensitive(record, "deprecated");
		add(page, record);
	}
}

static void
write_deprecated_types(struct page *page)
{
	struct thing_type *at = registry_type_next(page->registry, NULL);

	for (; at != NULL; at = registry_type_next(page->registry, at)) {
		if (at->deprecated)
			add(page, record_of_type(at));
	}
}

static int
depth_of(const struct registry *registry, const struct thing_group *group)
{
	int depth = 0;

	while (group != NULL && group->parent != NULL && depth < REGISTRY_GROUP_DEPTH_MAX) {
		group = registry_group(registry, bytes_of_string(group->parent));
		depth++;
	}
	return depth;
}

/* Parents first. */
static void
write_groups(struct page *page)
{
	for (int depth = 0; depth < REGISTRY_GROUP_DEPTH_MAX; depth++) {
		struct thing_group *at = registry_group_next(page->registry, NULL);

		for (; at != NULL; at = registry_group_next(page->registry, at)) {
			if (depth_of(page->registry, at) == depth)
				add(page, record_of_group(page->registry, at));
		}
	}
}

static void
write_authorities(struct page *page)
{
	struct registry_authority *at = registry_authority_next(page->registry, NULL);

	for (; at != NULL; at = registry_authority_next(page->registry, at)) {
		if (at->created_ms != 0)
			add(page, record_of_authority(at));
	}
}

static void
write_certificates(struct page *page)
{
	struct certificate_page found = { .after = strtoull(page->after, NULL, 10),
		.limit = PAGE_RECORDS };

	certificate_page_fill(&found, page->registry);
	for (size_t i = 0; i < found.count; i++)
		add(page, record_of_certificate(page->registry, found.list[i]));
	if (found.next != 0)
		(void)snprintf(
		    page->next, sizeof(page->next), "%llu", (unsigned long long)found.next);
	free(found.list);
}

/* Users and tokens: the rest stands with its certificate or group. */
static void
write_targets(struct page *page)
{
	struct registry_target *at = registry_target_next(page->registry, NULL);

	for (; at != NULL; at = registry_target_next(page->registry, at)) {
		if (at->policy_count > 0 && strncmp(at->text, "cert:", 5) != 0 &&
		    strncmp(at->text, "group:", 6) != 0)
			add(page, record_of_target(at));
	}
}

static void
write_things(struct page *page)
{
	const struct thing *at =
	    registry_thing_after(page->registry, strtoull(page->after, NULL, 10));
	uint64_t last = 0;

	for (int i = 0; at != NULL && i < PAGE_RECORDS; i++) {
		add(page, record_of_thing(at));
		last = at->serial;
		at = registry_thing_after(page->registry, last);
	}
	if (at != NULL)
		(void)snprintf(page->next, sizeof(page->next), "%llu", (unsigned long long)last);
}

static void (*const steps[])(struct page *page) = {
	write_policies,
	write_types,
	write_groups,
	write_authorities,
	write_certificates,
	write_targets,
	write_things,
	write_deprecated_types,
};

/* `after`: "<step>:<place in it>". The last line says where the next page begins. */
static void
export_page(void *arg, struct http_exchange *exchange)
{
	struct page page = { .registry = ((struct api *)arg)->parts.host->registry };
	char *after = api_query_string(exchange, "after"), *rest = after;
	unsigned long step = after != NULL ? strtoul(after, &rest, 10) : 0;

	page.after = rest != NULL && *rest == ':' ? rest + 1 : "";
	if (step < sizeof(steps) / sizeof(steps[0]))
		steps[step](&page);
	if (page.next[0] != '\0')
		buf_printf(&page.lines, "{\"next\":\"%lu:%s\"}\n", step, page.next);
	else if (step + 1 < sizeof(steps) / sizeof(steps[0]))
		buf_printf(&page.lines, "{\"next\":\"%lu:\"}\n", step + 1);
	http_exchange_respond(exchange, &(struct http_answer){ .status = 200,
					    .content_type = "application/x-ndjson",
					    .body = buf_bytes(&page.lines) });
	buf_clear(&page.lines);
	free(after);
}

/* --- import --- */

/* A request whose lines are on their way to the disk. */
struct importing {
	struct http_exchange *exchange;
	struct registry *registry;
	size_t lines;	/* taken so far */
	size_t waiting; /* for the disk, and one for the reading itself */
	size_t stored;
	struct err err; /* of the line that was refused; "": none */
	bool store_failed;
};

/* {"lines": how many are stored, "error": what is wrong with the one behind them}: lines are stored
 * in their order, and none behind one that is refused. */
static void
importing_release(struct importing *importing)
{
	cJSON *answer;

	if (--importing->waiting > 0)
		return;
	answer = api_object();
	api_add_number(answer, "lines", (double)importing->stored);
	if (importing->err.text[0] != '\0')
		api_add_string(answer, "error", importing->err.text);
	api_send(importing->exchange, 200, answer);
	free(importing);
}

static void
on_stored(void *arg, int status, const struct err *err)
{
	struct importing *importing = arg;

	if (status == 0)
		importing->stored++;
	else if (!importing->store_failed)
		importing->err = *err;
	importing->store_failed = importing->store_failed || status < 0;
	importing_release(importing);
}

static bool
import_line(struct importing *importing, struct bytes line)
{
	cJSON *record = cJSON_ParseWithLength((const char *)line.data, line.len);
	struct registry_change *change = registry_change_new(importing->registry);
	int status;

	if (record == NULL)
		status = err_set(&importing->err, "not JSON");
	else
		status = record_apply(change, record, RECORD_PUT, &importing->err);
	cJSON_Delete(record);
	if (status < 0) {
		registry_change_cancel(change);
		return false;
	}
	importing->lines++;
	importing->waiting++;
	registry_change_commit(change, on_stored, importing);
	return true;
}

static void
import_lines(void *arg, struct http_exchange *exchange)
{
	struct importing *importing = xcalloc(1, sizeof(*importing));
	struct bytes body = http_exchange_body(exchange);

	importing->exchange = exchange;
	importing->registry = ((struct api *)arg)->parts.host->registry;
	importing->waiting = 1;
	while (body.len > 0 && importing->lines < LINES_MAX) {
		const uint8_t *end = memchr(body.data, '\n', body.len);
		size_t len = end != NULL ? (size_t)(end - body.data) : body.len;

		if (!import_line(importing, bytes_of(body.data, len)))
			break;
		body.data += len + (end != NULL ? 1 : 0);
		body.len -= len + (end != NULL ? 1 : 0);
	}
	importing_release(importing);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/registry", export_page,
	    "after=NEXT: some of the registry as JSON lines; the last may be {\"next\": ...}" },
	{ HTTP_POST, "/v1/registry", import_lines,
	    "some such lines, at most 256: how many are stored, and what is wrong with the next" },
};

const struct api_table api_export_table = { routes, sizeof(routes) / sizeof(routes[0]) };
