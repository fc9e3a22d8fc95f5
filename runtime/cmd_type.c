/* SPDX-License-Identifier: MIT
 * moonlet type: types of things.
 */
#include <stdio.h>

#include "runtime/command_word.h"

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
	return command_ask_json(
	    call, &(struct command_request){ "POST", "/v1/types", { 0 } }, body, NULL, err);
}

static int
list(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL, *row;
	int status = command_ask_json(
	    call, &(struct command_request){ "GET", "/v1/types", { 0 } }, NULL, &reply, err);

	if (status == 0 && command_has(call, "json"))
		command_print_json(reply);
	else
		cJSON_ArrayForEach(row, reply)(void)
		    printf("%-24s %s%s\n", command_text(row, "thingTypeName"),
			cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "deprecated"))
			    ? "deprecated  "
			    : "",
			command_text(row, "description"));
	cJSON_Delete(reply);
	return status;
}

static int
ask(const struct command_call *call, const char *method, cJSON *body, struct err *err)
{
	struct buf target = { 0 };
	int status;

	command_target(&target, "/v1/types", call->arguments[1], NULL);
	status = command_ask_json(
	    call, &(struct command_request){ method, buf_string(&target), { 0 } }, body, NULL, err);
	buf_clear(&target);
	return status;
}

static int
set_deprecated(const struct command_call *call, bool deprecated, struct err *err)
{
	cJSON *body = cJSON_CreateObject();

	(void)cJSON_AddBoolToObject(body, "deprecated", deprecated);
	return ask(call, "POST", body, err);
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

static int delete (const struct command_call *call, struct err *err)
{
	return ask(call, "DELETE", NULL, err);
}

static const struct command_word words[] = {
	{ "create", "NAME", 1, 1, create },
	{ "ls", "", 0, 0, list },
	{ "deprecate", "NAME", 1, 1, deprecate },
	{ "revive", "NAME", 1, 1, revive },
	{ "delete", "NAME", 1, 1, delete },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_type(struct command_call *call)
{
	return command_word_run(call, words);
}
