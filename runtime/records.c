/* SPDX-License-Identifier: MIT
 * The cache: a map by space and key, and a list from the row used last to the one to leave next.
 */
#include "runtime/records.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/queue.h"

struct row {
	struct hash_node link;
	TAILQ_ENTRY(row) used_link;
	struct blob *value; /* NULL: the row is not there */
	uint64_t version;   /* in the store; of a deletion: of the job that deletes */
	size_t key_len;
	uint8_t key[]; /* the space, then the row's key */
};

struct records {
	struct store *store;
	size_t bytes_max;
	struct hash_map map;
	TAILQ_HEAD(rows, row) used; /* the most recently used first */
	struct buf key;
	uint64_t lost; /* the highest version of a row that has left */
	struct records_figures figures;
};

/* A row that is not cached is on its way. */
struct reading {
	struct store_job job;
	struct records *records;
	records_done_fn *done;
	void *arg;
	enum space space;
	struct buf key;
	struct buf value;
	uint64_t version;
};

struct records *
records_new(struct store *store, size_t bytes_max)
{
	struct records *records = xcalloc(1, sizeof(*records));

	records->store = store;
	records->bytes_max = bytes_max;
	TAILQ_INIT(&records->used);
	return records;
}

static size_t
row_bytes(const struct row *row)
{
	return sizeof(*row) + row->key_len + (row->value != NULL ? row->value->len : 0);
}

/* A newer one takes its place, or it is lost: then what a read began before saw is older than what
 * was known, and must not be kept. */
static void
row_remove(struct records *records, struct row *row)
{
	records->figures.bytes -= row_bytes(row);
	records->figures.rows--;
	hash_remove(&records->map, &row->link);
	TAILQ_REMOVE(&records->used, row, used_link);
	blob_unref(row->value);
	free(row);
}

static void
row_lose(struct records *records, struct row *row)
{
	records->lost = row->version > records->lost ? row->version : records->lost;
	row_remove(records, row);
}

void
records_free(struct records *records)
{
	struct row *row;

	if (records == NULL)
		return;
	while ((row = TAILQ_FIRST(&records->used)) != NULL)
		row_remove(records, row);
	hash_clear(&records->map);
	buf_clear(&records->key);
	free(records);
}

static struct bytes
cache_key(struct records *records, enum space space, struct bytes key)
{
	buf_reset(&records->key);
	buf_append_u8(&records->key, (uint8_t)space);
	buf_append_bytes(&records->key, key);
	return buf_bytes(&records->key);
}

static struct row *
row_find(struct records *records, enum space space, struct bytes key)
{
	struct hash_node *node = hash_find(&records->map, cache_key(records, space, key));

	return node != NULL ? HASH_OWNER(node, struct row, link) : NULL;
}

static void
row_add(struct records *records, enum space space, struct bytes key, const struct record *record)
{
	struct bytes whole = cache_key(records, space, key);
	struct row *row = xmalloc(sizeof(*row) + whole.len);

	memcpy(row->key, whole.data, whole.len);
	row->key_len = whole.len;
	row->version = record->version;
	row->value = record->value.data != NULL ? blob_new(record->value) : NULL;
	hash_insert(&records->map, &row->link, bytes_of(row->key, row->key_len));
	TAILQ_INSERT_HEAD(&records->used, row, used_link);
	records->figures.rows++;
	records->figures.bytes += row_bytes(row);
	while (records->figures.bytes > records->bytes_max)
		row_lose(records, TAILQ_LAST(&records->used, rows));
}

static int
read_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct reading *reading = (struct reading *)(void *)job;

	return txn_get(txn, reading->space, buf_bytes(&reading->key), &reading->value,
		   &reading->version, err) < 0
		   ? -1
		   : 0;
}

/* What a commit has put in the cache meanwhile is newer. */
static void
read_done(struct store_job *job)
{
	struct reading *reading = (struct reading *)(void *)job;
	struct bytes key = buf_bytes(&reading->key);
	struct record record = { .version = reading->version };

	if (reading->version != 0)
		record.value =
		    reading->value.len > 0 ? buf_bytes(&reading->value) : bytes_of("", 0);
	if (job->status < 0) {
		reading->done(reading->arg, NULL, &job->err);
	} else {
		if (row_find(reading->records, reading->space, key) == NULL &&
		    job->version > reading->records->lost)
			row_add(reading->records, reading->space, key, &record);
		reading->done(reading->arg, &record, NULL);
	}
	buf_clear(&reading->key);
	buf_clear(&reading->value);
	free(reading);
}

void
records_read(
    struct records *records, enum space space, struct bytes key, records_done_fn *done, void *arg)
{
	struct row *row = row_find(records, space, key);
	struct reading *reading;

	if (row != NULL) {
		struct blob *value = row->value != NULL ? blob_ref(row->value) : NULL;
		struct record record = { .version = value != NULL ? row->version : 0 };

		if (value != NULL)
			record.value = blob_bytes(value);
		TAILQ_REMOVE(&records->used, row, used_link);
		TAILQ_INSERT_HEAD(&records->used, row, used_link);
		records->figures.hits++;
		done(arg, &record, NULL);
		blob_unref(value);
		return;
	}
	records->figures.misses++;
	reading = xcalloc(1, sizeof(*reading));
	*reading = (struct reading){ .records = records, .done = done, .arg = arg, .space = space };
	reading->job.run = read_run;
	reading->job.done = read_done;
	reading->job.bytes = sizeof(*reading) + key.len;
	buf_append_bytes(&reading->key, key);
	store_submit(records->store, &reading->job);
}

void
records_put(
    struct records *records, enum space space, struct bytes key, const struct record *record)
{
	struct row *row = row_find(records, space, key);

	assert(record->version != 0);
	if (row != NULL)
		row_remove(records, row);
	row_add(records, space, key,
	    &(struct record){
		record->version, record->value.len > 0 ? record->value : bytes_of("", 0) });
}

void
records_delete(struct records *records, enum space space, struct bytes key, uint64_t version)
{
	struct row *row = row_find(records, space, key);

	if (row != NULL)
		row_remove(records, row);
	row_add(records, space, key, &(struct record){ .version = version });
}

void
records_forget(struct records *records, enum space space, struct bytes key, uint64_t version)
{
	struct row *row = row_find(records, space, key);

	if (row != NULL && (version == 0 || row->version == version))
		row_lose(records, row);
}

void
records_forget_all(struct records *records, enum space space, struct bytes prefix)
{
	struct row *row, *next;

	TAILQ_FOREACH_SAFE (row, &records->used, used_link, next) {
		if (row->key[0] == (uint8_t)space && row->key_len > prefix.len &&
		    memcmp(row->key + 1, prefix.data, prefix.len) == 0)
			row_lose(records, row);
	}
}

void
records_forget_expected(struct records *records, const struct writes *writes)
{
	struct write write;
	size_t at = 0;

	while (writes_next(writes, &at, &write)) {
		if (write.kind == WRITE_EXPECT)
			records_forget(records, write.space, write.key, 0);
	}
}

struct records_figures
records_figures(const struct records *records)
{
	return records->figures;
}
