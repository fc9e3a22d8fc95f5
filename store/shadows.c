/* SPDX-License-Identifier: MIT
 * Shadows over a transaction. Tombstones stay as rows: they hold the version that the next update
 * goes on from.
 */
#include "store/shadows.h"

#include <assert.h>

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

int
shadows_run(struct txn *txn, enum shadow_request_kind kind, const struct shadow_request *request,
    struct shadow_reply *reply, struct err *err)
{
	struct shadow_doc doc = { 0 };
	struct buf key = { 0 };
	int result;

	assert(shadow_thing_is_valid(request->thing) && shadow_name_is_valid(request->name));
	shadows_key(&key, request->thing, request->name);
	result = load(txn, buf_bytes(&key), &doc, &reply->row_version, err);
	if (result == 0 && work_out(kind, &doc, request, reply) == 0 && kind != SHADOW_REQUEST_GET)
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
	struct bytes name = { 0 };

	if (row->key.len > names->thing_len) {
		if (row->key.data[names->thing_len] != 0)
			return true;
		name = bytes_of(
		    row->key.data + names->thing_len + 1, row->key.len - names->thing_len - 1);
	}
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
	struct txn_range range = { .space = SPACE_SHADOW, .from = thing };
	struct buf end = { 0 };
	int result;

	/* Everything of the thing stands between "thing" and "thing" \1. */
	buf_append_bytes(&end, thing);
	buf_append_u8(&end, 1);
	range.to = buf_bytes(&end);
	buf_append_u8(json, '[');
	result = txn_scan(txn, &range, add_name, &names, err);
	buf_append_u8(json, ']');
	buf_clear(&end);
	return result;
}
