/* SPDX-License-Identifier: MIT
 * Failed logins, counted by address: a bucket for each, in a table of fixed size.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "runtime/access/access.h"
#include "runtime/host.h"

enum { V6_BYTES = 16, V6_NETWORK_BYTES = 8 };

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void
append_v6(const uint8_t address[V6_BYTES], struct buf *out)
{
	if (memcmp(address, mapped, sizeof(mapped)) == 0)
		buf_append(out, address + sizeof(mapped), V6_BYTES - sizeof(mapped));
	else
		buf_append(out, address, V6_NETWORK_BYTES);
}

void
login_network(const char *address, struct buf *out)
{
	const char *colon = strrchr(address, ':');
	struct bytes host =
	    bytes_of(address, colon != NULL ? (size_t)(colon - address) : strlen(address));
	char *text = bytes_to_string(host);
	uint8_t binary[V6_BYTES];

	if (host.len > 2 && text[0] == '[')
		text[strcspn(text, "]%")] = '\0';
	if (text[0] == '[' && inet_pton(AF_INET6, text + 1, binary) == 1)
		append_v6(binary, out);
	else if (inet_pton(AF_INET, text, binary) == 1)
		buf_append(out, binary, V6_BYTES - sizeof(mapped));
	else
		buf_append_bytes(out, host);
	free(text);
}

static struct login_failures *
failures_of(const struct login *login)
{
	struct buf network = { 0 };
	uint64_t hash;

	login_network(login->peer->address, &network);
	hash = hash_bytes(buf_bytes(&network));
	buf_clear(&network);
	return &login->host->access->failures[hash % ACCESS_FAILURES];
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

bool
login_may_check(const struct login *login)
{
	struct login_failures *failures = failures_of(login);

	if (failures->checking >= CHECKING_MAX)
		return false;
	failures->checking++;
	return true;
}

void
login_checked(const struct login *login)
{
	failures_of(login)->checking--;
}
