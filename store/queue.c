/* SPDX-License-Identifier: MIT
 * The durable queue and the dead letters over a transaction.
 */
#include "store/queue.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "store/queue_row.h"
#include "store/webhook.h"

void
queue_key(const struct queue_row *row, struct buf *key)
{
	buf_append_bytes(key, row->function_name);
	buf_append_u8(key, 0);
	buf_printf(key, "%016llx", (unsigned long long)row->sequence);
}

void
queue_put(struct writes *writes, const struct queue_row *row)
{
	struct buf key = { 0 }, value = { 0 };

	queue_key(row, &key);
	queue_row_write(row, &value);
	writes_put(writes, SPACE_QUEUE, buf_bytes(&key), buf_bytes(&value));
	buf_clear(&key);
	buf_clear(&value);
}

void
queue_remove(struct writes *writes, const struct queue_row *row)
{
	struct buf key = { 0 };

	queue_key(row, &key);
	writes_delete(writes, SPACE_QUEUE, buf_bytes(&key));
	buf_clear(&key);
}

int
queue_store(struct txn *txn, const struct queue_row *row, struct err *err)
{
	struct writes writes = { 0 };
	int result;

	queue_put(&writes, row);
	result = store_apply_writes(txn, &writes, err);
	writes_clear(&writes);
	return result;
}

int
queue_take(struct txn *txn, const struct queue_row *row, struct err *err)
{
	struct buf key = { 0 };
	int result;

	queue_key(row, &key);
	result = txn_delete(txn, SPACE_QUEUE, buf_bytes(&key), err);
	buf_clear(&key);
	return result;
}

struct queue_walk {
	queue_each_fn *each;
	void *arg;
	size_t head; /* of the key: name and zero */
};

static bool
give_row(void *arg, const struct txn_row *row)
{
	struct queue_walk *walk = arg;
	struct queue_read read;
	char digits[17] = "";
	bool go_on;

	if (queue_row_read(&read, row->value) < 0)
		read = (struct queue_read){ 0 };
	if (row->key.len == walk->head + 16)
		memcpy(digits, row->key.data + walk->head, 16);
	read.row.sequence = strtoull(digits, NULL, 16);
	go_on = walk->each(walk->arg, &read.row);
	queue_read_clear(&read);
	return go_on;
}

int
queue_scan(
    struct txn *txn, const struct queue_page *page, queue_each_fn *each, void *arg, struct err *err)
{
	struct queue_walk walk = { each, arg, page->function_name.len + 1 };
	struct buf from = { 0 }, to = { 0 };
	struct txn_range range = { .space = SPACE_QUEUE, .limit = page->limit };
	int result;

	queue_key(
	    &(struct queue_row){ .function_name = page->function_name, .sequence = page->from },
	    &from);
	buf_append_bytes(&to, page->function_name);
	buf_append_u8(&to, 1);
	range.from = buf_bytes(&from);
	range.to = buf_bytes(&to);
	result = txn_scan(txn, &range, give_row, &walk, err);
	buf_clear(&from);
	buf_clear(&to);
	return result;
}

static bool
note_name(void *arg, const struct txn_row *row)
{
	const uint8_t *end = memchr(row->key.data, 0, row->key.len);

	buf_append(arg, row->key.data, end != NULL ? (size_t)(end - row->key.data) : row->key.len);
	return false;
}

int
queue_next_function(struct txn *txn, struct bytes after, struct buf *name, struct err *err)
{
	struct buf from = { 0 };
	struct txn_range range = { .space = SPACE_QUEUE, .limit = 1 };
	int result;

	buf_reset(name);
	buf_append_bytes(&from, after);
	if (after.len > 0)
		buf_append_u8(&from, 1);
	range.from = buf_bytes(&from);
	result = txn_scan(txn, &range, note_name, name, err);
	buf_clear(&from);
	return result < 0 ? -1 : name->len > 0;
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

void
failed_id(int64_t failed_ms, uint64_t count, uint64_t random, uint8_t id[FAILED_ID_BYTES])
{
	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)((uint64_t)failed_ms >> (40 - 8 * i));
	id[6] = (uint8_t)(count >> 8);
	id[7] = (uint8_t)count;
	memcpy(id + 8, &random, sizeof(random));
}

int64_t
failed_id_ms(struct bytes id)
{
	char digits[13] = "";

	if (id.len != 2 * FAILED_ID_BYTES)
		return 0;
	memcpy(digits, id.data, 12);
	return (int64_t)strtoull(digits, NULL, 16);
}

void
failed_put(struct writes *writes, const struct failed_row *failed)
{
	char id[QUEUE_ID_TEXT];
	struct buf value = { 0 };

	queue_id_text(failed->id, id);
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

/* 1, or -1. */
static int
requeue(struct txn *txn, const struct failed_again *again, struct queue_read *read, struct err *err)
{
	struct writes writes = { 0 };
	int result;

	read->row.sequence = again->sequence;
	read->row.attempt = 1;
	read->row.due_ms = again->now_ms;
	read->row.created_ms = again->now_ms;
	if (read->kind == FAILED_WEBHOOK)
		webhook_put(&writes, &read->row);
	else
		queue_put(&writes, &read->row);
	result = store_apply_writes(txn, &writes, err);
	writes_clear(&writes);
	return result < 0 ? -1 : failed_discard(txn, again->id, err);
}

int
failed_replay(struct txn *txn, const struct failed_again *again, struct buf *value, struct err *err)
{
	struct queue_read read;
	int found = failed_get(txn, again->id, value, err);

	if (found == 1 && queue_row_read(&read, buf_bytes(value)) == 0) {
		found = read.kind == FAILED_CHANGE ? 1 : requeue(txn, again, &read, err);
		queue_read_clear(&read);
	} else if (found == 1) {
		found = err_set(err, "the dead letter %.*s does not decode; discard it",
		    (int)again->id.len, (const char *)again->id.data);
	}
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

struct ids_walk {
	const struct failed_query *query;
	failed_each_fn *each;
	void *arg;
	size_t count;
};

static bool
give_id(void *arg, const struct txn_row *row)
{
	struct ids_walk *walk = arg;
	bool wanted = walk->query->function_name.len == 0;

	if (!wanted) {
		cJSON *json = cJSON_ParseWithLength((const char *)row->value.data, row->value.len);

		wanted = json != NULL && is_of(walk->query, json);
		cJSON_Delete(json);
	}
	if (!wanted)
		return true;
	return walk->each(walk->arg, row->key) &&
	       (walk->query->limit == 0 || ++walk->count < walk->query->limit);
}

int
failed_ids(struct txn *txn, const struct failed_query *query, failed_each_fn *each, void *arg,
    struct err *err)
{
	struct ids_walk walk = { query, each, arg, 0 };
	struct buf from = { 0 };
	struct txn_range range = { .space = SPACE_FAILED, .to = query->before };
	int result;

	range.from = behind(query->after, &from);
	result = txn_scan(txn, &range, give_id, &walk, err);
	buf_clear(&from);
	return result;
}

struct count_walk {
	const struct failed_bounds *bounds;
	size_t count;
	size_t old;
};

static bool
count_id(void *arg, struct bytes id)
{
	struct count_walk *walk = arg;

	walk->count++;
	walk->old += failed_id_ms(id) < walk->bounds->oldest_ms;
	return true;
}

static bool
gather_id(void *arg, struct bytes id)
{
	writes_delete(arg, SPACE_FAILED, id);
	return true;
}

int
failed_prune(struct txn *txn, const struct failed_bounds *bounds, size_t *dropped, struct err *err)
{
	struct count_walk walk = { bounds, 0, 0 };
	struct failed_query query = { .limit = 0 };
	struct writes writes = { 0 };
	int result = failed_ids(txn, &query, count_id, &walk, err);

	if (walk.count > bounds->most)
		query.limit = walk.count - bounds->most;
	if (walk.old > query.limit)
		query.limit = walk.old;
	*dropped = query.limit;
	if (result < 0 || query.limit == 0)
		return result;
	result = failed_ids(txn, &query, gather_id, &writes, err);
	if (result == 0)
		result = store_apply_writes(txn, &writes, err);
	writes_clear(&writes);
	return result;
}
