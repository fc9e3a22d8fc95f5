/* SPDX-License-Identifier: MIT
 * Queries: rows of the range, gathered a piece at a time, merged with what the asker has written.
 */
#include "store/table_query.h"

#include <stdlib.h>

#include "lib/hash.h"
#include "lib/item_key.h"

enum { PIECE_ROWS = 128, PIECE_BYTES = 512 * 1024 };

/* A row as it was gathered. */
struct row {
	STAILQ_ENTRY(row) link;
	uint64_t version; /* of the item */
	struct bytes key; /* in the table or the index, without the name in front */
	struct bytes item;
	uint8_t data[];
};

STAILQ_HEAD(rows, row);

/* Gives the rows of a range one after another. */
struct reader {
	struct txn *txn;
	const struct table *table;
	const struct table_index *index;
	bool reverse;
	struct buf from; /* of what is not gathered yet; whole row keys */
	struct buf to;
	size_t name_len; /* in front of each row's key */
	struct rows rows;
	struct row *last; /* of the piece */
	size_t piece_rows;
	size_t piece_bytes;
	bool cut; /* the piece ended before the range */
};

static void
append_name(
    struct buf *out, const struct table *table, const struct table_index *index, struct bytes rest)
{
	buf_append_string(out, table->def.name);
	buf_append_u8(out, 0);
	if (index != NULL) {
		buf_append_string(out, index->name);
		buf_append_u8(out, 0);
	}
	buf_append_bytes(out, rest);
}

static void
reader_init(struct reader *reader, struct txn *txn, const struct table_seen *range)
{
	*reader = (struct reader){ .txn = txn,
		.table = range->table,
		.index = range->index,
		.reverse = range->reverse,
		.cut = true };
	STAILQ_INIT(&reader->rows);
	append_name(&reader->from, range->table, range->index, bytes_of(NULL, 0));
	reader->name_len = reader->from.len;
	buf_append_bytes(&reader->from, range->lower);
	append_name(&reader->to, range->table, range->index, range->upper);
	if (range->upper.len == 0)
		reader->to.data[reader->to.len - 1]++;
}

static void
reader_drop(struct reader *reader)
{
	struct row *row = STAILQ_FIRST(&reader->rows);

	STAILQ_REMOVE_HEAD(&reader->rows, link);
	free(row);
}

static void
reader_clear(struct reader *reader)
{
	while (!STAILQ_EMPTY(&reader->rows))
		reader_drop(reader);
	buf_clear(&reader->from);
	buf_clear(&reader->to);
}

static struct row *
row_new(struct bytes key, struct bytes item, uint64_t version)
{
	struct row *row = xmalloc(sizeof(*row) + key.len + item.len);

	row->version = version;
	memcpy(row->data, key.data, key.len);
	if (item.len > 0)
		memcpy(row->data + key.len, item.data, item.len);
	row->key = bytes_of(row->data, key.len);
	row->item = bytes_of(row->data + key.len, item.len);
	return row;
}

static bool
gather(void *arg, const struct txn_row *found)
{
	struct reader *reader = arg;
	struct bytes key =
	    bytes_of(found->key.data + reader->name_len, found->key.len - reader->name_len);

	reader->last = row_new(key, found->value, found->version);
	STAILQ_INSERT_TAIL(&reader->rows, reader->last, link);
	reader->piece_bytes += found->value.len;
	reader->cut = ++reader->piece_rows == PIECE_ROWS || reader->piece_bytes >= PIECE_BYTES;
	return !reader->cut;
}

/* The next piece begins behind the last row of this one. */
static void
move_on(struct reader *reader)
{
	struct buf *bound = reader->reverse ? &reader->to : &reader->from;

	bound->len = reader->name_len;
	buf_append_bytes(bound, reader->last->key);
	if (!reader->reverse)
		buf_append_u8(bound, 0);
}

/* The key of the item that an index's row stands for: what follows the index's own values. */
static struct bytes
item_key_of(const struct reader *reader, struct bytes key)
{
	(void)item_key_next(&key, NULL);
	if (reader->index->sort != NULL)
		(void)item_key_next(&key, NULL);
	return key;
}

/* Puts the items in the place of an index's rows. */
static int
fetch_items(struct reader *reader, struct err *err)
{
	struct rows rows = STAILQ_HEAD_INITIALIZER(rows);
	struct buf key = { 0 }, item = { 0 };
	struct row *row, *with_item;
	int found = 0;

	STAILQ_CONCAT(&rows, &reader->rows);
	while ((row = STAILQ_FIRST(&rows)) != NULL) {
		uint64_t version = 0;

		buf_reset(&key);
		buf_reset(&item);
		table_row_key(reader->table, item_key_of(reader, row->key), &key);
		if (found >= 0)
			found =
			    txn_get(reader->txn, SPACE_ITEM, buf_bytes(&key), &item, &version, err);
		with_item = row_new(row->key, buf_bytes(&item), version);
		STAILQ_INSERT_TAIL(&reader->rows, with_item, link);
		STAILQ_REMOVE_HEAD(&rows, link);
		free(row);
	}
	buf_clear(&key);
	buf_clear(&item);
	return found < 0 ? -1 : 0;
}

static int
read_piece(struct reader *reader, struct err *err)
{
	const struct txn_range range = {
		.space = reader->index != NULL ? SPACE_ITEM_INDEX : SPACE_ITEM,
		.from = buf_bytes(&reader->from),
		.to = buf_bytes(&reader->to),
		.reverse = reader->reverse,
		.limit = PIECE_ROWS,
	};

	reader->cut = false;
	reader->piece_rows = reader->piece_bytes = 0;
	if (bytes_compare(range.from, range.to) >= 0)
		return 0;
	if (txn_scan(reader->txn, &range, gather, reader, err) < 0)
		return -1;
	if (reader->cut)
		move_on(reader);
	return reader->index != NULL ? fetch_items(reader, err) : 0;
}

/* The row at the front, until reader_drop. 1: there is one, 0: the range has ended, -1. */
static int
reader_peek(struct reader *reader, struct row **row, struct err *err)
{
	while (STAILQ_EMPTY(&reader->rows) && reader->cut) {
		if (read_piece(reader, err) < 0)
			return -1;
	}
	*row = STAILQ_FIRST(&reader->rows);
	return *row != NULL;
}

static uint64_t
digest_row(uint64_t digest, const struct row *row)
{
	uint64_t parts[] = { digest, row->version, hash_bytes(row->key) };

	return hash_bytes(bytes_of(parts, sizeof(parts)));
}

/* --- what the asker has written --- */

struct written {
	struct buf key; /* as a row's */
	struct bytes item;
	size_t place; /* of two for one row the later counts */
};

struct overlay {
	struct written *list;
	size_t count;
	size_t at;
};

static void
overlay_add(struct overlay *overlay, const struct buf *key, struct bytes item)
{
	struct written *written = &overlay->list[overlay->count];

	*written = (struct written){ .item = item, .place = overlay->count++ };
	buf_append_bytes(&written->key, buf_bytes(key));
}

/* In an index: the row of the item that is stored goes, that of the written one comes. */
static int
overlay_index(struct overlay *overlay, struct txn *txn, const struct table_question *question,
    const struct table_pending *pending, struct err *err)
{
	struct buf row = { 0 }, key = { 0 }, item = { 0 };
	int found;

	table_row_key(question->table, pending->key, &row);
	found = txn_get(txn, SPACE_ITEM, buf_bytes(&row), &item, NULL, err);
	if (found == 1 && table_index_key(question->index, buf_bytes(&item), &key)) {
		buf_append_bytes(&key, pending->key);
		overlay_add(overlay, &key, bytes_of(NULL, 0));
	}
	buf_reset(&key);
	if (pending->item.len > 0 && table_index_key(question->index, pending->item, &key)) {
		buf_append_bytes(&key, pending->key);
		overlay_add(overlay, &key, pending->item);
	}
	buf_clear(&row);
	buf_clear(&key);
	buf_clear(&item);
	return found < 0 ? -1 : 0;
}

static int
written_order(const void *a, const void *b)
{
	const struct written *left = a, *right = b;
	int order = bytes_compare(buf_bytes(&left->key), buf_bytes(&right->key));

	if (order != 0)
		return order;
	return left->place < right->place ? -1 : 1;
}

/* Sorts, leaves the last one for each row, and only those in the range. */
static void
overlay_settle(struct overlay *overlay, const struct table_question *question)
{
	size_t kept = 0;

	if (overlay->count > 0)
		qsort(overlay->list, overlay->count, sizeof(*overlay->list), written_order);
	for (size_t i = 0; i < overlay->count; i++) {
		struct written *written = &overlay->list[i];
		struct bytes key = buf_bytes(&written->key);
		bool last =
		    i + 1 == overlay->count || !bytes_equal(key, buf_bytes(&written[1].key));

		if (last && bytes_compare(key, question->lower) >= 0 &&
		    (question->upper.len == 0 || bytes_compare(key, question->upper) < 0))
			overlay->list[kept++] = *written;
		else
			buf_clear(&written->key);
	}
	overlay->count = kept;
}

static int
overlay_make(struct overlay *overlay, struct txn *txn, const struct table_question *question,
    struct err *err)
{
	struct buf key = { 0 };
	int result = 0;

	overlay->list = xcalloc(2 * question->pending_count + 1, sizeof(*overlay->list));
	for (size_t i = 0; result == 0 && i < question->pending_count; i++) {
		const struct table_pending *pending = &question->pending[i];

		if (question->index != NULL) {
			result = overlay_index(overlay, txn, question, pending, err);
			continue;
		}
		buf_reset(&key);
		buf_append_bytes(&key, pending->key);
		overlay_add(overlay, &key, pending->item);
	}
	overlay_settle(overlay, question);
	buf_clear(&key);
	return result;
}

static void
overlay_clear(struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->count; i++)
		buf_clear(&overlay->list[i].key);
	free(overlay->list);
}

static struct written *
overlay_peek(const struct overlay *overlay, bool reverse)
{
	if (overlay->at == overlay->count)
		return NULL;
	return &overlay->list[reverse ? overlay->count - 1 - overlay->at : overlay->at];
}

/* --- the answer --- */

static void
take_item(struct table_answer *answer, const struct table_question *question, struct bytes item)
{
	if (item.len == 0 || table_item_is_expired(&question->table->def, item, question->now_ms))
		return;
	frame_bytes(&answer->items, item);
	answer->count++;
}

static void
note_end(struct table_answer *answer, struct bytes key)
{
	buf_reset(&answer->next);
	buf_append_bytes(&answer->next, key);
}

/* Takes what comes first of the two. Returns 0 where there is nothing. */
static int
take_next(struct table_answer *answer, const struct table_question *question, struct reader *reader,
    struct overlay *overlay, struct err *err)
{
	struct written *written = overlay_peek(overlay, question->reverse);
	struct row *row;
	int order = 0, found = reader_peek(reader, &row, err);

	if (found < 0 || (found == 0 && written == NULL))
		return found;
	if (found == 0)
		order = 1;
	else if (written == NULL)
		order = -1;
	else
		order = bytes_compare(row->key, buf_bytes(&written->key)) *
			(question->reverse ? -1 : 1);
	note_end(answer, order <= 0 ? row->key : buf_bytes(&written->key));
	take_item(answer, question, order < 0 ? row->item : written->item);
	if (order <= 0) {
		answer->rows++;
		answer->digest = digest_row(answer->digest, row);
		reader_drop(reader);
	}
	overlay->at += order >= 0;
	return 1;
}

static bool
is_full(const struct table_answer *answer, const struct table_question *question)
{
	return answer->count >= question->limit || answer->items.len >= QUERY_BYTES_MAX ||
	       answer->rows >= QUERY_ROWS_MAX;
}

/* 1: more would come, 0: that was all, -1. */
static int
take_all(struct table_answer *answer, const struct table_question *question, struct reader *reader,
    struct overlay *overlay, struct err *err)
{
	struct row *row;
	int result = 1;

	while (result == 1 && !is_full(answer, question))
		result = take_next(answer, question, reader, overlay, err);
	if (result == 1 && overlay_peek(overlay, question->reverse) == NULL)
		result = reader_peek(reader, &row, err);
	return result;
}

/* The range that the answer stands on. */
static void
note_range(struct table_answer *answer, const struct table_question *question, bool more)
{
	buf_append_bytes(&answer->lower, question->lower);
	buf_append_bytes(&answer->upper, question->upper);
	if (!more) {
		buf_reset(&answer->next);
	} else if (question->reverse) {
		buf_reset(&answer->lower);
		buf_append_bytes(&answer->lower, buf_bytes(&answer->next));
	} else {
		buf_reset(&answer->upper);
		buf_append_bytes(&answer->upper, buf_bytes(&answer->next));
		buf_append_u8(&answer->upper, 0);
	}
}

int
table_answer_question(struct txn *txn, const struct table_question *question,
    struct table_answer *answer, struct err *err)
{
	const struct table_seen range = { .table = question->table,
		.index = question->index,
		.lower = question->lower,
		.upper = question->upper,
		.reverse = question->reverse };
	struct overlay overlay = { 0 };
	struct reader reader;
	int result;

	reader_init(&reader, txn, &range);
	result = overlay_make(&overlay, txn, question, err);
	if (result == 0)
		result = take_all(answer, question, &reader, &overlay, err);
	if (result >= 0)
		note_range(answer, question, result == 1);
	overlay_clear(&overlay);
	reader_clear(&reader);
	return result < 0 ? -1 : 0;
}

void
table_answer_clear(struct table_answer *answer)
{
	buf_clear(&answer->items);
	buf_clear(&answer->next);
	buf_clear(&answer->lower);
	buf_clear(&answer->upper);
}

int
table_expect_seen(struct txn *txn, const struct table_seen *seen, struct err *err)
{
	struct reader reader;
	struct row *row;
	uint64_t digest = 0;
	size_t rows = 0;
	int found;

	reader_init(&reader, txn, seen);
	while ((found = reader_peek(&reader, &row, err)) == 1 && rows++ < seen->rows) {
		digest = digest_row(digest, row);
		reader_drop(&reader);
	}
	reader_clear(&reader);
	if (found < 0)
		return -1;
	if (rows == seen->rows && digest == seen->digest)
		return 0;
	txn_conflict(txn);
	return err_set(err, "conflict: what was read in table %s has been changed meanwhile",
	    seen->table->def.name);
}
