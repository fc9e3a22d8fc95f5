/* SPDX-License-Identifier: MIT
 * Groups of things: {"parent", "description", "attributes", "version", "created"}. Parents stand by
 * name; a group comes after its parent and never gets another, so there are no circles.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/registry/registry_private.h"

struct thing_group *
registry_group(const struct registry *registry, struct bytes name)
{
	struct hash_node *node = hash_find(&registry->groups, name);

	return node != NULL ? HASH_OWNER(node, struct thing_group, link) : NULL;
}

struct thing_group *
registry_group_next(const struct registry *registry, struct thing_group *at)
{
	struct hash_node *node = hash_next(&registry->groups, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct thing_group, link) : NULL;
}

static void
clear(struct thing_group *group)
{
	free(group->parent);
	free(group->description);
	attributes_clear(&group->attributes);
}

void
thing_group_free(struct thing_group *group)
{
	clear(group);
	free(group->name);
	free(group);
}

static struct thing_group *
find_or_add(struct registry *registry, struct bytes name)
{
	struct thing_group *group = registry_group(registry, name);

	if (group != NULL)
		return group;
	group = xcalloc(1, sizeof(*group));
	group->name = bytes_to_string(name);
	hash_insert(&registry->groups, &group->link, bytes_of_string(group->name));
	return group;
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	cJSON *row = row_object(value);
	struct attributes attributes = { 0 };
	struct thing_group *group;
	struct err err;

	if (row == NULL || !registry_name_is_valid(key) ||
	    attributes_read(
		&attributes, cJSON_GetObjectItemCaseSensitive(row, "attributes"), &err) < 0) {
		cJSON_Delete(row);
		return false;
	}
	group = find_or_add(registry, key);
	clear(group);
	group->parent = row_copy(row, "parent");
	group->description = xstrdup(row_text(row, "description"));
	group->attributes = attributes;
	group->version = (uint64_t)row_number(row, "version");
	group->created_ms = row_number(row, "created");
	cJSON_Delete(row);
	return true;
}

static void
drop_members(struct registry *registry, struct thing_group *group)
{
	for (struct thing *at = registry_thing_after(registry, 0);
	     at != NULL && group->thing_count > 0;
	     at = registry_thing_after(registry, at->serial)) {
		for (uint8_t i = 0; i < at->group_count; i++) {
			if (at->groups[i] != group)
				continue;
			at->groups[i] = at->groups[--at->group_count];
			group->thing_count--;
			break;
		}
	}
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct thing_group *group = registry_group(registry, key);

	if (group == NULL)
		return;
	drop_members(registry, group);
	registry_drop_target(registry, "group:", group->name);
	hash_remove(&registry->groups, &group->link);
	thing_group_free(group);
}

static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	const struct thing_group *group = registry_group(registry, key);
	cJSON *row;

	if (group == NULL)
		return false;
	row = cJSON_CreateObject();
	row_add_text(row, "parent", group->parent);
	row_add_text(row, "description", group->description);
	row_add(row, "attributes", attributes_json(&group->attributes));
	row_add_number(row, "version", (int64_t)group->version);
	row_add_number(row, "created", group->created_ms);
	row_print(row, value);
	return true;
}

const struct registry_rows registry_group_rows = { SPACE_THING_GROUP, take, drop, write };

bool
registry_is_member(
    const struct registry *registry, const struct thing *thing, const struct thing_group *group)
{
	for (uint8_t i = 0; i < thing->group_count; i++) {
		const struct thing_group *at = thing->groups[i];

		for (int depth = 0; at != NULL && depth < REGISTRY_GROUP_DEPTH_MAX; depth++) {
			if (at == group)
				return true;
			at = at->parent != NULL
				 ? registry_group(registry, bytes_of_string(at->parent))
				 : NULL;
		}
	}
	return false;
}

/* --- steps --- */

static int
check_parent(struct registry_change *change, const struct group_wish *wish, struct err *err)
{
	const struct registry *registry = registry_of(change);
	const struct thing_group *at = NULL;
	int depth = 1;

	if (wish->parent == NULL || wish->parent[0] == '\0')
		return 0;
	for (const char *name = wish->parent; name != NULL; name = at->parent) {
		at = registry_group(registry, bytes_of_string(name));
		if (at == NULL)
			return registry_refuse(change, REGISTRY_NOT_FOUND, err,
			    "parent: there is no group %.140s", name);
		if (++depth > REGISTRY_GROUP_DEPTH_MAX)
			return registry_refuse(change, REGISTRY_INVALID, err,
			    "parent: more than %d groups would stand in each other",
			    REGISTRY_GROUP_DEPTH_MAX);
	}
	return 0;
}

static int
check_wish(struct registry_change *change, const struct group_wish *wish, struct err *err)
{
	struct registry *registry = registry_of(change);
	struct bytes name = bytes_of_string(wish->name);
	bool is_there = registry_group(registry, name) != NULL;

	if (registry_check_room(change, wish->is_new ? &registry->groups : NULL, err) < 0)
		return -1;
	if (!registry_name_is_valid(name))
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "group \"%.140s\": a name is 1 to %d letters, digits, ':', '_' or '-'",
		    wish->name, REGISTRY_NAME_BYTES_MAX);
	if (is_there == wish->is_new)
		return registry_refuse(change, is_there ? REGISTRY_CONFLICT : REGISTRY_NOT_FOUND,
		    err, is_there ? "group %s is there already" : "there is no group %s",
		    wish->name);
	if (wish->description != NULL && strlen(wish->description) > REGISTRY_TEXT_BYTES_MAX)
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "description: longer than %d bytes", REGISTRY_TEXT_BYTES_MAX);
	return wish->is_new ? check_parent(change, wish, err) : 0;
}

/* What the group is to be, without its version. */
static cJSON *
wished(const struct thing_group *old, const struct group_wish *wish,
    const struct attributes *attributes)
{
	cJSON *row = cJSON_CreateObject();
	bool own = wish->attributes != NULL || old == NULL;

	row_add_text(row, "parent", old != NULL ? old->parent : wish->parent);
	row_add_text(row, "description",
	    wish->description != NULL || old == NULL ? wish->description : old->description);
	row_add(row, "attributes", attributes_json(own ? attributes : &old->attributes));
	return row;
}

static bool
is_same(const struct thing_group *old, const cJSON *row)
{
	const struct group_wish nothing = { .name = old->name };
	cJSON *is = wished(old, &nothing, NULL);
	bool same = cJSON_Compare(is, row, true);

	cJSON_Delete(is);
	return same;
}

int
registry_put_group(struct registry_change *change, const struct group_wish *wish, struct err *err)
{
	struct registry *registry = registry_of(change);
	int64_t first = wish->first_version > 0 ? (int64_t)wish->first_version : 1;
	struct attributes attributes = { 0 };
	const struct thing_group *old;
	cJSON *row;

	if (check_wish(change, wish, err) < 0)
		return -1;
	if (attributes_read(&attributes, wish->attributes, err) < 0)
		return registry_refuse(change, REGISTRY_INVALID, err, "%s", err->text);
	old = registry_group(registry, bytes_of_string(wish->name));
	row = wished(old, wish, &attributes);
	attributes_clear(&attributes);
	if (old != NULL && wish->skips_same && is_same(old, row)) {
		cJSON_Delete(row);
		return 0;
	}
	row_add_number(row, "version", old != NULL ? (int64_t)old->version + 1 : first);
	row_add_number(row, "created", old != NULL ? old->created_ms : registry_now_ms(registry));
	registry_put_json(change, SPACE_THING_GROUP, wish->name, row);
	return 0;
}

static struct thing_group *
need(struct registry_change *change, const char *name, struct err *err)
{
	struct thing_group *group;

	if (registry_check_room(change, NULL, err) < 0)
		return NULL;
	group = registry_group(registry_of(change), bytes_of_string(name));
	if (group == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no group %.140s", name);
	return group;
}

static void
detach_members(struct registry_change *change, const struct thing_group *group)
{
	const struct registry *registry = registry_of(change);

	for (struct thing *at = registry_thing_after(registry, 0);
	     at != NULL && group->thing_count > 0;
	     at = registry_thing_after(registry, at->serial)) {
		for (uint8_t i = 0; i < at->group_count; i++) {
			if (at->groups[i] != group)
				continue;
			registry_detach(change, ATTACHMENT_MEMBER, group->name, at->name);
			break;
		}
	}
}

int
registry_delete_group(struct registry_change *change, const char *name, struct err *err)
{
	const struct registry *registry = registry_of(change);
	const struct thing_group *group = need(change, name, err);
	struct buf target = { 0 };

	if (group == NULL)
		return -1;
	for (const struct thing_group *at = registry_group_next(registry, NULL); at != NULL;
	     at = registry_group_next(registry, (struct thing_group *)(uintptr_t)at)) {
		if (at->parent != NULL && strcmp(at->parent, name) == 0)
			return registry_refuse(change, REGISTRY_CONFLICT, err,
			    "group %s has %s below it: delete that first", name, at->name);
	}
	detach_members(change, group);
	buf_printf(&target, "group:%s", name);
	registry_detach_all(change, buf_string(&target));
	buf_clear(&target);
	registry_delete_row(change, SPACE_THING_GROUP, bytes_of_string(name));
	return 0;
}

static struct thing *
need_thing(struct registry_change *change, const char *name, struct err *err)
{
	struct thing *thing = registry_thing(registry_of(change), bytes_of_string(name));

	if (thing == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no thing %.140s", name);
	return thing;
}

static bool
is_in(const struct thing *thing, const struct thing_group *group)
{
	for (uint8_t i = 0; i < thing->group_count; i++) {
		if (thing->groups[i] == group)
			return true;
	}
	return false;
}

int
registry_add_member(
    struct registry_change *change, const char *group_name, const char *name, struct err *err)
{
	const struct thing_group *group = need(change, group_name, err);
	const struct thing *thing = group != NULL ? need_thing(change, name, err) : NULL;

	if (thing == NULL)
		return -1;
	if (is_in(thing, group))
		return 0;
	if (thing->group_count >= REGISTRY_GROUPS_MAX)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "thing %s is in %d groups, and may be in no more", name, REGISTRY_GROUPS_MAX);
	registry_attach(change, ATTACHMENT_MEMBER, group_name, name);
	return 0;
}

int
registry_remove_member(
    struct registry_change *change, const char *group_name, const char *name, struct err *err)
{
	const struct thing_group *group = need(change, group_name, err);
	const struct thing *thing = group != NULL ? need_thing(change, name, err) : NULL;

	if (thing == NULL)
		return -1;
	if (!is_in(thing, group))
		return registry_refuse(change, REGISTRY_NOT_FOUND, err,
		    "thing %s is not in group %s", name, group_name);
	registry_detach(change, ATTACHMENT_MEMBER, group_name, name);
	return 0;
}
