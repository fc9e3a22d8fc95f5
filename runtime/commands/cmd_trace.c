/* SPDX-License-Identifier: MIT
 * moonlet trace: the newest kept runs, or one event's story.
 */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/json_numbers.h"
#include "net/http_local.h"
#include "runtime/commands/command.h"

static const cJSON *
member(const cJSON *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}

static const char *
text_of(const cJSON *json, const char *name)
{
	const char *text = cJSON_GetStringValue(member(json, name));

	return text != NULL ? text : "";
}

static double
number_of(const cJSON *json, const char *name)
{
	const cJSON *number = member(json, name);

	return cJSON_IsNumber(number) || cJSON_IsRaw(number) ? number->valuedouble : 0;
}

static void
format_time(char *out, size_t size, double ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm parts;
	size_t len = 0;

	if (gmtime_r(&seconds, &parts) != NULL)
		len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &parts);
	(void)snprintf(out + len, size - len, ".%03dZ", (int)((long long)ms % 1000));
}

static const char *
end_colour(const cJSON *run)
{
	const struct command_colours *colours = command_colours();

	return strcmp(text_of(run, "end"), "done") == 0 ? colours->green : colours->red;
}

static void
print_summary(const cJSON *run)
{
	const struct command_colours *colours = command_colours();
	char when[48];

	format_time(when, sizeof(when), number_of(run, "time"));
	printf("%s  %s%s%s  %s%s%s  %s%s%s %s  %.2f ms  %s\n", text_of(run, "id"), colours->dim,
	    when, colours->plain, colours->bold, text_of(run, "function"), colours->plain,
	    end_colour(run), text_of(run, "end"), colours->plain, text_of(run, "subject"),
	    number_of(run, "took_ms"), text_of(run, "error"));
}

static void
print_functions(const cJSON *functions)
{
	const struct command_colours *colours = command_colours();
	const cJSON *function;

	cJSON_ArrayForEach(function, functions)
	{
		if (cJSON_IsTrue(member(function, "matches")))
			printf("  matches  %s%s%s\n", colours->bold, text_of(function, "function"),
			    colours->plain);
	}
	cJSON_ArrayForEach(function, functions)
	{
		if (!cJSON_IsTrue(member(function, "matches")))
			printf("%s  not      %s: it listens to %s%s\n", colours->dim,
			    text_of(function, "function"), text_of(function, "listens_to"),
			    colours->plain);
	}
}

/* A value as text, or as JSON. */
static void
print_value(const char *what, const cJSON *value)
{
	char *text;

	if (value == NULL)
		return;
	text = cJSON_IsString(value) ? NULL : cJSON_PrintUnformatted(value);
	printf("    %-8s %s\n", what, text != NULL ? text : value->valuestring);
	cJSON_free(text);
}

static void
print_event(const cJSON *run)
{
	const cJSON *event = member(run, "event");
	char when[48];

	format_time(when, sizeof(when), number_of(event, "time"));
	printf("event %s: %s %s\n", text_of(run, "id"), text_of(event, "trigger"),
	    text_of(event, "subject"));
	printf("  time     %s, QoS %d%s, hops %d\n", when, (int)number_of(event, "qos"),
	    cJSON_IsTrue(member(event, "retain")) ? ", retained" : "",
	    (int)number_of(event, "hops"));
	if (text_of(event, "client_id")[0] != '\0')
		printf("  client   %s\n", text_of(event, "client_id"));
	if (text_of(event, "context")[0] != '\0')
		printf("  context  %s\n", text_of(event, "context"));
	if (member(event, "payload") != NULL)
		printf("  payload  %s\n", text_of(event, "payload"));
	else
		printf("  payload  (base64) %s\n", text_of(event, "payload_base64"));
}

static void
print_step(const cJSON *step)
{
	const struct command_colours *colours = command_colours();

	printf("    %s%8.2f%s ", colours->dim, number_of(step, "at_ms"), colours->plain);
	if (member(step, "log") != NULL)
		printf("log %s: %s\n", text_of(step, "log"), text_of(step, "text"));
	else if (member(step, "answer") == NULL)
		printf("%s -> (no answer)\n", text_of(step, "asks"));
	else
		printf("%s -> %s%s%s (%.2f ms)\n", text_of(step, "asks"),
		    cJSON_IsTrue(member(step, "ok")) ? "" : colours->red, text_of(step, "answer"),
		    colours->plain, number_of(step, "took_ms"));
}

/* Each line behind the same margin. */
static void
print_lines(const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		printf("      %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void
print_run(const cJSON *run)
{
	const struct command_colours *colours = command_colours();
	const cJSON *step, *effect;

	printf("\n%s%s%s version %d, attempt %d: %s%s%s in %.2f ms", colours->bold,
	    text_of(run, "function"), colours->plain, (int)number_of(run, "version"),
	    (int)number_of(run, "attempt"), end_colour(run), text_of(run, "end"), colours->plain,
	    number_of(run, "took_ms"));
	if (member(run, "busy_ms") != NULL)
		printf(", %.2f ms of it in Lua", number_of(run, "busy_ms"));
	if (member(run, "effects") != NULL)
		printf(", %.2f ms for the commit",
		    number_of(run, "took_ms") - number_of(run, "returned_ms"));
	if (number_of(run, "conflicts") > 0)
		printf(", after %d conflicts", (int)number_of(run, "conflicts"));
	printf(" %s(run %s)%s\n", colours->dim, text_of(run, "run"), colours->plain);
	cJSON_ArrayForEach(step, member(run, "steps"))
	{
		print_step(step);
	}
	cJSON_ArrayForEach(effect, member(run, "effects"))
	{
		print_value("effect", effect);
	}
	print_value("result", member(run, "result"));
	if (text_of(run, "error")[0] != '\0')
		printf(
		    "    %serror    %s%s\n", colours->red, text_of(run, "error"), colours->plain);
	print_lines(text_of(run, "traceback"));
	if (cJSON_IsTrue(member(run, "cut")))
		printf("    some of it was too large and is not kept: it cannot be replayed\n");
}

static void
print_story(const cJSON *story)
{
	const cJSON *runs = member(story, "runs"), *run;

	if (runs == NULL || runs->child == NULL)
		return;
	print_event(runs->child);
	print_functions(member(story, "functions"));
	cJSON_ArrayForEach(run, runs)
	{
		print_run(run);
	}
}

static int
save(const struct buf *raw, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t wrote;

	if (fd < 0)
		return err_errno(err, "%s", path);
	wrote = write(fd, raw->data, raw->len);
	if (close(fd) < 0 || wrote != (ssize_t)raw->len)
		return err_errno(err, "write %s", path);
	return 0;
}

static void
append_target(const struct command_call *call, struct buf *target)
{
	const char *name = command_value(call, "function"), *lines = command_value(call, "lines");

	buf_append_string(target, "/v1/traces");
	if (call->count > 0) {
		buf_append_u8(target, '/');
		http_local_encode(target, call->arguments[0]);
		if (command_value(call, "save") != NULL)
			buf_append_string(target, "/raw");
	}
	buf_append_string(target, "?limit=");
	http_local_encode(target, lines != NULL ? lines : "20");
	if (command_value(call, "failed") != NULL)
		buf_append_string(target, "&failed=1");
	if (name != NULL) {
		buf_append_string(target, "&function=");
		http_local_encode(target, name);
	}
}

/* What a device sent must not speak to the terminal. */
static void
make_plain(cJSON *json)
{
	for (; json != NULL; json = json->next) {
		make_plain(json->child);
		command_make_plain(json->valuestring);
	}
}

static int
print_reply(const struct command_call *call, struct buf *reply, struct err *err)
{
	cJSON *json = cJSON_ParseWithLength((const char *)reply->data, reply->len);
	const cJSON *run;

	if (json == NULL)
		return err_set(err, "the host's answer cannot be read");
	json_numbers_keep(json, buf_bytes(reply));
	if (command_value(call, "json") != NULL) {
		printf("%.*s\n", (int)reply->len, (const char *)reply->data);
	} else if (call->count > 0) {
		make_plain(json);
		print_story(json);
	} else {
		make_plain(json);
		cJSON_ArrayForEach(run, json)
		{
			print_summary(run);
		}
	}
	cJSON_Delete(json);
	return 0;
}

int
cmd_trace(struct command_call *call)
{
	const char *path = command_value(call, "save");
	struct buf target = { 0 }, reply = { 0 };
	struct err err;
	int status = command_settle(call, &err);

	if (path != NULL && call->count == 0)
		status = err_set(&err, "--save needs an id");
	append_target(call, &target);
	if (status == 0)
		status = command_ask(call,
		    &(struct command_request){ "GET", buf_string(&target), { 0 } }, &reply, &err);
	if (status == 0)
		status = path != NULL ? save(&reply, path, &err) : print_reply(call, &reply, &err);
	buf_clear(&target);
	buf_clear(&reply);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
