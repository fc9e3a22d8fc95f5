/* SPDX-License-Identifier: MIT
 * Users and tokens under /v1/users and /v1/tokens. Secrets come hashed: who has the socket's
 * traffic has no password.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/access/credentials.h"
#include "runtime/access/password.h"
#include "runtime/api/api_parts.h"
#include "runtime/host.h"
#include "runtime/registry/registry.h"

/* A change that is being made: policies in the registry and the credential itself. */
struct making {
	struct host *host;
	struct http_exchange *exchange;
	enum credential_kind kind;
	char *name;
	char *secret;
	int64_t expires_ms;
	bool is_new;
};

static void
making_free(struct making *making)
{
	free(making->name);
	free(making->secret);
	free(making);
}

static void
answer(struct making *making, int status, const char *problem)
{
	if (status == 0)
		api_send_ok(making->exchange);
	else
		http_exchange_error(making->exchange, 503, "%s", problem);
	making_free(making);
}

static void
stored(void *arg, int status)
{
	answer(arg, status, "it could not be stored");
}

static struct credential_wish
wish_of(const struct making *making)
{
	return (struct credential_wish){ .kind = making->kind,
		.name = bytes_of_string(making->name),
		.secret = making->secret,
		.expires_ms = making->expires_ms,
		.is_new = making->is_new };
}

static void
put_credential(void *arg, int status, const struct err *problem)
{
	struct making *making = arg;
	const struct credential_wish wish = wish_of(making);
	struct err err;

	if (status < 0) {
		answer(making, -1, problem->text);
	} else if (credentials_put(making->host->credentials, &wish, stored, making, &err) < 0) {
		http_exchange_error(making->exchange, 409, "%s", err.text);
		making_free(making);
	}
}

static int
attach_all(struct registry_change *change, const struct making *making, const cJSON *policies,
    struct err *err)
{
	struct buf target = { 0 };
	const cJSON *policy;
	int status = 0;

	buf_printf(&target, "%s:%s", credential_kinds[making->kind], making->name);
	cJSON_ArrayForEach(policy, policies)
	{
		if (status == 0 && !cJSON_IsString(policy))
			status = err_set(err, "policies: an array of names is wanted");
		else if (status == 0)
			status = registry_attach_policy(
			    change, policy->valuestring, buf_string(&target), err);
	}
	buf_clear(&target);
	return status;
}

/* Who is refused changes nothing: so it is asked before policies are attached. */
static void
begin(struct making *making, const cJSON *policies)
{
	const struct credential_wish wish = wish_of(making);
	struct registry_change *change;
	struct err err;

	if (credentials_check(making->host->credentials, &wish, &err) < 0) {
		http_exchange_error(making->exchange, wish.is_new ? 409 : 404, "%s", err.text);
		making_free(making);
		return;
	}
	change = registry_change_new(making->host->registry);
	if (attach_all(change, making, policies, &err) == 0) {
		registry_change_commit(change, put_credential, making);
		return;
	}
	registry_change_cancel(change);
	http_exchange_error(making->exchange, 400, "%s", err.text);
	making_free(making);
}

static bool
secret_is_valid(enum credential_kind kind, const char *secret)
{
	if (kind == CREDENTIAL_USER)
		return password_hash_is_valid(secret);
	return strlen(secret) == 64 && strspn(secret, "0123456789abcdef") == 64;
}

/* 0: never. */
static bool
time_is_valid(const cJSON *ms)
{
	return ms == NULL || (cJSON_IsNumber(ms) && ms->valuedouble >= 0 && ms->valuedouble < 1e15);
}

static void
put_one(struct api *api, struct http_exchange *exchange, enum credential_kind kind)
{
	struct bytes name = http_match_param(http_exchange_match(exchange), "name");
	cJSON *body = api_body(exchange);
	const cJSON *expires = cJSON_GetObjectItemCaseSensitive(body, "expires");
	const char *secret = "";
	struct making *making;

	if (body == NULL || !api_string(exchange, body, "secret", &secret)) {
		cJSON_Delete(body);
		return;
	}
	if (!credential_name_is_valid(name) || !secret_is_valid(kind, secret)) {
		http_exchange_error(exchange, 400,
		    !credential_name_is_valid(name)
			? "a name has 1 to 128 letters, digits, \"_\", \"-\", \".\", \"@\" or \"+\""
			: "secret: of a user a yescrypt hash, of a token the SHA-256 in hex");
		cJSON_Delete(body);
		return;
	}
	if (!time_is_valid(expires)) {
		http_exchange_error(exchange, 400, "expires: milliseconds since 1970 are wanted");
		cJSON_Delete(body);
		return;
	}
	making = xcalloc(1, sizeof(*making));
	making->host = api->parts.host;
	making->exchange = exchange;
	making->kind = kind;
	making->name = bytes_to_string(name);
	making->secret = xstrdup(secret);
	making->expires_ms = cJSON_IsNumber(expires) ? (int64_t)expires->valuedouble : 0;
	making->is_new = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "new"));
	begin(making, cJSON_GetObjectItemCaseSensitive(body, "policies"));
	cJSON_Delete(body);
}

/* --- deleting: the credential first, for that ends the access --- */

static void
detached(void *arg, int status, const struct err *err)
{
	answer(arg, status, err != NULL ? err->text : "");
}

static int
detach_all(struct registry_change *change, const struct registry *registry,
    const struct making *making, struct err *err)
{
	struct buf text = { 0 };
	const struct registry_target *target;
	int status = 0;

	buf_printf(&text, "%s:%s", credential_kinds[making->kind], making->name);
	while (status == 0 && (target = registry_target(registry, buf_bytes(&text))) != NULL) {
		if (target->policy_count > 0)
			status = registry_detach_policy(
			    change, target->policies[0]->name, buf_string(&text), err);
		else if (target->thing_count > 0)
			status = registry_detach_thing(
			    change, target->things[0]->name, buf_string(&text), err);
		else
			break;
	}
	buf_clear(&text);
	return status;
}

static void
deleted(void *arg, int status)
{
	struct making *making = arg;
	struct registry_change *change;
	struct err err;

	if (status < 0) {
		answer(making, -1, "it could not be stored");
		return;
	}
	change = registry_change_new(making->host->registry);
	if (detach_all(change, making->host->registry, making, &err) == 0) {
		registry_change_commit(change, detached, making);
		return;
	}
	registry_change_cancel(change);
	answer(making, -1, err.text);
}

static void
delete_one(struct api *api, struct http_exchange *exchange, enum credential_kind kind)
{
	struct bytes name = http_match_param(http_exchange_match(exchange), "name");
	struct making *making = xcalloc(1, sizeof(*making));

	making->host = api->parts.host;
	making->exchange = exchange;
	making->kind = kind;
	making->name = bytes_to_string(name);
	if (credentials_delete(making->host->credentials, kind, name, deleted, making) == 0)
		return;
	http_exchange_error(
	    exchange, 404, "there is no %s %s", credential_kinds[kind], making->name);
	making_free(making);
}

/* --- listing --- */

static cJSON *
policies_of(const struct registry *registry, const struct credential *credential)
{
	const struct registry_target *target =
	    registry_target(registry, bytes_of_string(credential->text));
	cJSON *names = api_array();

	for (size_t i = 0; target != NULL && i < target->policy_count; i++) {
		if (!cJSON_AddItemToArray(names, cJSON_CreateString(target->policies[i]->name)))
			abort();
	}
	return names;
}

static void
list(const struct api *api, struct http_exchange *exchange, enum credential_kind kind)
{
	const struct host *host = api->parts.host;
	const struct credential *at = NULL;
	cJSON *all = api_array(), *row;

	while ((at = credentials_next(host->credentials, at)) != NULL) {
		if (at->kind != kind)
			continue;
		row = api_object();
		api_add_string(row, "name", at->name);
		api_add_number(row, "created", (double)at->created_ms);
		if (at->expires_ms != 0)
			api_add_number(row, "expires", (double)at->expires_ms);
		api_add(row, "policies", policies_of(host->registry, at));
		if (!cJSON_AddItemToArray(all, row))
			abort();
	}
	api_send(exchange, 200, all);
}

static void
get_users(void *arg, struct http_exchange *exchange)
{
	list(arg, exchange, CREDENTIAL_USER);
}

static void
get_tokens(void *arg, struct http_exchange *exchange)
{
	list(arg, exchange, CREDENTIAL_TOKEN);
}

static void
put_user(void *arg, struct http_exchange *exchange)
{
	put_one(arg, exchange, CREDENTIAL_USER);
}

static void
put_token(void *arg, struct http_exchange *exchange)
{
	put_one(arg, exchange, CREDENTIAL_TOKEN);
}

static void
delete_user(void *arg, struct http_exchange *exchange)
{
	delete_one(arg, exchange, CREDENTIAL_USER);
}

static void
delete_token(void *arg, struct http_exchange *exchange)
{
	delete_one(arg, exchange, CREDENTIAL_TOKEN);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/v1/users", get_users, "users who have a password" },
	{ HTTP_PUT, "/v1/users/{name}", put_user,
	    "{secret, new, policies}: makes one, or gives it another password" },
	{ HTTP_DELETE, "/v1/users/{name}", delete_user, "forgets one" },
	{ HTTP_GET, "/v1/tokens", get_tokens, "access tokens" },
	{ HTTP_PUT, "/v1/tokens/{name}", put_token, "{secret, new, expires, policies}: makes one" },
	{ HTTP_DELETE, "/v1/tokens/{name}", delete_token, "revokes one" },
};

const struct api_table api_credentials_table = { routes, sizeof(routes) / sizeof(routes[0]) };
