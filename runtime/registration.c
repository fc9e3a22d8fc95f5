/* SPDX-License-Identifier: MIT
 * The registry in the host.
 */
#include "runtime/registration.h"

#include "runtime/access.h"
#include "runtime/registry.h"

static void
changed(void *arg)
{
	access_changed(arg);
}

int
registration_open(struct host *host, struct err *err)
{
	const struct registry_parts parts = {
		.loop = host->loop, .store = host->store, .changed = changed, .arg = host
	};

	host->registry = registry_new(&parts);
	return registry_restore(host->registry, err);
}
