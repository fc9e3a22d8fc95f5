/* SPDX-License-Identifier: MIT
 * Lists of puts and deletes.
 */
#include "lib/writes.h"

#include <assert.h>
#include <string.h>

enum { HEAD_BYTES = 10, VERSION_BYTES = 8 };

const struct space_row space_rows[SPACE_COUNT] = {
	[SPACE_META] = { "meta", "schema version, identity and counters of this store" },
	[SPACE_SESSION] = { "session",
	    "MQTT sessions that outlive their connection, by client id" },
	[SPACE_SUBSCRIPTION] = { "subscription", "subscriptions of those sessions" },
	[SPACE_SESSION_MESSAGE] = { "session_message", "messages queued or in flight for them" },
	[SPACE_RECEIVED] = { "received", "QoS 2 messages received and not yet released" },
	[SPACE_RETAINED] = { "retained", "retained messages, by topic" },
	[SPACE_WILL] = { "will", "wills that wait for their delay, by client id" },
	[SPACE_SHADOW] = { "shadow", "device shadows, by thing and shadow name" },
	[SPACE_QUEUE] = { "queue", "events that wait to be run, by function and in order" },
	[SPACE_FAILED] = { "failed", "events given up, with their error" },
	[SPACE_OUTBOX] = { "outbox", "messages committed and not yet routed" },
	[SPACE_TABLE] = { "definition", "tables: their keys and indexes" },
	[SPACE_ITEM] = { "item", "items of all tables" },
	[SPACE_ITEM_INDEX] = { "item_index", "secondary indexes of all tables" },
	[SPACE_ITEM_EXPIRY] = { "item_expiry", "when items with a time to live end" },
	[SPACE_CHANGE] = { "change", "changes of all tables, with old and new item" },
	[SPACE_POSITION] = { "position", "how far functions have followed the changes" },
	[SPACE_PARKED] = { "parked", "keys that wait for a dead letter" },
	[SPACE_FILE] = { "file", "versions of files that functions have handled" },
	[SPACE_TICK] = { "tick", "the last ticks of schedules" },
	[SPACE_TIMER] = { "timer", "timers that functions have set" },
	[SPACE_TIMER_DUE] = { "timer_due", "the same by their time" },
	[SPACE_STATE] = { "state", "what functions remember, by ordering key" },
	[SPACE_TRACE] = { "trace", "what went into invocations and came out" },
	[SPACE_THING] = { "thing", "the registry: things" },
	[SPACE_THING_TYPE] = { "thing_type", "the registry: thing types" },
	[SPACE_THING_GROUP] = { "thing_group", "the registry: groups of things" },
	[SPACE_CERTIFICATE] = { "certificate", "certificates of devices, by fingerprint" },
	[SPACE_POLICY] = { "policy", "policies, by name" },
	[SPACE_ATTACHMENT] = { "attachment", "which policies, things and groups belong together" },
	[SPACE_CREDENTIAL] = { "credential", "users and tokens" },
	[SPACE_AUTHORITY] = { "authority", "certificates of registered authorities" },
	[SPACE_PRESENCE] = { "presence", "clients that are connected and followed" },
	[SPACE_WEBHOOK] = { "webhook", "requests that wait to be sent, by due time" },
};

static void
put_u32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t
get_u32(const uint8_t *in)
{
	return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static void
add(struct writes *writes, const struct write *write)
{
	uint8_t head[HEAD_BYTES] = { (uint8_t)write->space, (uint8_t)write->kind };

	assert(write->key.len <= UINT32_MAX && write->value.len <= UINT32_MAX);
	put_u32(head + 2, (uint32_t)write->key.len);
	put_u32(head + 6, (uint32_t)write->value.len);
	buf_append(&writes->encoded, head, sizeof(head));
	buf_append_bytes(&writes->encoded, write->key);
	buf_append_bytes(&writes->encoded, write->value);
	writes->count++;
}

void
writes_put(struct writes *writes, enum space space, struct bytes key, struct bytes value)
{
	add(writes, &(struct write){ .space = space, .key = key, .value = value });
}

void
writes_delete(struct writes *writes, enum space space, struct bytes key)
{
	add(writes, &(struct write){ .space = space, .kind = WRITE_DELETE, .key = key });
}

void
writes_expect(struct writes *writes, enum space space, struct bytes key, uint64_t version)
{
	uint8_t text[VERSION_BYTES];

	put_u32(text, (uint32_t)version);
	put_u32(text + 4, (uint32_t)(version >> 32));
	add(writes, &(struct write){ .space = space,
			.kind = WRITE_EXPECT,
			.key = key,
			.value = bytes_of(text, sizeof(text)) });
	writes->expectations++;
}

void
writes_append(struct writes *writes, const struct writes *more)
{
	buf_append_bytes(&writes->encoded, buf_bytes(&more->encoded));
	writes->count += more->count;
	writes->expectations += more->expectations;
}

void
writes_clear(struct writes *writes)
{
	buf_clear(&writes->encoded);
	writes->count = writes->expectations = 0;
}

bool
writes_next(const struct writes *writes, size_t *at, struct write *write)
{
	const uint8_t *head = writes->encoded.data + *at;
	uint32_t key_len, value_len;

	if (*at >= writes->encoded.len)
		return false;
	key_len = get_u32(head + 2);
	value_len = get_u32(head + 6);
	*write = (struct write){ .space = (enum space)head[0], .kind = (enum write_kind)head[1] };
	write->key = bytes_of(head + HEAD_BYTES, key_len);
	write->value = bytes_of(head + HEAD_BYTES + key_len, value_len);
	if (write->kind == WRITE_EXPECT)
		write->version =
		    get_u32(write->value.data) | (uint64_t)get_u32(write->value.data + 4) << 32;
	*at += HEAD_BYTES + key_len + value_len;
	return true;
}
