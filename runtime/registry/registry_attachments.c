/* SPDX-License-Identifier: MIT
 * What is attached to what: things to targets, things to groups, policies to targets. Both ends
 * point to each other; a target is there as long as something is attached to it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/access/identity.h"
#include "runtime/registry/registry_private.h"

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

/* Lists are in the order of names, for a restart must not change who comes first. */
typedef const char *name_fn(const void *item);

static const char *
thing_name(const void *item)
{
	return ((const struct thing *)item)->name;
}

static const char *
group_name(const void *item)
{
	return ((const struct thing_group *)item)->name;
}

static const char *
policy_name(const void *item)
{
	return ((const struct registry_policy *)item)->name;
}

static const char *
target_name(const void *item)
{
	return ((const struct registry_target *)item)->text;
}

/* The list with one more; its memory may be another. */
static void *
list_with(void *list, size_t count, void *item, name_fn *name)
{
	void **grown = xrealloc(list, (count + 1) * sizeof(void *));
	size_t at = count;

	for (; at > 0 && strcmp(name(grown[at - 1]), name(item)) > 0; at--)
		grown[at] = grown[at - 1];
	grown[at] = item;
	return grown;
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
	target->things = list_with(target->things, target->thing_count, thing, thing_name);
	target->thing_count++;
	thing->targets = list_with(thing->targets, thing->target_count, target, target_name);
	thing->target_count++;
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
	target->policies = list_with(target->policies, target->policy_count, policy, policy_name);
	target->policy_count++;
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
	thing->groups = list_with(thing->groups, thing->group_count, group, group_name);
	thing->group_count++;
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

bool
registry_target_exists(const struct registry *registry, struct bytes text)
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

	if (thing == NULL || !registry_target_exists(registry, ends->to))
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

	if (policy == NULL || !registry_target_exists(registry, ends->to))
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

bool
registry_is_attached(
    const struct registry *registry, enum attachment kind, const char *from, const char *to)
{
	const struct ends ends = { kind, bytes_of_string(from), bytes_of_string(to) };

	return is_joined(registry, &ends);
}

bool
registry_attachment_matters(const struct registry *registry, struct bytes key, const char *fresh)
{
	const struct thing *thing;
	struct ends ends;

	if (!read_key(key, &ends))
		return false;
	if (ends.kind == ATTACHMENT_MEMBER) {
		thing = registry_thing(registry, ends.to);
		return thing != NULL && thing->target_count > 0;
	}
	return ends.to.len <= 5 || memcmp(ends.to.data, "cert:", 5) != 0 ||
	       !bytes_equal_string(bytes_of(ends.to.data + 5, ends.to.len - 5), fresh);
}
