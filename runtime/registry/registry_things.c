/* SPDX-License-Identifier: MIT
 * Things: {"type", "attributes", "version", "created"}. They are found by name in a map, and walked
 * by serial.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/registry/registry_private.h"

struct thing *
registry_thing(const struct registry *registry, struct bytes name)
{
	struct hash_node *node = hash_find(&registry->things, name);

	return node != NULL ? HASH_OWNER(node, struct thing, link) : NULL;
}

size_t
registry_thing_count(const struct registry *registry)
{
	return registry->things.count;
}

struct thing *
registry_thing_after(const struct registry *registry, uint64_t serial)
{
	return registry_order_after(&registry->thing_order, serial);
}

void
thing_free(struct thing *thing)
{
	attributes_clear(&thing->attributes);
	free(thing->groups);
	free(thing->targets);
	free(thing->type);
	free(thing->name);
	free(thing);
}

static struct thing *
find_or_add(struct registry *registry, struct bytes name)
{
	struct thing *thing = registry_thing(registry, name);

	if (thing != NULL)
		return thing;
	thing = xcalloc(1, sizeof(*thing));
	thing->name = bytes_to_string(name);
	hash_insert(&registry->things, &thing->link, bytes_of_string(thing->name));
	thing->serial = registry_order_add(&registry->thing_order, thing);
	return thing;
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	cJSON *row = row_object(value);
	struct attributes attributes = { 0 };
	struct thing *thing;
	struct err err;

	if (row == NULL || !registry_name_is_valid(key) ||
	    attributes_read(
		&attributes, cJSON_GetObjectItemCaseSensitive(row, "attributes"), &err) < 0) {
		cJSON_Delete(row);
		return false;
	}
	thing = find_or_add(registry, key);
	attributes_clear(&thing->attributes);
	thing->attributes = attributes;
	free(thing->type);
	thing->type = row_copy(row, "type");
	thing->version = (uint64_t)row_number(row, "version");
	thing->created_ms = row_number(row, "created");
	cJSON_Delete(row);
	return true;
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct thing *thing = registry_thing(registry, key);

	if (thing == NULL)
		return;
	registry_drop_thing_links(registry, thing);
	registry_order_remove(&registry->thing_order, thing->serial);
	hash_remove(&registry->things, &thing->link);
	thing_free(thing);
}

static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	const struct thing *thing = registry_thing(registry, key);
	cJSON *row;

	if (thing == NULL)
		return false;
	row = cJSON_CreateObject();
	row_add_text(row, "type", thing->type);
	row_add(row, "attributes", attributes_json(&thing->attributes));
	row_add_number(row, "version", (int64_t)thing->version);
	row_add_number(row, "created", thing->created_ms);
	row_print(row, value);
	return true;
}

const struct registry_rows registry_thing_rows = { SPACE_THING, take, drop, write };

void
registry_note_presence(
    struct registry *registry, struct bytes client_id, bool connected, const char *reason)
{
	const uint8_t *slash =
	    client_id.len > 0 ? memchr(client_id.data, '/', client_id.len) : NULL;
	struct thing *thing = registry_thing(
	    registry, bytes_of(client_id.data,
			  slash != NULL ? (size_t)(slash - client_id.data) : client_id.len));

	if (thing == NULL)
		return;
	if (connected)
		thing->connections++;
	else if (thing->connections > 0) /* 0: it came before the thing was made */
		thing->connections--;
	thing->connectivity_ms = registry_now_ms(registry);
	thing->disconnect_reason = thing->connections > 0 ? NULL : reason;
}

/* --- steps --- */

static int
check_type(
    struct registry_change *change, const struct thing *old, const char *name, struct err *err)
{
	const struct thing_type *type;

	if (name == NULL || name[0] == '\0' ||
	    (old != NULL && old->type != NULL && strcmp(old->type, name) == 0))
		return 0;
	type = registry_type(registry_of(change), bytes_of_string(name));
	if (type == NULL)
		return registry_refuse(change, REGISTRY_NOT_FOUND, err,
		    "type: there is no %.140s; make it with moonlet type create", name);
	if (type->deprecated)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "type: %s is deprecated and takes no new things", name);
	return 0;
}

static int
check_wish(struct registry_change *change, const struct thing_wish *wish, struct err *err)
{
	struct registry *registry = registry_of(change);
	struct bytes name = bytes_of_string(wish->name);
	const struct thing *old = registry_thing(registry, name);

	if (registry_check_room(change, wish->is_new ? &registry->things : NULL, err) < 0)
		return -1;
	if (!registry_name_is_valid(name))
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "thing \"%.140s\": a name is 1 to %d letters, digits, ':', '_' or '-'",
		    wish->name, REGISTRY_NAME_BYTES_MAX);
	if (old == NULL && !wish->is_new)
		return registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no thing %s", wish->name);
	if (old != NULL && wish->is_new)
		return registry_refuse(
		    change, REGISTRY_CONFLICT, err, "thing %s is there already", wish->name);
	if (wish->version != 0 && old != NULL && old->version != wish->version)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "thing %s has version %llu, not %llu", wish->name,
		    (unsigned long long)old->version, (unsigned long long)wish->version);
	return check_type(change, old, wish->type, err);
}

/* The old attributes with the wished ones over them; an empty text takes one away. */
static cJSON *
merged(const struct thing *old, const cJSON *wished)
{
	cJSON *all = old != NULL ? attributes_json(&old->attributes) : cJSON_CreateObject();
	const cJSON *item;

	cJSON_ArrayForEach(item, wished)
	{
		const char *value = cJSON_GetStringValue(item);

		cJSON_DeleteItemFromObjectCaseSensitive(all, item->string);
		if (value == NULL || value[0] != '\0')
			row_add(all, item->string, cJSON_Duplicate(item, false));
	}
	return all;
}

/* The attributes that the thing is to have. */
static cJSON *
wished_attributes(const struct thing *old, const struct thing_wish *wish)
{
	if (wish->attributes != NULL && !cJSON_IsObject(wish->attributes))
		return cJSON_Duplicate(wish->attributes, true);
	if (wish->attributes == NULL || wish->merge)
		return merged(old, wish->attributes);
	return cJSON_Duplicate(wish->attributes, true);
}

static bool
is_same(const struct thing *old, const char *type, const cJSON *attributes)
{
	cJSON *has = attributes_json(&old->attributes);
	const char *old_type = old->type != NULL ? old->type : "";
	bool same =
	    cJSON_Compare(has, attributes, true) && strcmp(old_type, type != NULL ? type : "") == 0;

	cJSON_Delete(has);
	return same;
}

static void
put(struct registry_change *change, const struct thing_wish *wish, const struct thing *old,
    const char *type, cJSON *attributes)
{
	int64_t first = wish->first_version > 0 ? (int64_t)wish->first_version : 1;
	int64_t now_ms =
	    wish->created_ms > 0 ? wish->created_ms : registry_now_ms(registry_of(change));
	cJSON *row = cJSON_CreateObject();

	row_add_text(row, "type", type);
	row_add(row, "attributes", attributes);
	row_add_number(row, "version", old != NULL ? (int64_t)old->version + 1 : first);
	row_add_number(row, "created", old != NULL ? old->created_ms : now_ms);
	registry_put_json(change, SPACE_THING, wish->name, row);
}

int
registry_put_thing(struct registry_change *change, const struct thing_wish *wish, struct err *err)
{
	struct registry *registry = registry_of(change);
	const struct thing *old = registry_thing(registry, bytes_of_string(wish->name));
	struct attributes checked = { 0 };
	const char *type;
	cJSON *attributes;

	if (check_wish(change, wish, err) < 0)
		return -1;
	attributes = wished_attributes(old, wish);
	if (attributes_read(&checked, attributes, err) < 0) {
		cJSON_Delete(attributes);
		return registry_refuse(change, REGISTRY_INVALID, err, "%s", err->text);
	}
	attributes_clear(&checked);
	type = wish->type != NULL || old == NULL ? wish->type : old->type;
	if (old != NULL && wish->skips_same && is_same(old, type, attributes))
		cJSON_Delete(attributes);
	else
		put(change, wish, old, type, attributes);
	return 0;
}

int
registry_delete_thing(struct registry_change *change, const char *name, struct err *err)
{
	struct registry *registry = registry_of(change);
	const struct thing *thing = registry_thing(registry, bytes_of_string(name));

	if (registry_check_room(change, NULL, err) < 0)
		return -1;
	if (thing == NULL)
		return registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no thing %.140s", name);
	while (thing->group_count > 0)
		registry_detach(change, ATTACHMENT_MEMBER, thing->groups[0]->name, thing->name);
	while (thing->target_count > 0)
		registry_detach(change, ATTACHMENT_TARGET, thing->name, thing->targets[0]->text);
	registry_delete_row(change, SPACE_THING, thing->link.key);
	return 0;
}
