/* SPDX-License-Identifier: MIT
 * Tables on the loop thread.
 */
#include "runtime/tables.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/frame.h"
#include "lib/log.h"
#include "lib/table_query.h"
#include "runtime/changes/change_follower.h"
#include "runtime/figures.h"
#include "runtime/host.h"
#include "runtime/pool.h"
#include "runtime/tables_parts.h"

struct tables *
tables_new(struct host *host)
{
	struct tables *tables = xcalloc(1, sizeof(*tables));

	tables->host = host;
	return tables;
}

void
tables_free(struct tables *tables)
{
	if (tables == NULL)
		return;
	for (size_t i = 0; i < tables->count; i++)
		table_drop(tables->list[i]);
	free(tables);
}

void
tables_start(struct tables *tables)
{
	tables_work_resume(tables);
	tables_sweep_start(tables);
}

void
tables_stop(struct tables *tables)
{
	if (tables == NULL)
		return;
	tables->stopped = true;
	tables_work_stop(tables);
	tables_sweep_stop(tables);
}

struct host *
tables_host(const struct tables *tables)
{
	return tables->host;
}

/* Where it stands, or would stand. */
static size_t
place_of(const struct tables *tables, struct bytes name, bool *found)
{
	size_t at = 0;
	int order = -1;

	while (at < tables->count &&
	       (order = bytes_compare(bytes_of_string(tables->list[at]->def.name), name)) < 0)
		at++;
	*found = at < tables->count && order == 0;
	return at;
}

struct table *
tables_find(const struct tables *tables, struct bytes name)
{
	bool found;
	size_t at = place_of(tables, name, &found);

	return found ? tables->list[at] : NULL;
}

struct table *
tables_at(const struct tables *tables, size_t at)
{
	return at < tables->count ? tables->list[at] : NULL;
}

void
tables_set(struct tables *tables, struct table *table)
{
	bool found;
	size_t at = place_of(tables, bytes_of_string(table->def.name), &found);

	if (found) {
		table_drop(tables->list[at]);
	} else {
		assert(tables->count < TABLES_MAX);
		memmove(tables->list + at + 1, tables->list + at,
		    (tables->count - at) * sizeof(*tables->list));
		tables->count++;
	}
	tables->list[at] = table;
	if (tables->host->pool != NULL && !tables->stopped)
		pool_tell_tables(tables->host->pool);
}

void
tables_unset(struct tables *tables, struct bytes name)
{
	bool found;
	size_t at = place_of(tables, name, &found);
	struct buf prefix = { 0 };

	if (found) {
		table_drop(tables->list[at]);
		tables->count--;
		memmove(tables->list + at, tables->list + at + 1,
		    (tables->count - at) * sizeof(*tables->list));
	}
	buf_append_bytes(&prefix, name);
	buf_append_u8(&prefix, 0);
	records_forget_all(tables->host->records, SPACE_ITEM, buf_bytes(&prefix));
	buf_clear(&prefix);
	if (tables->host->pool != NULL && !tables->stopped)
		pool_tell_tables(tables->host->pool);
}

struct table *
table_new(struct table_def *def, uint64_t version)
{
	struct table *table = xmalloc(sizeof(*table));

	*table = (struct table){ .refs = 1, .version = version, .def = *def };
	*def = (struct table_def){ 0 };
	return table;
}

/* --- at start --- */

struct restoring {
	struct store_job job;
	struct tables *tables;
	struct err err;
	bool failed;
};

static bool
restore_one(void *arg, const struct txn_row *row)
{
	struct restoring *restoring = arg;
	struct table_def def;
	struct err err;

	if (table_def_read(row->value, &def, &err) < 0 || restoring->tables->count == TABLES_MAX) {
		(void)err_set(&restoring->err, "table %.*s: its definition is not valid: %s",
		    (int)row->key.len, row->key.data, err.text);
		restoring->failed = true;
		return false;
	}
	tables_set(restoring->tables, table_new(&def, row->version));
	return true;
}

static int
restore_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct restoring *restoring = (struct restoring *)(void *)job;
	const struct txn_range all = { .space = SPACE_TABLE };

	if (txn_scan(txn, &all, restore_one, restoring, err) < 0)
		return -1;
	/* An older program may have made other views, or none. */
	for (size_t i = 0; i < restoring->tables->count; i++) {
		if (txn_show_table(txn, &restoring->tables->list[i]->def, err) < 0)
			return -1;
	}
	return 0;
}

static void
restore_done(struct store_job *job)
{
	(void)job;
}

int
tables_restore(struct tables *tables, struct err *err)
{
	struct restoring restoring = { .job = { .run = restore_run, .done = restore_done },
		.tables = tables };

	if (store_run(tables->host->store, &restoring.job, err) < 0)
		return -1;
	if (restoring.failed)
		*err = restoring.err;
	return restoring.failed ? -1 : 0;
}

void
tables_write(const struct tables *tables, struct buf *out)
{
	size_t begun = frame_begin(out, HOST_TABLES);

	frame_u16(out, (uint16_t)tables->count);
	for (size_t i = 0; i < tables->count; i++)
		table_def_encode(&tables->list[i]->def, out);
	frame_finish(out, begun);
}

/* --- effects --- */

struct table *
tables_need(const struct tables *tables, struct bytes name, struct err *err)
{
	struct table *table = tables_find(tables, name);

	if (table == NULL)
		(void)err_set(err, "db: there is no table \"%.*s\"; moonlet db create makes one",
		    (int)(name.len < 100 ? name.len : 100), name.data);
	return table;
}

int
tables_take_effect(
    struct tables *tables, const struct effect *effect, struct table_ops *ops, struct err *err)
{
	struct table *table = tables_need(tables, effect->first, err);
	struct buf key = { 0 };
	enum item_defect defect;

	if (table == NULL)
		return -1;
	if (ops->count + 1 >= TABLE_CHANGES_MAX)
		return err_set(err, "db: more than %d changes in one run", TABLE_CHANGES_MAX - 1);
	if (effect->kind == EFFECT_DB_DELETE) {
		if (!table_key_is_valid(&table->def, effect->second))
			return err_set(err, "db.delete: not a key of %s", table->def.name);
		table_ops_delete(ops, table, effect->second);
		return 0;
	}
	defect = table_item_key(&table->def, effect->second, &key);
	if (defect == ITEM_OK)
		table_ops_put(ops, table, buf_bytes(&key), effect->second);
	else
		item_defect_text(&table->def, defect, err);
	buf_clear(&key);
	return defect == ITEM_OK ? 0 : -1;
}

int
tables_take_read(
    struct tables *tables, const struct effect *effect, struct writes *writes, struct err *err)
{
	struct table *table = tables_need(tables, effect->first, err);
	struct buf key = { 0 };

	if (table == NULL)
		return -1;
	table_row_key(table, effect->second, &key);
	writes_expect(writes, SPACE_ITEM, buf_bytes(&key), (uint64_t)effect->value);
	buf_clear(&key);
	return 0;
}

int
tables_take_rows(
    struct tables *tables, const struct effect *effect, struct table_ops *ops, struct err *err)
{
	struct table *table = tables_need(tables, effect->first, err);
	struct table_seen seen = { .table = table,
		.lower = effect->third,
		.upper = effect->fourth,
		.reverse = effect->operation != 0,
		.rows = effect->rows,
		.digest = (uint64_t)effect->value };

	if (table == NULL)
		return -1;
	if (effect->second.len > 0) {
		seen.index = table_def_index(&table->def, effect->second);
		if (seen.index == NULL)
			return err_set(err, "db.query: %s has no such index", table->def.name);
	}
	if (seen.rows > QUERY_ROWS_MAX || seen.lower.len + seen.upper.len > TXN_KEY_BYTES_MAX / 2)
		return err_set(err, "db.query: what was read is too much to be checked");
	table_ops_expect(ops, &seen);
	return 0;
}

void
tables_submitted(struct tables *tables, const struct table_ops *ops, uint64_t version)
{
	struct records *records = tables->host->records;
	const struct table_op *op;
	struct buf key = { 0 };

	STAILQ_FOREACH (op, &ops->list, link) {
		const struct record record = { version, op->item };

		buf_reset(&key);
		table_row_key(op->table, op->key, &key);
		if (op->is_delete)
			records_delete(records, SPACE_ITEM, buf_bytes(&key), version);
		else
			records_put(records, SPACE_ITEM, buf_bytes(&key), &record);
	}
	buf_clear(&key);
}

void
tables_failed(struct tables *tables, const struct table_ops *ops, uint64_t version)
{
	const struct table_op *op;
	struct buf key = { 0 };

	STAILQ_FOREACH (op, &ops->list, link) {
		buf_reset(&key);
		table_row_key(op->table, op->key, &key);
		records_forget(tables->host->records, SPACE_ITEM, buf_bytes(&key), version);
	}
	buf_clear(&key);
}

void
tables_committed(struct tables *tables, const struct table_ops *ops)
{
	struct host *host = tables->host;

	if (ops->count > 0 && host->change_followers != NULL)
		change_followers_wake(host->change_followers);
}

void
tables_write_metrics(const struct tables *tables, struct buf *out)
{
	struct records_figures records = records_figures(tables->host->records);

	figures_gauge(out, "moonlet_tables", "Tables that are defined.", (double)tables->count);
	figures_counter(out, "moonlet_tables_expired_total",
	    "Items deleted because their time had come.", tables->expired);
	figures_counter(out, "moonlet_records_hits_total",
	    "Items and states that handlers read from memory.", records.hits);
	figures_counter(out, "moonlet_records_misses_total",
	    "Items and states that handlers read from the store.", records.misses);
	figures_gauge(
	    out, "moonlet_records_bytes", "What is kept in memory of them.", (double)records.bytes);
}

/* --- reads --- */

struct slot {
	struct getting *getting;
	struct table *table; /* held; NULL: it is not asked for */
	uint64_t version;
	struct buf item;
};

struct getting {
	struct tables *tables;
	tables_done_fn *done;
	void *arg;
	bool failed;
	struct err err;
	size_t waits; /* slots, and one while they are being asked for */
	size_t count;
	struct slot slots[DB_GETS_MAX];
};

static void
getting_end(struct getting *getting)
{
	struct buf fields = { 0 };

	if (--getting->waits > 0)
		return;
	for (size_t i = 0; i < getting->count; i++) {
		frame_u64(&fields, getting->slots[i].version);
		frame_bytes(&fields, buf_bytes(&getting->slots[i].item));
		buf_clear(&getting->slots[i].item);
		table_drop(getting->slots[i].table);
	}
	if (getting->failed) {
		buf_reset(&fields);
		frame_string(&fields, getting->err.text);
	}
	getting->done(getting->arg, !getting->failed, buf_bytes(&fields));
	buf_clear(&fields);
	free(getting);
}

static void
slot_read(void *arg, const struct record *record, const struct err *err)
{
	struct slot *slot = arg;

	if (record == NULL) {
		slot->getting->failed = true;
		slot->getting->err = *err;
	} else {
		slot->version = record->version;
		/* An expired one is not there; its row is, and the reader relies on that. */
		if (!table_item_is_expired(&slot->table->def, record->value,
			loop_wall_ms(slot->getting->tables->host->loop)))
			buf_append_bytes(&slot->item, record->value);
	}
	getting_end(slot->getting);
}

static void
get_one(struct tables *tables, struct getting *getting, struct cursor *cursor)
{
	struct slot *slot = &getting->slots[getting->count++];
	struct bytes name = cursor_bytes(cursor), key = cursor_bytes(cursor);
	struct table *table = tables_need(tables, name, &getting->err);
	struct buf row = { 0 };

	slot->getting = getting;
	if (table == NULL) {
		getting->failed = true;
		return;
	}
	if (!table_key_is_valid(&table->def, key)) {
		getting->failed = true;
		(void)err_set(&getting->err, "db.get: not a key of %s", table->def.name);
		return;
	}
	slot->table = table_hold(table);
	table_row_key(table, key, &row);
	getting->waits++;
	records_read(tables->host->records, SPACE_ITEM, buf_bytes(&row), slot_read, slot);
	buf_clear(&row);
}

/* Whether the fields decode. */
static bool
check_gets(struct bytes fields)
{
	struct cursor cursor = cursor_of(fields);
	size_t count = cursor_u16(&cursor);

	for (size_t i = 0; i < 2 * count && !cursor.bad; i++)
		(void)cursor_bytes(&cursor);
	return cursor_end(&cursor) && count > 0 && count <= DB_GETS_MAX;
}

bool
tables_get(struct tables *tables, struct bytes fields, tables_done_fn *done, void *arg)
{
	struct cursor cursor = cursor_of(fields);
	struct getting *getting;
	size_t count = cursor_u16(&cursor);

	if (!check_gets(fields))
		return false;
	getting = xcalloc(1, sizeof(*getting));
	getting->tables = tables;
	getting->done = done;
	getting->arg = arg;
	getting->waits = 1;
	while (getting->count < count)
		get_one(tables, getting, &cursor);
	getting_end(getting);
	return true;
}
