/* SPDX-License-Identifier: MIT
 * Clients that show a certificate: what the registry knows of it decides.
 */
#include "net/certificate.h"
#include "runtime/access/registration.h"
#include "runtime/access/verifiers.h"
#include "runtime/host.h"
#include "runtime/registry/registry.h"

static bool
collect(struct host *host, struct identity *identity, struct policy_list *policies)
{
	const struct registry_certificate *certificate =
	    registry_certificate(host->registry, bytes_of_string(identity->principal));
	struct buf target = { 0 };

	if (certificate == NULL || certificate->state != REGISTRY_ACTIVE)
		return false;
	buf_printf(&target, "cert:%s", identity->principal);
	identity_collect(identity, buf_bytes(&target), policies);
	buf_clear(&target);
	return true;
}

static const struct identity_kind kind = { "certificate", collect };

static bool
takes(const struct login *login)
{
	return login->peer->certificate != NULL;
}

/* By what the registry knows of it. */
static void
decide(struct login *login, const struct registry_certificate *known)
{
	const struct certificate *shown = login->peer->certificate;
	const struct thing *thing;
	struct identity *identity;
	struct buf target = { 0 };

	if (known->state != REGISTRY_ACTIVE) {
		login_refuse(login, MQTT_NOT_AUTHORIZED, "its certificate %s is %s", shown->id,
		    registry_state_text(known->state));
		return;
	}
	buf_printf(&target, "cert:%s", shown->id);
	thing = registry_thing_of(login->host->registry, buf_bytes(&target), login->client_id);
	buf_clear(&target);
	identity = identity_new(
	    login->host, &kind, login->peer, shown->id, thing != NULL ? thing->name : NULL);
	identity->ends_ms = shown->not_after_s * 1000;
	login_accept(login, identity);
}

static const struct registry_certificate *
find(const struct login *login)
{
	return registry_certificate(
	    login->host->registry, bytes_of_string(login->peer->certificate->id));
}

static void
on_registered(void *arg, enum mqtt_reason reason, const struct err *err)
{
	struct login *login = arg;
	const struct registry_certificate *known = find(login);

	if (reason != MQTT_SUCCESS)
		login_refuse(login, reason, "%s", err->text);
	else if (known == NULL)
		login_refuse(login, MQTT_NOT_AUTHORIZED, "its certificate was deleted meanwhile");
	else
		decide(login, known);
}

static void
verify(struct login *login)
{
	const struct registry_certificate *known = find(login);

	if (known != NULL)
		decide(login, known);
	else
		registration_begin(login->host, login->peer->certificate, on_registered, login);
}

const struct verifier verifier_certificate = { "certificate", takes, verify, &kind };
