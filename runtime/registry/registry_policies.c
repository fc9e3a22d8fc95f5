/* SPDX-License-Identifier: MIT
 * Policies by name: the row is the document, memory has it compiled besides. One that does not
 * compile is kept with nothing allowed: it can be read and replaced.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/registry/registry_private.h"

const char registry_default_policy[] = "default";

/* A thing may speak as itself, on topics that have its name as a level, and has its shadows. Denied
 * is what would come by that too: others' named shadows that are called as the thing is, and all of
 * $aws to a thing that is called as one of its levels is: one with the name "shadow" would have
 * everybody's. */
#define THING "${iot:Connection.Thing.ThingName}"
#define TOPICS(kind)                                                                       \
	"\"" kind "/" THING "\",\"" kind "/" THING "/*\",\"" kind "/*/" THING "\",\"" kind \
	"/*/" THING "/*\""
/* clang-format off */
static const char default_document[] =
"{\n"
"  \"Version\": \"2012-10-17\",\n"
"  \"Statement\": [\n"
"    {\"Sid\": \"connect\", \"Effect\": \"Allow\", \"Action\": \"iot:Connect\",\n"
"      \"Resource\": [\"client/" THING "\", \"client/" THING "/*\"]},\n"
"    {\"Sid\": \"messages\", \"Effect\": \"Allow\",\n"
"      \"Action\": [\"iot:Publish\", \"iot:RetainPublish\", \"iot:Receive\", \"iot:GetRetainedMessage\"],\n"
"      \"Resource\": [" TOPICS("topic") "]},\n"
"    {\"Sid\": \"subscriptions\", \"Effect\": \"Allow\", \"Action\": \"iot:Subscribe\",\n"
"      \"Resource\": [" TOPICS("topicfilter") "]},\n"
"    {\"Sid\": \"shadows\", \"Effect\": \"Allow\",\n"
"      \"Action\": [\"iot:GetThingShadow\", \"iot:UpdateThingShadow\", \"iot:DeleteThingShadow\",\n"
"        \"iot:ListNamedShadowsForThing\"],\n"
"      \"Resource\": [\"thing/" THING "\", \"thing/" THING "/*\"]},\n"
"    {\"Sid\": \"others\", \"Effect\": \"Deny\",\n"
"      \"Action\": [\"iot:Publish\", \"iot:RetainPublish\", \"iot:Receive\", \"iot:GetRetainedMessage\"],\n"
"      \"Resource\": \"topic/$aws/things/*/shadow/name/" THING "/*\"},\n"
"    {\"Sid\": \"words\", \"Effect\": \"Deny\", \"Action\": \"*\",\n"
"      \"Resource\": [\"topic/$aws/*\", \"topicfilter/$aws/*\"],\n"
"      \"Condition\": {\"StringEquals\": {\"iot:Connection.Thing.ThingName\": [\"things\", \"shadow\",\n"
"        \"name\", \"get\", \"update\", \"delete\", \"accepted\", \"rejected\", \"delta\", \"documents\",\n"
"        \"rules\", \"events\", \"presence\", \"connected\", \"disconnected\", \"subscriptions\",\n"
"        \"subscribed\", \"unsubscribed\", \"certificates\", \"registered\"]}}}\n"
"  ]\n"
"}\n";
/* clang-format on */

struct registry_policy *
registry_policy(const struct registry *registry, struct bytes name)
{
	struct hash_node *node = hash_find(&registry->policies, name);

	return node != NULL ? HASH_OWNER(node, struct registry_policy, link) : NULL;
}

struct registry_policy *
registry_policy_next(const struct registry *registry, struct registry_policy *at)
{
	struct hash_node *node = hash_next(&registry->policies, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct registry_policy, link) : NULL;
}

void
registry_policy_free(struct registry_policy *policy)
{
	policy_unref(policy->compiled);
	free(policy->document);
	free(policy->name);
	free(policy);
}

/* What denies all: stands in for a document of a later version that is not understood here. */
static struct policy *
nothing_allowed(void)
{
	static const char text[] =
	    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\","
	    "\"Action\":\"*\",\"Resource\":\"*\"}]}";
	struct err err;
	struct policy *policy = policy_parse(bytes_of_string(text), &err);

	if (policy == NULL)
		abort();
	return policy;
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	struct registry_policy *policy = registry_policy(registry, key);
	struct err err;
	struct policy *compiled;

	if (!registry_policy_name_is_valid(key) || value.len == 0 ||
	    memchr(value.data, 0, value.len) != NULL)
		return false;
	compiled = policy_parse(value, &err);
	if (compiled == NULL) {
		log_error("registry", "policy %.*s denies everything, for it does not compile: %s",
		    (int)key.len, (const char *)key.data, err.text);
		compiled = nothing_allowed();
	}
	if (policy == NULL) {
		policy = xcalloc(1, sizeof(*policy));
		policy->name = bytes_to_string(key);
		hash_insert(&registry->policies, &policy->link, bytes_of_string(policy->name));
	}
	policy_unref(policy->compiled);
	free(policy->document);
	policy->compiled = compiled;
	policy->document = bytes_to_string(value);
	return true;
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct registry_policy *policy = registry_policy(registry, key);

	if (policy == NULL)
		return;
	registry_drop_policy_links(registry, policy);
	hash_remove(&registry->policies, &policy->link);
	registry_policy_free(policy);
}

static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	const struct registry_policy *policy = registry_policy(registry, key);

	if (policy != NULL)
		buf_append_string(value, policy->document);
	return policy != NULL;
}

const struct registry_rows registry_policy_rows = { SPACE_POLICY, take, drop, write };

/* --- steps --- */

int
registry_put_policy(
    struct registry_change *change, const char *name, struct bytes document, struct err *err)
{
	struct registry *registry = registry_of(change);
	struct policy *compiled;

	if (registry_check_room(change, &registry->policies, err) < 0)
		return -1;
	if (!registry_policy_name_is_valid(bytes_of_string(name)))
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "policy \"%.140s\": a name is 1 to %d letters, digits or any of _+=,.@-", name,
		    REGISTRY_NAME_BYTES_MAX);
	if (document.len == 0 || memchr(document.data, 0, document.len) != NULL)
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "policy %s: the document is empty, or holds a zero", name);
	compiled = policy_parse(document, err);
	if (compiled == NULL)
		return registry_refuse(
		    change, REGISTRY_INVALID, err, "policy %s: %s", name, err->text);
	policy_unref(compiled);
	registry_put_row(change, SPACE_POLICY, bytes_of_string(name), document);
	return 0;
}

int
registry_delete_policy(struct registry_change *change, const char *name, struct err *err)
{
	const struct registry_policy *policy =
	    registry_policy(registry_of(change), bytes_of_string(name));

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	if (policy == NULL)
		return registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no policy %.140s", name);
	if (policy->target_count > 0)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "policy %s is attached to %zu certificates, groups and users: detach it first",
		    name, policy->target_count);
	registry_delete_row(change, SPACE_POLICY, bytes_of_string(name));
	return 0;
}

int
registry_need_default_policy(struct registry_change *change, struct err *err)
{
	if (registry_policy(registry_of(change), bytes_of_string(registry_default_policy)) != NULL)
		return 0;
	return registry_put_policy(
	    change, registry_default_policy, bytes_of_string(default_document), err);
}
