/* SPDX-License-Identifier: MIT
 * moonlet failed and moonlet replay: the events that were given up.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net/http_local.h"
#include "runtime/command.h"

static const char *
text_of(const cJSON *row, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));

	return text != NULL ? text : "";
}

static void
print_row(const cJSON *row)
{
	const struct command_colours *colours = command_colours();
	const cJSON *when = cJSON_GetObjectItemCaseSensitive(row, "failed");
	time_t seconds = cJSON_IsNumber(when) ? (time_t)(when->valuedouble / 1000) : 0;
	struct tm parts;
	char stamp[32] = "";

	if (gmtime_r(&seconds, &parts) != NULL)
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &parts);
	printf("%s  %s  %s%s%s  %s%s%s\n", text_of(row, "id"), stamp, colours->bold,
	    text_of(row, "function"), colours->plain, colours->red, text_of(row, "error"),
	    colours->plain);
}

/* The failed events of a function (NULL: of all) as JSON; freed with cJSON_Delete. */
static cJSON *
list(const struct command_call *call, const char *name, struct err *err)
{
	struct buf target = { 0 }, reply = { 0 };
	cJSON *rows = NULL;

	buf_append_string(&target, "/v1/failed?limit=1000");
	if (name != NULL) {
		buf_append_string(&target, "&function=");
		http_local_encode(&target, name);
	}
	if (command_ask(call, &(struct command_request){ "GET", buf_string(&target), { 0 } },
		&reply, err) == 0) {
		rows = cJSON_ParseWithLength((const char *)reply.data, reply.len);
		if (rows == NULL)
			err_set(err, "the host's answer cannot be read");
	}
	buf_clear(&target);
	buf_clear(&reply);
	return rows;
}

static int
print_list(const struct command_call *call, struct err *err)
{
	cJSON *rows = list(call, call->count > 0 ? call->arguments[0] : NULL, err);
	const cJSON *row;
	char *text;

	if (rows == NULL)
		return -1;
	if (command_value(call, "json") != NULL) {
		text = cJSON_Print(rows);
		puts(text);
		cJSON_free(text);
	} else {
		cJSON_ArrayForEach(row, rows)
		{
			print_row(row);
		}
	}
	cJSON_Delete(rows);
	return 0;
}

/* One event: `method` on its path and what stands behind it. */
static int
touch(const struct command_call *call, const char *method, const char *id, const char *behind,
    struct err *err)
{
	struct buf target = { 0 }, reply = { 0 };
	int status;

	buf_append_string(&target, "/v1/failed/");
	http_local_encode(&target, id);
	buf_append_string(&target, behind);
	status = command_ask(
	    call, &(struct command_request){ method, buf_string(&target), { 0 } }, &reply, err);
	buf_clear(&target);
	buf_clear(&reply);
	return status;
}

int
cmd_failed(struct command_call *call)
{
	const char *drop = command_value(call, "drop");
	struct err err;
	int status = command_settle(call, &err);

	if (status == 0)
		status =
		    drop != NULL ? touch(call, "DELETE", drop, "", &err) : print_list(call, &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}

static int
replay_all(const struct command_call *call, const char *name, struct err *err)
{
	cJSON *rows = list(call, name, err);
	const cJSON *row;
	int status = rows != NULL ? 0 : -1, count = 0;

	cJSON_ArrayForEach(row, rows)
	{
		if (status == 0)
			status = touch(call, "POST", text_of(row, "id"), "/replay", err);
		count += status == 0;
	}
	cJSON_Delete(rows);
	if (status == 0)
		printf("%d replayed\n", count);
	return status;
}

int
cmd_replay(struct command_call *call)
{
	const char *all = command_value(call, "all");
	struct err err;
	int status;

	if (command_value(call, "local") != NULL && call->count == 1)
		return cmd_replay_local(call);
	if ((all != NULL) == (call->count == 1)) {
		err_set(&err, "needs the id of a failed event (moonlet failed), or --all NAME");
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	if (status == 0)
		status = all != NULL ? replay_all(call, all, &err)
				     : touch(call, "POST", call->arguments[0], "/replay", &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
