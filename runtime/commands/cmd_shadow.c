/* SPDX-License-Identifier: MIT
 * moonlet shadow: reads, updates and deletes a device's shadow.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "lib/json_numbers.h"
#include "net/http_local.h"
#include "runtime/commands/command.h"

enum { DOCUMENT_BYTES_MAX = 1048576 };

static const struct {
	const char *word;
	const char *method;
	bool document;
} operations[] = {
	{ "get", "GET", false },
	{ "update", "POST", true },
	{ "delete", "DELETE", false },
};

static int
read_document(const char *argument, struct buf *document, struct err *err)
{
	if (argument[0] != '{')
		return command_read(argument, DOCUMENT_BYTES_MAX, document, err);
	buf_append_string(document, argument);
	return 0;
}

static void
print_json(const struct buf *reply)
{
	cJSON *json = cJSON_ParseWithLength((const char *)reply->data, reply->len);
	char *text;

	json_numbers_keep(json, buf_bytes(reply));
	text = json != NULL ? cJSON_Print(json) : NULL;
	if (text != NULL)
		puts(text);
	cJSON_free(text);
	cJSON_Delete(json);
}

static int
perform(const struct command_call *call, size_t operation, struct err *err)
{
	const char *name = command_value(call, "name");
	struct buf target = { 0 }, document = { 0 }, reply = { 0 };
	int status = 0;

	buf_append_string(&target, "/v1/things/");
	http_local_encode(&target, call->arguments[1]);
	buf_append_string(&target, "/shadow");
	if (name != NULL) {
		buf_append_string(&target, "?name=");
		http_local_encode(&target, name);
	}
	if (operations[operation].document)
		status = read_document(call->arguments[2], &document, err);
	if (status == 0)
		status = command_ask(call,
		    &(struct command_request){
			operations[operation].method, buf_string(&target), buf_bytes(&document) },
		    &reply, err);
	if (status == 0)
		print_json(&reply);
	buf_clear(&target);
	buf_clear(&document);
	buf_clear(&reply);
	return status;
}

int
cmd_shadow(struct command_call *call)
{
	size_t operation = 0, count = sizeof(operations) / sizeof(operations[0]);
	struct err err;
	int status;

	while (operation < count && strcmp(operations[operation].word, call->arguments[0]) != 0)
		operation++;
	if (operation == count || operations[operation].document != (call->count == 3)) {
		if (operation == count)
			err_set(&err, "'%s' is not get, update or delete", call->arguments[0]);
		else
			err_set(&err, "%s takes %s document", call->arguments[0],
			    operations[operation].document ? "a" : "no");
		(void)command_fail(call, &err);
		return EXIT_USAGE;
	}
	status = command_settle(call, &err);
	if (status == 0)
		status = perform(call, operation, &err);
	return status == 0 ? EXIT_OK : command_fail(call, &err);
}
