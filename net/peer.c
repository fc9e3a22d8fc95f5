/* SPDX-License-Identifier: MIT
 * The peer of a connection.
 */
#include "net/peer.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "net/certificate.h"

static bool
is_loopback(const char *address)
{
	static const char *const starts[] = { "127.", "[::1]", "[::ffff:127.", "local" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (strncmp(address, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

struct peer *
peer_new(const char *address)
{
	size_t size = strlen(address) + 1;
	struct peer *peer = xcalloc(1, offsetof(struct peer, address) + size);

	peer->refs = 1;
	peer->is_loopback = is_loopback(address);
	memcpy(peer->address, address, size);
	return peer;
}

struct peer *
peer_ref(struct peer *peer)
{
	peer->refs++;
	return peer;
}

void
peer_forget_request(struct peer *peer)
{
	if (peer->request == NULL)
		return;
	explicit_bzero(peer->request->data, peer->request->len);
	blob_unref(peer->request);
	peer->request = NULL;
}

void
peer_unref(struct peer *peer)
{
	if (peer == NULL || --peer->refs > 0)
		return;
	gate_leave(peer->from, (enum gate_verdict)peer->verdict);
	peer_forget_request(peer);
	certificate_free(peer->certificate);
	free(peer->server_name);
	free(peer);
}
