/* SPDX-License-Identifier: MIT
 * The broker's records in the store, and their way back at start. Values are fields of lib/frame.h:
 *
 *   session          client id                u32 expiry_s, i64 away since (ms; 0: connected),
 *                                             owner (bytes), u64 number of its newest message
 *   subscription     client id \0 filter      u32 identifier, u8 qos, no local, retain as
 *                                             published, retain handling
 *   session_message  client id \0 number(8)   message, u8 qos, retain, received (its PUBREC was
 *                                             here), u8 count, u32 identifiers
 *   received         client id \0 packet(2)   empty
 *   retained         topic                    message, u8 qos
 *   will             client id                message, u8 qos, retain, u32 delay_s, expiry_s,
 *                                             author (bytes)
 *   message: i64 expires (ms; 0: never), bytes topic, payload, properties
 */
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "net/broker_private.h"

enum { NUMBER_BYTES = 8, PACKET_ID_BYTES = 2 };

static struct bytes
key_of(struct buf *key, const struct session *session, struct bytes rest)
{
	buf_append_bytes(key, session->link.key);
	buf_append_u8(key, 0);
	buf_append_bytes(key, rest);
	return buf_bytes(key);
}

static void
put_big(uint8_t *out, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static uint64_t
get_big(struct bytes in)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in.len; i++)
		value = value << 8 | in.data[i];
	return value;
}

static void
append_message(struct buf *out, const struct kept *kept)
{
	frame_i64(out, kept->has_expiry ? kept->expires_ms : 0);
	frame_bytes(out, kept->topic);
	frame_bytes(out, kept->payload);
	frame_bytes(out, kept->properties);
}

void
persist_session(struct writes *writes, const struct session *session)
{
	struct buf value = { 0 };

	frame_u32(&value, session->expiry_s);
	frame_i64(&value, session->client == NULL ? loop_wall_ms(session->broker->loop) : 0);
	frame_bytes(&value, session_owner(session));
	frame_u64(&value, session->last_number);
	writes_put(writes, SPACE_SESSION, session->link.key, buf_bytes(&value));
	buf_clear(&value);
}

void
persist_session_gone(struct writes *writes, const struct session *session)
{
	writes_delete(writes, SPACE_SESSION, session->link.key);
	writes_delete(writes, SPACE_WILL, session->link.key);
}

void
persist_subscription(struct writes *writes, const struct subscription *subscription)
{
	struct buf key = { 0 }, value = { 0 };

	frame_u32(&value, subscription->id);
	frame_u8(&value, subscription->qos);
	frame_u8(&value, subscription->no_local);
	frame_u8(&value, subscription->retain_as_published);
	frame_u8(&value, subscription->retain_handling);
	writes_put(writes, SPACE_SUBSCRIPTION,
	    key_of(&key, subscription->session, subscription->link.key), buf_bytes(&value));
	buf_clear(&key);
	buf_clear(&value);
}

void
persist_subscription_gone(struct writes *writes, const struct session *session, struct bytes filter)
{
	struct buf key = { 0 };

	writes_delete(writes, SPACE_SUBSCRIPTION, key_of(&key, session, filter));
	buf_clear(&key);
}

static struct bytes
delivery_key(struct buf *key, const struct session *session, const struct delivery *delivery)
{
	uint8_t number[NUMBER_BYTES];

	put_big(number, sizeof(number), delivery->number);
	return key_of(key, session, bytes_of(number, sizeof(number)));
}

void
persist_delivery(
    struct writes *writes, const struct session *session, const struct delivery *delivery)
{
	struct buf key = { 0 }, value = { 0 };

	append_message(&value, delivery->kept);
	frame_u8(&value, delivery->qos);
	frame_u8(&value, delivery->retain);
	frame_u8(&value, delivery->state == DELIVERY_RECEIVED);
	frame_u8(&value, delivery->id_count);
	for (size_t i = 0; i < delivery->id_count; i++)
		frame_u32(&value, delivery->ids[i]);
	writes_put(writes, SPACE_SESSION_MESSAGE, delivery_key(&key, session, delivery),
	    buf_bytes(&value));
	buf_clear(&key);
	buf_clear(&value);
}

void
persist_delivery_gone(
    struct writes *writes, const struct session *session, const struct delivery *delivery)
{
	struct buf key = { 0 };

	writes_delete(writes, SPACE_SESSION_MESSAGE, delivery_key(&key, session, delivery));
	buf_clear(&key);
}

void
persist_received(struct writes *writes, const struct session *session, uint16_t packet_id, bool on)
{
	uint8_t id[PACKET_ID_BYTES];
	struct buf key = { 0 };
	struct bytes whole;

	put_big(id, sizeof(id), packet_id);
	whole = key_of(&key, session, bytes_of(id, sizeof(id)));
	if (on)
		writes_put(writes, SPACE_RECEIVED, whole, bytes_of(NULL, 0));
	else
		writes_delete(writes, SPACE_RECEIVED, whole);
	buf_clear(&key);
}

void
persist_retained(struct writes *writes, const struct broker *broker, const struct message *message,
    const struct kept *kept)
{
	struct buf value = { 0 };

	(void)broker;
	if (kept == NULL) {
		writes_delete(writes, SPACE_RETAINED, message->topic);
		return;
	}
	append_message(&value, kept);
	frame_u8(&value, message->qos);
	frame_i64(&value, kept->made_ms);
	writes_put(writes, SPACE_RETAINED, message->topic, buf_bytes(&value));
	buf_clear(&value);
}

void
persist_will(struct writes *writes, const struct session *session)
{
	const struct will *will = session->will;
	struct buf value = { 0 }, author = { 0 };

	if (will == NULL) {
		writes_delete(writes, SPACE_WILL, session->link.key);
		return;
	}
	append_message(&value, will->kept);
	frame_u8(&value, will->qos);
	frame_u8(&value, will->retain);
	frame_u32(&value, will->delay_s);
	frame_u32(&value, will->expiry_s);
	will_describe_author(session, &author);
	frame_bytes(&value, buf_bytes(&author));
	writes_put(writes, SPACE_WILL, session->link.key, buf_bytes(&value));
	buf_clear(&author);
	buf_clear(&value);
}

/* NULL: it does not decode. */
static struct kept *
read_message(struct broker *broker, struct cursor *cursor)
{
	int64_t now_ms = loop_wall_ms(broker->loop), expires_ms = cursor_i64(cursor);
	struct message message = { .has_expiry = expires_ms != 0 };

	message.topic = cursor_bytes(cursor);
	message.payload = cursor_bytes(cursor);
	message.properties = cursor_bytes(cursor);
	if (cursor->bad)
		return NULL;
	if (message.has_expiry && expires_ms > now_ms)
		message.expiry_s = (uint32_t)((expires_ms - now_ms + 999) / 1000);
	return kept_new(broker, &message);
}

/* Splits "client id \0 rest"; NULL: no such session. */
static struct session *
split_key(struct broker *broker, struct bytes key, struct bytes *rest)
{
	const uint8_t *zero = key.len > 0 ? memchr(key.data, 0, key.len) : NULL;
	size_t len;

	if (zero == NULL)
		return NULL;
	len = (size_t)(zero - key.data);
	*rest = bytes_of(zero + 1, key.len - len - 1);
	return session_find(broker, bytes_of(key.data, len));
}

static bool
restore_session(struct broker *broker, struct bytes key, struct cursor *cursor)
{
	struct session *session;
	int64_t since_ms;

	if (session_find(broker, key) != NULL)
		return false;
	session = session_new(broker, key);
	session->expiry_s = cursor_u32(cursor);
	since_ms = cursor_i64(cursor);
	/* Rows of earlier versions end here. */
	if (cursor->at < cursor->end)
		session_own(session, cursor_bytes(cursor));
	if (cursor->at < cursor->end)
		session->last_number = cursor_u64(cursor);
	session->durable = true;
	session_detach(session);
	if (since_ms > 0 && session->expiry_s != UINT32_MAX) {
		int64_t gone_ms = loop_wall_ms(broker->loop) - since_ms;

		session->expires_us -= (gone_ms > 0 ? gone_ms : 0) * 1000;
	}
	return cursor_end(cursor);
}

static bool
restore_subscription(struct broker *broker, struct bytes key, struct cursor *cursor)
{
	struct mqtt_filter filter = { 0 };
	struct session *session = split_key(broker, key, &filter.filter);
	uint32_t id = cursor_u32(cursor);
	bool is_new;

	filter.qos = cursor_u8(cursor);
	filter.no_local = cursor_u8(cursor) != 0;
	filter.retain_as_published = cursor_u8(cursor) != 0;
	filter.retain_handling = cursor_u8(cursor);
	return session != NULL && cursor_end(cursor) && filter.qos <= 2 &&
	       session_subscribe(session, &filter, id, &is_new) != NULL;
}

static bool
restore_delivery(struct broker *broker, struct bytes key, struct cursor *cursor)
{
	struct bytes number = { 0 };
	struct session *session = split_key(broker, key, &number);
	struct kept *kept = read_message(broker, cursor);
	struct target target = { .qos = cursor_u8(cursor) };
	struct delivery *delivery;
	uint32_t ids[UINT8_MAX];
	uint64_t newest;
	bool received;

	target.retain = cursor_u8(cursor) != 0;
	received = cursor_u8(cursor) != 0;
	target.id_count = cursor_u8(cursor);
	for (size_t i = 0; i < target.id_count; i++)
		ids[i] = cursor_u32(cursor);
	if (session == NULL || kept == NULL || !cursor_end(cursor) || number.len != NUMBER_BYTES) {
		kept_unref(kept);
		return false;
	}
	newest = session->last_number;
	session->last_number = get_big(number) - 1;
	delivery = delivery_new(session, kept, &target, ids);
	if (session->last_number < newest)
		session->last_number = newest;
	kept_unref(kept);
	delivery_make_durable(delivery);
	/* Whether it was sent before is not known: DUP says that it may have been. */
	delivery->sent_before = true;
	if (received)
		delivery->state = DELIVERY_RECEIVED;
	delivery_queue(session, delivery);
	return true;
}

static bool
restore_received(struct broker *broker, struct bytes key, struct cursor *cursor)
{
	struct bytes id = { 0 };
	struct session *session = split_key(broker, key, &id);

	if (session == NULL || id.len != PACKET_ID_BYTES || !cursor_end(cursor))
		return false;
	session_set_mark(session, MARK_RECEIVED, (uint16_t)get_big(id), true);
	session_set_mark(session, MARK_PROCESSED, (uint16_t)get_big(id), true);
	return true;
}

static bool
restore_retained(struct broker *broker, struct bytes key, struct cursor *cursor)
{
	struct kept *kept = read_message(broker, cursor);
	struct message message;

	if (kept == NULL)
		return false;
	kept_message(kept, broker, &message);
	message.qos = cursor_u8(cursor);
	/* Rows of earlier versions end here. */
	kept->made_ms = cursor->at < cursor->end ? cursor_i64(cursor) : 0;
	if (!cursor_end(cursor) || !bytes_equal(key, kept->topic) || message.payload.len == 0) {
		kept_unref(kept);
		return false;
	}
	retained_set(broker, &message, kept);
	kept_unref(kept);
	return true;
}

static bool
restore_will(struct broker *broker, struct bytes key, struct cursor *cursor)
{
	struct session *session = session_find(broker, key);
	struct will will = { .waits = true };
	struct bytes author = { 0 };

	will.kept = read_message(broker, cursor);
	will.qos = cursor_u8(cursor);
	will.retain = cursor_u8(cursor) != 0;
	will.delay_s = cursor_u32(cursor);
	will.expiry_s = cursor_u32(cursor);
	/* Rows of earlier versions end here. */
	if (cursor->at < cursor->end)
		author = cursor_bytes(cursor);
	if (session == NULL || will.kept == NULL || !cursor_end(cursor)) {
		kept_unref(will.kept);
		return false;
	}
	will.due_us = loop_now_us(broker->loop) + (int64_t)will.delay_s * 1000000;
	buf_append_bytes(&will.author, author);
	will_set(session, &will);
	return true;
}

bool
broker_restore(struct broker *broker, enum space space, struct bytes key, struct bytes value)
{
	static bool (*const restorers[SPACE_COUNT])(
	    struct broker *, struct bytes, struct cursor *) = {
		[SPACE_SESSION] = restore_session,
		[SPACE_SUBSCRIPTION] = restore_subscription,
		[SPACE_SESSION_MESSAGE] = restore_delivery,
		[SPACE_RECEIVED] = restore_received,
		[SPACE_RETAINED] = restore_retained,
		[SPACE_WILL] = restore_will,
	};
	struct cursor cursor = cursor_of(value);

	return restorers[space] != NULL && restorers[space](broker, key, &cursor);
}
