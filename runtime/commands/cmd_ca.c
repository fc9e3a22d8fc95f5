/* SPDX-License-Identifier: MIT
 * moonlet ca: the authorities whose certificates devices may show.
 */
#include <stdio.h>

#include "runtime/commands/command_resource.h"

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
	status = command_resource_create(call, body, err);
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
set(const struct command_call *call, struct err *err)
{
	const char *registration = command_value(call, "registration");
	cJSON *body;

	if (registration == NULL)
		return err_set(err, "set needs --registration off, pending or provision");
	body = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(body, "registration", registration);
	return command_resource_change(call, "POST", "", body, err);
}

static const struct command_word words[] = {
	{ "add", "FILE", 1, 1, add },
	{ "ls", "", 0, 0, command_resource_list },
	{ "set", "ID", 1, 1, set },
	{ "remove", "ID", 1, 1, command_resource_delete },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_ca(struct command_call *call)
{
	static const struct command_resource authorities = { "/v1/authorities", command_certificate,
		print_row };

	return command_resource_run(call, &authorities, words);
}
