/* SPDX-License-Identifier: MIT
 * Clients that show a token of ours. A token is too long to be guessed: it is looked up by its
 * digest, at once.
 */
#include "runtime/access/credentials.h"
#include "runtime/access/verifiers.h"
#include "runtime/host.h"

static bool
is_over(const struct host *host, const struct credential *credential)
{
	return credential->expires_ms != 0 && loop_wall_ms(host->loop) >= credential->expires_ms;
}

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	const struct credential *credential = credentials_find(
	    host->credentials, CREDENTIAL_TOKEN, bytes_of_string(identity->principal));

	if (credential == NULL || is_over(host, credential) ||
	    credential->created_ms != identity->since_ms)
		return false;
	identity_collect(identity, bytes_of_string(credential->text), policies);
	return true;
}

static const struct identity_kind kind = { "token", collect };

static bool
takes(const struct login *login)
{
	return token_is_ours(login->bearer) ||
	       (login->has_password && token_is_ours(login->password));
}

static void
verify(struct login *login)
{
	const struct credential *credential = credentials_find_token(
	    login->host->credentials, login->bearer.len > 0 ? login->bearer : login->password);
	struct identity *identity;

	if (credential == NULL) {
		login_refuse(login, MQTT_BAD_CREDENTIALS, "its token is unknown or revoked");
		return;
	}
	if (is_over(login->host, credential)) {
		login_refuse(login, MQTT_BAD_CREDENTIALS, "token %s has expired", credential->name);
		return;
	}
	identity = identity_new(login->host, &kind, login->peer, credential->name, NULL);
	identity->since_ms = credential->created_ms;
	identity->ends_ms = credential->expires_ms;
	login_accept(login, identity);
}

const struct verifier verifier_token = { "token", takes, verify, &kind };
