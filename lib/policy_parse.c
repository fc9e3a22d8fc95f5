/* SPDX-License-Identifier: MIT
 * From a policy's JSON to statements that have been checked.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/json_text.h"
#include "lib/policy_private.h"

enum { DEPTH_MAX = 16, SID_BYTES_MAX = 128, TEXT_BYTES_MAX = 2048 };

/* Messages themselves begin with neither of these. */
static bool
is_place(const char *text)
{
	return text[0] == '.' || text[0] == '[';
}

int
policy_err_within(struct err *err, const char *format, ...)
{
	const struct err inner = *err;
	char step[256];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(step, sizeof(step), format, values);
	va_end(values);
	return err_set(err, "%s%s%s", step, is_place(inner.text) ? "" : ": ", inner.text);
}

/* --- members --- */

static int
check_members(const cJSON *object, const char *const *known, struct err *err)
{
	const cJSON *member, *other;

	cJSON_ArrayForEach(member, object)
	{
		size_t i = 0;

		while (known[i] != NULL && strcmp(known[i], member->string) != 0)
			i++;
		if (known[i] == NULL)
			return err_set(err, ".%.80s: there is no such element", member->string);
		for (other = member->next; other != NULL; other = other->next) {
			if (strcmp(other->string, member->string) == 0)
				return err_set(err, ".%s: it stands there twice", member->string);
		}
	}
	return 0;
}

/* As IAM takes it: 5 is "5", true "true". Room for it is in `room`. NULL: it is none of these. */
static const char *
scalar_text(const cJSON *json, enum policy_text_kind kind, char *room, size_t size)
{
	double number = cJSON_GetNumberValue(json), again;

	if (cJSON_IsString(json))
		return json->valuestring;
	if (kind == POLICY_NAME)
		return NULL;
	if (cJSON_IsBool(json))
		return cJSON_IsTrue(json) ? "true" : "false";
	if (!cJSON_IsNumber(json) || !isfinite(number))
		return NULL;
	(void)snprintf(room, size, "%.15g", number);
	again = strtod(room, NULL);
	if (again < number || again > number)
		(void)snprintf(room, size, "%.17g", number);
	return room;
}

static int
parse_text(const cJSON *json, struct policy *policy, enum policy_text_kind kind,
    struct policy_texts *out, struct err *err)
{
	char room[32];
	const char *text = scalar_text(json, kind, room, sizeof(room));

	if (text == NULL)
		return err_set(err, kind == POLICY_NAME
					? "a string is wanted"
					: "a string, a number, true or false is wanted");
	if (text[0] == '\0' && kind != POLICY_VALUE)
		return err_set(err, "it is empty");
	if (strlen(text) > TEXT_BYTES_MAX)
		return err_set(err, "more than %d bytes", TEXT_BYTES_MAX);
	if (++policy->values > POLICY_VALUES_MAX)
		return err_set(err, "the policy has more than %d values", POLICY_VALUES_MAX);
	out->list = xrealloc(out->list, (out->count + 1) * sizeof(*out->list));
	return policy_text_parse(text, kind != POLICY_VALUE, &out->list[out->count++], err);
}

int
policy_texts_parse(const cJSON *json, struct policy *policy, enum policy_text_kind kind,
    struct policy_texts *out, struct err *err)
{
	const cJSON *element;
	int i = 0;

	if (!cJSON_IsArray(json))
		return parse_text(json, policy, kind, out, err);
	if (json->child == NULL)
		return err_set(err, "the list is empty");
	cJSON_ArrayForEach(element, json)
	{
		if (parse_text(element, policy, kind, out, err) < 0)
			return policy_err_within(err, "[%d]", i);
		i++;
	}
	return 0;
}

/* --- actions and resources --- */

static int
check_action(const struct policy_text *text, struct err *err)
{
	/* The others stand in policies of AWS' that devices bring with them. */
	static const char *const services[] = { "iot:", "iotjobsdata:", "greengrass:" };
	struct bytes action = buf_bytes(&text->literals[0]);

	if (text->variable_count > 0)
		return err_set(err, "an action has no variables");
	if (action.len == 1 && action.data[0] == PATTERN_ANY)
		return 0;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		size_t len = strlen(services[i]);

		if (action.len > len &&
		    strncasecmp((const char *)action.data, services[i], len) == 0)
			return 0;
	}
	return err_set(err, "an action is \"iot:Publish\" or the like, or \"*\"");
}

/* "arn:aws:iot:region:account:topic/a" becomes "topic/a". The five fields in front end in the first
 * literal, for none of them may be a variable. */
static int
strip_arn(struct policy_text *text, struct err *err)
{
	struct buf *first = &text->literals[0];
	size_t at = 0, colons = 0, service = 0;

	if (first->len < 4 || memcmp(first->data, "arn:", 4) != 0)
		return 0;
	for (; at < first->len && colons < 5; at++) {
		if (first->data[at] != ':')
			continue;
		colons++;
		if (colons == 2)
			service = at + 1;
		if (colons == 3 &&
		    !(at - service == 3 && memcmp(first->data + service, "iot", 3) == 0) &&
		    !(at - service == 1 && first->data[service] == PATTERN_ANY))
			return err_set(err, "the ARN's service is not iot");
	}
	if (colons < 5)
		return err_set(err, "an ARN is written \"arn:aws:iot:REGION:ACCOUNT:topic/a/b\"");
	buf_drain(first, at);
	return 0;
}

/* `start`: what stands before the first slash or wildcard. */
static bool
is_kind(struct bytes start, bool whole)
{
	/* The last rows name nothing here, but stand in policies that devices have at AWS. */
	static const char *const kinds[] = { "topic", "topicfilter", "client", "thing",
		"thinggroup", "thingtype", "cert", "cacert", "policy", "rule", "job", "jobtemplate",
		"index", "authorizer", "rolealias", "stream", "tunnel", "billinggroup",
		"provisioningtemplate", "dimension", "securityprofile" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((!whole || start.len == strlen(kinds[i])) &&
		    strncmp(kinds[i], (const char *)start.data, start.len) == 0)
			return true;
	}
	return false;
}

static int
check_resource(struct policy_text *text, struct err *err)
{
	struct bytes start;
	size_t len = 0;

	if (strip_arn(text, err) < 0)
		return -1;
	start = buf_bytes(&text->literals[0]);
	while (len < start.len && start.data[len] != '/' && start.data[len] > PATTERN_ONE)
		len++;
	if (len < start.len && is_kind(bytes_of(start.data, len), start.data[len] == '/'))
		return 0;
	return err_set(err,
	    "a resource begins with topic/, topicfilter/, client/, thing/ or the like, or is "
	    "\"*\"");
}

static int
parse_actions(const cJSON *json, struct policy *policy, struct policy_texts *out, struct err *err)
{
	if (policy_texts_parse(json, policy, POLICY_NAME, out, err) < 0)
		return -1;
	for (size_t i = 0; i < out->count; i++) {
		if (check_action(&out->list[i], err) < 0)
			return cJSON_IsArray(json) ? policy_err_within(err, "[%zu]", i) : -1;
	}
	return 0;
}

static int
parse_resources(const cJSON *json, struct policy *policy, struct policy_texts *out, struct err *err)
{
	if (policy_texts_parse(json, policy, POLICY_NAME, out, err) < 0)
		return -1;
	for (size_t i = 0; i < out->count; i++) {
		if (check_resource(&out->list[i], err) < 0)
			return cJSON_IsArray(json) ? policy_err_within(err, "[%zu]", i) : -1;
	}
	return 0;
}

/* One of two names, and only one. */
static const cJSON *
either(const cJSON *json, const char *plain, const char *negated, bool *is_negated, struct err *err)
{
	const cJSON *one = cJSON_GetObjectItemCaseSensitive(json, plain);
	const cJSON *other = cJSON_GetObjectItemCaseSensitive(json, negated);

	*is_negated = other != NULL;
	if (one != NULL && other != NULL)
		(void)err_set(err, ".%s and %s: only one of them may be there", plain, negated);
	else if (one == NULL && other == NULL)
		(void)err_set(err, ".%s: it is missing", plain);
	else
		return one != NULL ? one : other;
	return NULL;
}

/* --- statements --- */

static int
parse_effect(const cJSON *json, struct policy_statement *statement, struct err *err)
{
	const cJSON *effect = cJSON_GetObjectItemCaseSensitive(json, "Effect");

	if (!cJSON_IsString(effect) ||
	    (strcmp(effect->valuestring, "Allow") != 0 && strcmp(effect->valuestring, "Deny") != 0))
		return err_set(err, ".Effect: \"Allow\" or \"Deny\" is wanted");
	statement->denies = effect->valuestring[0] == 'D';
	return 0;
}

static int
parse_sid(const cJSON *json, struct policy_statement *statement, struct err *err)
{
	const cJSON *sid = cJSON_GetObjectItemCaseSensitive(json, "Sid");

	if (sid == NULL)
		return 0;
	if (!cJSON_IsString(sid) || strlen(sid->valuestring) > SID_BYTES_MAX)
		return err_set(err, ".Sid: a string of at most %d bytes is wanted", SID_BYTES_MAX);
	if (sid->valuestring[0] != '\0')
		statement->sid = bytes_to_string(bytes_of_string(sid->valuestring));
	return 0;
}

static int
parse_statement(const cJSON *json, struct policy *policy, struct err *err)
{
	static const char *const known[] = { "Sid", "Effect", "Action", "NotAction", "Resource",
		"NotResource", "Condition", NULL };
	struct policy_statement *statement = &policy->statements[policy->count++];
	const cJSON *element;

	if (!cJSON_IsObject(json))
		return err_set(err, "a statement is an object");
	if (cJSON_GetObjectItemCaseSensitive(json, "Principal") != NULL)
		return err_set(err,
		    ".Principal: a policy holds for those to whom it is attached; leave it out");
	if (check_members(json, known, err) < 0 || parse_sid(json, statement, err) < 0 ||
	    parse_effect(json, statement, err) < 0)
		return -1;
	element = either(json, "Action", "NotAction", &statement->not_actions, err);
	if (element == NULL)
		return -1;
	if (parse_actions(element, policy, &statement->actions, err) < 0)
		return policy_err_within(err, ".%s", element->string);
	element = either(json, "Resource", "NotResource", &statement->not_resources, err);
	if (element == NULL)
		return -1;
	if (parse_resources(element, policy, &statement->resources, err) < 0)
		return policy_err_within(err, ".%s", element->string);
	return policy_condition_parse(
	    cJSON_GetObjectItemCaseSensitive(json, "Condition"), policy, statement, err);
}

static int
parse_statements(const cJSON *json, struct policy *policy, struct err *err)
{
	int count = cJSON_IsArray(json) ? cJSON_GetArraySize(json) : 1;
	const cJSON *element;
	int i = 0;

	if (json == NULL || count == 0)
		return err_set(err, ".Statement: it is missing");
	if (count > POLICY_STATEMENTS_MAX)
		return err_set(err, ".Statement: more than %d", POLICY_STATEMENTS_MAX);
	policy->statements = xcalloc((size_t)count, sizeof(*policy->statements));
	if (!cJSON_IsArray(json))
		return parse_statement(json, policy, err) < 0 ? policy_err_within(err, ".Statement")
							      : 0;
	cJSON_ArrayForEach(element, json)
	{
		if (parse_statement(element, policy, err) < 0)
			return policy_err_within(err, ".Statement[%d]", i);
		i++;
	}
	return 0;
}

static int
parse_document(const cJSON *json, struct policy *policy, struct err *err)
{
	static const char *const known[] = { "Version", "Id", "Statement", NULL };
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "Version");

	if (!cJSON_IsObject(json))
		return err_set(err, "a policy is a JSON object");
	if (check_members(json, known, err) < 0)
		return -1;
	if (!cJSON_IsString(version) || strcmp(version->valuestring, "2012-10-17") != 0)
		return err_set(err, ".Version: \"2012-10-17\" is wanted");
	return parse_statements(cJSON_GetObjectItemCaseSensitive(json, "Statement"), policy, err);
}

/* It would end the string for who reads the tree. */
static bool
has_zero(struct bytes text)
{
	return memmem(text.data, text.len, "\\u0000", 6) != NULL;
}

static void
say_where(struct bytes text, size_t at, struct err *err)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < at && i < text.len; i++) {
		if (text.data[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	(void)err_set(err, "not JSON, from line %zu, byte %zu on", line, at - start + 1);
}

struct policy *
policy_parse(struct bytes text, struct err *err)
{
	struct policy *policy;
	cJSON *json;
	size_t at;
	int result;

	if (text.len > POLICY_BYTES_MAX) {
		(void)err_set(err, "a policy has at most %d bytes", POLICY_BYTES_MAX);
		return NULL;
	}
	if (!json_text_is_valid(text, &at)) {
		say_where(text, at, err);
		return NULL;
	}
	if (!json_text_is_within(text, DEPTH_MAX) || has_zero(text)) {
		(void)err_set(err, "nested too deep, or with the character U+0000");
		return NULL;
	}
	json = cJSON_ParseWithLength((const char *)text.data, text.len);
	policy = xcalloc(1, sizeof(*policy));
	policy->refs = 1;
	result = json != NULL ? parse_document(json, policy, err)
			      : err_set(err, "not JSON that can be read");
	cJSON_Delete(json);
	if (result == 0)
		return policy;
	if (err->text[0] == '.')
		memmove(err->text, err->text + 1, strlen(err->text));
	policy_unref(policy);
	return NULL;
}

struct policy *
policy_ref(struct policy *policy)
{
	policy->refs++;
	return policy;
}

static void
clear_statement(struct policy_statement *statement)
{
	free(statement->sid);
	policy_texts_clear(&statement->actions);
	policy_texts_clear(&statement->resources);
	for (size_t i = 0; i < statement->condition_count; i++)
		policy_condition_clear(&statement->conditions[i]);
	free(statement->conditions);
}

void
policy_unref(struct policy *policy)
{
	if (policy == NULL || --policy->refs > 0)
		return;
	for (size_t i = 0; i < policy->count; i++)
		clear_statement(&policy->statements[i]);
	free(policy->statements);
	free(policy);
}
