/* SPDX-License-Identifier: MIT
 * Shadows over a transaction. Tombstones stay as rows: they hold the version that the next update
 * goes on from.
 */
#include "store/shadows.h"

#include <assert.h>

#include "lib/frame.h"

void
shadows_key(struct buf *key, struct bytes thing, struct bytes name)
{
	buf_append_bytes(key, thing);
	if (name.len > 0) {
		buf_append_u8(key, 0);
		buf_append_bytes(key, name);
	}
}

static int
load(struct txn *txn, struct bytes key, struct shadow_doc *doc, uint64_t *version, struct err *err)
{
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_SHADOW, key, &value, version, err);

	if (found == 1 && shadow_doc_read(doc, buf_bytes(&value)) < 0)
		found = err_set(err,
		    "the stored document of shadow %.*s is damaged; delete its "
		    "row or restore it from a backup",
		    (int)key.len, (const char *)key.data);
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static int
save(struct txn *txn, struct bytes key, const struct shadow_doc *doc, struct err *err)
{
	struct buf value = { 0 };
	int result;

	shadow_doc_write(doc, &value);
	result = txn_put(txn, SPACE_SHADOW, key, buf_bytes(&value), err);
	buf_clear(&value);
	return result;
}

static int
work_out(enum shadow_request_kind kind, struct shadow_doc *doc,
    const struct shadow_request *request, struct shadow_reply *reply)
{
	if (kind == SHADOW_REQUEST_UPDATE)
		return shadow_doc_update(doc, request, reply);
	if (kind == SHADOW_REQUEST_DELETE)
		return shadow_doc_delete(doc, request, reply);
	return shadow_doc_get(doc, request, reply);
}

/* --- how many a thing has --- */

struct census {
	size_t thing_len;
	int64_t now_s;
	size_t count;
	struct buf old; /* keys of tombstones that count for nothing any more, as frames of bytes */
};

/* Everything of the thing stands between "thing" and "thing" \1. */
static int
scan_thing(struct txn *txn, struct bytes thing, txn_scan_fn *each, void *arg, struct err *err)
{
	struct txn_range range = { .space = SPACE_SHADOW, .from = thing };
	struct buf end = { 0 };
	int result;

	buf_append_bytes(&end, thing);
	buf_append_u8(&end, 1);
	range.to = buf_bytes(&end);
	result = txn_scan(txn, &range, each, arg, err);
	buf_clear(&end);
	return result;
}

/* "thing" or "thing" \0 "name": keys of other things may stand between them. False: it is one of
 * those. */
static bool
split_key(struct bytes key, size_t thing_len, struct bytes *name)
{
	*name = bytes_of("", 0);
	if (key.len == thing_len)
		return true;
	*name = bytes_of(key.data + thing_len + 1, key.len - thing_len - 1);
	return key.data[thing_len] == 0;
}

static bool
count_one(void *arg, const struct txn_row *row)
{
	struct census *census = arg;
	struct shadow_doc doc;
	struct bytes name;

	if (!split_key(row->key, census->thing_len, &name))
		return true;
	if (shadow_doc_read(&doc, row->value) == 0 && !doc.exists &&
	    census->now_s - doc.time_s > SHADOW_TOMBSTONE_S)
		frame_bytes(&census->old, row->key);
	else
		census->count++;
	shadow_doc_clear(&doc);
	return true;
}

static int
forget_old(struct txn *txn, struct bytes keys, struct err *err)
{
	struct cursor cursor = cursor_of(keys);

	while (cursor.at < cursor.end) {
		if (txn_delete(txn, SPACE_SHADOW, cursor_bytes(&cursor), err) < 0)
			return -1;
	}
	return 0;
}

/* 1: the thing may have another one; 0; -1. Old tombstones go on this occasion. */
static int
has_room(struct txn *txn, const struct shadow_request *request, struct err *err)
{
	struct census census = { .thing_len = request->thing.len, .now_s = request->now_s };
	int result = scan_thing(txn, request->thing, count_one, &census, err);

	if (result == 0)
		result = forget_old(txn, buf_bytes(&census.old), err);
	buf_clear(&census.old);
	if (result < 0)
		return -1;
	return census.count < request->shadows_max;
}

/* --- requests --- */

int
shadows_run(struct txn *txn, enum shadow_request_kind kind, const struct shadow_request *request,
    struct shadow_reply *reply, struct err *err)
{
	struct shadow_doc doc = { 0 };
	struct buf key = { 0 };
	int result, room = 1;

	assert(shadow_thing_is_valid(request->thing) && shadow_name_is_valid(request->name));
	shadows_key(&key, request->thing, request->name);
	result = load(txn, buf_bytes(&key), &doc, &reply->row_version, err);
	if (result == 0 && kind == SHADOW_REQUEST_UPDATE && request->shadows_max > 0 &&
	    reply->row_version == 0)
		room = has_room(txn, request, err);
	if (room < 0)
		result = -1;
	if (result == 0 && room == 0)
		shadow_reply_refuse(reply, request, 403,
		    "The thing has as many shadows as it may have (shadows_max)");
	else if (result == 0 && work_out(kind, &doc, request, reply) == 0 &&
		 kind != SHADOW_REQUEST_GET)
		result = save(txn, buf_bytes(&key), &doc, err);
	buf_clear(&key);
	shadow_doc_clear(&doc);
	return result;
}

/* The names that a scan over one thing's rows finds. */
struct names {
	size_t thing_len;
	struct buf *json;
	bool any;
};

static bool
add_name(void *arg, const struct txn_row *row)
{
	struct names *names = arg;
	struct shadow_doc doc;
	struct bytes name;

	if (!split_key(row->key, names->thing_len, &name))
		return true;
	if (shadow_doc_read(&doc, row->value) == 0 && doc.exists) {
		buf_append_string(names->json, names->any ? ",\"" : "\"");
		buf_append_bytes(names->json, name);
		buf_append_u8(names->json, '"');
		names->any = true;
	}
	shadow_doc_clear(&doc);
	return true;
}

int
shadows_names(struct txn *txn, struct bytes thing, struct buf *json, struct err *err)
{
	struct names names = { .thing_len = thing.len, .json = json };
	int result;

	buf_append_u8(json, '[');
	result = scan_thing(txn, thing, add_name, &names, err);
	buf_append_u8(json, ']');
	return result;
}
