/* SPDX-License-Identifier: MIT
 * moonlet group: groups of things, which hand their policies down.
 */
#include <stdio.h>

#include "runtime/command_word.h"

static int
ask(const struct command_call *call, const char *method, cJSON *body, cJSON **reply,
    struct err *err)
{
	struct buf target = { 0 };
	int status;

	command_target(&target, "/v1/groups", call->arguments[1], NULL);
	status = command_ask_json(call,
	    &(struct command_request){ method, buf_string(&target), { 0 } }, body, reply, err);
	buf_clear(&target);
	return status;
}

/* What create and update have in common. NULL: the error says why. */
static cJSON *
read_wish(const struct command_call *call, struct err *err)
{
	const char *attributes = command_value(call, "attribute"),
		   *description = command_value(call, "description");
	cJSON *body = cJSON_CreateObject(), *pairs;

	if (description != NULL)
		(void)cJSON_AddStringToObject(body, "description", description);
	if (attributes == NULL)
		return body;
	pairs = command_pairs(attributes, "attribute", err);
	if (pairs == NULL) {
		cJSON_Delete(body);
		return NULL;
	}
	(void)cJSON_AddItemToObject(body, "attributes", pairs);
	return body;
}

static int
create(const struct command_call *call, struct err *err)
{
	const char *parent = command_value(call, "parent"),
		   *policies = command_value(call, "policy");
	cJSON *body = read_wish(call, err);

	if (body == NULL)
		return -1;
	(void)cJSON_AddStringToObject(body, "thingGroupName", call->arguments[1]);
	if (parent != NULL)
		(void)cJSON_AddStringToObject(body, "parentGroupName", parent);
	if (policies != NULL)
		(void)cJSON_AddItemToObject(body, "policies", command_list(policies));
	return command_ask_json(
	    call, &(struct command_request){ "POST", "/v1/groups", { 0 } }, body, NULL, err);
}

static int
update(const struct command_call *call, struct err *err)
{
	cJSON *body = read_wish(call, err);

	return body != NULL ? ask(call, "POST", body, NULL, err) : -1;
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

static int
list(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL, *row;
	int status = command_ask_json(
	    call, &(struct command_request){ "GET", "/v1/groups", { 0 } }, NULL, &reply, err);

	if (status == 0 && command_has(call, "json"))
		command_print_json(reply);
	else
		cJSON_ArrayForEach(row, reply) print_row(row);
	cJSON_Delete(reply);
	return status;
}

static int
show(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL;
	int status = ask(call, "GET", NULL, &reply, err);

	if (status == 0)
		command_print_json(reply);
	cJSON_Delete(reply);
	return status;
}

static int delete (const struct command_call *call, struct err *err)
{
	return ask(call, "DELETE", NULL, NULL, err);
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
	{ "ls", "", 0, 0, list },
	{ "show", "NAME", 1, 1, show },
	{ "update", "NAME", 1, 1, update },
	{ "delete", "NAME", 1, 1, delete },
	{ "add", "NAME THING...", 2, COMMAND_ARGUMENTS_MAX - 1, add },
	{ "remove", "NAME THING...", 2, COMMAND_ARGUMENTS_MAX - 1, remove_things },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_group(struct command_call *call)
{
	return command_word_run(call, words);
}
