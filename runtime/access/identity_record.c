/* SPDX-License-Identifier: MIT
 * Identities as bytes: a will that is due later is asked for in the name of who left it, also after
 * a restart.
 *
 * Fields of lib/frame.h: bytes kind, principal, thing, policy names; i64 since, ends (ms); u8
 * flags; bytes address, server name, certificate (DER).
 */
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "net/certificate.h"
#include "runtime/access/identity.h"
#include "runtime/access/login.h"

enum { IS_PERSISTENT = 1, IS_TLS = 2 };

/* What is read. */
struct record {
	struct bytes kind, principal, thing, policy_names;
	int64_t since_ms, ends_ms;
	uint8_t flags;
	struct bytes address, server_name, der;
};

void
identity_describe(const struct identity *identity, struct buf *out)
{
	const struct peer *peer = identity->peer;
	const struct certificate *certificate = peer->certificate;

	if (login_kind(bytes_of_string(identity->kind->name)) == NULL || identity->own.count > 0)
		return;
	frame_string(out, identity->kind->name);
	frame_string(out, identity->principal);
	frame_string(out, identity->thing);
	frame_string(out, identity->policy_names);
	frame_i64(out, identity->since_ms);
	frame_i64(out, identity->ends_ms);
	frame_u8(out,
	    (uint8_t)((identity->is_persistent ? IS_PERSISTENT : 0) | (peer->is_tls ? IS_TLS : 0)));
	frame_string(out, peer->address);
	frame_string(out, peer->server_name);
	frame_bytes(out, certificate != NULL ? buf_bytes(&certificate->der) : bytes_of("", 0));
}

static bool
read_record(struct bytes described, struct record *record)
{
	struct cursor cursor = cursor_of(described);

	record->kind = cursor_bytes(&cursor);
	record->principal = cursor_bytes(&cursor);
	record->thing = cursor_bytes(&cursor);
	record->policy_names = cursor_bytes(&cursor);
	record->since_ms = cursor_i64(&cursor);
	record->ends_ms = cursor_i64(&cursor);
	record->flags = cursor_u8(&cursor);
	record->address = cursor_bytes(&cursor);
	record->server_name = cursor_bytes(&cursor);
	record->der = cursor_bytes(&cursor);
	return cursor_end(&cursor);
}

/* NULL: empty. */
static char *
text_of(struct bytes text)
{
	return text.len > 0 ? bytes_to_string(text) : NULL;
}

static struct peer *
peer_of(const struct record *record)
{
	char *address = bytes_to_string(record->address);
	struct peer *peer = peer_new(address);
	struct err err;

	peer->is_tls = (record->flags & IS_TLS) != 0;
	peer->server_name = text_of(record->server_name);
	if (record->der.len > 0)
		peer->certificate = certificate_parse(record->der, &err);
	free(address);
	return peer;
}

struct identity *
identity_recall(struct host *host, struct bytes described, struct bytes client_id)
{
	struct record record;
	const struct identity_kind *kind;
	struct identity *identity;
	struct peer *peer;
	char *principal, *thing;

	if (!read_record(described, &record) || (kind = login_kind(record.kind)) == NULL)
		return NULL;
	peer = peer_of(&record);
	principal = bytes_to_string(record.principal);
	thing = text_of(record.thing);
	identity = identity_new(host, kind, peer, principal, thing);
	identity->policy_names = text_of(record.policy_names);
	identity->since_ms = record.since_ms;
	identity->ends_ms = record.ends_ms;
	identity->is_persistent = (record.flags & IS_PERSISTENT) != 0;
	identity->has_will = true;
	identity_set_client_id(identity, client_id);
	free(principal);
	free(thing);
	peer_unref(peer);
	return identity;
}
