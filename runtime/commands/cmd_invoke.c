/* SPDX-License-Identifier: MIT
 * moonlet invoke: runs a function once and shows all that came of it.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "net/http_local.h"
#include "runtime/commands/command.h"

enum { EVENT_BYTES_MAX = 8388608 };

static void
print_value(const char *what, const cJSON *value)
{
	const struct command_colours *colours = command_colours();
	char *text;

	if (value == NULL || cJSON_IsNull(value))
		return;
	text = cJSON_IsString(value) ? NULL : cJSON_PrintUnformatted(value);
	printf("%s%-8s%s %s\n", colours->bold, what, colours->plain,
	    text != NULL ? text : value->valuestring);
	cJSON_free(text);
}

static void
print_list(const char *what, const cJSON *list)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		print_value(what, item);
	}
}

/* True where the invocation succeeded. */
static bool
print_outcome(const struct command_call *call, const struct buf *reply)
{
	cJSON *outcome = cJSON_ParseWithLength((const char *)reply->data, reply->len);
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(outcome, "error");
	bool well = outcome != NULL && (error == NULL || cJSON_IsNull(error));

	if (command_value(call, "json") != NULL) {
		printf("%.*s\n", (int)reply->len, (const char *)reply->data);
	} else {
		print_list("log", cJSON_GetObjectItemCaseSensitive(outcome, "logs"));
		print_list(command_value(call, "dry-run") != NULL ? "would" : "effect",
		    cJSON_GetObjectItemCaseSensitive(outcome, "effects"));
		print_value("result", cJSON_GetObjectItemCaseSensitive(outcome, "result"));
		print_value("error", error);
		print_value("", cJSON_GetObjectItemCaseSensitive(outcome, "traceback"));
		if (!well)
			print_value(
			    "trace", cJSON_GetObjectItemCaseSensitive(outcome, "invocation"));
	}
	cJSON_Delete(outcome);
	return well;
}

static void
append_target(const struct command_call *call, struct buf *target)
{
	const char *topic = command_value(call, "topic");

	buf_append_string(target, "/v1/functions/");
	http_local_encode(target, call->arguments[0]);
	buf_printf(target, "/invoke?dry_run=%d", command_value(call, "dry-run") != NULL);
	if (topic != NULL) {
		buf_append_string(target, "&topic=");
		http_local_encode(target, topic);
	}
}

int
cmd_invoke(struct command_call *call)
{
	struct buf target = { 0 }, event = { 0 }, reply = { 0 };
	bool well = false;
	struct err err;
	int status = command_settle(call, &err);

	append_target(call, &target);
	if (call->count < 2)
		buf_append_string(&event, "{}");
	else if (status == 0)
		status = command_read(call->arguments[1], EVENT_BYTES_MAX, &event, &err);
	if (status == 0)
		status = command_ask(call,
		    &(struct command_request){ "POST", buf_string(&target), buf_bytes(&event) },
		    &reply, &err);
	if (status == 0)
		well = print_outcome(call, &reply);
	buf_clear(&target);
	buf_clear(&event);
	buf_clear(&reply);
	if (status < 0)
		return command_fail(call, &err);
	return well ? EXIT_OK : EXIT_FAILED;
}
