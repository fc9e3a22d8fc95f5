/* SPDX-License-Identifier: MIT
 * Logins, and the verifiers in their order.
 */
#include "runtime/access/login.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/access/access.h"
#include "runtime/access/authorizer.h"
#include "runtime/access/verifiers.h"
#include "runtime/host.h"

enum { REFUSAL_BYTES = 512 };

static const struct verifier *const verifiers[] = {
	/* clang-format off */
	&verifier_certificate,
	&verifier_named_authorizer,
	&verifier_token,
	&verifier_jwt,
	&verifier_authorizer,
	&verifier_user,
	&verifier_anonymous,
	/* clang-format on */
};

const struct identity_kind *
login_kind(struct bytes name)
{
	for (size_t i = 0; i < sizeof(verifiers) / sizeof(verifiers[0]); i++) {
		const struct identity_kind *kind = verifiers[i]->kind;

		if (kind != NULL && bytes_equal_string(name, kind->name))
			return kind;
	}
	return NULL;
}

static struct bytes
keep(struct buf *texts, struct bytes view)
{
	size_t at = texts->len;

	buf_append_bytes(texts, view);
	return bytes_of(texts->data + at, view.len);
}

static struct login *
login_copy(const struct login *shown)
{
	struct login *login = xmalloc(sizeof(*login));

	*login = *shown;
	login->texts = (struct buf){ 0 };
	/* Room for all, so that none of them moves. */
	buf_reserve(&login->texts, 1 + shown->client_id.len + shown->user.len +
				       shown->password.len + shown->bearer.len + shown->query.len);
	login->client_id = keep(&login->texts, shown->client_id);
	login->user = keep(&login->texts, shown->user);
	login->password = keep(&login->texts, shown->password);
	login->bearer = keep(&login->texts, shown->bearer);
	login->query = keep(&login->texts, shown->query);
	login->peer = peer_ref(shown->peer);
	return login;
}

static void
finish(struct login *login, const struct login_answer *answer)
{
	login->host->access->logins_waiting--;
	login->done(login->arg, answer);
	if (login->texts.len > 0) /* it may hold a password */
		explicit_bzero(login->texts.data, login->texts.len);
	buf_clear(&login->texts);
	peer_unref(login->peer);
	free(login);
}

void
login_accept(struct login *login, struct identity *identity)
{
	const struct login_answer answer = { .reason = MQTT_SUCCESS, .identity = identity };

	if (identity != NULL)
		identity_set_client_id(identity, login->client_id);
	finish(login, &answer);
}

void
login_refuse(struct login *login, uint8_t reason, const char *format, ...)
{
	char text[REFUSAL_BYTES];
	const struct login_answer answer = { .reason = reason, .text = text };
	va_list values;

	va_start(values, format);
	(void)vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	finish(login, &answer);
}

/* A name with a query may have a token in it, and so may a request that names an authorizer. */
static bool
shows_secret(const struct login *login)
{
	struct buf name = { 0 };
	bool named = authorizer_named(login, &name);

	buf_clear(&name);
	return login->has_password || login->bearer.len > 0 || named ||
	       (authorizers_wanted(login->host) && login->query.len > 0) ||
	       (login->user.len > 0 && memchr(login->user.data, '?', login->user.len) != NULL);
}

/* Whether nobody on the way can have read what it shows. */
static bool
is_private(const struct login *login)
{
	return login->peer->is_tls || login->peer->is_loopback || !shows_secret(login) ||
	       strcmp(options_text(login->host->options, OPTION_PLAIN_PASSWORDS), "yes") == 0;
}

void
login_begin(const struct login *shown, void (*done)(void *arg, const struct login_answer *answer),
    void *arg)
{
	const struct login_answer busy = { .reason = MQTT_SERVER_BUSY,
		.text = "too many clients wait to be let in" };
	struct login *login;

	if (shown->host->access->logins_waiting >= LOGINS_MAX) {
		done(arg, &busy);
		return;
	}
	shown->host->access->logins_waiting++;
	login = login_copy(shown);
	login->done = done;
	login->arg = arg;
	if (!is_private(login)) {
		login_refuse(login, MQTT_NOT_AUTHORIZED,
		    "passwords and tokens are taken by TLS, or from this machine, but not by plain "
		    "connections from elsewhere (plain_passwords = yes allows it)");
		return;
	}
	for (size_t i = 0; i < sizeof(verifiers) / sizeof(verifiers[0]); i++) {
		login->verifier = verifiers[i];
		if (!login->verifier->takes(login))
			continue;
		login->verifier->verify(login);
		return;
	}
	login_refuse(login, MQTT_NOT_AUTHORIZED, "it shows nothing that tells who it is");
}
