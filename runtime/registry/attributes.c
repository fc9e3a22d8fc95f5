/* SPDX-License-Identifier: MIT
 * One block of memory for each list: the array, then the texts.
 */
#include "runtime/registry/attributes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static bool
name_is_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.,@/:#-";
	size_t len = strlen(name);

	return len > 0 && len <= ATTRIBUTE_NAME_BYTES_MAX && strspn(name, allowed) == len;
}

static int
check(const cJSON *item, struct err *err)
{
	const char *value = cJSON_GetStringValue(item);

	if (!name_is_valid(item->string))
		return err_set(err,
		    "attribute \"%.140s\": a name is 1 to %d letters, digits or any of _.,@/:#-",
		    item->string, ATTRIBUTE_NAME_BYTES_MAX);
	if (value == NULL)
		return err_set(err, "attribute %s: not a string", item->string);
	if (strlen(value) > ATTRIBUTE_VALUE_BYTES_MAX)
		return err_set(err, "attribute %s: longer than %d bytes", item->string,
		    ATTRIBUTE_VALUE_BYTES_MAX);
	if (!is_plain(value) || !utf8_is_valid(bytes_of_string(value)))
		return err_set(err, "attribute %s: not printable text", item->string);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct attribute *)a)->name, ((const struct attribute *)b)->name);
}

static char *
add_text(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *start = memcpy(*at, text, size);

	*at += size;
	return start;
}

static void
fill(struct attributes *out, const cJSON *json, size_t text_bytes)
{
	const cJSON *item;
	char *at;

	out->list = xmalloc(out->count * sizeof(*out->list) + text_bytes);
	at = (char *)(out->list + out->count);
	out->count = 0;
	cJSON_ArrayForEach(item, json)
	{
		out->list[out->count].name = add_text(&at, item->string);
		out->list[out->count++].value = add_text(&at, item->valuestring);
	}
	qsort(out->list, out->count, sizeof(*out->list), by_name);
}

static int
check_names(const struct attributes *attributes, struct err *err)
{
	for (size_t i = 1; i < attributes->count; i++) {
		if (strcmp(attributes->list[i - 1].name, attributes->list[i].name) == 0)
			return err_set(err, "attribute %s: given twice", attributes->list[i].name);
	}
	return 0;
}

int
attributes_read(struct attributes *out, const cJSON *json, struct err *err)
{
	struct attributes fresh = { 0 };
	size_t text_bytes = 0;
	const cJSON *item;

	if (json != NULL && !cJSON_IsObject(json))
		return err_set(err, "attributes: not an object");
	cJSON_ArrayForEach(item, json)
	{
		if (check(item, err) < 0)
			return -1;
		if (++fresh.count > ATTRIBUTES_MAX)
			return err_set(err, "attributes: more than %d", ATTRIBUTES_MAX);
		text_bytes += strlen(item->string) + strlen(item->valuestring) + 2;
	}
	if (fresh.count > 0)
		fill(&fresh, json, text_bytes);
	if (check_names(&fresh, err) < 0) {
		attributes_clear(&fresh);
		return -1;
	}
	attributes_clear(out);
	*out = fresh;
	return 0;
}

cJSON *
attributes_json(const struct attributes *attributes)
{
	cJSON *json = cJSON_CreateObject();

	for (size_t i = 0; i < attributes->count; i++) {
		if (cJSON_AddStringToObject(
			json, attributes->list[i].name, attributes->list[i].value) == NULL)
			abort();
	}
	return json;
}

void
attributes_clear(struct attributes *attributes)
{
	free(attributes->list);
	*attributes = (struct attributes){ 0 };
}

const char *
attributes_find(const struct attributes *attributes, struct bytes name)
{
	for (size_t i = 0; i < attributes->count; i++) {
		if (bytes_equal_string(name, attributes->list[i].name))
			return attributes->list[i].value;
	}
	return NULL;
}
