/* SPDX-License-Identifier: MIT
 * Clients that show nothing of themselves.
 */
#include <string.h>

#include "runtime/access/verifiers.h"
#include "runtime/host.h"

static bool
takes(const struct login *login)
{
	return !login->has_password && login->bearer.len == 0;
}

/* By TLS nobody is anonymous because of an address: a proxy or a tunnel on this machine would make
 * the whole world local. */
static void
verify(struct login *login)
{
	const char *mode = options_text(login->host->options, OPTION_ANONYMOUS);

	if (strcmp(mode, "all") == 0 ||
	    (strcmp(mode, "loopback") == 0 && login->peer->is_loopback && !login->peer->is_tls))
		login_accept(login, NULL);
	else
		login_refuse(login, MQTT_NOT_AUTHORIZED,
		    "it shows no certificate, password or token, and anonymous = %s", mode);
}

const struct verifier verifier_anonymous = { "anonymous", takes, verify, NULL };
