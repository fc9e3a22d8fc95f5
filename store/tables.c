/* SPDX-License-Identifier: MIT
 * Applying a transaction's operations to tables.
 */
#include "store/tables.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/table_query.h"

struct table *
table_hold(struct table *table)
{
	table->refs++;
	return table;
}

void
table_drop(struct table *table)
{
	if (table == NULL || --table->refs > 0)
		return;
	table_def_clear(&table->def);
	free(table);
}

void
table_ops_init(struct table_ops *ops, int64_t time_ms)
{
	*ops = (struct table_ops){ .time_ms = time_ms };
	STAILQ_INIT(&ops->list);
}

static struct table_op *
add(struct table_ops *ops, struct table *table, struct bytes key, const struct bytes *item)
{
	size_t item_len = item != NULL ? item->len : 0;
	struct table_op *op = xmalloc(sizeof(*op) + key.len + item_len);

	op->table = table_hold(table);
	op->is_delete = item == NULL;
	op->is_expiry = false;
	memcpy(op->data, key.data, key.len);
	op->key = bytes_of(op->data, key.len);
	if (item_len > 0)
		memcpy(op->data + key.len, item->data, item_len);
	op->item = bytes_of(op->data + key.len, item_len);
	STAILQ_INSERT_TAIL(&ops->list, op, link);
	ops->count++;
	ops->bytes += sizeof(*op) + key.len + item_len;
	return op;
}

void
table_ops_put(struct table_ops *ops, struct table *table, struct bytes key, struct bytes item)
{
	(void)add(ops, table, key, &item);
}

void
table_ops_delete(struct table_ops *ops, struct table *table, struct bytes key)
{
	(void)add(ops, table, key, NULL);
}

void
table_ops_expire(struct table_ops *ops, struct table *table, struct bytes key)
{
	add(ops, table, key, NULL)->is_expiry = true;
}

void
table_ops_move(struct table_ops *ops, struct table_ops *from)
{
	*ops = *from;
	if (STAILQ_EMPTY(&from->list))
		STAILQ_INIT(&ops->list);
	table_ops_init(from, from->time_ms);
}

void
table_ops_expect(struct table_ops *ops, const struct table_seen *seen)
{
	struct table_seen *kept = xmalloc(sizeof(*kept) + seen->lower.len + seen->upper.len);

	*kept = *seen;
	kept->table = table_hold(seen->table);
	memcpy(kept->data, seen->lower.data, seen->lower.len);
	kept->lower = bytes_of(kept->data, seen->lower.len);
	if (seen->upper.len > 0)
		memcpy(kept->data + seen->lower.len, seen->upper.data, seen->upper.len);
	kept->upper = bytes_of(kept->data + seen->lower.len, seen->upper.len);
	SLIST_INSERT_HEAD(&ops->seen, kept, link);
	ops->bytes += sizeof(*kept) + seen->lower.len + seen->upper.len;
}

void
table_ops_clear(struct table_ops *ops)
{
	struct table_seen *seen;
	struct table_op *op;

	while ((seen = SLIST_FIRST(&ops->seen)) != NULL) {
		SLIST_REMOVE_HEAD(&ops->seen, link);
		table_drop(seen->table);
		free(seen);
	}
	while ((op = STAILQ_FIRST(&ops->list)) != NULL) {
		STAILQ_REMOVE_HEAD(&ops->list, link);
		table_drop(op->table);
		free(op);
	}
	ops->count = ops->bytes = 0;
}

void
table_row_key(const struct table *table, struct bytes key, struct buf *out)
{
	buf_append_string(out, table->def.name);
	buf_append_u8(out, 0);
	buf_append_bytes(out, key);
}

bool
table_index_row(const struct table_def *def, const struct table_index *index, struct bytes key,
    struct bytes item, struct buf *out)
{
	size_t before = out->len;

	buf_append_string(out, def->name);
	buf_append_u8(out, 0);
	buf_append_string(out, index->name);
	buf_append_u8(out, 0);
	if (!table_index_key(index, item, out)) {
		out->len = before;
		return false;
	}
	buf_append_bytes(out, key);
	return true;
}

bool
table_expiry_row(const struct table_def *def, struct bytes key, struct bytes item, struct buf *out)
{
	int64_t end_s;

	if (!table_item_ends(def, item, &end_s))
		return false;
	buf_printf(out, "%016llx%s", (unsigned long long)end_s, def->name);
	buf_append_u8(out, 0);
	buf_append_bytes(out, key);
	return true;
}

/* --- inside a job --- */

/* One operation while it is applied. */
struct change {
	struct txn *txn;
	const struct table_op *op;
	struct buf row_key;
	struct buf old; /* the item before */
	bool was_there;
	bool had_expired; /* it was there, and was not read any more */
	uint64_t sequence;
	int64_t time_ms;
	unsigned hops;
};

static int
change_row(struct change *change, enum space space, const struct buf *before,
    const struct buf *after, struct err *err)
{
	bool same =
	    before != NULL && after != NULL && bytes_equal(buf_bytes(before), buf_bytes(after));

	if (before != NULL && !same && txn_delete(change->txn, space, buf_bytes(before), err) < 0)
		return -1;
	if (after != NULL && !same)
		return txn_put(change->txn, space, buf_bytes(after), bytes_of(NULL, 0), err);
	return 0;
}

static int
change_index(struct change *change, const struct table_index *index, struct err *err)
{
	const struct table_op *op = change->op;
	const struct table_def *def = &op->table->def;
	struct buf before = { 0 }, after = { 0 };
	bool was = change->was_there &&
		   table_index_row(def, index, op->key, buf_bytes(&change->old), &before);
	bool is = !op->is_delete && table_index_row(def, index, op->key, op->item, &after);
	int result =
	    change_row(change, SPACE_ITEM_INDEX, was ? &before : NULL, is ? &after : NULL, err);

	buf_clear(&before);
	buf_clear(&after);
	return result;
}

static int
change_expiry(struct change *change, struct err *err)
{
	const struct table_op *op = change->op;
	const struct table_def *def = &op->table->def;
	struct buf before = { 0 }, after = { 0 };
	bool was =
	    change->was_there && table_expiry_row(def, op->key, buf_bytes(&change->old), &before);
	bool is = !op->is_delete && table_expiry_row(def, op->key, op->item, &after);
	int result =
	    change_row(change, SPACE_ITEM_EXPIRY, was ? &before : NULL, is ? &after : NULL, err);

	buf_clear(&before);
	buf_clear(&after);
	return result;
}

static void
write_image(struct buf *json, const char *name, struct bytes item)
{
	buf_printf(json, ",\"%s\":", name);
	buf_append_bytes(json, item);
}

static int
log_change(struct change *change, struct err *err)
{
	const struct table_op *op = change->op;
	bool shows_old = change->was_there && (op->is_delete || !change->had_expired);
	const char *kind = op->is_delete ? "delete" : shows_old ? "modify" : "insert";
	struct buf json = { 0 };
	char key[CHANGE_KEY_BYTES];
	int result;

	buf_printf(&json, "{\"table\":\"%s\",\"kind\":\"%s\",\"sequence\":%llu,\"time\":%lld",
	    op->table->def.name, kind, (unsigned long long)change->sequence,
	    (long long)change->time_ms);
	if (change->hops > 0)
		buf_printf(&json, ",\"hops\":%u", change->hops);
	buf_append_string(&json, ",\"key\":");
	table_key_write(&op->table->def, op->key, &json);
	if (op->is_delete && change->had_expired)
		buf_append_string(&json, ",\"expired\":true");
	if (shows_old)
		write_image(&json, "old", buf_bytes(&change->old));
	if (!op->is_delete)
		write_image(&json, "new", op->item);
	buf_append_u8(&json, '}');
	(void)snprintf(key, sizeof(key), "%020llu", (unsigned long long)change->sequence);
	result = txn_put(change->txn, SPACE_CHANGE, bytes_of_string(key), buf_bytes(&json), err);
	buf_clear(&json);
	return result;
}

static int
change_rest(struct change *change, struct err *err)
{
	const struct table_def *def = &change->op->table->def;

	for (size_t i = 0; i < def->index_count; i++) {
		if (change_index(change, &def->indexes[i], err) < 0)
			return -1;
	}
	if (def->ttl != NULL && change_expiry(change, err) < 0)
		return -1;
	return log_change(change, err);
}

static int
apply_one(struct change *change, struct err *err)
{
	const struct table_op *op = change->op;
	struct bytes row_key = buf_bytes(&change->row_key);
	int found = txn_get(change->txn, SPACE_ITEM, row_key, &change->old, NULL, err);

	if (found < 0)
		return -1;
	change->was_there = found == 1;
	change->had_expired = found == 1 && table_item_is_expired(&op->table->def,
						buf_bytes(&change->old), change->time_ms);
	if (op->is_delete) {
		if (!change->was_there || (op->is_expiry && !change->had_expired))
			return 0;
		if (txn_delete(change->txn, SPACE_ITEM, row_key, err) < 0)
			return -1;
		return change_rest(change, err);
	}
	if (txn_put(change->txn, SPACE_ITEM, row_key, op->item, err) < 0)
		return -1;
	/* What says the same as before is no change. */
	if (change->was_there && bytes_equal(buf_bytes(&change->old), op->item))
		return 0;
	return change_rest(change, err);
}

/* Whether the table is still what the operation was made for. */
static int
check_table(const struct table *table, struct txn *txn, struct err *err)
{
	uint64_t version = 0;

	if (txn_get(txn, SPACE_TABLE, bytes_of_string(table->def.name), NULL, &version, err) < 0)
		return -1;
	if (version == table->version)
		return 0;
	txn_conflict(txn);
	return err_set(err, "conflict: table %s has been defined anew", table->def.name);
}

static int
check_seen(const struct table_ops *ops, struct txn *txn, struct err *err)
{
	const struct table_seen *seen;

	SLIST_FOREACH (seen, &ops->seen, link) {
		if (check_table(seen->table, txn, err) < 0 || table_expect_seen(txn, seen, err) < 0)
			return -1;
	}
	return 0;
}

int
table_ops_apply(const struct table_ops *ops, struct txn *txn, struct err *err)
{
	struct change change = { .txn = txn, .time_ms = ops->time_ms, .hops = ops->hops };
	const struct table *checked = NULL;
	int result = 0;

	assert(ops->count < TABLE_CHANGES_MAX);
	if (check_seen(ops, txn, err) < 0)
		return -1;
	change.sequence = txn_version(txn) * TABLE_CHANGES_MAX;
	STAILQ_FOREACH (change.op, &ops->list, link) {
		buf_reset(&change.row_key);
		table_row_key(change.op->table, change.op->key, &change.row_key);
		if (change.op->table != checked)
			result = check_table(change.op->table, txn, err);
		checked = change.op->table;
		if (result == 0)
			result = apply_one(&change, err);
		if (result < 0)
			break;
		change.sequence++;
	}
	buf_clear(&change.row_key);
	buf_clear(&change.old);
	return result;
}
