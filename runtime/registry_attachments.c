/* SPDX-License-Identifier: MIT
 * What is attached to what: things to targets, things to groups, policies to targets. Both ends
 * point to each other; a target is there as long as something is attached to it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/identity.h"
#include "runtime/registry_private.h"

struct registry_target *
registry_target(const struct registry *registry, struct bytes text)
{
	struct hash_node *node = hash_find(&registry->targets, text);

	return node != NULL ? HASH_OWNER(node, struct registry_target, link) : NULL;
}

struct registry_target *
registry_target_next(const struct registry *registry, struct registry_target *at)
{
	struct hash_node *node = hash_next(&registry->targets, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct registry_target, link) : NULL;
}

void
registry_target_free(struct registry_target *target)
{
	free(target->policies);
	free(target->things);
	free(target->text);
	free(target);
}

/* --- lists of pointers --- */

static bool
list_has(void *const *list, size_t count, const void *item)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == item)
			return true;
	}
	return false;
}

static void *
list_grown(void *list, size_t count)
{
	return xrealloc(list, (count + 1) * sizeof(void *));
}

/* Keeps the order. Returns the new count. */
static size_t
list_without(void **list, size_t count, const void *item)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (list[i] != item)
			list[kept++] = list[i];
	}
	return kept;
}

/* --- links --- */

static struct registry_target *
target_need(struct registry *registry, struct bytes text)
{
	struct registry_target *target = registry_target(registry, text);

	if (target != NULL)
		return target;
	target = xcalloc(1, sizeof(*target));
	target->text = bytes_to_string(text);
	hash_insert(&registry->targets, &target->link, bytes_of_string(target->text));
	return target;
}

static void
target_settle(struct registry *registry, struct registry_target *target)
{
	if (target->policy_count > 0 || target->thing_count > 0)
		return;
	hash_remove(&registry->targets, &target->link);
	registry_target_free(target);
}

static void
join_thing(struct registry_target *target, struct thing *thing)
{
	if (list_has((void **)target->things, target->thing_count, thing) ||
	    thing->target_count == UINT8_MAX)
		return;
	target->things = list_grown(target->things, target->thing_count);
	target->things[target->thing_count++] = thing;
	thing->targets = list_grown(thing->targets, thing->target_count);
	thing->targets[thing->target_count++] = target;
}

static void
part_thing(struct registry_target *target, struct thing *thing)
{
	target->thing_count = list_without((void **)target->things, target->thing_count, thing);
	thing->target_count =
	    (uint8_t)list_without((void **)thing->targets, thing->target_count, target);
}

static void
join_policy(struct registry_target *target, struct registry_policy *policy)
{
	if (list_has((void **)target->policies, target->policy_count, policy))
		return;
	target->policies = list_grown(target->policies, target->policy_count);
	target->policies[target->policy_count++] = policy;
	policy->target_count++;
}

static void
part_policy(struct registry_target *target, struct registry_policy *policy)
{
	size_t count = list_without((void **)target->policies, target->policy_count, policy);

	policy->target_count -= target->policy_count - count;
	target->policy_count = count;
}

static void
join_group(struct thing *thing, struct thing_group *group)
{
	if (list_has((void **)thing->groups, thing->group_count, group) ||
	    thing->group_count == UINT8_MAX)
		return;
	thing->groups = list_grown(thing->groups, thing->group_count);
	thing->groups[thing->group_count++] = group;
	group->thing_count++;
}

static void
part_group(struct thing *thing, struct thing_group *group)
{
	size_t count = list_without((void **)thing->groups, thing->group_count, group);

	group->thing_count -= thing->group_count - count;
	thing->group_count = (uint8_t)count;
}

void
registry_drop_thing_links(struct registry *registry, struct thing *thing)
{
	while (thing->group_count > 0)
		part_group(thing, thing->groups[0]);
	while (thing->target_count > 0) {
		struct registry_target *target = thing->targets[0];

		part_thing(target, thing);
		target_settle(registry, target);
	}
}

void
registry_drop_target(struct registry *registry, const char *kind, const char *name)
{
	struct registry_target *target;
	struct buf text = { 0 };

	buf_printf(&text, "%s%s", kind, name);
	target = registry_target(registry, buf_bytes(&text));
	buf_clear(&text);
	if (target == NULL)
		return;
	while (target->thing_count > 0)
		part_thing(target, target->things[0]);
	while (target->policy_count > 0)
		part_policy(target, target->policies[0]);
	target_settle(registry, target);
}

void
registry_drop_policy_links(struct registry *registry, struct registry_policy *policy)
{
	struct registry_target *at = registry_target_next(registry, NULL), *next;

	for (; at != NULL && policy->target_count > 0; at = next) {
		next = registry_target_next(registry, at);
		part_policy(at, policy);
		target_settle(registry, at);
	}
}

/* --- rows --- */

struct ends {
	enum attachment kind;
	struct bytes from;
	struct bytes to;
};

static bool
read_key(struct bytes key, struct ends *ends)
{
	const uint8_t *zero = key.len > 1 ? memchr(key.data + 1, 0, key.len - 1) : NULL;

	if (zero == NULL)
		return false;
	ends->kind = (enum attachment)key.data[0];
	ends->from = bytes_of(key.data + 1, (size_t)(zero - key.data) - 1);
	ends->to = bytes_of(zero + 1, (size_t)(key.data + key.len - zero) - 1);
	return true;
}

/* Whether a certificate or group of the target is there; others need not be. */
static bool
target_exists(const struct registry *registry, struct bytes text)
{
	static const char cert[] = "cert:", group[] = "group:";

	if (text.len >= sizeof(cert) - 1 && memcmp(text.data, cert, sizeof(cert) - 1) == 0)
		return registry_certificate(registry, bytes_of(text.data + sizeof(cert) - 1,
							  text.len - sizeof(cert) + 1)) != NULL;
	if (text.len >= sizeof(group) - 1 && memcmp(text.data, group, sizeof(group) - 1) == 0)
		return registry_group(registry, bytes_of(text.data + sizeof(group) - 1,
						    text.len - sizeof(group) + 1)) != NULL;
	return true;
}

static bool
take_target(struct registry *registry, const struct ends *ends)
{
	struct thing *thing = registry_thing(registry, ends->from);

	if (thing == NULL || !target_exists(registry, ends->to))
		return false;
	join_thing(target_need(registry, ends->to), thing);
	return true;
}

static bool
take_member(struct registry *registry, const struct ends *ends)
{
	struct thing_group *group = registry_group(registry, ends->from);
	struct thing *thing = registry_thing(registry, ends->to);

	if (thing == NULL || group == NULL)
		return false;
	join_group(thing, group);
	return true;
}

static bool
take_policy(struct registry *registry, const struct ends *ends)
{
	struct registry_policy *policy = registry_policy(registry, ends->from);

	if (policy == NULL || !target_exists(registry, ends->to))
		return false;
	join_policy(target_need(registry, ends->to), policy);
	return true;
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	struct ends ends;
	bool joined;

	(void)value;
	if (!read_key(key, &ends))
		return false;
	switch (ends.kind) {
	case ATTACHMENT_TARGET:
		joined = take_target(registry, &ends);
		break;
	case ATTACHMENT_MEMBER:
		joined = take_member(registry, &ends);
		break;
	case ATTACHMENT_POLICY:
		joined = take_policy(registry, &ends);
		break;
	default:
		return false;
	}
	registry->dangling += joined ? 0 : 1;
	return true;
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct registry_target *target;
	struct registry_policy *policy;
	struct thing_group *group;
	struct thing *thing;
	struct ends ends;

	if (!read_key(key, &ends))
		return;
	target = registry_target(registry, ends.to);
	thing = registry_thing(registry, ends.kind == ATTACHMENT_MEMBER ? ends.to : ends.from);
	group = registry_group(registry, ends.from);
	policy = registry_policy(registry, ends.from);
	if (ends.kind == ATTACHMENT_MEMBER && thing != NULL && group != NULL)
		part_group(thing, group);
	else if (ends.kind == ATTACHMENT_TARGET && thing != NULL && target != NULL)
		part_thing(target, thing);
	else if (ends.kind == ATTACHMENT_POLICY && policy != NULL && target != NULL)
		part_policy(target, policy);
	else
		return;
	if (ends.kind != ATTACHMENT_MEMBER)
		target_settle(registry, target);
}

static bool
is_joined(const struct registry *registry, const struct ends *ends)
{
	const struct registry_target *target = registry_target(registry, ends->to);
	const struct thing *thing =
	    registry_thing(registry, ends->kind == ATTACHMENT_MEMBER ? ends->to : ends->from);

	if (ends->kind == ATTACHMENT_MEMBER)
		return thing != NULL && list_has((void **)thing->groups, thing->group_count,
					    registry_group(registry, ends->from));
	if (target == NULL)
		return false;
	if (ends->kind == ATTACHMENT_TARGET)
		return list_has((void **)target->things, target->thing_count, thing);
	return list_has(
	    (void **)target->policies, target->policy_count, registry_policy(registry, ends->from));
}

static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	struct ends ends;

	(void)value;
	return read_key(key, &ends) && is_joined(registry, &ends);
}

const struct registry_rows registry_attachment_rows = { SPACE_ATTACHMENT, take, drop, write };

/* --- lookups --- */

/* "THING" or "THING/..." */
static bool
is_client_of(struct bytes client_id, const struct thing *thing)
{
	size_t len = strlen(thing->name);

	return client_id.len >= len && memcmp(client_id.data, thing->name, len) == 0 &&
	       (client_id.len == len || client_id.data[len] == '/');
}

struct thing *
registry_thing_of(const struct registry *registry, struct bytes text, struct bytes client_id)
{
	const struct registry_target *target = registry_target(registry, text);

	if (target == NULL || target->thing_count == 0)
		return NULL;
	for (size_t i = 0; client_id.len > 0 && i < target->thing_count; i++) {
		if (is_client_of(client_id, target->things[i]))
			return target->things[i];
	}
	return target->things[0];
}

static void
add_policies(const struct registry_target *target, struct policy_list *list)
{
	for (size_t i = 0; target != NULL && i < target->policy_count; i++) {
		const struct registry_policy *policy = target->policies[i];
		bool is_there = false;

		for (size_t k = 0; k < list->count && !is_there; k++)
			is_there = strcmp(list->names[k], policy->name) == 0;
		if (!is_there)
			policy_list_add(list, policy->compiled, policy->name);
	}
}

static void
add_group_policies(
    const struct registry *registry, const struct thing_group *group, struct policy_list *list)
{
	struct buf text = { 0 };

	for (int depth = 0; group != NULL && depth < REGISTRY_GROUP_DEPTH_MAX; depth++) {
		buf_reset(&text);
		buf_printf(&text, "group:%s", group->name);
		add_policies(registry_target(registry, buf_bytes(&text)), list);
		group = group->parent != NULL
			    ? registry_group(registry, bytes_of_string(group->parent))
			    : NULL;
	}
	buf_clear(&text);
}

void
registry_policies_of(const struct registry *registry, struct bytes target,
    const struct thing *thing, struct policy_list *list)
{
	add_policies(registry_target(registry, target), list);
	for (uint8_t i = 0; thing != NULL && i < thing->group_count; i++)
		add_group_policies(registry, thing->groups[i], list);
}

/* --- steps --- */

static void
write_key(enum attachment kind, const char *from, const char *to, struct buf *key)
{
	buf_append_u8(key, (uint8_t)kind);
	buf_append(key, from, strlen(from) + 1);
	buf_append_string(key, to);
}

void
registry_attach(
    struct registry_change *change, enum attachment kind, const char *from, const char *to)
{
	struct buf key = { 0 };

	write_key(kind, from, to, &key);
	registry_put_row(change, SPACE_ATTACHMENT, buf_bytes(&key), bytes_of(NULL, 0));
	buf_clear(&key);
}

void
registry_detach(
    struct registry_change *change, enum attachment kind, const char *from, const char *to)
{
	struct buf key = { 0 };

	write_key(kind, from, to, &key);
	registry_delete_row(change, SPACE_ATTACHMENT, buf_bytes(&key));
	buf_clear(&key);
}

void
registry_detach_all(struct registry_change *change, const char *text)
{
	const struct registry *registry = registry_of(change);
	const struct registry_target *target;

	while ((target = registry_target(registry, bytes_of_string(text))) != NULL) {
		if (target->thing_count > 0)
			registry_detach(change, ATTACHMENT_TARGET, target->things[0]->name, text);
		else
			registry_detach(change, ATTACHMENT_POLICY, target->policies[0]->name, text);
	}
}

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
		if (target_exists(registry_of(change), bytes_of_string(text)))
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
	if (target != NULL && list_has((void **)target->policies, target->policy_count, policy))
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
	const struct registry_target *target = registry_target(registry, bytes_of_string(text));
	const struct registry_policy *policy;

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	policy = need_policy(change, name, err);
	if (policy == NULL)
		return -1;
	if (target == NULL || !list_has((void **)target->policies, target->policy_count, policy))
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
	if (target != NULL && list_has((void **)target->things, target->thing_count, thing))
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
	const struct registry_target *target =
	    registry_target(registry_of(change), bytes_of_string(text));
	const struct thing *thing;

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	thing = need_thing(change, name, err);
	if (thing == NULL)
		return -1;
	if (target == NULL || !list_has((void **)target->things, target->thing_count, thing))
		return registry_refuse(change, REGISTRY_NOT_FOUND, err,
		    "thing %s is not attached to %.300s", name, text);
	registry_detach(change, ATTACHMENT_TARGET, name, text);
	return 0;
}
