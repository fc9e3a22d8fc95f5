/* SPDX-License-Identifier: MIT
 * Queries and scans: each is a job, which runs behind the commits that were submitted before it.
 */
#include <stdlib.h>

#include "runtime/host.h"
#include "runtime/tables.h"
#include "store/table_query.h"

enum { ANSWER_BYTES = 65536 }; /* about what an answer holds; few are as large as they may be */

struct querying {
	struct store_job job;
	struct table *table; /* held */
	struct table_question question;
	struct table_answer answer;
	struct buf fields; /* what the views point to */
	struct buf lower;
	struct buf upper;
	struct table_pending *pending;
	tables_done_fn *done;
	void *arg;
};

static void
querying_free(struct querying *querying)
{
	table_answer_clear(&querying->answer);
	buf_clear(&querying->fields);
	buf_clear(&querying->lower);
	buf_clear(&querying->upper);
	free(querying->pending);
	table_drop(querying->table);
	free(querying);
}

static int
query_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct querying *querying = (struct querying *)(void *)job;

	return table_answer_question(txn, &querying->question, &querying->answer, err);
}

static void
answer_with(struct querying *querying)
{
	const struct table_answer *answer = &querying->answer;
	struct buf fields = { 0 };

	frame_u32(&fields, (uint32_t)answer->rows);
	frame_u64(&fields, answer->digest);
	frame_bytes(&fields, buf_bytes(&answer->lower));
	frame_bytes(&fields, buf_bytes(&answer->upper));
	frame_bytes(&fields, buf_bytes(&answer->next));
	frame_u32(&fields, (uint32_t)answer->count);
	buf_append_bytes(&fields, buf_bytes(&answer->items));
	querying->done(querying->arg, true, buf_bytes(&fields));
	buf_clear(&fields);
}

static void
refuse(tables_done_fn *done, void *arg, const char *text)
{
	struct buf fields = { 0 };

	frame_string(&fields, text);
	done(arg, false, buf_bytes(&fields));
	buf_clear(&fields);
}

static void
query_done(struct store_job *job)
{
	struct querying *querying = (struct querying *)(void *)job;

	if (job->status == 0)
		answer_with(querying);
	else
		refuse(querying->done, querying->arg, job->err.text);
	querying_free(querying);
}

/* False: the fields do not decode. */
static bool
read_pending(struct querying *querying, struct cursor *cursor)
{
	size_t count = cursor_u16(cursor);

	if (cursor->bad || count > QUERY_PENDING_MAX)
		return false;
	querying->pending = xcalloc(count + 1, sizeof(*querying->pending));
	for (size_t i = 0; i < count; i++) {
		querying->pending[i].key = cursor_bytes(cursor);
		querying->pending[i].item = cursor_bytes(cursor);
	}
	querying->question.pending = querying->pending;
	querying->question.pending_count = count;
	return cursor_end(cursor);
}

/* What the run has written must be what a put or delete would take. */
static int
check_pending(const struct querying *querying, struct err *err)
{
	const struct table_def *def = &querying->table->def;
	struct buf key = { 0 };
	bool good = true;

	for (size_t i = 0; good && i < querying->question.pending_count; i++) {
		const struct table_pending *pending = &querying->pending[i];

		buf_reset(&key);
		good = table_key_is_valid(def, pending->key) &&
		       (pending->item.len == 0 ||
			   (table_item_key(def, pending->item, &key) == ITEM_OK &&
			       bytes_equal(buf_bytes(&key), pending->key)));
	}
	buf_clear(&key);
	return good ? 0 : err_set(err, "%s: what the run has written is not valid", def->name);
}

static int
prepare(struct tables *tables, struct querying *querying, const struct table_query *query,
    struct err *err)
{
	struct table_question *question = &querying->question;
	struct table *table = tables_need(tables, query->table, err);

	if (table == NULL)
		return -1;
	querying->table = table_hold(table);
	if (table_query_bounds(&table->def, query, &querying->lower, &querying->upper, err) < 0 ||
	    check_pending(querying, err) < 0)
		return -1;
	question->table = table;
	question->index = query->index.len > 0 ? table_def_index(&table->def, query->index) : NULL;
	question->lower = buf_bytes(&querying->lower);
	question->upper = buf_bytes(&querying->upper);
	question->reverse = query->reverse;
	question->limit = query->limit;
	question->now_ms = loop_wall_ms(tables_host(tables)->loop);
	return 0;
}

bool
tables_query(struct tables *tables, struct bytes fields, tables_done_fn *done, void *arg)
{
	struct querying *querying = xcalloc(1, sizeof(*querying));
	struct table_query query;
	struct cursor cursor;
	struct err err;

	*querying = (struct querying){ .done = done, .arg = arg };
	buf_append_bytes(&querying->fields, fields);
	cursor = cursor_of(buf_bytes(&querying->fields));
	table_query_decode(&cursor, &query);
	if (!read_pending(querying, &cursor)) {
		querying_free(querying);
		return false;
	}
	if (prepare(tables, querying, &query, &err) < 0) {
		refuse(done, arg, err.text);
		querying_free(querying);
		return true;
	}
	querying->job.run = query_run;
	querying->job.done = query_done;
	querying->job.bytes = sizeof(*querying) + querying->fields.len + ANSWER_BYTES;
	store_submit(tables_host(tables)->store, &querying->job);
	return true;
}
