/* SPDX-License-Identifier: MIT
 * Steps that attach and detach.
 */
#include <string.h>

#include "runtime/registry/registry_private.h"

static int
check_target(struct registry_change *change, const char *text, struct err *err)
{
	static const char *const words[] = { "cert:", "group:", "user:", "token:" };
	size_t len = strlen(text);

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t word = strlen(words[i]);

		if (strncmp(text, words[i], word) != 0 || len == word ||
		    len > REGISTRY_TARGET_BYTES_MAX)
			continue;
		if (registry_target_exists(registry_of(change), bytes_of_string(text)))
			return 0;
		return registry_refuse(change, REGISTRY_NOT_FOUND, err, "there is no %.*s %s",
		    (int)word - 1, text, text + word);
	}
	return registry_refuse(change, REGISTRY_INVALID, err,
	    "target \"%.300s\" is none of cert:ID, group:NAME, user:NAME, token:NAME", text);
}

static const struct registry_policy *
need_policy(struct registry_change *change, const char *name, struct err *err)
{
	const struct registry_policy *policy =
	    registry_policy(registry_of(change), bytes_of_string(name));

	if (policy == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no policy %.140s", name);
	return policy;
}

int
registry_attach_policy(
    struct registry_change *change, const char *name, const char *text, struct err *err)
{
	struct registry *registry = registry_of(change);
	const struct registry_target *target;
	const struct registry_policy *policy;

	if (check_target(change, text, err) < 0)
		return -1;
	policy = need_policy(change, name, err);
	if (policy == NULL)
		return -1;
	target = registry_target(registry, bytes_of_string(text));
	if (registry_is_attached(registry, ATTACHMENT_POLICY, name, text))
		return 0;
	if (target != NULL && target->policy_count >= REGISTRY_POLICIES_MAX)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "%s has %d policies, and may have no more", text, REGISTRY_POLICIES_MAX);
	registry_attach(change, ATTACHMENT_POLICY, name, text);
	return 0;
}

int
registry_detach_policy(
    struct registry_change *change, const char *name, const char *text, struct err *err)
{
	const struct registry *registry = registry_of(change);
	const struct registry_policy *policy;

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	policy = need_policy(change, name, err);
	if (policy == NULL)
		return -1;
	if (!registry_is_attached(registry, ATTACHMENT_POLICY, name, text))
		return registry_refuse(change, REGISTRY_NOT_FOUND, err,
		    "policy %s is not attached to %.300s", name, text);
	registry_detach(change, ATTACHMENT_POLICY, name, text);
	return 0;
}

static const struct thing *
need_thing(struct registry_change *change, const char *name, struct err *err)
{
	const struct thing *thing = registry_thing(registry_of(change), bytes_of_string(name));

	if (thing == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no thing %.140s", name);
	return thing;
}

int
registry_attach_thing(
    struct registry_change *change, const char *name, const char *text, struct err *err)
{
	const struct registry_target *target;
	const struct thing *thing;

	if (check_target(change, text, err) < 0)
		return -1;
	if (strncmp(text, "group:", 6) == 0)
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "%.300s: a thing is put into a group with moonlet group add", text);
	thing = need_thing(change, name, err);
	if (thing == NULL)
		return -1;
	target = registry_target(registry_of(change), bytes_of_string(text));
	if (registry_is_attached(registry_of(change), ATTACHMENT_TARGET, name, text))
		return 0;
	if (thing->target_count >= REGISTRY_TARGETS_MAX)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "thing %s is attached to %d certificates and users, and may be to no more",
		    name, REGISTRY_TARGETS_MAX);
	if (target != NULL && target->thing_count >= REGISTRY_THINGS_MAX)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "%s is attached to %d things, and may be to no more", text,
		    REGISTRY_THINGS_MAX);
	registry_attach(change, ATTACHMENT_TARGET, name, text);
	return 0;
}

int
registry_detach_thing(
    struct registry_change *change, const char *name, const char *text, struct err *err)
{
	const struct thing *thing;

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	thing = need_thing(change, name, err);
	if (thing == NULL)
		return -1;
	if (!registry_is_attached(registry_of(change), ATTACHMENT_TARGET, name, text))
		return registry_refuse(change, REGISTRY_NOT_FOUND, err,
		    "thing %s is not attached to %.300s", name, text);
	registry_detach(change, ATTACHMENT_TARGET, name, text);
	return 0;
}
