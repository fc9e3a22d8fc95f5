/* SPDX-License-Identifier: MIT
 * Lists of puts and deletes.
 */
#include "lib/writes.h"

#include <assert.h>
#include <string.h>

enum { HEAD_BYTES = 9 };

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
	[SPACE_QUEUE] = { "queue", "events that wait to be run, by due time" },
	[SPACE_FAILED] = { "failed", "events given up, with their error" },
	[SPACE_OUTBOX] = { "outbox", "messages committed and not yet routed" },
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
	uint8_t head[HEAD_BYTES] = { (uint8_t)write->space };

	assert(write->key.len <= UINT32_MAX && write->value.len < UINT32_MAX);
	put_u32(head + 1, (uint32_t)write->key.len);
	put_u32(head + 5, write->is_delete ? 0 : (uint32_t)write->value.len + 1);
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
	add(writes, &(struct write){ .space = space, .key = key, .is_delete = true });
}

void
writes_append(struct writes *writes, const struct writes *more)
{
	buf_append_bytes(&writes->encoded, buf_bytes(&more->encoded));
	writes->count += more->count;
}

void
writes_clear(struct writes *writes)
{
	buf_clear(&writes->encoded);
	writes->count = 0;
}

bool
writes_next(const struct writes *writes, size_t *at, struct write *write)
{
	const uint8_t *head = writes->encoded.data + *at;
	uint32_t key_len, value_len;

	if (*at >= writes->encoded.len)
		return false;
	key_len = get_u32(head + 1);
	value_len = get_u32(head + 5);
	*write = (struct write){ .space = (enum space)head[0], .is_delete = value_len == 0 };
	write->key = bytes_of(head + HEAD_BYTES, key_len);
	if (value_len > 0)
		write->value = bytes_of(head + HEAD_BYTES + key_len, value_len - 1);
	*at += HEAD_BYTES + key_len + write->value.len;
	return true;
}
