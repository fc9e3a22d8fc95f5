/* SPDX-License-Identifier: MIT
 * moonlet ls: what runs, and on what.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "runtime/commands/command.h"

static const cJSON *
item_of(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *
text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(item_of(object, name));

	return text != NULL ? text : "";
}

static double
number_of(const cJSON *object, const char *name)
{
	const cJSON *item = item_of(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* "topic iot/+, http POST /overspeed" */
static void
append_triggers(const cJSON *function, struct buf *out)
{
	const cJSON *trigger;

	cJSON_ArrayForEach(trigger, item_of(function, "triggers"))
	{
		if (out->len > 0)
			buf_append_string(out, ", ");
		if (cJSON_IsString(trigger))
			buf_append_string(out, trigger->valuestring);
		else
			buf_printf(
			    out, "%s %s", text_of(trigger, "kind"), text_of(trigger, "subject"));
	}
}

/* How far a function is behind the tables that it follows. */
static void
print_lag(const cJSON *function)
{
	const struct command_colours *colours = command_colours();
	double behind = number_of(function, "changes_behind"),
	       parked = number_of(function, "changes_parked");

	if (behind > 0)
		printf("  %.0f changes behind, the oldest %.1f s\n", behind,
		    number_of(function, "changes_behind_ms") / 1000);
	if (parked > 0)
		printf("  %s%.0f changes parked: moonlet failed %s%s\n", colours->red, parked,
		    text_of(function, "name"), colours->plain);
}

static void
print_function(const cJSON *function)
{
	const struct command_colours *colours = command_colours();
	const char *error = text_of(function, "error");
	struct buf triggers = { 0 };

	append_triggers(function, &triggers);
	printf("%s%-20s%s %-40s %8.0f run %6.0f failed\n", colours->bold, text_of(function, "name"),
	    colours->plain, buf_string(&triggers), number_of(function, "invocations"),
	    number_of(function, "errors"));
	if (error[0] != '\0')
		printf("  %s%s%s\n", colours->red, error, colours->plain);
	print_lag(function);
	buf_clear(&triggers);
}

static void
print_brokers(const cJSON *status)
{
	const cJSON *broker;

	cJSON_ArrayForEach(broker, item_of(status, "brokers"))
	{
		printf("broker %s: %s\n", text_of(broker, "name"), text_of(broker, "state"));
	}
}

static cJSON *
ask_json(const struct command_call *call, const char *target, struct err *err)
{
	struct buf reply = { 0 };
	cJSON *json = NULL;

	if (command_ask(call, &(struct command_request){ "GET", target, { 0 } }, &reply, err) ==
	    0) {
		json = cJSON_ParseWithLength((const char *)reply.data, reply.len);
		if (json == NULL)
			err_set(err, "the host's answer cannot be read");
	}
	buf_clear(&reply);
	return json;
}

/* With what functions that are no more have left. */
static void
add_gone(cJSON *functions, cJSON *leftovers)
{
	cJSON *leftover;

	while ((leftover = cJSON_DetachItemFromArray(leftovers, 0)) != NULL) {
		(void)cJSON_AddBoolToObject(leftover, "gone", true);
		(void)cJSON_AddItemToArray(functions, leftover);
	}
}

static void
print_one(const cJSON *function)
{
	if (item_of(function, "gone") != NULL)
		leftover_print(function);
	else
		print_function(function);
}

static void
print_all(const struct command_call *call, const cJSON *functions, const cJSON *status)
{
	const cJSON *function;
	char *text;

	if (command_value(call, "json") != NULL) {
		text = cJSON_Print(functions);
		puts(text);
		cJSON_free(text);
		return;
	}
	cJSON_ArrayForEach(function, functions)
	{
		print_one(function);
	}
	if (cJSON_GetArraySize(functions) == 0)
		printf("no functions: put Lua files into the host's functions folder\n");
	print_brokers(status);
}

int
cmd_ls(struct command_call *call)
{
	struct err err, ignored;
	cJSON *functions = NULL, *status = NULL, *leftovers = NULL;

	if (command_settle(call, &err) == 0)
		functions = ask_json(call, "/v1/functions", &err);
	if (functions != NULL && command_value(call, "all") != NULL &&
	    (leftovers = ask_json(call, "/v1/leftovers", &err)) == NULL) {
		cJSON_Delete(functions);
		functions = NULL;
	}
	if (functions == NULL)
		return command_fail(call, &err);
	add_gone(functions, leftovers);
	cJSON_Delete(leftovers);
	status = ask_json(call, "/v1/status", &ignored);
	print_all(call, functions, status);
	cJSON_Delete(functions);
	cJSON_Delete(status);
	return EXIT_OK;
}
