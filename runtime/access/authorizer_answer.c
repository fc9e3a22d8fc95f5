/* SPDX-License-Identifier: MIT
 * Answers of custom authorizers, checked member by member: one that is not understood lets nobody
 * in.
 */
#include "runtime/access/authorizer_answer.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/sha.h"

enum { PRINCIPAL_BYTES_MAX = 128, DEPTH_MAX = 32, MEMBERS_MAX = 64, BYTES_MAX = 262144 };

static const cJSON *
member(const cJSON *root, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(root, name);
}

static int
read_seconds(const cJSON *root, const char *name, uint32_t fallback, uint32_t *out, struct err *err)
{
	const cJSON *value = member(root, name);

	*out = fallback;
	if (value == NULL || cJSON_IsNull(value))
		return 0;
	if (!cJSON_IsNumber(value) || !(value->valuedouble >= 1) ||
	    value->valuedouble > AUTHORIZER_SECONDS_MAX ||
	    floor(value->valuedouble) != value->valuedouble)
		return err_set(
		    err, "%s: a whole number from 1 to %d is wanted", name, AUTHORIZER_SECONDS_MAX);
	*out = (uint32_t)value->valuedouble;
	return 0;
}

/* A name: what may stand in logs and policies without harm. */
static bool
is_name(const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	return len > 0 && len <= PRINCIPAL_BYTES_MAX &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			    "_-.@+:") == len;
}

/* *out stays NULL where it is not there and need not be. */
static int
read_name(const cJSON *root, const char *name, bool needed, char **out, struct err *err)
{
	const cJSON *value = member(root, name);

	if (!needed && (value == NULL || cJSON_IsNull(value)))
		return 0;
	if (!is_name(cJSON_GetStringValue(value)))
		return err_set(err,
		    "%s: 1 to %d letters, digits, \"_\", \"-\", \".\", \"@\", \"+\" or \":\" are "
		    "wanted",
		    name, PRINCIPAL_BYTES_MAX);
	*out = xstrdup(value->valuestring);
	return 0;
}

/* --- policies --- */

static struct policy *
parse_document(const cJSON *document, struct err *err)
{
	struct policy *policy;
	char *text;

	if (cJSON_IsString(document))
		return policy_parse(bytes_of_string(document->valuestring), err);
	if (!cJSON_IsObject(document)) {
		(void)err_set(err, "a policy, or its text, is wanted");
		return NULL;
	}
	text = cJSON_PrintUnformatted(document);
	if (text == NULL)
		abort();
	policy = policy_parse(bytes_of_string(text), err);
	cJSON_free(text);
	return policy;
}

static int
add_document(struct authorizer_answer *answer, const cJSON *document, struct err *err)
{
	size_t at = answer->document_count;

	if (at == AUTHORIZER_DOCUMENTS_MAX)
		return err_set(
		    err, "policyDocuments: at most %d are taken", AUTHORIZER_DOCUMENTS_MAX);
	answer->documents[at] = parse_document(document, err);
	if (answer->documents[at] == NULL)
		return err_prefix(err, "policyDocuments[%zu]", at);
	answer->document_count++;
	return 0;
}

/* A list, or one alone. An empty table of Lua is no list. */
static int
read_documents(const cJSON *root, struct authorizer_answer *answer, struct err *err)
{
	const cJSON *value = member(root, "policyDocuments"), *document;

	if (value == NULL || cJSON_IsNull(value) || (cJSON_IsObject(value) && value->child == NULL))
		return 0;
	if (!cJSON_IsArray(value))
		return add_document(answer, value, err);
	cJSON_ArrayForEach(document, value)
	{
		if (add_document(answer, document, err) < 0)
			return -1;
	}
	return 0;
}

static int
add_name(struct buf *names, const cJSON *value, struct err *err)
{
	const char *name = cJSON_GetStringValue(value);

	if (!is_name(name))
		return err_set(err, "policies: a list of names of policies is wanted");
	if (names->len > 0)
		buf_append_u8(names, ',');
	buf_append_string(names, name);
	return 0;
}

static int
read_names(const cJSON *root, struct authorizer_answer *answer, struct err *err)
{
	const cJSON *value = member(root, "policies"), *name;
	struct buf names = { 0 };
	int result = 0;

	if (value == NULL || cJSON_IsNull(value))
		return 0;
	if (cJSON_GetArraySize(value) > AUTHORIZER_NAMES_MAX)
		return err_set(err, "policies: at most %d are taken", AUTHORIZER_NAMES_MAX);
	if (!cJSON_IsArray(value))
		result = add_name(&names, value, err);
	cJSON_ArrayForEach(name, value)
	{
		if (result == 0)
			result = add_name(&names, name, err);
	}
	if (result == 0 && names.len > 0)
		answer->policy_names = xstrdup(buf_string(&names));
	buf_clear(&names);
	return result;
}

static int
read_all(const cJSON *root, struct authorizer_answer *answer, struct err *err)
{
	const cJSON *authenticated = member(root, "isAuthenticated");

	if (!cJSON_IsObject(root))
		return err_set(err, "a table with isAuthenticated is wanted");
	if (!cJSON_IsBool(authenticated))
		return err_set(err, "isAuthenticated: true or false is wanted");
	answer->is_authenticated = cJSON_IsTrue(authenticated);
	if (!answer->is_authenticated)
		return 0;
	if (read_name(root, "principalId", true, &answer->principal, err) < 0 ||
	    read_name(root, "thing", false, &answer->thing, err) < 0 ||
	    read_seconds(root, "disconnectAfterInSeconds", AUTHORIZER_SECONDS_MAX,
		&answer->disconnect_s, err) < 0 ||
	    read_seconds(root, "refreshAfterInSeconds", 0, &answer->refresh_s, err) < 0 ||
	    read_documents(root, answer, err) < 0 || read_names(root, answer, err) < 0)
		return -1;
	if (answer->document_count == 0 && answer->policy_names == NULL && answer->thing == NULL)
		return err_set(err, "policyDocuments: at least one is wanted, or policies");
	return 0;
}

/* A name twice, and it is not clear which of them the function meant. */
static bool
says_twice(const cJSON *root)
{
	const cJSON *one, *other;

	if (!cJSON_IsObject(root) || cJSON_GetArraySize(root) > MEMBERS_MAX)
		return cJSON_IsObject(root);
	cJSON_ArrayForEach(one, root)
	{
		for (other = one->next; other != NULL; other = other->next) {
			if (one->string != NULL && strcmp(one->string, other->string) == 0)
				return true;
		}
	}
	return false;
}

struct authorizer_answer *
authorizer_answer_parse(struct bytes json, struct err *err)
{
	struct authorizer_answer *answer = xcalloc(1, sizeof(*answer));
	cJSON *root = NULL;
	int result;
	size_t at;

	answer->refs = 1;
	sha_digest(SHA_256, json, answer->digest);
	if (json.len <= BYTES_MAX && json_text_is_valid(json, &at) &&
	    json_text_is_within(json, DEPTH_MAX))
		root = cJSON_ParseWithLength((const char *)json.data, json.len);
	result = says_twice(root)
		     ? err_set(err, "it has a member twice, or more than %d", MEMBERS_MAX)
		     : read_all(root, answer, err);
	cJSON_Delete(root);
	if (result == 0)
		return answer;
	authorizer_answer_unref(answer);
	return NULL;
}

struct authorizer_answer *
authorizer_answer_ref(struct authorizer_answer *answer)
{
	answer->refs++;
	return answer;
}

void
authorizer_answer_unref(struct authorizer_answer *answer)
{
	if (answer == NULL || --answer->refs > 0)
		return;
	for (size_t i = 0; i < answer->document_count; i++)
		policy_unref(answer->documents[i]);
	free(answer->principal);
	free(answer->thing);
	free(answer->policy_names);
	free(answer);
}
