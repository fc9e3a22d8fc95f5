/* SPDX-License-Identifier: MIT
 * Clients that show a certificate.
 */
#include "runtime/host.h"
#include "runtime/verifiers.h"

static bool
takes(const struct login *login)
{
	return login->peer->certificate != NULL;
}

static void
verify(struct login *login)
{
	login_accept(login, NULL);
}

const struct verifier verifier_certificate = { "certificate", takes, verify };
