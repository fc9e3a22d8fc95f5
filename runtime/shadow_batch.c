/* SPDX-License-Identifier: MIT
 * Batches of shadow requests: what they copy, what they run, what they tell.
 */
#include "runtime/shadow_batch.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/fault.h"
#include "lib/frame.h"
#include "runtime/shadow_follow.h"
#include "runtime/shadow_service.h"

enum { MESSAGES_MAX = 3, OUTBOX_KEY_BYTES = 32 };

/* The messages that may follow from one request, in the order in which they are sent. */
enum follow { FOLLOW_ANSWER, FOLLOW_DELTA, FOLLOW_DOCUMENTS };

struct item {
	enum shadow_request_kind kind;
	struct shadow_request request; /* points into `memory` */
	struct buf memory;
	struct shadow_reply reply;
	struct shadow_follow *follow; /* NULL: no function follows it */
	bool must_keep[MESSAGES_MAX];
};

struct shadow_batch {
	struct shadow_service *service;
	struct shadow_cause cause;
	struct item *items;
	size_t count;
	size_t cap;
	size_t bytes;
	uint64_t version; /* of the transaction: makes the outbox keys */
};

struct shadow_batch *
shadow_batch_new(struct shadow_service *service, const struct shadow_cause *cause)
{
	struct shadow_batch *batch = xcalloc(1, sizeof(*batch));

	batch->service = service;
	batch->cause = *cause;
	return batch;
}

void
shadow_batch_free(struct shadow_batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t i = 0; i < batch->count; i++) {
		shadow_reply_clear(&batch->items[i].reply);
		buf_clear(&batch->items[i].memory);
		shadow_follow_free(batch->items[i].follow);
	}
	free(batch->items);
	free(batch);
}

static void
topic_of(struct buf *topic, const struct item *item, enum follow follow)
{
	char suffix[32];

	if (follow == FOLLOW_ANSWER)
		(void)snprintf(suffix, sizeof(suffix), "%s/%s", shadow_request_name(item->kind),
		    item->reply.code == 0 ? "accepted" : "rejected");
	else
		(void)snprintf(suffix, sizeof(suffix), "update/%s",
		    follow == FOLLOW_DELTA ? "delta" : "documents");
	buf_reset(topic);
	shadow_topic_write(topic, item->request.thing, item->request.name, suffix);
}

/* Empty: this message does not follow. */
static struct bytes
payload_of(const struct shadow_batch *batch, const struct item *item, enum follow follow)
{
	if (follow == FOLLOW_DELTA)
		return buf_bytes(&item->reply.delta);
	if (follow == FOLLOW_DOCUMENTS)
		return buf_bytes(&item->reply.documents);
	if (!batch->cause.is_mqtt && (item->reply.code != 0 || item->kind == SHADOW_REQUEST_GET))
		return bytes_of(NULL, 0);
	return buf_bytes(&item->reply.answer);
}

/* Asked now, on the loop thread: who subscribes later has no claim to this message. */
static void
note_must_keep(struct shadow_batch *batch, struct item *item)
{
	struct buf topic = { 0 };

	if (item->kind == SHADOW_REQUEST_GET)
		return;
	for (int i = 0; i < MESSAGES_MAX; i++) {
		if (i > FOLLOW_ANSWER && item->kind != SHADOW_REQUEST_UPDATE)
			break;
		topic_of(&topic, item, (enum follow)i);
		item->must_keep[i] = shadow_service_must_keep(batch->service, buf_bytes(&topic));
	}
	buf_clear(&topic);
}

/* One byte more than is allowed tells as much as a payload of any size. */
static struct bytes
bounded(struct bytes payload)
{
	if (payload.len > SHADOW_STATE_BYTES_MAX)
		payload.len = SHADOW_STATE_BYTES_MAX + 1;
	return payload;
}

static void
item_copy(struct item *item, const struct shadow_request *request)
{
	struct bytes payload = bounded(request->payload);
	const uint8_t *at;

	buf_append_bytes(&item->memory, request->thing);
	buf_append_bytes(&item->memory, request->name);
	buf_append_bytes(&item->memory, payload);
	at = item->memory.data;
	item->request.thing = bytes_of(at, request->thing.len);
	item->request.name = bytes_of(at + request->thing.len, request->name.len);
	item->request.payload = bytes_of(at + request->thing.len + request->name.len, payload.len);
}

int
shadow_batch_add(struct shadow_batch *batch, enum shadow_request_kind kind,
    const struct shadow_request *request, struct err *err)
{
	struct item *item;

	if (!shadow_thing_is_valid(request->thing))
		return err_set(err, "a thing's name is 1 to %d letters, digits, ':', '_' or '-'",
		    SHADOW_THING_BYTES_MAX);
	if (!shadow_name_is_valid(request->name))
		return err_set(err,
		    "a shadow's name is at most %d letters, digits, ':', '_' or '-'",
		    SHADOW_NAME_BYTES_MAX);
	if (batch->count == batch->cap) {
		batch->cap = batch->cap > 0 ? batch->cap * 2 : 1;
		batch->items = xrealloc(batch->items, batch->cap * sizeof(*batch->items));
	}
	item = &batch->items[batch->count++];
	*item = (struct item){ .kind = kind };
	item_copy(item, request);
	item->request.now_s = shadow_service_now_s(batch->service);
	item->request.shadows_max = shadow_service_shadows_max(batch->service);
	item->follow = shadow_follow_new(shadow_service_watches(batch->service), kind,
	    &item->request, batch->cause.hops);
	note_must_keep(batch, item);
	batch->bytes += sizeof(*item) + item->memory.cap;
	return 0;
}

static struct bytes
outbox_key(
    const struct shadow_batch *batch, size_t index, enum follow follow, char key[OUTBOX_KEY_BYTES])
{
	int len = snprintf(key, OUTBOX_KEY_BYTES, "%016llx-%04zx-%d",
	    (unsigned long long)batch->version, index, (int)follow);

	return bytes_of(key, (size_t)len);
}

static int
keep(const struct shadow_batch *batch, size_t index, enum follow follow, struct txn *txn,
    struct err *err)
{
	const struct item *item = &batch->items[index];
	struct buf topic = { 0 }, value = { 0 };
	char key[OUTBOX_KEY_BYTES];
	int result;

	topic_of(&topic, item, follow);
	frame_u8(&value, batch->cause.hops);
	frame_bytes(&value, buf_bytes(&topic));
	frame_bytes(&value, payload_of(batch, item, follow));
	result = txn_put(
	    txn, SPACE_OUTBOX, outbox_key(batch, index, follow, key), buf_bytes(&value), err);
	buf_clear(&topic);
	buf_clear(&value);
	return result;
}

static int
keep_all(const struct shadow_batch *batch, size_t index, struct txn *txn, struct err *err)
{
	const struct item *item = &batch->items[index];

	for (int i = 0; i < MESSAGES_MAX; i++) {
		if (item->must_keep[i] && item->reply.code == 0 &&
		    payload_of(batch, item, (enum follow)i).len > 0 &&
		    keep(batch, index, (enum follow)i, txn, err) < 0)
			return -1;
	}
	return 0;
}

static int
refused(const struct item *item, struct err *err)
{
	return err_set(err, "shadow %s of %.*s was refused: %.*s", shadow_request_name(item->kind),
	    (int)item->request.thing.len, (const char *)item->request.thing.data,
	    (int)item->reply.answer.len, (const char *)item->reply.answer.data);
}

static int
run(struct shadow_batch *batch, struct txn *txn, bool all_must_pass, struct err *err)
{
	batch->version = txn_version(txn);
	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];

		shadow_reply_clear(&item->reply);
		if (shadows_run(txn, item->kind, &item->request, &item->reply, err) < 0)
			return -1;
		if (all_must_pass && item->reply.code != 0)
			return refused(item, err);
		if (keep_all(batch, i, txn, err) < 0)
			return -1;
		if (item->follow != NULL && item->reply.code == 0 &&
		    shadow_follow_store(item->follow, &item->reply, txn, err) < 0)
			return -1;
	}
	return 0;
}

int
shadow_batch_run(struct shadow_batch *batch, struct txn *txn, struct err *err)
{
	return run(batch, txn, true, err);
}

int
shadow_batch_run_each(struct shadow_batch *batch, struct txn *txn, struct err *err)
{
	return run(batch, txn, false, err);
}

static void
tell(struct shadow_batch *batch, size_t index, enum follow follow)
{
	const struct item *item = &batch->items[index];
	struct message message = { .qos = 1, .hops = batch->cause.hops };
	struct buf topic = { 0 };
	char key[OUTBOX_KEY_BYTES];
	bool kept = item->must_keep[follow] && item->reply.code == 0;

	message.payload = payload_of(batch, item, follow);
	if (message.payload.len == 0)
		return;
	topic_of(&topic, item, follow);
	message.topic = buf_bytes(&topic);
	shadow_service_publish(batch->service, &message,
	    kept ? outbox_key(batch, index, follow, key) : bytes_of(NULL, 0),
	    kept ? NULL : batch->cause.ack);
	buf_clear(&topic);
}

void
shadow_batch_deliver(struct shadow_batch *batch)
{
	fault("shadow-before-deliver");
	for (size_t i = 0; i < batch->count; i++) {
		for (int j = 0; j < MESSAGES_MAX; j++)
			tell(batch, i, (enum follow)j);
		if (batch->items[i].follow != NULL)
			shadow_follow_submit(batch->items[i].follow);
	}
	shadow_batch_free(batch);
}

const struct shadow_reply *
shadow_batch_reply(const struct shadow_batch *batch, size_t index)
{
	return &batch->items[index].reply;
}

size_t
shadow_batch_bytes(const struct shadow_batch *batch)
{
	return sizeof(*batch) + batch->bytes;
}
