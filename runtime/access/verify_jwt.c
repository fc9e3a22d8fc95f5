/* SPDX-License-Identifier: MIT
 * Clients that show a token of an identity provider. Its subject is who they are; what they may do
 * say the policies of the option jwt_policies, those that the claim "policies" names, and those of
 * the groups of the thing that the claim "thing" names.
 */
#include <stdlib.h>
#include <string.h>

#include "net/signature.h"
#include "net/tls_pool.h"
#include "runtime/access/access.h"
#include "runtime/access/jwt_keys.h"
#include "runtime/access/verifiers.h"
#include "runtime/host.h"
#include "runtime/registry/registry.h"

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	(void)host;
	return identity_collect_named(identity, policies);
}

static const struct identity_kind kind = { "jwt", collect };

/* A login with its token, while keys are fetched and the signature is verified. */
struct judging {
	struct tls_step step;
	struct login *login;
	struct jwt jwt;
	struct jwk key; /* a copy, for the thread */
	bool has_fetched;
	bool good;
};

static void
judging_free(struct judging *judging)
{
	jwt_clear(&judging->jwt);
	free(judging->key.id);
	buf_clear(&judging->key.first);
	buf_clear(&judging->key.other);
	free(judging);
}

static void
refuse(struct judging *judging, uint8_t reason, const char *text)
{
	login_refuse(judging->login, reason, "%s", text);
	judging_free(judging);
}

/* --- what it may do --- */

static void
add_name(struct buf *names, const char *name)
{
	if (name == NULL || name[0] == '\0' || strchr(name, ',') != NULL)
		return;
	if (names->len > 0)
		buf_append_u8(names, ',');
	buf_append_string(names, name);
}

/* "a,b" of the option, and an array, or a text with spaces as OAuth's scopes, of the claim. */
static char *
policy_names(const struct host *host, const cJSON *claims)
{
	const char *own = options_text(host->options, OPTION_JWT_POLICIES);
	const cJSON *claim = cJSON_GetObjectItemCaseSensitive(claims, "policies"), *one;
	struct buf names = { 0 };
	char *result, *copy, *rest, *word;

	if (strcmp(own, "none") != 0)
		buf_append_string(&names, own);
	cJSON_ArrayForEach(one, claim)
	{
		add_name(&names, cJSON_GetStringValue(one));
	}
	if (cJSON_IsString(claim)) {
		copy = rest = xstrdup(claim->valuestring);
		while ((word = strsep(&rest, " ")) != NULL)
			add_name(&names, word);
		free(copy);
	}
	result = xstrdup(buf_string(&names));
	buf_clear(&names);
	return result;
}

static void
let_in(struct judging *judging)
{
	struct login *login = judging->login;
	const cJSON *claims = judging->jwt.claims;
	const char *thing = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(claims, "thing"));
	struct identity *identity =
	    identity_new(login->host, &kind, login->peer, jwt_subject(&judging->jwt), thing);

	identity->policy_names = policy_names(login->host, claims);
	identity->ends_ms = (jwt_expires_s(&judging->jwt) + JWT_LEEWAY_S) * 1000;
	login_accept(login, identity);
	judging_free(judging);
}

/* --- the signature --- */

static void
run(struct tls_step *step)
{
	struct judging *judging = (struct judging *)(void *)step;

	judging->good = signature_verify(
	    &judging->key, judging->jwt.signed_part, buf_bytes(&judging->jwt.signature));
}

static void
verified(struct tls_step *step)
{
	struct judging *judging = (struct judging *)(void *)step;

	if (judging->good)
		let_in(judging);
	else
		refuse(judging, MQTT_BAD_CREDENTIALS, "the signature of its JWT is wrong");
}

static void
begin(struct judging *judging, const struct jwk *key)
{
	struct access *access = judging->login->host->access;

	judging->key.algorithm = key->algorithm;
	buf_append_bytes(&judging->key.first, buf_bytes(&key->first));
	buf_append_bytes(&judging->key.other, buf_bytes(&key->other));
	judging->step.run = run;
	judging->step.done = verified;
	tls_pool_submit(access->threads, &judging->step, false);
}

/* --- the key --- */

static void find_key(struct judging *judging);

static void
fetched(void *arg)
{
	struct judging *judging = arg;

	judging->has_fetched = true;
	find_key(judging);
}

static void
find_key(struct judging *judging)
{
	struct jwt_keys *keys = judging->login->host->jwt_keys;
	const struct jwk *key = jwt_keys_find(keys, &judging->jwt);

	if (!judging->has_fetched && jwt_keys_due(keys, key == NULL))
		jwt_keys_fetch(keys, fetched, judging);
	else if (key != NULL)
		begin(judging, key);
	else
		refuse(judging, MQTT_BAD_CREDENTIALS,
		    "the identity provider has no key of that id and algorithm for its JWT");
}

static struct bytes
token_of(const struct login *login)
{
	return login->bearer.len > 0 ? login->bearer : login->password;
}

static bool
takes(const struct login *login)
{
	return jwt_keys_wanted(login->host) && (login->bearer.len > 0 || login->has_password) &&
	       jwt_is_likely(token_of(login));
}

static void
verify(struct login *login)
{
	const struct jwt_terms terms = {
		.issuer = options_text(login->host->options, OPTION_JWT_ISSUER),
		.audience = options_text(login->host->options, OPTION_JWT_AUDIENCE),
		.now_s = loop_wall_ms(login->host->loop) / 1000,
	};
	struct judging *judging = xcalloc(1, sizeof(*judging));
	struct err err;

	judging->login = login;
	if (strcmp(terms.issuer, "none") == 0 || strcmp(terms.audience, "none") == 0)
		refuse(judging, MQTT_NOT_AUTHORIZED,
		    "jwt_jwks_url is set, and jwt_issuer or jwt_audience are not: set all three");
	else if (jwt_parse(token_of(login), &judging->jwt, &err) < 0 ||
		 jwt_check(&judging->jwt, &terms, &err) < 0)
		refuse(judging, MQTT_BAD_CREDENTIALS, err.text);
	else
		find_key(judging);
}

const struct verifier verifier_jwt = { "jwt", takes, verify, &kind };
