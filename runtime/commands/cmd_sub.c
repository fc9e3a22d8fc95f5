/* SPDX-License-Identifier: MIT
 * moonlet sub: shows messages as they come.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "net/http_local.h"
#include "runtime/commands/command.h"

struct subscription {
	const struct command_call *call;
	long left; /* 0: without end */
};

static void
print_payload(const cJSON *message)
{
	const cJSON *payload = cJSON_GetObjectItemCaseSensitive(message, "payload");
	const char *encoded =
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "payload_base64"));
	struct buf bytes = { 0 };

	if (cJSON_IsString(payload))
		fputs(payload->valuestring, stdout);
	else if (encoded != NULL && base64_decode(bytes_of_string(encoded), &bytes) == 0)
		fwrite(bytes.data, 1, bytes.len, stdout);
	buf_clear(&bytes);
}

static int
print_message(void *arg, const char *line)
{
	struct subscription *subscription = arg;
	const struct command_colours *colours = command_colours();
	cJSON *message = NULL;

	if (command_value(subscription->call, "json") != NULL) {
		puts(line);
	} else if ((message = cJSON_Parse(line)) != NULL) {
		const cJSON *topic = cJSON_GetObjectItemCaseSensitive(message, "topic");

		printf("%s%s%s ", colours->bold, cJSON_IsString(topic) ? topic->valuestring : "?",
		    colours->plain);
		print_payload(message);
		putchar('\n');
	}
	cJSON_Delete(message);
	if (fflush(stdout) != 0)
		return -1;
	return subscription->left > 0 && --subscription->left == 0 ? -1 : 0;
}

int
cmd_sub(struct command_call *call)
{
	const char *count = command_value(call, "count");
	struct subscription subscription = { call, count != NULL ? atol(count) : 0 };
	struct command_lines lines = { print_message, &subscription };
	struct buf target = { 0 };
	struct err err;
	int status;

	if (count != NULL && subscription.left <= 0) {
		err_set(&err, "--count must be a number above 0");
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	buf_append_string(&target, "/v1/subscribe?filter=");
	http_local_encode(&target, call->arguments[0]);
	if (status == 0)
		status = command_follow(call, buf_string(&target), &lines, &err);
	buf_clear(&target);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
