/* SPDX-License-Identifier: MIT
 * moonlet cert: certificates of devices. create works on the files, whether a host runs or not; the
 * other words ask the running host, whose registry says which certificates are let in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/commands/command_resource.h"
#include "runtime/commands/device_files.h"

enum { PEM_BYTES_MAX = 65536, PAGE = 500 };

static int
create(const struct command_call *call, struct err *err)
{
	struct device_files files = { 0 };
	int status = device_files_make(call, call->arguments[1], true, &files, err);

	if (status == 0 && files.key.len > 0)
		(void)puts(buf_string(&files.key));
	if (status == 0)
		(void)printf(
		    "%s\n%s\n", buf_string(&files.certificate), buf_string(&files.authority));
	device_files_clear(&files);
	return status;
}

static void
print_day(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	time_t seconds = cJSON_IsNumber(item) ? (time_t)item->valuedouble : 0;
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&seconds, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	(void)printf("  until %s", text);
}

static void
print_row(const cJSON *row)
{
	struct buf things = { 0 };

	command_join(cJSON_GetObjectItemCaseSensitive(row, "things"), &things);
	(void)printf(
	    "%.64s  %-18s", command_text(row, "certificateId"), command_text(row, "status"));
	print_day(row, "notAfter");
	(void)printf("  %s%s%s\n", command_text(row, "subject"), things.len > 0 ? "  things: " : "",
	    things.len > 0 ? buf_string(&things) : "");
	buf_clear(&things);
}

/* One page; `after` becomes where the next begins. */
static int
list_page(const struct command_call *call, struct buf *after, struct err *err)
{
	const char *state = command_value(call, "status");
	struct buf target = { 0 };
	cJSON *reply = NULL, *row;
	int status;

	buf_printf(&target, "/v1/certificates?limit=%d&after=%s", PAGE, buf_string(after));
	if (state != NULL)
		buf_printf(&target, "&status=%s", state);
	status = command_ask_json(call,
	    &(struct command_request){ "GET", buf_string(&target), { 0 } }, NULL, &reply, err);
	buf_clear(&target);
	buf_reset(after);
	cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(reply, "certificates"))
	{
		if (command_has(call, "json"))
			command_print_json(row);
		else
			print_row(row);
	}
	buf_append_string(after, command_text(reply, "next"));
	cJSON_Delete(reply);
	return status;
}

static int
list(const struct command_call *call, struct err *err)
{
	const char *state = command_value(call, "status");
	struct buf after = { 0 };
	int status;

	if (state != NULL && strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen(state))
		return err_set(err, "--status: ACTIVE, INACTIVE, REVOKED or PENDING_ACTIVATION");
	do
		status = list_page(call, &after, err);
	while (status == 0 && after.len > 0);
	buf_clear(&after);
	return status;
}

static int
set_status(const struct command_call *call, const char *text, struct err *err)
{
	cJSON *body = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(body, "status", text);
	return command_resource_change(call, "POST", "", body, err);
}

static int
activate(const struct command_call *call, struct err *err)
{
	return set_status(call, "ACTIVE", err);
}

static int
deactivate(const struct command_call *call, struct err *err)
{
	return set_status(call, "INACTIVE", err);
}

static int
revoke(const struct command_call *call, struct err *err)
{
	return set_status(call, "REVOKED", err);
}

static int
register_file(const struct command_call *call, struct err *err)
{
	const char *policies = command_value(call, "policy");
	struct buf pem = { 0 };
	cJSON *body;
	int status;

	if (command_read(call->arguments[1], PEM_BYTES_MAX, &pem, err) < 0)
		return -1;
	body = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(body, "certificatePem", buf_string(&pem));
	if (command_has(call, "status"))
		(void)cJSON_AddStringToObject(body, "status", command_value(call, "status"));
	if (policies != NULL)
		(void)cJSON_AddItemToObject(body, "policies", command_list(policies));
	status = command_resource_create(call, body, err);
	buf_reset(&pem);
	if (status == 0)
		status = command_certificate(call->arguments[1], &pem, err);
	if (status == 0)
		(void)puts(buf_string(&pem));
	buf_clear(&pem);
	return status;
}

/* To a thing; the id may be the beginning of one. */
static int
join(const struct command_call *call, const char *word, struct err *err)
{
	struct buf path = { 0 }, text = { 0 };
	cJSON *certificate = NULL, *body;
	int status = command_resource_read(call, &certificate, err);

	if (status < 0)
		return -1;
	buf_printf(&text, "cert:%s", command_text(certificate, "certificateId"));
	body = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(body, "target", buf_string(&text));
	command_target(&path, "/v1/things", call->arguments[2], word, NULL);
	status = command_ask_json(
	    call, &(struct command_request){ "POST", buf_string(&path), { 0 } }, body, NULL, err);
	cJSON_Delete(certificate);
	buf_clear(&path);
	buf_clear(&text);
	return status;
}

static int
attach(const struct command_call *call, struct err *err)
{
	return join(call, "/attach", err);
}

static int
detach(const struct command_call *call, struct err *err)
{
	return join(call, "/detach", err);
}

static const struct command_word words[] = {
	{ "create", "NAME", 1, 1, create },
	{ "ls", "", 0, 0, list },
	{ "show", "ID", 1, 1, command_resource_show },
	{ "register", "FILE", 1, 1, register_file },
	{ "activate", "ID", 1, 1, activate },
	{ "deactivate", "ID", 1, 1, deactivate },
	{ "revoke", "ID", 1, 1, revoke },
	{ "attach", "ID THING", 2, 2, attach },
	{ "detach", "ID THING", 2, 2, detach },
	{ "delete", "ID", 1, 1, command_resource_delete },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_cert(struct command_call *call)
{
	static const struct command_resource certificates = { "/v1/certificates",
		command_certificate, print_row };

	return command_resource_run(call, &certificates, words);
}
