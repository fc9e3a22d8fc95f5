/* SPDX-License-Identifier: MIT
 * The custom authorizer: a function that is asked who a client is.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/log.h"
#include "lib/sha.h"
#include "lib/utf8.h"
#include "runtime/access.h"
#include "runtime/authorizer.h"
#include "runtime/credentials.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/host.h"
#include "runtime/registry.h"
#include "runtime/verifiers.h"

enum { BOUND_MAX = 16 };

/* What was said of a client that showed this. */
struct answer {
	uint8_t digest[SHA_256_BYTES]; /* keyed, of what was shown */
	int64_t until_us;	       /* 0: none stands here */
	int64_t lasts_s;	       /* of the connection */
	char *principal;
	char *policy_names;
	struct policy_list policies;
};

struct authorizer {
	struct host *host;
	struct function *bound[BOUND_MAX]; /* by on = { authorizer = true }; NULL: free */
	struct answer answers[AUTHORIZER_ANSWERS];
};

/* --- what was said --- */

static void
answer_clear(struct answer *answer)
{
	free(answer->principal);
	free(answer->policy_names);
	policy_list_clear(&answer->policies);
	*answer = (struct answer){ 0 };
}

static void
forget_all(struct authorizer *authorizer)
{
	for (size_t i = 0; i < AUTHORIZER_ANSWERS; i++)
		answer_clear(&authorizer->answers[i]);
}

struct authorizer *
authorizer_new(struct host *host)
{
	struct authorizer *authorizer = xcalloc(1, sizeof(*authorizer));

	authorizer->host = host;
	return authorizer;
}

void
authorizer_free(struct authorizer *authorizer)
{
	if (authorizer == NULL)
		return;
	forget_all(authorizer);
	free(authorizer);
}

int
authorizer_bind(struct authorizer *authorizer, struct function *function, struct err *err)
{
	for (size_t i = 0; i < BOUND_MAX; i++) {
		if (authorizer->bound[i] != NULL)
			continue;
		authorizer->bound[i] = function;
		forget_all(authorizer);
		return 0;
	}
	return err_set(err, "no more than %d functions can be authorizers", BOUND_MAX);
}

void
authorizer_unbind(struct authorizer *authorizer, struct function *function)
{
	size_t i = 0;

	while (i < BOUND_MAX && authorizer->bound[i] != function)
		i++;
	if (i < BOUND_MAX)
		authorizer->bound[i] = NULL;
	forget_all(authorizer);
}

/* The one that the option names; NULL: it is not there. */
static struct function *
function_of(const struct authorizer *authorizer)
{
	const char *named = options_text(authorizer->host->options, OPTION_AUTHORIZER);

	for (size_t i = 0; i < BOUND_MAX; i++) {
		struct function *function = authorizer->bound[i];

		if (function != NULL && strcmp(function->name, named) == 0)
			return function;
	}
	return NULL;
}

/* --- identities --- */

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	identity_collect_named(identity, policies);
	return strcmp(options_text(host->options, OPTION_AUTHORIZER), "off") != 0;
}

static const struct identity_kind kind = { "authorizer", collect };

static void
let_in(struct login *login, const struct answer *answer)
{
	struct identity *identity =
	    identity_new(login->host, &kind, login->peer, answer->principal, NULL);

	identity->policy_names = xstrdup(answer->policy_names);
	for (size_t i = 0; i < answer->policies.count; i++)
		policy_list_add(
		    &identity->own, answer->policies.policies[i], answer->policies.names[i]);
	identity->ends_ms = loop_wall_ms(login->host->loop) + answer->lasts_s * 1000;
	login_accept(login, identity);
}

/* --- reading the answer --- */

static int
read_seconds(const cJSON *json, const char *name, int64_t min, int64_t *seconds, struct err *err)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, name);

	if (number == NULL)
		return 0;
	if (!cJSON_IsNumber(number) || number->valuedouble < (double)min ||
	    number->valuedouble > AUTHORIZER_LASTS_S)
		return err_set(err, "%s: a number from %lld to %d is wanted", name, (long long)min,
		    AUTHORIZER_LASTS_S);
	*seconds = (int64_t)number->valuedouble;
	return 0;
}

static int
read_principal(const cJSON *json, struct answer *answer, struct err *err)
{
	const char *text =
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "principalId"));
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len > AUTHORIZER_PRINCIPAL_BYTES_MAX || !utf8_is_valid(bytes_of(text, len)))
		return err_set(err, "principalId: a text of 1 to %d bytes is wanted",
		    AUTHORIZER_PRINCIPAL_BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)text[i] < ' ' || text[i] == 0x7f)
			return err_set(err, "principalId: it holds control characters");
	}
	answer->principal = xstrdup(text);
	return 0;
}

/* A document as a table, or as JSON in a string. */
static int
read_document(const cJSON *document, int place, struct answer *answer, struct err *err)
{
	char *printed = cJSON_IsObject(document) ? cJSON_PrintUnformatted(document) : NULL;
	const char *text = printed != NULL ? printed : cJSON_GetStringValue(document);
	struct policy *policy = NULL;
	char name[40];

	(void)snprintf(name, sizeof(name), "policyDocuments[%d]", place);
	if (text == NULL)
		(void)err_set(err, "a table or a string with JSON is wanted");
	else
		policy = policy_parse(bytes_of_string(text), err);
	cJSON_free(printed);
	if (policy == NULL)
		return err_prefix(err, "%s", name);
	policy_list_add(&answer->policies, policy, name);
	policy_unref(policy);
	return 0;
}

static int
read_documents(const cJSON *json, struct answer *answer, struct err *err)
{
	const cJSON *documents = cJSON_GetObjectItemCaseSensitive(json, "policyDocuments");
	const cJSON *document;
	int place = 1;

	if (documents != NULL && !cJSON_IsArray(documents) &&
	    !(cJSON_IsObject(documents) && documents->child == NULL))
		return err_set(err, "policyDocuments: a list is wanted");
	cJSON_ArrayForEach(document, documents)
	{
		if (place > AUTHORIZER_POLICIES_MAX)
			return err_set(
			    err, "policyDocuments: more than %d", AUTHORIZER_POLICIES_MAX);
		if (read_document(document, place++, answer, err) < 0)
			return -1;
	}
	return 0;
}

static int
read_names(const cJSON *json, struct answer *answer, struct err *err)
{
	const cJSON *names = cJSON_GetObjectItemCaseSensitive(json, "policies"), *name;
	struct buf joined = { 0 };
	int count = 0, status = 0;

	cJSON_ArrayForEach(name, names)
	{
		const char *text = cJSON_GetStringValue(name);

		if (text == NULL || strchr(text, ',') != NULL ||
		    ++count > AUTHORIZER_POLICIES_MAX) {
			status = err_set(err, "policies: at most %d names of policies are wanted",
			    AUTHORIZER_POLICIES_MAX);
			break;
		}
		buf_printf(&joined, "%s%s", joined.len > 0 ? "," : "", text);
	}
	answer->policy_names = xstrdup(buf_string(&joined));
	buf_clear(&joined);
	return status;
}

/* 1: it lets the client in. 0: it does not. -1: it is no answer. */
static int
read_answer(struct bytes text, struct answer *answer, int64_t *refresh_s, struct err *err)
{
	cJSON *json = cJSON_ParseWithLength((const char *)text.data, text.len);
	int status = 0;

	answer->lasts_s = AUTHORIZER_LASTS_S;
	*refresh_s = AUTHORIZER_REFRESH_S;
	if (!cJSON_IsObject(json))
		status = err_set(err, "a table with isAuthenticated is wanted");
	else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "isAuthenticated")))
		status =
		    read_principal(json, answer, err) < 0 ||
			    read_seconds(json, "disconnectAfterInSeconds", AUTHORIZER_LASTS_S_MIN,
				&answer->lasts_s, err) < 0 ||
			    read_seconds(json, "refreshAfterInSeconds", 0, refresh_s, err) < 0 ||
			    read_names(json, answer, err) < 0 ||
			    read_documents(json, answer, err) < 0
			? -1
			: 1;
	cJSON_Delete(json);
	return status;
}

/* --- asking --- */

struct asking {
	struct login *login;
	uint8_t digest[SHA_256_BYTES];
};

static struct answer *
place_of(struct authorizer *authorizer, const uint8_t digest[SHA_256_BYTES])
{
	uint32_t at;

	memcpy(&at, digest, sizeof(at));
	return &authorizer->answers[at % AUTHORIZER_ANSWERS];
}

static void
take_answer(struct asking *asking, const struct outcome *outcome)
{
	struct login *login = asking->login;
	struct authorizer *authorizer = login->host->authorizer;
	struct answer answer = { 0 }, *place;
	int64_t refresh_s;
	struct err err;
	int status = outcome->result_kind == RESULT_JSON
			 ? read_answer(outcome->result, &answer, &refresh_s, &err)
			 : err_set(&err, "a table with isAuthenticated is wanted");

	if (status < 0) {
		login_refuse(login, MQTT_NOT_AUTHORIZED, "the authorizer's answer: %s", err.text);
	} else if (status == 0) {
		login_refuse(login, MQTT_NOT_AUTHORIZED, "the authorizer says no");
	} else {
		let_in(login, &answer);
		if (refresh_s > 0) {
			place = place_of(authorizer, asking->digest);
			answer_clear(place);
			memcpy(answer.digest, asking->digest, sizeof(answer.digest));
			answer.until_us = loop_now_us(authorizer->host->loop) + refresh_s * 1000000;
			*place = answer;
			return;
		}
	}
	answer_clear(&answer);
}

static void
on_ended(void *arg, const struct outcome *outcome)
{
	struct asking *asking = arg;

	if (outcome->ok)
		take_answer(asking, outcome);
	else if (outcome->reason == FAIL_TIMEOUT)
		login_refuse(
		    asking->login, MQTT_SERVER_UNAVAILABLE, "the authorizer took too long");
	else if (outcome->reason == FAIL_CANCELLED)
		login_refuse(asking->login, MQTT_SERVER_UNAVAILABLE, "the authorizer was stopped");
	else
		login_refuse(asking->login, MQTT_NOT_AUTHORIZED, "the authorizer failed");
	free(asking);
}

static void
add_text(cJSON *object, const char *name, struct bytes text)
{
	struct buf clean = { 0 };

	if (utf8_is_valid(text) &&
	    memchr(text.data != NULL ? text.data : (const uint8_t *)"", 0, text.len) == NULL)
		buf_append_bytes(&clean, text);
	if (cJSON_AddStringToObject(object, name, buf_string(&clean)) == NULL)
		abort();
	buf_clear(&clean);
}

static void
add_protocol_data(const struct login *login, cJSON *event)
{
	bool mqtt = login->door == LOGIN_MQTT;
	cJSON *data = cJSON_AddObjectToObject(event, "protocolData");
	cJSON *part = cJSON_AddObjectToObject(data, mqtt ? "mqtt" : "http");
	struct buf password = { 0 };

	if (part == NULL)
		abort();
	if (login->has_user)
		add_text(part, "username", login->user);
	if (login->has_password) {
		base64_encode(login->password, &password);
		add_text(part, "password", buf_bytes(&password));
		explicit_bzero(password.data, password.len);
	}
	if (mqtt)
		add_text(part, "clientId", login->client_id);
	else
		add_text(part, "queryString", login->query);
	if (login->bearer.len > 0)
		add_text(part, "token", login->bearer);
	if (login->peer->server_name != NULL)
		add_text(cJSON_AddObjectToObject(data, "tls"), "serverName",
		    bytes_of_string(login->peer->server_name));
	buf_clear(&password);
}

static char *
make_event(const struct login *login)
{
	cJSON *event = cJSON_CreateObject(),
	      *protocols = cJSON_AddArrayToObject(event, "protocols");
	char *text;

	if (protocols == NULL ||
	    !cJSON_AddItemToArray(
		protocols, cJSON_CreateString(login->door == LOGIN_MQTT ? "mqtt" : "http")))
		abort();
	add_protocol_data(login, event);
	add_text(cJSON_AddObjectToObject(event, "connectionMetadata"), "address",
	    bytes_of_string(login->peer->address));
	text = cJSON_PrintUnformatted(event);
	cJSON_Delete(event);
	if (text == NULL)
		abort();
	return text;
}

/* Requests are in no order: each has a key of its own. */
static void
ask(struct login *login, struct function *function, const uint8_t digest[SHA_256_BYTES])
{
	struct asking *asking = xcalloc(1, sizeof(*asking));
	char *text = make_event(login);
	struct buf key = { 0 };
	struct occurrence *event;
	struct happening happening = {
		.trigger = "authorizer",
		.subject = bytes_of_string("login"),
		.payload = bytes_of_string(text),
		.client_id = login->client_id,
		.is_secret = true,
		.ended = on_ended,
		.arg = asking,
	};

	asking->login = login;
	memcpy(asking->digest, digest, sizeof(asking->digest));
	buf_printf(&key, "%llu", (unsigned long long)login->host->event_count);
	happening.key = buf_bytes(&key);
	event = occurrence_new(login->host, &happening);
	if (dispatch_submit(function, event) == DISPATCH_SHED) {
		login_refuse(login, MQTT_SERVER_BUSY, "the authorizer takes no events now");
		free(asking);
	}
	occurrence_drop(event);
	explicit_bzero(text, strlen(text));
	cJSON_free(text);
	buf_clear(&key);
}

static void
add_part(struct buf *text, struct bytes part)
{
	buf_printf(text, "%zu:", part.len);
	buf_append_bytes(text, part);
}

static void
digest_of(const struct login *login, uint8_t out[SHA_256_BYTES])
{
	const struct access *access = login->host->access;
	struct buf text = { 0 };

	buf_append_u8(&text, (uint8_t)login->door);
	add_part(&text, login->client_id);
	add_part(&text, login->user);
	add_part(&text, login->password);
	add_part(&text, login->bearer);
	add_part(&text, login->query);
	add_part(&text, bytes_of_string(login->peer->server_name));
	sha_hmac(SHA_256, bytes_of(access->secret, sizeof(access->secret)), buf_bytes(&text), out);
	explicit_bzero(text.data, text.len);
	buf_clear(&text);
}

/* Users that Moonlet itself knows are none of the authorizer's. */
static bool
takes(const struct login *login)
{
	const struct host *host = login->host;

	if (strcmp(options_text(host->options, OPTION_AUTHORIZER), "off") == 0)
		return false;
	if (login->has_user && login->has_password &&
	    credentials_find(host->credentials, CREDENTIAL_USER, login->user) != NULL)
		return false;
	return login->has_user || login->has_password || login->bearer.len > 0;
}

static void
verify(struct login *login)
{
	struct authorizer *authorizer = login->host->authorizer;
	struct function *function = function_of(authorizer);
	uint8_t digest[SHA_256_BYTES];
	const struct answer *known;

	if (function == NULL) {
		login_refuse(login, MQTT_SERVER_UNAVAILABLE,
		    "the function %s is not there, or has no on = { authorizer = true }",
		    options_text(login->host->options, OPTION_AUTHORIZER));
		return;
	}
	digest_of(login, digest);
	known = place_of(authorizer, digest);
	if (known->until_us > loop_now_us(login->host->loop) &&
	    memcmp(known->digest, digest, sizeof(digest)) == 0)
		let_in(login, known);
	else
		ask(login, function, digest);
}

const struct verifier verifier_authorizer = { "authorizer", takes, verify };
