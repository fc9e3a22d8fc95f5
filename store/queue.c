/* SPDX-License-Identifier: MIT
 * The durable queue and the dead letters over a transaction.
 */
#include "store/queue.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "store/queue_row.h"

void
queue_key(const struct queue_row *row, char key[QUEUE_KEY_BYTES])
{
	char id[QUEUE_ID_TEXT];

	assert(row->due_ms >= 0 && row->due_ms < 10000000000000);
	queue_id_text(row->id, id);
	(void)snprintf(key, QUEUE_KEY_BYTES, "%013lld-%s", (long long)row->due_ms, id);
}

void
queue_put(struct writes *writes, const struct queue_row *row)
{
	char key[QUEUE_KEY_BYTES];
	struct buf value = { 0 };

	queue_key(row, key);
	queue_row_write(row, &value);
	writes_put(writes, SPACE_QUEUE, bytes_of_string(key), buf_bytes(&value));
	buf_clear(&value);
}

void
queue_remove(struct writes *writes, const struct queue_row *row)
{
	char key[QUEUE_KEY_BYTES];

	queue_key(row, key);
	writes_delete(writes, SPACE_QUEUE, bytes_of_string(key));
}

int
queue_store(struct txn *txn, const struct queue_row *row, struct err *err)
{
	char key[QUEUE_KEY_BYTES];
	struct buf value = { 0 };
	int result;

	queue_key(row, key);
	queue_row_write(row, &value);
	result = txn_put(txn, SPACE_QUEUE, bytes_of_string(key), buf_bytes(&value), err);
	buf_clear(&value);
	return result;
}

int
queue_take(struct txn *txn, const struct queue_row *row, struct err *err)
{
	char key[QUEUE_KEY_BYTES];

	queue_key(row, key);
	return txn_delete(txn, SPACE_QUEUE, bytes_of_string(key), err);
}

struct queue_walk {
	queue_each_fn *each;
	void *arg;
};

static bool
give_row(void *arg, const struct txn_row *row)
{
	struct queue_walk *walk = arg;
	struct queue_read read;
	bool go_on;

	if (queue_row_read(&read, row->value) < 0)
		return walk->each(walk->arg, row->key, NULL);
	go_on = walk->each(walk->arg, row->key, &read.row);
	queue_read_clear(&read);
	return go_on;
}

/* The first key behind `key`. */
static struct bytes
behind(struct bytes key, struct buf *out)
{
	if (key.len == 0)
		return key;
	buf_append_bytes(out, key);
	buf_append_u8(out, 0);
	return buf_bytes(out);
}

int
queue_scan(struct txn *txn, struct bytes after, size_t limit, queue_each_fn *each, void *arg,
    struct err *err)
{
	struct queue_walk walk = { each, arg };
	struct buf from = { 0 };
	struct txn_range range = { .space = SPACE_QUEUE, .limit = limit };
	int result;

	range.from = behind(after, &from);
	result = txn_scan(txn, &range, give_row, &walk, err);
	buf_clear(&from);
	return result;
}

void
failed_put(struct writes *writes, const struct failed_row *failed)
{
	char id[QUEUE_ID_TEXT];
	struct buf value = { 0 };

	queue_id_text(failed->row.id, id);
	failed_row_write(failed, &value);
	writes_put(writes, SPACE_FAILED, bytes_of_string(id), buf_bytes(&value));
	buf_clear(&value);
}

int
failed_store(struct txn *txn, const struct failed_row *failed, struct err *err)
{
	struct writes writes = { 0 };
	int result;

	failed_put(&writes, failed);
	result = store_apply_writes(txn, &writes, err);
	writes_clear(&writes);
	return result;
}

int
failed_get(struct txn *txn, struct bytes id, struct buf *value, struct err *err)
{
	return txn_get(txn, SPACE_FAILED, id, value, NULL, err);
}

int
failed_discard(struct txn *txn, struct bytes id, struct err *err)
{
	return txn_delete(txn, SPACE_FAILED, id, err);
}

static int
requeue(struct txn *txn, struct bytes id, struct queue_row *row, int64_t now_ms, struct err *err)
{
	row->attempt = 1;
	row->due_ms = now_ms;
	row->created_ms = now_ms;
	if (queue_store(txn, row, err) < 0)
		return -1;
	return failed_discard(txn, id, err);
}

int
failed_replay(struct txn *txn, struct bytes id, int64_t now_ms, struct err *err)
{
	struct buf value = { 0 };
	struct queue_read read;
	int found = failed_get(txn, id, &value, err);

	if (found == 1 && queue_row_read(&read, buf_bytes(&value)) == 0) {
		found = requeue(txn, id, &read.row, now_ms, err);
		queue_read_clear(&read);
	} else if (found == 1) {
		found = err_set(err, "the dead letter %.*s does not decode; discard it",
		    (int)id.len, (const char *)id.data);
	}
	buf_clear(&value);
	return found;
}

struct failed_walk {
	const struct failed_query *query;
	struct buf *json;
	size_t count;
};

static bool
is_of(const struct failed_query *query, const cJSON *row)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "function"));

	return query->function_name.len == 0 ||
	       (name != NULL && bytes_equal_string(query->function_name, name));
}

/* Events stay out of lists: they are large, and failed_get has them. */
static bool
add_failed(void *arg, const struct txn_row *row)
{
	struct failed_walk *walk = arg;
	cJSON *json = cJSON_ParseWithLength((const char *)row->value.data, row->value.len);
	char *text = NULL;

	if (json != NULL && is_of(walk->query, json)) {
		cJSON_DeleteItemFromObjectCaseSensitive(json, "event");
		text = cJSON_PrintUnformatted(json);
		if (walk->count++ > 0)
			buf_append_u8(walk->json, ',');
		buf_append_string(walk->json, text);
		cJSON_free(text);
	}
	cJSON_Delete(json);
	return walk->count < walk->query->limit;
}

int
failed_list(struct txn *txn, const struct failed_query *query, struct buf *json, struct err *err)
{
	struct failed_walk walk = { .query = query, .json = json };
	struct buf from = { 0 };
	struct txn_range range = { .space = SPACE_FAILED };
	int result;

	range.from = behind(query->after, &from);
	buf_append_u8(json, '[');
	result = query->limit > 0 ? txn_scan(txn, &range, add_failed, &walk, err) : 0;
	buf_append_u8(json, ']');
	buf_clear(&from);
	return result;
}
