/* SPDX-License-Identifier: MIT
 * The registry but for its things: types, groups, certificates, authorities, attachments, and all
 * of it as JSON lines.
 */
#include "runtime/api/api_registry.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/host.h"
#include "runtime/registry/registry_record.h"

enum { PREFIX_MIN = 6 };

int
api_refusal_status(enum registry_refusal refusal)
{
	static const int statuses[] = {
		[REGISTRY_INVALID] = 400,
		[REGISTRY_NOT_FOUND] = 404,
		[REGISTRY_CONFLICT] = 409,
		[REGISTRY_BUSY] = 503,
	};

	return statuses[refusal];
}

char *
api_param(const struct http_exchange *exchange, const char *name)
{
	return bytes_to_string(http_match_param(http_exchange_match(exchange), name));
}

static void
on_committed(void *arg, int status, const struct err *err)
{
	if (status < 0)
		http_exchange_error(arg, 503, "it could not be stored: %s", err->text);
	else
		api_send_ok(arg);
}

void
api_change(struct api *api, struct http_exchange *exchange, bool has_body, api_steps *steps)
{
	struct api_change made = { .registry = api->parts.host->registry, .exchange = exchange };
	cJSON *body = has_body ? api_body(exchange) : api_object();
	struct err err;

	if (body == NULL)
		return;
	made.body = body;
	made.change = registry_change_new(made.registry);
	if (steps(&made, &err) < 0) {
		int status = api_refusal_status(registry_change_refusal(made.change));

		registry_change_cancel(made.change);
		http_exchange_error(exchange, status, "%s", err.text);
	} else {
		registry_change_commit(made.change, on_committed, exchange);
	}
	cJSON_Delete(body);
}

/* A field of the body; NULL: not there, or no string. */
static const char *
field(const struct api_change *made, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(made->body, name));
}

static int
invalid(const struct api_change *made, struct err *err, const char *text)
{
	(void)made;
	return err_set(err, "%s", text);
}

/* A step that takes a parameter of the route. */
static int
by_param(const struct api_change *made, const char *name,
    int (*step)(struct registry_change *change, const char *name, struct err *err), struct err *err)
{
	char *value = api_param(made->exchange, name);
	int status = step(made->change, value, err);

	free(value);
	return status;
}

static int
put_record(const struct api_change *made, const char *kind, struct err *err)
{
	cJSON *record = cJSON_Duplicate(made->body, true);
	int status;

	cJSON_DeleteItemFromObjectCaseSensitive(record, "kind");
	api_add_string(record, "kind", kind);
	status = record_apply(made->change, record, RECORD_NEW, err);
	cJSON_Delete(record);
	return status;
}

/* --- types --- */

static void
list_types(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = ((struct api *)arg)->parts.host->registry;
	cJSON *list = api_array();

	for (struct thing_type *at = registry_type_next(registry, NULL); at != NULL;
	     at = registry_type_next(registry, at))
		cJSON_AddItemToArray(list, record_of_type(at));
	api_send(exchange, 200, list);
}

static int
create_type_steps(const struct api_change *made, struct err *err)
{
	return put_record(made, "thingType", err);
}

static void
create_type(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, create_type_steps);
}

static int
change_type_steps(const struct api_change *made, struct err *err)
{
	char *name = api_param(made->exchange, "type");
	const cJSON *deprecated = cJSON_GetObjectItemCaseSensitive(made->body, "deprecated");
	int status =
	    cJSON_IsBool(deprecated)
		? registry_deprecate_type(made->change, name, cJSON_IsTrue(deprecated), err)
		: invalid(made, err, "deprecated: true or false is wanted");

	free(name);
	return status;
}

static void
change_type(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, change_type_steps);
}

static int
delete_type_steps(const struct api_change *made, struct err *err)
{
	return by_param(made, "type", registry_delete_type, err);
}

static void
delete_type(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, delete_type_steps);
}

/* --- groups --- */

static void
list_groups(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = ((struct api *)arg)->parts.host->registry;
	cJSON *list = api_array();

	for (struct thing_group *at = registry_group_next(registry, NULL); at != NULL;
	     at = registry_group_next(registry, at))
		cJSON_AddItemToArray(list, record_of_group(registry, at));
	api_send(exchange, 200, list);
}

static void
get_group(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = ((struct api *)arg)->parts.host->registry;
	struct bytes name = http_match_param(http_exchange_match(exchange), "group");
	const struct thing_group *group = registry_group(registry, name);

	if (group == NULL)
		http_exchange_error(exchange, 404, "there is no group %.*s", (int)name.len,
		    (const char *)name.data);
	else
		api_send(exchange, 200, record_of_group(registry, group));
}

static int
create_group_steps(const struct api_change *made, struct err *err)
{
	return put_record(made, "thingGroup", err);
}

static void
create_group(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, create_group_steps);
}

static int
change_group_steps(const struct api_change *made, struct err *err)
{
	char *name = api_param(made->exchange, "group");
	const struct group_wish wish = { .name = name,
		.description = field(made, "description"),
		.attributes = cJSON_GetObjectItemCaseSensitive(made->body, "attributes") };
	int status = registry_put_group(made->change, &wish, err);

	free(name);
	return status;
}

static void
change_group(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, change_group_steps);
}

static int
delete_group_steps(const struct api_change *made, struct err *err)
{
	return by_param(made, "group", registry_delete_group, err);
}

static void
delete_group(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, delete_group_steps);
}

static int
member_steps(const struct api_change *made,
    int (*step)(struct registry_change *, const char *, const char *, struct err *),
    struct err *err)
{
	char *group = api_param(made->exchange, "group"),
	     *thing = api_param(made->exchange, "thing");
	int status = step(made->change, group, thing, err);

	free(group);
	free(thing);
	return status;
}

static int
add_member_steps(const struct api_change *made, struct err *err)
{
	return member_steps(made, registry_add_member, err);
}

static void
add_member(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, add_member_steps);
}

static int
remove_member_steps(const struct api_change *made, struct err *err)
{
	return member_steps(made, registry_remove_member, err);
}

static void
remove_member(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, remove_member_steps);
}

/* --- certificates --- */

/* By its id, or by the beginning of it where only one begins so. NULL: that has been answered. */
static struct registry_certificate *
find_certificate(struct api *api, struct http_exchange *exchange)
{
	const struct registry *registry = api->parts.host->registry;
	struct bytes id = http_match_param(http_exchange_match(exchange), "certificate");
	struct registry_certificate *found = registry_certificate(registry, id), *at;

	for (at = found == NULL && id.len >= PREFIX_MIN ? registry_certificate_next(registry, NULL)
							: NULL;
	     at != NULL; at = registry_certificate_next(registry, at)) {
		if (strncmp(at->id, (const char *)id.data, id.len) != 0)
			continue;
		if (found != NULL) {
			http_exchange_error(exchange, 409,
			    "more than one certificate begins with %.*s: give more of it",
			    (int)id.len, (const char *)id.data);
			return NULL;
		}
		found = at;
	}
	if (found == NULL)
		http_exchange_error(exchange, 404, "there is no certificate %.*s", (int)id.len,
		    (const char *)id.data);
	return found;
}

static void
get_certificate(void *arg, struct http_exchange *exchange)
{
	struct registry_certificate *certificate = find_certificate(arg, exchange);

	if (certificate != NULL)
		api_send(exchange, 200,
		    record_of_certificate(((struct api *)arg)->parts.host->registry, certificate));
}

static int
register_steps(const struct api_change *made, struct err *err)
{
	return put_record(made, "certificate", err);
}

static void
register_certificate(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, register_steps);
}

/* The whole id of the certificate of the route; it is there, for it has been found before. */
static const char *
certificate_id_of(const struct api_change *made)
{
	struct bytes id = http_match_param(http_exchange_match(made->exchange), "certificate");
	struct registry_certificate *at = registry_certificate(made->registry, id);

	for (at = at != NULL ? at : registry_certificate_next(made->registry, NULL); at != NULL;
	     at = registry_certificate_next(made->registry, at)) {
		if (strncmp(at->id, (const char *)id.data, id.len) == 0)
			return at->id;
	}
	return "";
}

static int
change_certificate_steps(const struct api_change *made, struct err *err)
{
	const char *text = field(made, "status");
	enum registry_state state;
	char id[CERTIFICATE_ID_BYTES];

	if (text == NULL || !registry_state_parse(text, &state))
		return invalid(made, err, "status: ACTIVE, INACTIVE or REVOKED is wanted");
	memcpy(id, certificate_id_of(made), sizeof(id));
	return registry_set_certificate_state(made->change, id, state, err);
}

static void
change_certificate(void *arg, struct http_exchange *exchange)
{
	if (find_certificate(arg, exchange) != NULL)
		api_change(arg, exchange, true, change_certificate_steps);
}

static int
delete_certificate_steps(const struct api_change *made, struct err *err)
{
	char id[CERTIFICATE_ID_BYTES];

	memcpy(id, certificate_id_of(made), sizeof(id));
	return registry_delete_certificate(made->change, id, err);
}

static void
delete_certificate(void *arg, struct http_exchange *exchange)
{
	if (find_certificate(arg, exchange) != NULL)
		api_change(arg, exchange, false, delete_certificate_steps);
}

/* --- authorities --- */

static void
list_authorities(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = ((struct api *)arg)->parts.host->registry;
	cJSON *list = api_array();

	for (struct registry_authority *at = registry_authority_next(registry, NULL); at != NULL;
	     at = registry_authority_next(registry, at))
		cJSON_AddItemToArray(list, record_of_authority(at));
	api_send(exchange, 200, list);
}

static int
add_authority_steps(const struct api_change *made, struct err *err)
{
	return put_record(made, "caCertificate", err);
}

static void
add_authority(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, add_authority_steps);
}

/* The whole id of the authority of the route, where what was given begins one alone; else what was
 * given. To be freed. */
static char *
authority_id_of(const struct api_change *made)
{
	char *given = api_param(made->exchange, "authority");
	const struct registry_authority *found = NULL;
	size_t len = strlen(given);

	for (struct registry_authority *at = registry_authority_next(made->registry, NULL);
	     at != NULL && len >= PREFIX_MIN; at = registry_authority_next(made->registry, at)) {
		if (strncmp(at->id, given, len) != 0)
			continue;
		if (found != NULL)
			return given;
		found = at;
	}
	if (found == NULL)
		return given;
	free(given);
	return xstrdup(found->id);
}

static int
change_authority_steps(const struct api_change *made, struct err *err)
{
	char *id = authority_id_of(made);
	const char *text = field(made, "registration");
	enum registration registration;
	int status = text != NULL && registration_parse(text, &registration)
			 ? registry_set_registration(made->change, id, registration, err)
			 : invalid(made, err, "registration: off, pending or provision is wanted");

	free(id);
	return status;
}

static void
change_authority(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, change_authority_steps);
}

static int
remove_authority_steps(const struct api_change *made, struct err *err)
{
	char *id = authority_id_of(made);
	int status = registry_delete_authority(made->change, id, err);

	free(id);
	return status;
}

static void
remove_authority(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, remove_authority_steps);
}

/* --- things and targets --- */

static int
attach_steps(const struct api_change *made, struct err *err)
{
	char *thing = api_param(made->exchange, "thing");
	const char *target = field(made, "target");
	int status = target != NULL ? registry_attach_thing(made->change, thing, target, err)
				    : invalid(made, err, "target: missing");

	free(thing);
	return status;
}

static void
attach_thing(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, attach_steps);
}

static int
detach_steps(const struct api_change *made, struct err *err)
{
	char *thing = api_param(made->exchange, "thing");
	const char *target = field(made, "target");
	int status = target != NULL ? registry_detach_thing(made->change, thing, target, err)
				    : invalid(made, err, "target: missing");

	free(thing);
	return status;
}

static void
detach_thing(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, detach_steps);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/types", list_types, "the thing types" },
	{ HTTP_POST, "/v1/types", create_type, "thingTypeName, description, searchableAttributes" },
	{ HTTP_POST, "/v1/types/{type}", change_type, "deprecated" },
	{ HTTP_DELETE, "/v1/types/{type}", delete_type, "where no thing has it" },
	{ HTTP_GET, "/v1/groups", list_groups, "the groups" },
	{ HTTP_POST, "/v1/groups", create_group,
	    "thingGroupName, parentGroupName, description, attributes, policies" },
	{ HTTP_GET, "/v1/groups/{group}", get_group, "one group" },
	{ HTTP_POST, "/v1/groups/{group}", change_group, "description, attributes" },
	{ HTTP_DELETE, "/v1/groups/{group}", delete_group, "where no group is below it" },
	{ HTTP_PUT, "/v1/groups/{group}/things/{thing}", add_member, "puts the thing into it" },
	{ HTTP_DELETE, "/v1/groups/{group}/things/{thing}", remove_member, "takes it out" },
	{ HTTP_POST, "/v1/certificates", register_certificate, "certificatePem, status, policies" },
	{ HTTP_GET, "/v1/certificates/{certificate}", get_certificate, "one, by its id" },
	{ HTTP_POST, "/v1/certificates/{certificate}", change_certificate,
	    "status: ACTIVE, INACTIVE or REVOKED" },
	{ HTTP_DELETE, "/v1/certificates/{certificate}", delete_certificate,
	    "one that is not ACTIVE" },
	{ HTTP_GET, "/v1/authorities", list_authorities, "whose signatures count" },
	{ HTTP_POST, "/v1/authorities", add_authority, "certificatePem, registration" },
	{ HTTP_POST, "/v1/authorities/{authority}", change_authority,
	    "registration: off, pending or provision" },
	{ HTTP_DELETE, "/v1/authorities/{authority}", remove_authority, "one that was imported" },
	{ HTTP_POST, "/v1/things/{thing}/attach", attach_thing, "target" },
	{ HTTP_POST, "/v1/things/{thing}/detach", detach_thing, "target" },
};

const struct api_table api_registry_table = { routes, sizeof(routes) / sizeof(routes[0]) };
