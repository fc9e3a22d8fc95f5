/* SPDX-License-Identifier: MIT
 * moonlet group: groups of things, which hand their policies down.
 */
#include <stdio.h>

#include "runtime/commands/command_resource.h"

static int
create(const struct command_call *call, struct err *err)
{
	const char *parent = command_value(call, "parent"),
		   *policies = command_value(call, "policy");
	cJSON *body = command_resource_wish(call, "description", "description", err);

	if (body == NULL)
		return -1;
	(void)cJSON_AddStringToObject(body, "thingGroupName", call->arguments[1]);
	if (parent != NULL)
		(void)cJSON_AddStringToObject(body, "parentGroupName", parent);
	if (policies != NULL)
		(void)cJSON_AddItemToObject(body, "policies", command_list(policies));
	return command_resource_create(call, body, err);
}

static int
update(const struct command_call *call, struct err *err)
{
	cJSON *body = command_resource_wish(call, "description", "description", err);

	return body != NULL ? command_resource_change(call, "POST", "", body, err) : -1;
}

static void
print_row(const cJSON *row)
{
	const cJSON *things = cJSON_GetObjectItemCaseSensitive(row, "things");
	const char *parent = command_text(row, "parentGroupName");
	struct buf policies = { 0 };

	command_join(cJSON_GetObjectItemCaseSensitive(row, "policies"), &policies);
	(void)printf("%-24s %8.0f things", command_text(row, "thingGroupName"),
	    cJSON_IsNumber(things) ? things->valuedouble : 0);
	if (parent[0] != '\0')
		(void)printf("  in %s", parent);
	if (policies.len > 0)
		(void)printf("  policies: %s", buf_string(&policies));
	(void)puts("");
	buf_clear(&policies);
}

/* Each thing of the command line. */
static int
members(const struct command_call *call, const char *method, struct err *err)
{
	struct buf target = { 0 };
	int status = 0;

	for (size_t i = 2; i < call->count && status == 0; i++) {
		buf_reset(&target);
		command_target(
		    &target, "/v1/groups", call->arguments[1], "/things", call->arguments[i], NULL);
		status = command_ask_json(call,
		    &(struct command_request){ method, buf_string(&target), { 0 } }, NULL, NULL,
		    err);
	}
	buf_clear(&target);
	return status;
}

static int
add(const struct command_call *call, struct err *err)
{
	return members(call, "PUT", err);
}

static int
remove_things(const struct command_call *call, struct err *err)
{
	return members(call, "DELETE", err);
}

static const struct command_word words[] = {
	{ "create", "NAME", 1, 1, create },
	{ "ls", "", 0, 0, command_resource_list },
	{ "show", "NAME", 1, 1, command_resource_show },
	{ "update", "NAME", 1, 1, update },
	{ "delete", "NAME", 1, 1, command_resource_delete },
	{ "add", "NAME THING...", 2, COMMAND_ARGUMENTS_MAX - 1, add },
	{ "remove", "NAME THING...", 2, COMMAND_ARGUMENTS_MAX - 1, remove_things },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_group(struct command_call *call)
{
	static const struct command_resource groups = { "/v1/groups", NULL, print_row };

	return command_resource_run(call, &groups, words);
}
