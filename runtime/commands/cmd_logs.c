/* SPDX-License-Identifier: MIT
 * moonlet logs: the host's last lines, and those to come.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "net/http_local.h"
#include "runtime/commands/command.h"

static const char *
text_of(const cJSON *line, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));

	return text != NULL ? text : "";
}

static const char *
level_colour(const char *level)
{
	const struct command_colours *colours = command_colours();

	if (strcmp(level, "error") == 0)
		return colours->red;
	if (strcmp(level, "warn") == 0)
		return colours->yellow;
	return strcmp(level, "debug") == 0 ? colours->dim : "";
}

/* One line an event, and the traceback's lines below it. */
static void
print_traceback(const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		printf("    %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void
make_plain(cJSON *line)
{
	cJSON *member;
	char *end;

	cJSON_ArrayForEach(member, line)
	{
		command_make_plain(member->valuestring);
		while (strcmp(member->string, "traceback") != 0 && member->valuestring != NULL &&
		       (end = strchr(member->valuestring, '\n')) != NULL)
			*end = ' ';
	}
}

static int
print_line(void *arg, const char *text)
{
	const struct command_call *call = arg;
	const struct command_colours *colours = command_colours();
	cJSON *line = command_value(call, "json") == NULL ? cJSON_Parse(text) : NULL;
	const char *who;

	if (line == NULL) {
		puts(text);
	} else {
		make_plain(line);
		who = text_of(line, "function");
		printf("%s%s%s %s%-5s %s%s%s%s%s: %s%s\n", colours->dim, text_of(line, "time"),
		    colours->plain, level_colour(text_of(line, "level")), text_of(line, "level"),
		    who[0] != '\0' ? who : text_of(line, "component"),
		    text_of(line, "invocation")[0] != '\0' ? "[" : "", text_of(line, "invocation"),
		    text_of(line, "invocation")[0] != '\0' ? "]" : "", "", text_of(line, "message"),
		    colours->plain);
		print_traceback(text_of(line, "traceback"));
	}
	cJSON_Delete(line);
	return fflush(stdout) == 0 ? 0 : -1;
}

int
cmd_logs(struct command_call *call)
{
	const char *lines = command_value(call, "lines");
	struct command_lines follow = { print_line, call };
	struct buf target = { 0 };
	struct err err;
	int status = command_settle(call, &err);

	buf_append_string(&target, "/v1/logs?lines=");
	http_local_encode(&target, lines != NULL ? lines : "100");
	if (command_value(call, "follow") != NULL)
		buf_append_string(&target, "&follow=1");
	if (call->count > 0) {
		buf_append_string(&target, "&function=");
		http_local_encode(&target, call->arguments[0]);
	}
	if (status == 0)
		status = command_follow(call, buf_string(&target), &follow, &err);
	buf_clear(&target);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
