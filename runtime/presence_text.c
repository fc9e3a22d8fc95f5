/* SPDX-License-Identifier: MIT
 * Members of lifecycle events.
 */
#include "runtime/presence_text.h"

#include "lib/hash.h"
#include "lib/json_text.h"
#include "lib/utf8.h"

static void
put_text(struct buf *out, const char *name, struct bytes value)
{
	buf_printf(out, ",\"%s\":", name);
	json_text_quote(utf8_is_valid(value) ? value : bytes_of(NULL, 0), out);
}

/* Of the address without its port. */
static void
put_address(struct buf *out, const char *peer)
{
	const char *end = strrchr(peer, ':');
	struct bytes address = bytes_of(peer, end != NULL ? (size_t)(end - peer) : strlen(peer));

	if (address.len >= 2 && address.data[0] == '[')
		address = bytes_of(address.data + 1, address.len - 2);
	put_text(out, "ipAddress", address);
}

/* The same for one connection, and never again. */
void
presence_put_session(struct buf *out, const struct host *host, const struct presence *presence)
{
	const uint64_t first[2] = { (uint64_t)presence->connection, host->run_id };
	struct buf seed = { 0 };

	buf_append(&seed, first, sizeof(first));
	buf_append_bytes(&seed, presence->client_id);
	buf_printf(out, ",\"sessionIdentifier\":\"%016llx",
	    (unsigned long long)hash_bytes(buf_bytes(&seed)));
	buf_append_u8(&seed, 0);
	buf_printf(out, "%016llx\"", (unsigned long long)hash_bytes(buf_bytes(&seed)));
	buf_clear(&seed);
}

void
presence_put_principal(struct buf *out, const struct presence *presence)
{
	put_text(out, "principalIdentifier", presence->principal);
}

void
presence_put_connection(struct buf *out, const struct host *host, const struct presence *presence)
{
	presence_put_session(out, host, presence);
	presence_put_principal(out, presence);
	put_address(out, presence->peer);
	buf_printf(out, ",\"versionNumber\":%lld", (long long)presence->connection);
}

const char *
presence_reason(const struct presence *presence)
{
	static const struct {
		uint8_t reason;
		const char *text;
	} reasons[] = {
		{ MQTT_SUCCESS, "CONNECTION_LOST" },
		{ MQTT_MALFORMED, "CLIENT_ERROR" },
		{ MQTT_PROTOCOL_ERROR, "CLIENT_ERROR" },
		{ MQTT_TOPIC_INVALID, "CLIENT_ERROR" },
		{ MQTT_FILTER_INVALID, "CLIENT_ERROR" },
		{ MQTT_TOPIC_ALIAS_INVALID, "CLIENT_ERROR" },
		{ MQTT_PACKET_TOO_LARGE, "CLIENT_ERROR" },
		{ MQTT_RECEIVE_MAXIMUM_EXCEEDED, "CLIENT_ERROR" },
		{ MQTT_KEEP_ALIVE_TIMEOUT, "MQTT_KEEP_ALIVE_TIMEOUT" },
		{ MQTT_SESSION_TAKEN_OVER, "DUPLICATE_CLIENTID" },
		{ MQTT_NOT_AUTHORIZED, "FORBIDDEN_ACCESS" },
		{ MQTT_BAD_CREDENTIALS, "AUTH_ERROR" },
		{ MQTT_MESSAGE_RATE_TOO_HIGH, "THROTTLED" },
		{ MQTT_QUOTA_EXCEEDED, "THROTTLED" },
		{ MQTT_SERVER_UNAVAILABLE, "SERVER_ERROR" },
		{ MQTT_ADMINISTRATIVE, "API_INITIATED_DISCONNECT" },
	};

	if (presence->by_client)
		return "CLIENT_INITIATED_DISCONNECT";
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (reasons[i].reason == presence->reason)
			return reasons[i].text;
	}
	return "SERVER_INITIATED_DISCONNECT";
}
