/* SPDX-License-Identifier: MIT
 * moonlet pub: publishes one message through the host.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "lib/base64.h"
#include "runtime/commands/command.h"

enum { PAYLOAD_BYTES_MAX = 8388608 };

static int
read_payload(const struct command_call *call, struct buf *payload, struct err *err)
{
	if (call->count < 2)
		return 0;
	if (strcmp(call->arguments[1], "-") == 0)
		return command_read("-", PAYLOAD_BYTES_MAX, payload, err);
	buf_append_string(payload, call->arguments[1]);
	return 0;
}

static int
publish(const struct command_call *call, const struct buf *payload, struct err *err)
{
	const char *qos = command_value(call, "qos");
	cJSON *body = cJSON_CreateObject();
	struct buf reply = { 0 }, encoded = { 0 };
	char *text;
	int status;

	base64_encode(buf_bytes(payload), &encoded);
	cJSON_AddStringToObject(body, "topic", call->arguments[0]);
	cJSON_AddStringToObject(body, "payload_base64", buf_string(&encoded));
	cJSON_AddNumberToObject(body, "qos", qos != NULL ? qos[0] - '0' : 0);
	cJSON_AddBoolToObject(body, "retain", command_value(call, "retain") != NULL);
	text = cJSON_PrintUnformatted(body);
	status = command_ask(call,
	    &(struct command_request){ "POST", "/v1/publish", bytes_of_string(text) }, &reply, err);
	cJSON_free(text);
	cJSON_Delete(body);
	buf_clear(&encoded);
	buf_clear(&reply);
	return status;
}

int
cmd_pub(struct command_call *call)
{
	const char *qos = command_value(call, "qos");
	struct buf payload = { 0 };
	struct err err;
	int status;

	if (qos != NULL && (strlen(qos) != 1 || strchr("012", qos[0]) == NULL)) {
		err_set(&err, "--qos must be 0, 1 or 2");
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	if (status == 0)
		status = read_payload(call, &payload, &err);
	if (status == 0)
		status = publish(call, &payload, &err);
	buf_clear(&payload);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
