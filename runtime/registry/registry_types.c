/* SPDX-License-Identifier: MIT
 * Thing types: {"description", "searchable": [names], "deprecated", "created"}.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/registry/registry_private.h"

struct thing_type *
registry_type(const struct registry *registry, struct bytes name)
{
	struct hash_node *node = hash_find(&registry->types, name);

	return node != NULL ? HASH_OWNER(node, struct thing_type, link) : NULL;
}

struct thing_type *
registry_type_next(const struct registry *registry, struct thing_type *at)
{
	struct hash_node *node = hash_next(&registry->types, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct thing_type, link) : NULL;
}

static void
clear(struct thing_type *type)
{
	free(type->description);
	for (size_t i = 0; i < type->searchable_count; i++)
		free(type->searchable[i]);
	type->searchable_count = 0;
}

void
thing_type_free(struct thing_type *type)
{
	clear(type);
	free(type->name);
	free(type);
}

static struct thing_type *
find_or_add(struct registry *registry, struct bytes name)
{
	struct thing_type *type = registry_type(registry, name);

	if (type != NULL)
		return type;
	type = xcalloc(1, sizeof(*type));
	type->name = bytes_to_string(name);
	hash_insert(&registry->types, &type->link, bytes_of_string(type->name));
	return type;
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	cJSON *row = row_object(value);
	const cJSON *item;
	struct thing_type *type;

	if (row == NULL || !registry_name_is_valid(key)) {
		cJSON_Delete(row);
		return false;
	}
	type = find_or_add(registry, key);
	clear(type);
	type->description = xstrdup(row_text(row, "description"));
	type->deprecated = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "deprecated"));
	type->created_ms = row_number(row, "created");
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(row, "searchable"))
	{
		if (cJSON_IsString(item) && type->searchable_count < REGISTRY_TYPE_SEARCHABLE_MAX)
			type->searchable[type->searchable_count++] = xstrdup(item->valuestring);
	}
	cJSON_Delete(row);
	return true;
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct thing_type *type = registry_type(registry, key);

	if (type == NULL)
		return;
	hash_remove(&registry->types, &type->link);
	thing_type_free(type);
}

static cJSON *
row_of(const struct thing_type *type)
{
	cJSON *row = cJSON_CreateObject(), *searchable = cJSON_CreateArray();

	row_add_text(row, "description", type->description);
	for (size_t i = 0; i < type->searchable_count; i++)
		(void)cJSON_AddItemToArray(searchable, cJSON_CreateString(type->searchable[i]));
	row_add(row, "searchable", searchable);
	row_add(row, "deprecated", cJSON_CreateBool(type->deprecated));
	row_add_number(row, "created", type->created_ms);
	return row;
}

static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	const struct thing_type *type = registry_type(registry, key);

	if (type != NULL)
		row_print(row_of(type), value);
	return type != NULL;
}

const struct registry_rows registry_type_rows = { SPACE_THING_TYPE, take, drop, write };

/* --- steps --- */

static int
check_searchable(struct registry_change *change, const cJSON *searchable, struct err *err)
{
	const cJSON *item;

	if (searchable == NULL)
		return 0;
	if (!cJSON_IsArray(searchable) ||
	    cJSON_GetArraySize(searchable) > REGISTRY_TYPE_SEARCHABLE_MAX)
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "searchable: not an array of at most %d names of attributes",
		    REGISTRY_TYPE_SEARCHABLE_MAX);
	cJSON_ArrayForEach(item, searchable)
	{
		if (!cJSON_IsString(item) || strlen(item->valuestring) > ATTRIBUTE_NAME_BYTES_MAX)
			return registry_refuse(change, REGISTRY_INVALID, err,
			    "searchable: an element is not an attribute's name");
	}
	return 0;
}

int
registry_create_type(struct registry_change *change, const struct type_wish *wish, struct err *err)
{
	struct registry *registry = registry_of(change);
	struct bytes name = bytes_of_string(wish->name);
	const char *description = wish->description != NULL ? wish->description : "";
	cJSON *row;

	if (registry_check_room(change, &registry->types, err) < 0 ||
	    check_searchable(change, wish->searchable, err) < 0)
		return -1;
	if (!registry_name_is_valid(name))
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "type \"%.140s\": a name is 1 to %d letters, digits, ':', '_' or '-'",
		    wish->name, REGISTRY_NAME_BYTES_MAX);
	if (strlen(description) > REGISTRY_TEXT_BYTES_MAX)
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "description: longer than %d bytes", REGISTRY_TEXT_BYTES_MAX);
	if (registry_type(registry, name) != NULL)
		return registry_refuse(
		    change, REGISTRY_CONFLICT, err, "type %s is there already", wish->name);
	row = cJSON_CreateObject();
	row_add_text(row, "description", description);
	row_add(row, "searchable",
	    wish->searchable != NULL ? cJSON_Duplicate(wish->searchable, true)
				     : cJSON_CreateArray());
	row_add_number(row, "created", registry_now_ms(registry));
	registry_put_json(change, SPACE_THING_TYPE, wish->name, row);
	return 0;
}

static const struct thing_type *
need(struct registry_change *change, const char *name, struct err *err)
{
	const struct thing_type *type;

	if (registry_check_room(change, NULL, err) < 0)
		return NULL;
	type = registry_type(registry_of(change), bytes_of_string(name));
	if (type == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no type %.140s", name);
	return type;
}

int
registry_deprecate_type(
    struct registry_change *change, const char *name, bool deprecated, struct err *err)
{
	const struct thing_type *type = need(change, name, err);
	cJSON *row;

	if (type == NULL)
		return -1;
	row = row_of(type);
	(void)cJSON_ReplaceItemInObjectCaseSensitive(
	    row, "deprecated", cJSON_CreateBool(deprecated));
	registry_put_json(change, SPACE_THING_TYPE, name, row);
	return 0;
}

int
registry_delete_type(struct registry_change *change, const char *name, struct err *err)
{
	const struct registry *registry = registry_of(change);

	if (need(change, name, err) == NULL)
		return -1;
	for (const struct thing *at = registry_thing_after(registry, 0); at != NULL;
	     at = registry_thing_after(registry, at->serial)) {
		if (at->type != NULL && strcmp(at->type, name) == 0)
			return registry_refuse(change, REGISTRY_CONFLICT, err,
			    "type %s is that of %s, and maybe of more: give them another first",
			    name, at->name);
	}
	registry_delete_row(change, SPACE_THING_TYPE, bytes_of_string(name));
	return 0;
}
