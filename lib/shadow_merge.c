/* SPDX-License-Identifier: MIT
 * Merge, metadata and difference of shadow sections. Recursion is bounded by shadow_depth, which
 * callers check first; shadow_depth itself by the parser's nesting limit.
 */
#include "lib/shadow_merge.h"

#include <cjson/cJSON.h>

#include "lib/bytes.h"

static cJSON *
member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Takes over `item`. */
static void
set(cJSON *object, const char *name, cJSON *item)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	(void)cJSON_AddItemToObject(object, name, item);
}

static cJSON *
object_at(cJSON *object, const char *name)
{
	cJSON *inner = member(object, name);

	if (!cJSON_IsObject(inner)) {
		inner = cJSON_CreateObject();
		set(object, name, inner);
	}
	return inner;
}

static cJSON *
timestamp_new(int64_t now_s)
{
	cJSON *stamp = cJSON_CreateObject();

	(void)cJSON_AddNumberToObject(stamp, "timestamp", (double)now_s);
	return stamp;
}

static cJSON *
stamp_array(const cJSON *array, int64_t now_s)
{
	cJSON *out = cJSON_CreateArray();
	const cJSON *element;

	cJSON_ArrayForEach(element, array)
	{
		(void)cJSON_AddItemToArray(out, shadow_stamp(element, now_s));
	}
	return out;
}

cJSON *
shadow_stamp(const cJSON *value, int64_t now_s)
{
	const cJSON *inner;
	cJSON *out;

	if (cJSON_IsArray(value))
		return stamp_array(value, now_s);
	if (!cJSON_IsObject(value))
		return timestamp_new(now_s);
	out = cJSON_CreateObject();
	cJSON_ArrayForEach(inner, value)
	{
		if (!cJSON_IsNull(inner))
			set(out, inner->string, shadow_stamp(inner, now_s));
	}
	return out;
}

/* An object that turns into a leaf, or the other way round, must not keep the other's metadata. */
static void
merge_object(cJSON *section, cJSON *metadata, const cJSON *patch, int64_t now_s)
{
	const char *name = patch->string;

	if (!cJSON_IsObject(member(section, name))) {
		set(section, name, cJSON_CreateObject());
		set(metadata, name, cJSON_CreateObject());
	}
	shadow_merge(member(section, name), object_at(metadata, name), patch, now_s);
}

void
shadow_merge(cJSON *section, cJSON *metadata, const cJSON *patch, int64_t now_s)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, patch)
	{
		if (cJSON_IsNull(item)) {
			cJSON_DeleteItemFromObjectCaseSensitive(section, item->string);
			cJSON_DeleteItemFromObjectCaseSensitive(metadata, item->string);
		} else if (cJSON_IsObject(item)) {
			merge_object(section, metadata, item, now_s);
		} else {
			set(section, item->string, cJSON_Duplicate(item, true));
			set(metadata, item->string, shadow_stamp(item, now_s));
		}
	}
}

static void
delta_member(const cJSON *desired, const cJSON *reported, cJSON *out)
{
	cJSON *inner;

	if (!cJSON_IsObject(desired) || !cJSON_IsObject(reported)) {
		if (reported == NULL || !cJSON_Compare(desired, reported, true))
			set(out, desired->string, cJSON_Duplicate(desired, true));
		return;
	}
	inner = cJSON_CreateObject();
	if (shadow_delta(desired, reported, inner))
		set(out, desired->string, inner);
	else
		cJSON_Delete(inner);
}

bool
shadow_delta(const cJSON *desired, const cJSON *reported, cJSON *out)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, desired)
	{
		delta_member(item, member(reported, item->string), out);
	}
	return out->child != NULL;
}

void
shadow_delta_metadata(const cJSON *delta, const cJSON *metadata, cJSON *out)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, delta)
	{
		const cJSON *known = member(metadata, item->string);

		if (known == NULL)
			continue;
		if (cJSON_IsObject(item))
			shadow_delta_metadata(item, known, object_at(out, item->string));
		else
			set(out, item->string, cJSON_Duplicate(known, true));
	}
}

int
shadow_depth(const cJSON *item)
{
	const cJSON *inner;
	int deepest = 0;

	cJSON_ArrayForEach(inner, item)
	{
		if (cJSON_IsObject(inner) || cJSON_IsArray(inner)) {
			int depth = 1 + shadow_depth(inner);

			deepest = depth > deepest ? depth : deepest;
		}
	}
	return deepest;
}
