/* SPDX-License-Identifier: MIT
 * moonlet policy: what clients may do, in AWS IoT's language.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/policy.h"
#include "runtime/commands/command_resource.h"

enum { PEM_BYTES_MAX = 65536 };

/* What is wrong with the document is said before the host is asked, with the file's name. */
static int
create(const struct command_call *call, struct err *err)
{
	const char *path = call->arguments[2];
	struct policy *policy = NULL;
	struct buf text = { 0 };
	cJSON *body;
	int status = command_read(path, POLICY_BYTES_MAX, &text, err);

	if (status == 0) {
		policy = policy_parse(buf_bytes(&text), err);
		status = policy != NULL ? 0 : err_prefix(err, "%s", path);
	}
	if (status == 0) {
		body = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(body, "text", buf_string(&text));
		(void)cJSON_AddBoolToObject(body, "new", !command_has(call, "replace"));
		status = command_resource_change(call, "PUT", "", body, err);
	}
	policy_unref(policy);
	buf_clear(&text);
	return status;
}

static double
number(const cJSON *object, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static void
print_row(const cJSON *row)
{
	(void)printf("%-24s %6.0f bytes, attached to %.0f\n", command_text(row, "policyName"),
	    number(row, "bytes"), number(row, "targets"));
}

/* The document goes to standard output as it was given, so that it can be edited and put back. */
static int
show(const struct command_call *call, struct err *err)
{
	cJSON *reply = NULL;
	struct buf targets = { 0 };
	const char *text;
	int status = command_resource_read(call, &reply, err);

	if (status == 0 && command_has(call, "json")) {
		command_print_json(reply);
	} else if (status == 0) {
		text = command_text(reply, "text");
		(void)printf(
		    "%s%s", text, text[0] != '\0' && text[strlen(text) - 1] != '\n' ? "\n" : "");
		command_join(cJSON_GetObjectItemCaseSensitive(reply, "attachedTo"), &targets);
		(void)fflush(stdout);
		if (targets.len > 0)
			(void)fprintf(stderr, "attached to %.0f: %s\n", number(reply, "targets"),
			    buf_string(&targets));
	}
	cJSON_Delete(reply);
	buf_clear(&targets);
	return status;
}

static int delete (const struct command_call *call, struct err *err)
{
	return command_resource_change(
	    call, "DELETE", command_has(call, "force") ? "?force=1" : "", NULL, err);
}

static int
attach_or_not(const struct command_call *call, const char *way, struct err *err)
{
	cJSON *body = cJSON_CreateObject();

	if (command_add_target(body, call->arguments[2], err) < 0) {
		cJSON_Delete(body);
		return -1;
	}
	return command_resource_change(call, "POST", way, body, err);
}

static int
attach(const struct command_call *call, struct err *err)
{
	return attach_or_not(call, "/attach", err);
}

static int
detach(const struct command_call *call, struct err *err)
{
	return attach_or_not(call, "/detach", err);
}

/* --- test --- */

static void
add(cJSON *body, const char *name, const char *value)
{
	if (value != NULL)
		(void)cJSON_AddStringToObject(body, name, value);
}

/* --cert: a file, or an id. */
static int
add_certificate(const struct command_call *call, cJSON *body, struct err *err)
{
	const char *certificate = command_value(call, "cert");
	struct buf text = { 0 };
	int status = 0;

	if (certificate == NULL)
		return 0;
	if (access(certificate, R_OK) == 0) {
		status = command_read(certificate, PEM_BYTES_MAX, &text, err);
		if (status == 0)
			add(body, "certificatePem", buf_string(&text));
	} else {
		buf_append_string(&text, "cert:");
		status = command_certificate(certificate, &text, err);
		add(body, "target", buf_string(&text));
	}
	buf_clear(&text);
	return status;
}

static int
read_trial(const struct command_call *call, cJSON *body, struct err *err)
{
	const char *user = command_value(call, "user"), *token = command_value(call, "token"),
		   *policies = command_value(call, "policy");
	struct buf target = { 0 };

	if ((user != NULL) + (token != NULL) + command_has(call, "cert") > 1)
		return err_set(err, "only one of --cert, --user and --token says who comes");
	add(body, "action", call->arguments[1]);
	add(body, "resource", call->count > 2 ? call->arguments[2] : NULL);
	add(body, "thing", command_value(call, "thing"));
	add(body, "clientId", command_value(call, "client-id"));
	add(body, "address", command_value(call, "address"));
	(void)cJSON_AddBoolToObject(body, "persistent", command_has(call, "persistent"));
	(void)cJSON_AddBoolToObject(body, "will", command_has(call, "will"));
	if (user != NULL || token != NULL) {
		buf_printf(
		    &target, "%s:%s", user != NULL ? "user" : "token", user != NULL ? user : token);
		add(body, "target", buf_string(&target));
	}
	if (policies != NULL)
		(void)cJSON_AddItemToObject(body, "policies", command_list(policies));
	buf_clear(&target);
	return add_certificate(call, body, err);
}

static void
print_result(const struct command_colours *colours, const cJSON *reply, const cJSON *result)
{
	bool allowed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "allowed"));
	const char *as = command_text(result, "as"), *thing = command_text(result, "thing");

	(void)printf("%s%s%s: %s on %s: %s\n", allowed ? colours->green : colours->red,
	    allowed ? "allowed" : "denied", colours->plain, command_text(reply, "action"),
	    command_text(reply, "resource"), command_text(result, "text"));
	(void)printf("  %s%s%s%s, client id \"%s\"%s\n",
	    as[0] != '\0' ? "as " : "by policies alone", as, thing[0] != '\0' ? ", thing " : "",
	    thing, command_text(result, "clientId"),
	    cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "mayConnect"))
		? ""
		: ", which it may not connect with");
}

/* EXIT_FAILED where one of those that were tried may not. */
static int
test(const struct command_call *call, struct err *err)
{
	cJSON *body = cJSON_CreateObject(), *reply = NULL, *result;
	int status = read_trial(call, body, err);

	if (status < 0) {
		cJSON_Delete(body);
		return -1;
	}
	status = command_ask_json(
	    call, &(struct command_request){ "POST", "/v1/policy-test", { 0 } }, body, &reply, err);
	if (status < 0)
		return -1;
	if (command_has(call, "json")) {
		command_print_json(reply);
	} else {
		cJSON_ArrayForEach(result, cJSON_GetObjectItemCaseSensitive(reply, "results"))
		    print_result(command_colours(), reply, result);
	}
	status = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reply, "allowed")) ? EXIT_OK
										  : EXIT_FAILED;
	cJSON_Delete(reply);
	return status;
}

int
cmd_policy(struct command_call *call)
{
	static const struct command_resource policies = { "/v1/policies", NULL, print_row };
	static const struct command_word words[] = {
		{ "create", "NAME FILE|-", 2, 2, create },
		{ "ls", "", 0, 0, command_resource_list },
		{ "show", "NAME", 1, 1, show },
		{ "delete", "NAME [--force]", 1, 1, delete },
		{ "attach", "NAME cert:ID|group:NAME|user:NAME|token:NAME|thing:NAME", 2, 2,
		    attach },
		{ "detach", "NAME cert:ID|group:NAME|user:NAME|token:NAME|thing:NAME", 2, 2,
		    detach },
		{ "test", "ACTION [TOPIC|FILTER|THING]", 1, 2, test },
		{ NULL, NULL, 0, 0, NULL },
	};

	return command_resource_run(call, &policies, words);
}
