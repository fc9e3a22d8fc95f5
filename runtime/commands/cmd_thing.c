/* SPDX-License-Identifier: MIT
 * moonlet thing: the registry's things and their types.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/http_local.h"
#include "runtime/commands/command_resource.h"
#include "runtime/commands/device_files.h"

enum { PAGE = 500 };

static const char default_policy[] = "default";

/* --- create --- */

/* The port of MQTT over TLS; 0: it is off. */
static long
tls_port(const struct command_call *call)
{
	cJSON *status = NULL;
	struct err err;
	const char *colon;
	long port = 0;

	if (command_ask_json(call, &(struct command_request){ "GET", "/v1/status", { 0 } }, NULL,
		&status, &err) == 0) {
		colon = strrchr(command_text(status, "mqtts"), ':');
		port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
	}
	cJSON_Delete(status);
	return port;
}

static void
print_files(const struct command_call *call, struct device_files *files)
{
	const char *name = call->arguments[1];
	long port = tls_port(call);

	(void)printf("key          %s\ncertificate  %s\nauthority    %s\n\n",
	    files->key.len > 0 ? buf_string(&files->key) : "(the device's own)",
	    buf_string(&files->certificate), buf_string(&files->authority));
	if (port == 0)
		(void)printf("MQTT over TLS is off: set the option mqtts, then\n");
	(void)printf("mosquitto_pub --cafile %s --cert %s --key %s -h localhost -p %ld -i %s -q 1 "
		     "-t iot/%s -m '{\"speed\":42}'\n",
	    buf_string(&files->authority), buf_string(&files->certificate),
	    files->key.len > 0 ? buf_string(&files->key) : "KEY", port != 0 ? port : 8883, name,
	    name);
}

/* The files come first: a registered certificate whose key is lost helps nobody. */
static int
create_with_certificate(const struct command_call *call, cJSON *body, struct err *err)
{
	const char *policies = command_value(call, "policy");
	struct device_files files = { 0 };
	int status = device_files_make(call, call->arguments[1], false, &files, err);

	if (status == 0) {
		(void)cJSON_AddStringToObject(body, "certificatePem", buf_string(&files.pem));
		(void)cJSON_AddItemToObject(
		    body, "policies", command_list(policies != NULL ? policies : default_policy));
		status = command_resource_create(call, body, err);
	} else {
		cJSON_Delete(body);
	}
	if (status == 0)
		print_files(call, &files);
	else
		device_files_unlink(&files);
	device_files_clear(&files);
	return status;
}

static int
create(const struct command_call *call, struct err *err)
{
	const char *groups = command_value(call, "group");
	bool certificate = command_has(call, "cert") || command_has(call, "csr");
	cJSON *body;

	if (!certificate && (command_has(call, "policy") || command_has(call, "out")))
		return err_set(err, "--policy and --out belong to --cert");
	body = command_resource_wish(call, "type", "thingTypeName", err);
	if (body == NULL)
		return -1;
	(void)cJSON_AddStringToObject(body, "thingName", call->arguments[1]);
	if (groups != NULL)
		(void)cJSON_AddItemToObject(body, "thingGroupNames", command_list(groups));
	return certificate ? create_with_certificate(call, body, err)
			   : command_resource_create(call, body, err);
}

/* --- update, attach, detach --- */

static int
update(const struct command_call *call, struct err *err)
{
	cJSON *body = command_resource_wish(call, "type", "thingTypeName", err);

	if (body == NULL)
		return -1;
	(void)cJSON_AddBoolToObject(body, "merge", true);
	return command_resource_change(call, "POST", "", body, err);
}

static int
join(const struct command_call *call, const char *word, struct err *err)
{
	cJSON *body = cJSON_CreateObject();

	if (command_add_target(body, call->arguments[2], err) < 0) {
		cJSON_Delete(body);
		return -1;
	}
	return command_resource_change(call, "POST", word, body, err);
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

/* --- ls and search --- */

static void
print_row(const cJSON *row)
{
	struct buf groups = { 0 };
	const cJSON *attribute;

	command_join(cJSON_GetObjectItemCaseSensitive(row, "thingGroupNames"), &groups);
	(void)printf(
	    "%-24s %-12s", command_text(row, "thingName"), command_text(row, "thingTypeName"));
	cJSON_ArrayForEach(attribute, cJSON_GetObjectItemCaseSensitive(row, "attributes"))
	{
		command_make_plain(attribute->valuestring);
		(void)printf(" %s=%s", attribute->string, attribute->valuestring);
	}
	if (groups.len > 0)
		(void)printf("  groups: %s", buf_string(&groups));
	(void)puts("");
	buf_clear(&groups);
}

/* What is wanted, and how many of it are left to show. */
struct listing {
	struct buf query;
	struct buf after;
	long left;
};

static int
list_page(const struct command_call *call, struct listing *listing, struct err *err)
{
	struct buf target = { 0 };
	cJSON *reply = NULL, *row;
	int status;

	buf_printf(&target,
	    "/v1/things?limit=%ld&after=%s&query=", listing->left < PAGE ? listing->left : PAGE,
	    buf_string(&listing->after));
	http_local_encode(&target, buf_string(&listing->query));
	status = command_ask_json(call,
	    &(struct command_request){ "GET", buf_string(&target), { 0 } }, NULL, &reply, err);
	buf_clear(&target);
	buf_reset(&listing->after);
	cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(reply, "things"))
	{
		listing->left--;
		if (command_has(call, "json"))
			command_print_json(row);
		else
			print_row(row);
	}
	buf_append_string(&listing->after, command_text(reply, "next"));
	cJSON_Delete(reply);
	return status;
}

static int
list_all(const struct command_call *call, struct listing *listing, struct err *err)
{
	const char *lines = command_value(call, "lines");
	char *end = NULL;
	int status = 0;

	listing->left = lines != NULL ? strtol(lines, &end, 10) : LONG_MAX;
	if (listing->left < 1 || (end != NULL && *end != '\0'))
		status = err_set(err, "--lines: a number above 0");
	while (status == 0) {
		status = list_page(call, listing, err);
		if (listing->after.len == 0 || listing->left <= 0)
			break;
	}
	buf_clear(&listing->query);
	buf_clear(&listing->after);
	return status;
}

/* NAME:("a" OR "b") */
static void
add_condition(struct buf *query, const char *field, const char *values)
{
	char *copy = xstrdup(values), *rest = copy, *one;
	const char *before = "(";

	if (query->len > 0)
		buf_append_string(query, " AND ");
	buf_printf(query, "%s:", field);
	while ((one = strsep(&rest, ";")) != NULL) {
		buf_printf(query, "%s\"%s\"", before, one);
		before = " OR ";
	}
	buf_append_string(query, ")");
	free(copy);
}

static int
list(const struct command_call *call, struct err *err)
{
	struct listing listing = { 0 };

	if (command_has(call, "type"))
		add_condition(&listing.query, "thingTypeName", command_value(call, "type"));
	if (command_has(call, "group"))
		add_condition(&listing.query, "thingGroupNames", command_value(call, "group"));
	return list_all(call, &listing, err);
}

static int
search(const struct command_call *call, struct err *err)
{
	struct listing listing = { 0 };

	buf_append_string(&listing.query, call->arguments[1]);
	return list_all(call, &listing, err);
}

static const struct command_word words[] = {
	{ "create", "NAME", 1, 1, create },
	{ "ls", "", 0, 0, list },
	{ "search", "QUERY", 1, 1, search },
	{ "show", "NAME", 1, 1, command_resource_show },
	{ "update", "NAME", 1, 1, update },
	{ "delete", "NAME", 1, 1, command_resource_delete },
	{ "attach", "NAME cert:ID|user:NAME|token:NAME", 2, 2, attach },
	{ "detach", "NAME cert:ID|user:NAME|token:NAME", 2, 2, detach },
	{ "export", "", 0, 0, cmd_thing_export },
	{ "import", "FILE|-", 1, 1, cmd_thing_import },
	{ NULL, NULL, 0, 0, NULL },
};

int
cmd_thing(struct command_call *call)
{
	static const struct command_resource things = { "/v1/things", NULL, print_row };

	return command_resource_run(call, &things, words);
}
