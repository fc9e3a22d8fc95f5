/* SPDX-License-Identifier: MIT
 * Clients that show a certificate: what the registry knows of it decides.
 */
#include "net/certificate.h"
#include "runtime/host.h"
#include "runtime/registry.h"
#include "runtime/verifiers.h"

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

static void
verify(struct login *login)
{
	const struct certificate *shown = login->peer->certificate;
	const struct registry_certificate *known =
	    registry_certificate(login->host->registry, bytes_of_string(shown->id));
	struct identity *identity;

	if (known == NULL) {
		login_accept(login, NULL);
		return;
	}
	if (known->state != REGISTRY_ACTIVE) {
		login_refuse(login, MQTT_NOT_AUTHORIZED, "its certificate %s is %s", shown->id,
		    registry_state_text(known->state));
		return;
	}
	identity = identity_new(login->host, &kind, login->peer, shown->id, NULL);
	identity->ends_ms = shown->not_after_s * 1000;
	login_accept(login, identity);
}

const struct verifier verifier_certificate = { "certificate", takes, verify };
