/* SPDX-License-Identifier: MIT
 * An engine that keeps its rows in memory, for tests: each space is a sorted array, a transaction
 * is a log of what it replaced, undone from its end.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/engine.h"
#include "store/schema.h"

struct memory_row {
	struct bytes key; /* owned, as is the value */
	struct bytes value;
	uint64_t version;
};

struct memory_space {
	struct memory_row *rows;
	size_t count;
	size_t cap;
};

/* What stood at a key before a change. */
struct undo {
	enum space space;
	bool existed;
	struct memory_row before; /* owned; the key always, the rest where it existed */
};

struct memory_disk {
	struct memory_space spaces[SPACE_COUNT];
	enum engine_trouble fail_trouble;
	int fail_count;
};

struct engine_db {
	struct memory_disk *disk;
	struct undo *undos;
	size_t undo_count;
	size_t undo_cap;
	size_t mark;
	enum engine_trouble trouble;
};

static struct bytes
bytes_copy(struct bytes bytes)
{
	uint8_t *copy = xmalloc(bytes.len);

	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	return bytes_of(copy, bytes.len);
}

static void
bytes_free(struct bytes *bytes)
{
	free((void *)(uintptr_t)bytes->data);
	*bytes = bytes_of(NULL, 0);
}

static void
row_free(struct memory_row *row)
{
	bytes_free(&row->key);
	bytes_free(&row->value);
}

/* The place of the first row whose key is not below `key`. */
static size_t
place(const struct memory_space *space, struct bytes key)
{
	size_t low = 0, high = space->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bytes_compare(space->rows[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
stands_at(const struct memory_space *space, size_t at, struct bytes key)
{
	return at < space->count && bytes_equal(space->rows[at].key, key);
}

/* Takes over the row. */
static void
row_set(struct memory_space *space, struct memory_row row)
{
	size_t at = place(space, row.key);

	if (stands_at(space, at, row.key)) {
		row_free(&space->rows[at]);
	} else {
		if (space->count == space->cap) {
			space->cap = space->cap > 0 ? space->cap * 2 : 16;
			space->rows = xrealloc(space->rows, space->cap * sizeof(*space->rows));
		}
		memmove(space->rows + at + 1, space->rows + at,
		    (space->count - at) * sizeof(*space->rows));
		space->count++;
	}
	space->rows[at] = row;
}

static void
row_unset(struct memory_space *space, struct bytes key)
{
	size_t at = place(space, key);

	if (!stands_at(space, at, key))
		return;
	row_free(&space->rows[at]);
	space->count--;
	memmove(space->rows + at, space->rows + at + 1, (space->count - at) * sizeof(*space->rows));
}

static bool
note_before(struct engine_db *db, enum space space, struct bytes key)
{
	struct memory_space *rows = &db->disk->spaces[space];
	struct undo undo = { .space = space, .before.key = bytes_copy(key) };
	size_t at = place(rows, key);

	undo.existed = stands_at(rows, at, key);
	if (undo.existed) {
		undo.before.value = bytes_copy(rows->rows[at].value);
		undo.before.version = rows->rows[at].version;
	}
	if (db->undo_count == db->undo_cap) {
		db->undo_cap = db->undo_cap > 0 ? db->undo_cap * 2 : 16;
		db->undos = xrealloc(db->undos, db->undo_cap * sizeof(*db->undos));
	}
	db->undos[db->undo_count++] = undo;
	return undo.existed;
}

static void
undo_to(struct engine_db *db, size_t mark)
{
	while (db->undo_count > mark) {
		struct undo *undo = &db->undos[--db->undo_count];

		if (undo->existed) {
			row_set(&db->disk->spaces[undo->space], undo->before);
		} else {
			row_unset(&db->disk->spaces[undo->space], undo->before.key);
			row_free(&undo->before);
		}
	}
}

static void
undo_forget(struct engine_db *db)
{
	while (db->undo_count > 0)
		row_free(&db->undos[--db->undo_count].before);
}

static void
memory_rollback(struct engine_db *db)
{
	undo_to(db, 0);
}

static void
memory_close(struct engine_db *db)
{
	memory_rollback(db);
	free(db->undos);
	free(db);
}

static enum engine_trouble
memory_trouble(const struct engine_db *db)
{
	return db->trouble;
}

static int
memory_begin(struct engine_db *db, struct err *err)
{
	(void)err;
	assert(db->undo_count == 0);
	db->trouble = TROUBLE_NONE;
	return 0;
}

static int
memory_commit(struct engine_db *db, uint64_t version, struct err *err)
{
	(void)version;
	if (db->disk->fail_count > 0) {
		db->disk->fail_count--;
		db->trouble = db->disk->fail_trouble;
		return err_set(err, "commit: told to fail");
	}
	undo_forget(db);
	return 0;
}

static int
memory_mark(struct engine_db *db, struct err *err)
{
	(void)err;
	db->mark = db->undo_count;
	return 0;
}

static int
memory_unmark(struct engine_db *db, bool undo, struct err *err)
{
	(void)err;
	if (undo)
		undo_to(db, db->mark);
	return 0;
}

static int
memory_get(
    struct engine_db *db, enum space space, struct bytes key, struct txn_row *row, struct err *err)
{
	const struct memory_space *rows = &db->disk->spaces[space];
	size_t at = place(rows, key);

	(void)err;
	if (!stands_at(rows, at, key))
		return 0;
	*row = (struct txn_row){
		.key = rows->rows[at].key,
		.value = rows->rows[at].value,
		.version = rows->rows[at].version,
	};
	return 1;
}

static int
memory_put(struct engine_db *db, enum space space, const struct txn_row *row, struct err *err)
{
	(void)err;
	(void)note_before(db, space, row->key);
	row_set(&db->disk->spaces[space], (struct memory_row){
					      .key = bytes_copy(row->key),
					      .value = bytes_copy(row->value),
					      .version = row->version,
					  });
	return 0;
}

static int
memory_remove(struct engine_db *db, enum space space, struct bytes key, struct err *err)
{
	(void)err;
	if (!note_before(db, space, key))
		return 0;
	row_unset(&db->disk->spaces[space], key);
	return 1;
}

static int
memory_scan(struct engine_db *db, const struct txn_range *range, txn_scan_fn *each, void *arg,
    struct err *err)
{
	const struct memory_space *rows = &db->disk->spaces[range->space];
	size_t from = place(rows, range->from);
	size_t to = range->to.len > 0 ? place(rows, range->to) : rows->count;
	size_t limit = range->limit > 0 ? range->limit : SIZE_MAX;

	(void)err;
	for (; from < to && limit > 0; limit--) {
		const struct memory_row *row = &rows->rows[range->reverse ? --to : from++];

		if (!each(arg, &(struct txn_row){ row->key, row->value, row->version }))
			break;
	}
	return 0;
}

static int
migrate(struct engine_db *db, const struct store_config *config, struct err *err)
{
	struct txn txn = { .engine = &engine_memory, .db = db };

	if (schema_migrate(
		&txn, config->schema != NULL ? config->schema : &schema_present, "memory", err) < 0)
		return -1;
	undo_forget(db);
	return 0;
}

static struct engine_db *
memory_open(const struct store_config *config, struct err *err)
{
	struct engine_db *db;

	if (config->disk->fail_count > 0 && config->disk->fail_trouble == TROUBLE_BROKEN &&
	    config->disk->fail_count-- > 0) {
		(void)err_set(err, "open memory: told to fail");
		return NULL;
	}
	db = xcalloc(1, sizeof(*db));
	db->disk = config->disk;
	if (migrate(db, config, err) == 0)
		return db;
	memory_close(db);
	return NULL;
}

const struct engine engine_memory = {
	.name = "memory",
	.open = memory_open,
	.close = memory_close,
	.trouble = memory_trouble,
	.begin = memory_begin,
	.commit = memory_commit,
	.rollback = memory_rollback,
	.mark = memory_mark,
	.unmark = memory_unmark,
	.get = memory_get,
	.put = memory_put,
	.remove = memory_remove,
	.scan = memory_scan,
};

struct memory_disk *
memory_disk_new(void)
{
	return xcalloc(1, sizeof(struct memory_disk));
}

void
memory_disk_free(struct memory_disk *disk)
{
	if (disk == NULL)
		return;
	for (int i = 0; i < SPACE_COUNT; i++) {
		for (size_t j = 0; j < disk->spaces[i].count; j++)
			row_free(&disk->spaces[i].rows[j]);
		free(disk->spaces[i].rows);
	}
	free(disk);
}

void
memory_disk_fail(struct memory_disk *disk, enum engine_trouble trouble, int count)
{
	disk->fail_trouble = trouble;
	disk->fail_count = count;
}
