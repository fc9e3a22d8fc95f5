/* SPDX-License-Identifier: MIT
 * Clients that show a name and a password.
 *
 * The slow hash protects the stored passwords; so that a fleet that comes back at once need not
 * wait for it, a password that was right is remembered by a keyed digest until users change. Who
 * fails too often has to wait, by its address.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/sha.h"
#include "runtime/access/access.h"
#include "runtime/access/credentials.h"
#include "runtime/access/password.h"
#include "runtime/access/verifiers.h"
#include "runtime/host.h"

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	const struct credential *credential = credentials_find(
	    host->credentials, CREDENTIAL_USER, bytes_of_string(identity->principal));

	if (credential == NULL || credential->created_ms != identity->since_ms)
		return false;
	identity_collect(identity, bytes_of_string(credential->text), policies);
	return true;
}

static const struct identity_kind kind = { "user", collect };

/* --- passwords that were right --- */

static void
digest_of(const struct login *login, const struct credential *credential, uint8_t out[32])
{
	const struct access *access = login->host->access;
	struct buf text = { 0 };

	buf_append_string(&text, credential->text);
	buf_append_u8(&text, 0);
	buf_append_string(&text, credential->secret);
	buf_append_u8(&text, 0);
	buf_append_bytes(&text, login->password);
	sha_hmac(SHA_256, bytes_of(access->secret, sizeof(access->secret)), buf_bytes(&text), out);
	explicit_bzero(text.data, text.len);
	buf_clear(&text);
}

static uint8_t *
place_of(const struct login *login, const uint8_t digest[32])
{
	uint32_t at;

	memcpy(&at, digest, sizeof(at));
	return login->host->access->passwords[at % ACCESS_PASSWORDS];
}

static void
let_in(struct login *login, const struct credential *credential)
{
	struct identity *identity =
	    identity_new(login->host, &kind, login->peer, credential->name, NULL);

	identity->since_ms = credential->created_ms;
	login_accept(login, identity);
}

/* A login whose password is being checked. */
struct pending {
	struct login *login;
	int64_t
	    since_ms; /* of the credential: another one has come since where it is not the same */
};

static void
checked(void *arg, bool good)
{
	struct pending *pending = arg;
	struct login *login = pending->login;
	const struct credential *credential =
	    credentials_find(login->host->credentials, CREDENTIAL_USER, login->user);
	bool is_same = credential != NULL && credential->created_ms == pending->since_ms;
	uint8_t digest[32];

	free(pending);
	login_checked(login);
	if (!good || !is_same) {
		login_note_failure(login);
		login_refuse(
		    login, MQTT_BAD_CREDENTIALS, "the user is unknown or the password is wrong");
		return;
	}
	digest_of(login, credential, digest);
	memcpy(place_of(login, digest), digest, sizeof(digest));
	let_in(login, credential);
}

static bool
takes(const struct login *login)
{
	return login->has_user && login->has_password;
}

static void
verify(struct login *login)
{
	const struct credential *credential =
	    credentials_find(login->host->credentials, CREDENTIAL_USER, login->user);
	struct pending *pending;
	uint8_t digest[32];

	if (login_must_wait(login)) {
		login_refuse(login, MQTT_SERVER_BUSY, "too many wrong passwords from its address");
		return;
	}
	if (credential != NULL) {
		digest_of(login, credential, digest);
		if (memcmp(place_of(login, digest), digest, sizeof(digest)) == 0) {
			let_in(login, credential);
			return;
		}
	}
	if (!login_may_check(login)) {
		login_refuse(login, MQTT_SERVER_BUSY,
		    "too many passwords from its address wait to be checked");
		return;
	}
	pending = xmalloc(sizeof(*pending));
	*pending = (struct pending){ login, credential != NULL ? credential->created_ms : 0 };
	if (password_check(login->host->passwords, credential != NULL ? credential->secret : NULL,
		login->password, checked, pending) == 0)
		return;
	free(pending);
	login_checked(login);
	login_refuse(login, MQTT_SERVER_BUSY, "too many passwords wait to be checked");
}

const struct verifier verifier_user = { "user", takes, verify, &kind };
