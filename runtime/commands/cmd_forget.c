/* SPDX-License-Identifier: MIT
 * moonlet forget: what a function that is no more has left in the store.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "net/http_local.h"
#include "runtime/commands/command.h"

static cJSON *
find(const cJSON *list, const char *name)
{
	cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const char *text =
		    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));

		if (text != NULL && strcmp(text, name) == 0)
			return item;
	}
	return NULL;
}

void
leftover_print(const cJSON *leftover)
{
	static const struct {
		const char *member, *text;
	} kinds[] = { { "events", "events wait" }, { "parked", "parked changes wait" },
		{ "timers", "timers" }, { "states", "states" }, { "positions", "positions" },
		{ "ticks", "ticks" }, { "files", "files" } };
	const cJSON *gone = cJSON_GetObjectItemCaseSensitive(leftover, "gone_ms");
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(leftover, "name"));

	printf("%-20s gone (%.1f h)", name != NULL ? name : "",
	    cJSON_IsNumber(gone) ? gone->valuedouble / 3600000 : 0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const cJSON *count = cJSON_GetObjectItemCaseSensitive(leftover, kinds[i].member);

		if (cJSON_IsNumber(count) && count->valuedouble > 0)
			printf(", %.0f %s", count->valuedouble, kinds[i].text);
	}
	printf("\n");
}

static int
ask_what_is_left(const struct command_call *call, const char *name, struct err *err)
{
	struct buf reply = { 0 };
	cJSON *list = NULL, *leftover;
	int result = -1;

	if (command_ask(
		call, &(struct command_request){ "GET", "/v1/leftovers", { 0 } }, &reply, err) < 0)
		goto out;
	list = cJSON_ParseWithLength((const char *)reply.data, reply.len);
	leftover = find(list, name);
	if (leftover == NULL) {
		(void)err_set(err,
		    "function %s has left nothing, or is there; moonlet ls --all shows those that "
		    "are "
		    "gone",
		    name);
		goto out;
	}
	leftover_print(leftover);
	result = command_value(call, "yes") != NULL
		     ? 0
		     : err_set(err, "all of it would be deleted: add --yes");
out:
	cJSON_Delete(list);
	buf_clear(&reply);
	return result;
}

int
cmd_forget(struct command_call *call)
{
	struct buf target = { 0 }, reply = { 0 };
	struct err err;
	int status = command_settle(call, &err);

	if (status == 0)
		status = ask_what_is_left(call, call->arguments[0], &err);
	buf_append_string(&target, "/v1/leftovers/");
	http_local_encode(&target, call->arguments[0]);
	if (status == 0)
		status = command_ask(call,
		    &(struct command_request){ "DELETE", buf_string(&target), { 0 } }, &reply,
		    &err);
	if (status == 0)
		printf("forgotten\n");
	buf_clear(&target);
	buf_clear(&reply);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
