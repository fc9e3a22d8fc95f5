/* SPDX-License-Identifier: MIT
 * moonlet ca: the authorities whose certificates devices may show.
 */
#include <stdio.h>

#include "runtime/command_word.h"

enum { PEM_BYTES_MAX = 65536 };

static int
add(const struct command_call *call, struct err *err)
{
	const char *registration = command_value(call, "registration");
	struct buf pem = { 0 };
	cJSON *body;
	int status;

	if (command_read(call->arguments[1], PEM_BYTES_MAX, &pem, err) < 0)
		return -1;
	body = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(body, "certificatePem", buf_string(&pem));
	if (registration != NULL)
		(void)cJSON_AddStringToObject(body, "registration", registration);
	status = command_ask_json(
	    call, &(struct command_request){ "POST", "/v1/authorities", { 0 } }, body, NULL, err);
	buf_clear(&pem);
	return status;
}

static void
print_row(const cJSON *row)
{
	bool of_owner = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "ofOwner"));

	(void)printf("%.64s  %-9s  %s%s\n", command_text(row, "certificateId"),
	    command_text(row, "registration"), command_text(row, "subject"),
	    of_owner ? "  (the host's own, or of tls_ca)" : "");
}

static int
list(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL, *row;
	int status = command_ask_json(
	    call, &(struct command_request){ "GET", "/v1/authorities", { 0 } }, NULL, &reply, err);

	if (status == 0 && command_has(call, "json"))
		command_print_json(reply);
	else
		cJSON_ArrayForEach(row, reply) print_row(row);
	cJSON_Delete(reply);
	return status;
}

static int
ask(const struct command_call *call, const char *method, cJSON *body, struct err *err)
{
	struct buf target = { 0 };
	int status;

	command_target(&target, "/v1/authorities", call->arguments[1], NULL);
	status = command_ask_json(
	    call, &(struct command_request){ method, buf_string(&target), { 0 } }, body, NULL, err);
	buf_clear(&target);
	return status;
}

static int
set(const struct command_call *call, struct err *err)
{
	const char *registration = command_value(call, "registration");
	cJSON *body;

	if (registration == NULL)
		return err_set(err, "set needs --registration off, pending or provision");
	body = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(body, "registration", registration);
	return ask(call, "POST", body, err);
}

static int
remove_one(const struct command_call *call, struct err *err)
{
	return ask(call, "DELETE", NULL, err);
}

static const struct command_word words[] = {
	{ "add", "FILE", 1, 1, add },
	{ "ls", "", 0, 0, list },
	{ "set", "ID", 1, 1, set },
	{ "remove", "ID", 1, 1, remove_one },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_ca(struct command_call *call)
{
	return command_word_run(call, words);
}
