/* SPDX-License-Identifier: MIT
 * moonlet type: types of things.
 */
#include <stdio.h>

#include "runtime/commands/command_resource.h"

static int
create(const struct command_call *call, struct err *err)
{
	const char *description = command_value(call, "description"),
		   *searchable = command_value(call, "searchable");
	cJSON *body = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(body, "thingTypeName", call->arguments[1]);
	if (description != NULL)
		(void)cJSON_AddStringToObject(body, "description", description);
	if (searchable != NULL)
		(void)cJSON_AddItemToObject(body, "searchableAttributes", command_list(searchable));
	return command_resource_create(call, body, err);
}

static void
print_row(const cJSON *row)
{
	bool deprecated = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "deprecated"));

	(void)printf("%-24s %s%s\n", command_text(row, "thingTypeName"),
	    deprecated ? "deprecated  " : "", command_text(row, "description"));
}

static int
set_deprecated(const struct command_call *call, bool deprecated, struct err *err)
{
	cJSON *body = cJSON_CreateObject();

	(void)cJSON_AddBoolToObject(body, "deprecated", deprecated);
	return command_resource_change(call, "POST", "", body, err);
}

static int
deprecate(const struct command_call *call, struct err *err)
{
	return set_deprecated(call, true, err);
}

static int
revive(const struct command_call *call, struct err *err)
{
	return set_deprecated(call, false, err);
}

static const struct command_word words[] = {
	{ "create", "NAME", 1, 1, create },
	{ "ls", "", 0, 0, command_resource_list },
	{ "deprecate", "NAME", 1, 1, deprecate },
	{ "revive", "NAME", 1, 1, revive },
	{ "delete", "NAME", 1, 1, command_resource_delete },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_type(struct command_call *call)
{
	static const struct command_resource types = { "/v1/types", NULL, print_row };

	return command_resource_run(call, &types, words);
}
