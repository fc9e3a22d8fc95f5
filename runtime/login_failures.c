/* SPDX-License-Identifier: MIT
 * Failed logins, counted by address: a bucket for each, in a table of fixed size.
 */
#include <string.h>

#include "lib/hash.h"
#include "runtime/access.h"
#include "runtime/host.h"

static struct login_failures *
failures_of(const struct login *login)
{
	const char *address = login->peer->address, *colon = strrchr(address, ':');
	struct bytes host =
	    bytes_of(address, colon != NULL ? (size_t)(colon - address) : strlen(address));

	return &login->host->access->failures[hash_bytes(host) % ACCESS_FAILURES];
}

bool
login_must_wait(const struct login *login)
{
	return failures_of(login)->full_us - loop_now_us(login->host->loop) >=
	       (int64_t)FAILURES_BURST * FAILURE_US;
}

void
login_note_failure(const struct login *login)
{
	struct login_failures *failures = failures_of(login);
	int64_t now_us = loop_now_us(login->host->loop);

	if (failures->full_us < now_us)
		failures->full_us = now_us;
	failures->full_us += FAILURE_US;
}
