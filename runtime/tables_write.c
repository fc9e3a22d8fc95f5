/* SPDX-License-Identifier: MIT
 * Changes that are of no invocation: those of the control API, and the sweep that deletes items at
 * their end. The sweep reads a page of what is due, and deletes in a second job what has expired
 * indeed; handlers do not see expired items meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/tables_parts.h"

enum {
	SWEEP_PAUSE_US = 1000000,
	SWEEP_ROWS = 500,
	DUE_BYTES = 16, /* in front of the item's key */
};

struct writing {
	struct store_job job;
	struct tables *tables;
	struct table_ops ops;
	struct writes writes;
	tables_written_fn *done;
	void *arg;
};

static int
write_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct writing *writing = (struct writing *)(void *)job;

	if (store_apply_writes(txn, &writing->writes, err) < 0)
		return -1;
	return table_ops_apply(&writing->ops, txn, err);
}

static void
write_done(struct store_job *job)
{
	struct writing *writing = (struct writing *)(void *)job;
	struct tables *tables = writing->tables;
	const struct tables_result result = { .version = job->status == 0 ? job->version : 0,
		.conflict = job->conflict,
		.err = job->status == 0 ? NULL : &job->err };

	if (job->status == 0)
		tables_committed(tables, &writing->ops);
	else
		tables_failed(tables, &writing->ops, job->version);
	if (job->conflict)
		records_forget_expected(tables->host->records, &writing->writes);
	writing->done(writing->arg, &result);
	table_ops_clear(&writing->ops);
	writes_clear(&writing->writes);
	free(writing);
}

static struct writing *
writing_new(struct tables *tables, struct table_ops *ops, struct writes *writes)
{
	struct writing *writing = xcalloc(1, sizeof(*writing));

	*writing = (struct writing){ .tables = tables, .writes = *writes };
	*writes = (struct writes){ 0 };
	table_ops_move(&writing->ops, ops);
	writing->job.run = write_run;
	writing->job.done = write_done;
	writing->job.bytes = sizeof(*writing) + writing->ops.bytes + writing->writes.encoded.len;
	return writing;
}

void
tables_submit(struct tables *tables, struct table_ops *ops, struct writes *expectations,
    tables_written_fn *done, void *arg)
{
	struct writing *writing = writing_new(tables, ops, expectations);

	writing->done = done;
	writing->arg = arg;
	store_submit(tables->host->store, &writing->job);
	tables_submitted(tables, &writing->ops, writing->job.version);
}

/* --- the sweep --- */

struct sweep {
	struct store_job job;
	struct tables *tables;
	int64_t now_ms;
	struct buf rows; /* frame_bytes of each row's key that is due */
	size_t count;
};

static void
sweep_later(struct tables *tables, bool at_once)
{
	tables->sweeping = false;
	if (!tables->stopped)
		timer_set(&tables->sweep_timer, at_once ? 0 : SWEEP_PAUSE_US);
}

static bool
note_due(void *arg, const struct txn_row *row)
{
	struct sweep *sweep = arg;

	frame_bytes(&sweep->rows, row->key);
	sweep->count++;
	return true;
}

static int
sweep_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct sweep *sweep = (struct sweep *)(void *)job;
	struct txn_range range = { .space = SPACE_ITEM_EXPIRY, .limit = SWEEP_ROWS };
	char end[DUE_BYTES + 1];

	(void)snprintf(end, sizeof(end), "%016llx", (unsigned long long)(sweep->now_ms / 1000 + 1));
	range.to = bytes_of_string(end);
	return txn_scan(txn, &range, note_due, sweep, err);
}

/* The items are not put in the cache as deleted, for it is not sure that they will be: they are
 * forgotten. */
static void
expire_done(struct store_job *job)
{
	struct writing *writing = (struct writing *)(void *)job;
	struct tables *tables = writing->tables;
	const struct table_op *op;
	struct buf key = { 0 };

	STAILQ_FOREACH (op, &writing->ops.list, link) {
		buf_reset(&key);
		table_row_key(op->table, op->key, &key);
		records_forget(tables->host->records, SPACE_ITEM, buf_bytes(&key), 0);
	}
	buf_clear(&key);
	if (job->status == 0) {
		tables->expired += writing->ops.count;
		tables_committed(tables, &writing->ops);
	}
	sweep_later(tables, job->status == 0 && writing->ops.count > 0);
	table_ops_clear(&writing->ops);
	writes_clear(&writing->writes);
	free(writing);
}

/* A row of item_expiry: its time, then the key of the item's row. */
static void
expire(struct tables *tables, struct bytes row, struct table_ops *ops, struct writes *writes)
{
	const uint8_t *name = row.data + DUE_BYTES, *zero;
	struct table *table;

	zero = row.len > DUE_BYTES ? memchr(name, 0, row.len - DUE_BYTES) : NULL;
	table = zero != NULL ? tables_find(tables, bytes_of(name, (size_t)(zero - name))) : NULL;
	if (table != NULL)
		table_ops_expire(
		    ops, table, bytes_of(zero + 1, row.len - (size_t)(zero + 1 - row.data)));
	writes_delete(writes, SPACE_ITEM_EXPIRY, row);
}

static void
sweep_done(struct store_job *job)
{
	struct sweep *sweep = (struct sweep *)(void *)job;
	struct tables *tables = sweep->tables;
	struct cursor cursor = cursor_of(buf_bytes(&sweep->rows));
	struct writes writes = { 0 };
	struct writing *writing;
	struct table_ops ops;

	if (job->status < 0 || sweep->count == 0 || tables->stopped) {
		sweep_later(tables, false);
	} else {
		table_ops_init(&ops, sweep->now_ms);
		while (!cursor_end(&cursor))
			expire(tables, cursor_bytes(&cursor), &ops, &writes);
		writing = writing_new(tables, &ops, &writes);
		writing->job.done = expire_done;
		store_submit(tables->host->store, &writing->job);
	}
	buf_clear(&sweep->rows);
	free(sweep);
}

static void
sweep_now(void *arg)
{
	struct tables *tables = arg;
	struct sweep *sweep;
	bool any = false;

	for (size_t i = 0; i < tables->count; i++)
		any = any || tables->list[i]->def.ttl != NULL;
	if (!any || tables->sweeping) {
		sweep_later(tables, false);
		return;
	}
	tables->sweeping = true;
	sweep = xcalloc(1, sizeof(*sweep));
	sweep->tables = tables;
	sweep->now_ms = loop_age_ms(tables->host->loop);
	sweep->job.run = sweep_run;
	sweep->job.done = sweep_done;
	store_submit(tables->host->store, &sweep->job);
}

void
tables_sweep_start(struct tables *tables)
{
	timer_init(&tables->sweep_timer, tables->host->loop, sweep_now, tables);
	timer_set(&tables->sweep_timer, SWEEP_PAUSE_US);
}

void
tables_sweep_stop(struct tables *tables)
{
	timer_clear(&tables->sweep_timer);
}
