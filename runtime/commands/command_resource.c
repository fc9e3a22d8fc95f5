/* SPDX-License-Identifier: MIT
 * Lists, shows and changes resources at the running host for the commands.
 */
#include "runtime/commands/command_resource.h"

#include <stdio.h>

int
command_resource_run(struct command_call *call, const struct command_resource *resource,
    const struct command_word *words)
{
	call->resource = resource;
	return command_word_run(call, words);
}

static int
write_target(const struct command_call *call, struct buf *target, struct err *err)
{
	const struct command_resource *resource = call->resource;
	struct buf name = { 0 };
	int status = 0;

	if (call->count < 2) {
		buf_append_string(target, resource->path);
		return 0;
	}
	if (resource->identify != NULL)
		status = resource->identify(call->arguments[1], &name, err);
	else
		buf_append_string(&name, call->arguments[1]);
	if (status == 0)
		command_target(target, resource->path, buf_string(&name), NULL);
	buf_clear(&name);
	return status;
}

cJSON *
command_resource_wish(
    const struct command_call *call, const char *option, const char *member, struct err *err)
{
	const char *attributes = command_value(call, "attribute"),
		   *text = command_value(call, option);
	cJSON *body = cJSON_CreateObject(), *pairs;

	if (text != NULL)
		(void)cJSON_AddStringToObject(body, member, text);
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

int
command_resource_create(const struct command_call *call, cJSON *body, struct err *err)
{
	return command_ask_json(call,
	    &(struct command_request){ "POST", call->resource->path, { 0 } }, body, NULL, err);
}

int
command_resource_change(const struct command_call *call, const char *method, const char *more,
    cJSON *body, struct err *err)
{
	struct buf target = { 0 };
	int status = write_target(call, &target, err);

	buf_append_string(&target, more);
	if (status == 0)
		status = command_ask_json(call,
		    &(struct command_request){ method, buf_string(&target), { 0 } }, body, NULL,
		    err);
	else
		cJSON_Delete(body);
	buf_clear(&target);
	return status;
}

int
command_resource_read(const struct command_call *call, cJSON **reply, struct err *err)
{
	struct buf target = { 0 };
	int status = write_target(call, &target, err);

	if (status == 0)
		status = command_ask_json(call,
		    &(struct command_request){ "GET", buf_string(&target), { 0 } }, NULL, reply,
		    err);
	buf_clear(&target);
	return status;
}

int
command_resource_list(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL, *row;
	int status = command_resource_read(call, &reply, err);

	if (status == 0 && command_has(call, "json"))
		command_print_json(reply);
	else
		cJSON_ArrayForEach(row, reply) call->resource->print_row(row);
	cJSON_Delete(reply);
	return status;
}

int
command_resource_show(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL;
	int status = command_resource_read(call, &reply, err);

	if (status == 0)
		command_print_json(reply);
	cJSON_Delete(reply);
	return status;
}

int
command_resource_delete(const struct command_call *call, struct err *err)
{
	return command_resource_change(call, "DELETE", "", NULL, err);
}
