/* SPDX-License-Identifier: MIT
 * Policies: their documents, to whom they are attached, and what they would say.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/access/policy_target.h"
#include "runtime/access/policy_trial.h"
#include "runtime/api/api_registry.h"
#include "runtime/host.h"
#include "runtime/registry/registry_record.h"

enum { TARGETS_SHOWN = 100, TARGETS_NAMED = 5, TARGETS_FORCED = 10000 };

static const char *
field(const struct api_change *made, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(made->body, name));
}

/* --- reading --- */

static void
list_policies(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = ((struct api *)arg)->parts.host->registry;
	struct registry_policy *at = NULL;
	cJSON *list = api_array(), *row;

	while ((at = registry_policy_next(registry, at)) != NULL) {
		row = api_object();
		api_add_string(row, "policyName", at->name);
		api_add_number(row, "targets", (double)at->target_count);
		api_add_number(row, "bytes", (double)strlen(at->document));
		cJSON_AddItemToArray(list, row);
	}
	api_send(exchange, 200, list);
}

static cJSON *
targets_of(const struct registry *registry, const struct registry_policy *policy)
{
	const char *texts[TARGETS_SHOWN];
	size_t count = policy_targets(registry, policy, texts, TARGETS_SHOWN);
	cJSON *list = api_array();

	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
	return list;
}

static void
get_policy(void *arg, struct http_exchange *exchange)
{
	const struct registry *registry = ((struct api *)arg)->parts.host->registry;
	struct bytes name = http_match_param(http_exchange_match(exchange), "policy");
	const struct registry_policy *policy = registry_policy(registry, name);
	cJSON *reply;

	if (policy == NULL) {
		http_exchange_error(exchange, 404, "there is no policy %.*s", (int)name.len,
		    (const char *)name.data);
		return;
	}
	reply = record_of_policy(policy);
	api_add_string(reply, "text", policy->document);
	api_add(reply, "attachedTo", targets_of(registry, policy));
	api_send(exchange, 200, reply);
}

/* --- changing --- */

static int
put_steps(const struct api_change *made, struct err *err)
{
	char *name = api_param(made->exchange, "policy");
	const char *text = field(made, "text");
	int status = -1;

	if (text == NULL)
		(void)err_set(err, "text: the policy's document, as a string, is wanted");
	else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(made->body, "new")) &&
		 registry_policy(made->registry, bytes_of_string(name)) != NULL)
		(void)err_set(
		    err, "policy %s is there already; --replace puts this one in its place", name);
	else
		status = registry_put_policy(made->change, name, bytes_of_string(text), err);
	free(name);
	return status;
}

static void
put_policy(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, put_steps);
}

/* "cert:3f2a91..., group:north and 3 more" */
static int
is_attached(const struct registry *registry, const struct registry_policy *policy, struct err *err)
{
	const char *texts[TARGETS_NAMED];
	size_t count = policy_targets(registry, policy, texts, TARGETS_NAMED);
	struct buf all = { 0 };

	for (size_t i = 0; i < count; i++)
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", texts[i]);
	if (count < policy->target_count)
		buf_printf(&all, " and %zu more", policy->target_count - count);
	(void)err_set(err, "policy %s is attached to %.700s: detach it first, or --force",
	    policy->name, buf_string(&all));
	buf_clear(&all);
	return -1;
}

static int
detach_all(const struct api_change *made, const struct registry_policy *policy, struct err *err)
{
	size_t count = policy->target_count;
	const char **texts;
	char *copy;
	int status = 0;

	if (count > TARGETS_FORCED)
		return err_set(err,
		    "policy %s is attached to %zu: more than %d are not detached at once",
		    policy->name, count, TARGETS_FORCED);
	texts = xcalloc(count + 1, sizeof(*texts));
	count = policy_targets(made->registry, policy, texts, count);
	for (size_t i = 0; status == 0 && i < count; i++) {
		copy = xstrdup(texts[i]); /* it goes with the last that is detached from it */
		status = registry_detach_policy(made->change, policy->name, copy, err);
		free(copy);
	}
	free(texts);
	return status;
}

static int
delete_steps(const struct api_change *made, struct err *err)
{
	char *name = api_param(made->exchange, "policy");
	const struct registry_policy *policy =
	    registry_policy(made->registry, bytes_of_string(name));
	int status = 0;

	if (policy != NULL && policy->target_count > 0) {
		status = api_query_number(made->exchange, "force", 0, 1) == 1
			     ? detach_all(made, policy, err)
			     : is_attached(made->registry, policy, err);
	}
	if (status == 0)
		status = registry_delete_policy(made->change, name, err);
	free(name);
	return status;
}

static void
delete_policy(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, false, delete_steps);
}

typedef int attaching(
    struct registry_change *change, const char *policy, const char *target, struct err *err);

/* "thing:audi22": whoever speaks for it. */
static int
each_of_thing(const struct api_change *made, const char *policy, attaching *step, struct err *err)
{
	const char *name = strchr(field(made, "target"), ':') + 1;
	const struct thing *thing = registry_thing(made->registry, bytes_of_string(name));
	int status = 0;

	if (thing == NULL)
		return err_set(err, "there is no thing %.140s", name);
	if (thing->target_count == 0)
		return err_set(err,
		    "thing %s is attached to no certificate, user or token that could have the "
		    "policy",
		    name);
	for (size_t i = 0; status == 0 && i < thing->target_count; i++)
		status = step(made->change, policy, thing->targets[i]->text, err);
	return status;
}

static int
attaching_steps(const struct api_change *made, attaching *step, struct err *err)
{
	const char *target = field(made, "target");
	char *policy = api_param(made->exchange, "policy"), *whole = NULL;
	int status = -1;

	if (target == NULL) {
		(void)err_set(err, "target: it is missing");
	} else if (strncmp(target, "thing:", 6) == 0) {
		status = each_of_thing(made, policy, step, err);
	} else {
		whole = policy_target_resolve(made->registry, target, err);
		if (whole != NULL)
			status = step(made->change, policy, whole, err);
	}
	free(whole);
	free(policy);
	return status;
}

static int
attach_steps(const struct api_change *made, struct err *err)
{
	return attaching_steps(made, registry_attach_policy, err);
}

static int
detach_steps(const struct api_change *made, struct err *err)
{
	return attaching_steps(made, registry_detach_policy, err);
}

static void
attach_policy(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, attach_steps);
}

static void
detach_policy(void *arg, struct http_exchange *exchange)
{
	api_change(arg, exchange, true, detach_steps);
}

/* --- trying --- */

static void
try_policies(void *arg, struct http_exchange *exchange)
{
	struct api *api = arg;
	cJSON *wish = api_body(exchange), *reply;
	struct err err;
	int status;

	if (wish == NULL)
		return;
	reply = policy_trial(api->parts.host, wish, &status, &err);
	if (reply != NULL)
		api_send(exchange, 200, reply);
	else
		http_exchange_error(exchange, status, "%s", err.text);
	cJSON_Delete(wish);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/policies", list_policies,
	    "names, sizes, and to how many they are attached" },
	{ HTTP_GET, "/v1/policies/{policy}", get_policy, "one, with whom it is attached to" },
	{ HTTP_PUT, "/v1/policies/{policy}", put_policy, "{text, new}: makes or replaces it" },
	{ HTTP_DELETE, "/v1/policies/{policy}", delete_policy, "?force=1: detaches it before" },
	{ HTTP_POST, "/v1/policies/{policy}/attach", attach_policy,
	    "{target}: \"cert:ID\", \"group:NAME\", \"user:NAME\", \"token:NAME\", "
	    "\"thing:NAME\"" },
	{ HTTP_POST, "/v1/policies/{policy}/detach", detach_policy, "{target}" },
	{ HTTP_POST, "/v1/policy-test", try_policies,
	    "{action, resource, thing, target, certificatePem, policies, clientId, address, "
	    "persistent, will}: what "
	    "they say, and which statement decides" },
};

const struct api_table api_policies_table = { routes, sizeof(routes) / sizeof(routes[0]) };
