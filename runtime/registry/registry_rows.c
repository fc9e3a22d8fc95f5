/* SPDX-License-Identifier: MIT
 * Rows of the registry as JSON objects, names and words.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/registry/registry_private.h"

static const char *const state_texts[REGISTRY_STATES] = {
	[REGISTRY_ACTIVE] = "ACTIVE",
	[REGISTRY_INACTIVE] = "INACTIVE",
	[REGISTRY_REVOKED] = "REVOKED",
	[REGISTRY_PENDING] = "PENDING_ACTIVATION",
};

static const char *const registration_texts[REGISTRATIONS] = {
	[REGISTRATION_OFF] = "off",
	[REGISTRATION_PENDING] = "pending",
	[REGISTRATION_PROVISION] = "provision",
};

static bool
find_text(const char *const *texts, size_t count, const char *text, size_t *place)
{
	for (*place = 0; *place < count; (*place)++) {
		if (strcmp(texts[*place], text) == 0)
			return true;
	}
	return false;
}

const char *
registry_state_text(enum registry_state state)
{
	return state_texts[state];
}

bool
registry_state_parse(const char *text, enum registry_state *state)
{
	size_t place;

	if (!find_text(state_texts, REGISTRY_STATES, text, &place))
		return false;
	*state = (enum registry_state)place;
	return true;
}

const char *
registration_text(enum registration registration)
{
	return registration_texts[registration];
}

bool
registration_parse(const char *text, enum registration *registration)
{
	size_t place;

	if (!find_text(registration_texts, REGISTRATIONS, text, &place))
		return false;
	*registration = (enum registration)place;
	return true;
}

static bool
name_is_of(struct bytes name, const char *beside)
{
	if (name.len == 0 || name.len > REGISTRY_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t byte = name.data[i];

		if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		    (byte >= '0' && byte <= '9'))
			continue;
		if (byte == '\0' || strchr(beside, byte) == NULL)
			return false;
	}
	return true;
}

bool
registry_name_is_valid(struct bytes name)
{
	return name_is_of(name, ":_-");
}

bool
registry_policy_name_is_valid(struct bytes name)
{
	return name_is_of(name, "_+=,.@-");
}

cJSON *
row_object(struct bytes value)
{
	cJSON *row =
	    value.len > 0 ? cJSON_ParseWithLength((const char *)value.data, value.len) : NULL;

	if (cJSON_IsObject(row))
		return row;
	cJSON_Delete(row);
	return NULL;
}

const char *
row_text(const cJSON *row, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));

	return text != NULL ? text : "";
}

char *
row_copy(const cJSON *row, const char *name)
{
	const char *text = row_text(row, name);

	return text[0] != '\0' ? xstrdup(text) : NULL;
}

int64_t
row_number(const cJSON *row, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, name);

	if (!cJSON_IsNumber(item) || !(item->valuedouble > -9e15 && item->valuedouble < 9e15))
		return 0;
	return (int64_t)item->valuedouble;
}

void
row_add(cJSON *row, const char *name, cJSON *item)
{
	if (item == NULL || !cJSON_AddItemToObject(row, name, item))
		abort();
}

void
row_add_text(cJSON *row, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		row_add(row, name, cJSON_CreateString(text));
}

void
row_add_number(cJSON *row, const char *name, int64_t number)
{
	row_add(row, name, cJSON_CreateNumber((double)number));
}

void
row_print(cJSON *row, struct buf *out)
{
	char *text = cJSON_PrintUnformatted(row);

	if (text == NULL)
		abort();
	buf_append_string(out, text);
	cJSON_free(text);
	cJSON_Delete(row);
}
