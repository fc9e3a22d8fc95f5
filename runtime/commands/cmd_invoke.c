/* SPDX-License-Identifier: MIT
 * moonlet invoke: runs a function once and shows all that came of it.
 */
#include <stdio.h>
#include <string.h>

#include "lib/json_text.h"
#include "net/http_local.h"
#include "runtime/commands/command.h"

enum { EVENT_BYTES_MAX = 8388608 };

/* As it stands, for whole numbers have 64 bits; a string without its quotes. */
static void
print_value(const char *what, struct bytes value)
{
	const struct command_colours *colours = command_colours();
	struct buf text = { 0 };

	if (value.len == 0 || json_text_kind(value) == JSON_TEXT_NULL)
		return;
	if (json_text_kind(value) == JSON_TEXT_STRING)
		json_text_unescape(value, &text);
	else
		buf_append_bytes(&text, value);
	printf("%s%-8s%s %s\n", colours->bold, what, colours->plain, buf_string(&text));
	buf_clear(&text);
}

static bool
print_element(void *arg, struct bytes value)
{
	print_value(arg, value);
	return true;
}

static void
print_list(char *what, struct bytes list)
{
	size_t at;

	if (list.len > 0)
		(void)json_text_elements(list, print_element, what, &at);
}

static void
print_parts(const struct command_call *call, struct bytes outcome, bool well)
{
	static char log[] = "log", would[] = "would", effect[] = "effect";

	print_list(log, json_text_member(outcome, bytes_of_string("logs")));
	print_list(command_value(call, "dry-run") != NULL ? would : effect,
	    json_text_member(outcome, bytes_of_string("effects")));
	print_value("result", json_text_member(outcome, bytes_of_string("result")));
	print_value("error", json_text_member(outcome, bytes_of_string("error")));
	print_value("", json_text_member(outcome, bytes_of_string("traceback")));
	if (!well)
		print_value("trace", json_text_member(outcome, bytes_of_string("invocation")));
}

/* True where the invocation succeeded. */
static bool
print_outcome(const struct command_call *call, struct bytes outcome)
{
	size_t at;
	bool whole = json_text_members(outcome, NULL, NULL, &at);
	struct bytes error = whole ? json_text_member(outcome, bytes_of_string("error")) : outcome;
	bool well = whole && (error.len == 0 || json_text_kind(error) == JSON_TEXT_NULL);

	if (command_value(call, "json") != NULL || !whole)
		printf("%.*s\n", (int)outcome.len, (const char *)outcome.data);
	else
		print_parts(call, outcome, well);
	return well;
}

/* The event itself, or the name of its file. */
static int
read_event(const char *argument, struct buf *event, struct err *err)
{
	if (strchr("{[\"", *argument) == NULL || *argument == '\0')
		return command_read(argument, EVENT_BYTES_MAX, event, err);
	buf_append_string(event, argument);
	return 0;
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
		status = read_event(call->arguments[1], &event, &err);
	if (status == 0)
		status = command_ask(call,
		    &(struct command_request){ "POST", buf_string(&target), buf_bytes(&event) },
		    &reply, &err);
	if (status == 0)
		well = print_outcome(call, buf_bytes(&reply));
	buf_clear(&target);
	buf_clear(&event);
	buf_clear(&reply);
	if (status < 0)
		return command_fail(call, &err);
	return well ? EXIT_OK : EXIT_FAILED;
}
