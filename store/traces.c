/* SPDX-License-Identifier: MIT
 * Traces as rows, and the bounds of them.
 */
#include "store/traces.h"

#include <stdio.h>
#include <string.h>

#include "lib/frame.h"

enum {
	KEY_BYTES = 64,
	EVICT_MAX = 8,	     /* at a time */
	EVICTIONS_MAX = 128, /* of one batch, beside as many as it brings */
	OF_ONE_MAX = 1000,
	ID_TEXT = TRACE_ID_BYTES * 2 + 1
};

struct key {
	char text[KEY_BYTES];
};

struct totals {
	uint64_t count;
	uint64_t bytes;
};

static void
hex(char out[ID_TEXT], const uint8_t bytes[16])
{
	for (int i = 0; i < 16; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static struct key
trace_key(uint64_t number)
{
	struct key key;

	(void)snprintf(key.text, sizeof(key.text), "t%020llu", (unsigned long long)number);
	return key;
}

static struct key
id_key(const uint8_t id[TRACE_ID_BYTES], uint64_t number)
{
	char text[ID_TEXT];
	struct key key;

	hex(text, id);
	(void)snprintf(key.text, sizeof(key.text), "i%s-%020llu", text, (unsigned long long)number);
	return key;
}

static struct key
shared_key(char kind, const uint8_t digest[TRACE_DIGEST_BYTES])
{
	char text[ID_TEXT];
	struct key key;

	hex(text, digest);
	(void)snprintf(key.text, sizeof(key.text), "%c%s", kind, text);
	return key;
}

static int
get_number(struct txn *txn, const struct key *key, uint64_t *number, struct err *err)
{
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_TRACE, bytes_of_string(key->text), &value, NULL, err);

	*number = 0;
	if (found == 1 && value.len == sizeof(*number))
		memcpy(number, value.data, sizeof(*number));
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static int
put(struct txn *txn, const struct key *key, struct bytes value, struct err *err)
{
	return txn_put(txn, SPACE_TRACE, bytes_of_string(key->text), value, err);
}

static int
drop(struct txn *txn, const struct key *key, struct err *err)
{
	return txn_delete(txn, SPACE_TRACE, bytes_of_string(key->text), err) < 0 ? -1 : 0;
}

static int
share(struct txn *txn, const struct trace_shared *shared, struct totals *totals, struct err *err)
{
	struct key refs_key = shared_key('r', shared->digest),
		   key = shared_key('s', shared->digest);
	uint64_t refs;

	if (get_number(txn, &refs_key, &refs, err) < 0)
		return -1;
	if (refs == 0) {
		totals->bytes += shared->bytes.len;
		if (put(txn, &key, shared->bytes, err) < 0)
			return -1;
	}
	refs++;
	return put(txn, &refs_key, bytes_of(&refs, sizeof(refs)), err);
}

static int
unshare(struct txn *txn, const struct trace_shared *shared, struct totals *totals, struct err *err)
{
	struct key refs_key = shared_key('r', shared->digest),
		   key = shared_key('s', shared->digest);
	struct buf value = { 0 };
	uint64_t refs;
	int result = get_number(txn, &refs_key, &refs, err);

	if (result == 0 && refs > 1) {
		refs--;
		return put(txn, &refs_key, bytes_of(&refs, sizeof(refs)), err);
	}
	if (result == 0)
		result = traces_shared(txn, shared->digest, &value, err) < 0 ? -1 : 0;
	if (result == 0) {
		totals->bytes -= value.len < totals->bytes ? value.len : totals->bytes;
		result = drop(txn, &key, err);
	}
	buf_clear(&value);
	return result < 0 ? -1 : drop(txn, &refs_key, err);
}

static bool
row_read(struct bytes key, struct bytes value, struct trace_row *row)
{
	struct cursor cursor = cursor_of(value);
	unsigned long long number;
	char text[KEY_BYTES];

	if (key.len >= sizeof(text))
		return false;
	memcpy(text, key.data, key.len);
	text[key.len] = '\0';
	*row = (struct trace_row){ 0 };
	if (sscanf(text, "t%llu", &number) != 1)
		return false;
	row->number = number;
	cursor_copy(&cursor, row->id, sizeof(row->id));
	row->time_ms = cursor_i64(&cursor);
	for (int i = 0; i < TRACE_SHARED; i++)
		cursor_copy(&cursor, row->shared[i].digest, TRACE_DIGEST_BYTES);
	row->trace = bytes_of(cursor.at, (size_t)(cursor.end - cursor.at));
	return !cursor.bad;
}

static int
put_row(struct txn *txn, const struct trace_row *row, uint64_t number, struct totals *totals,
    struct err *err)
{
	struct key key = trace_key(number), by_id = id_key(row->id, number);
	struct buf value = { 0 };
	int result = 0;

	buf_append(&value, row->id, sizeof(row->id));
	frame_i64(&value, row->time_ms);
	for (int i = 0; i < TRACE_SHARED; i++)
		buf_append(&value, row->shared[i].digest, TRACE_DIGEST_BYTES);
	buf_append_bytes(&value, row->trace);
	for (int i = 0; result == 0 && i < TRACE_SHARED; i++)
		result = share(txn, &row->shared[i], totals, err);
	if (result == 0)
		result = put(txn, &key, buf_bytes(&value), err);
	if (result == 0)
		result = put(txn, &by_id, bytes_of(NULL, 0), err);
	totals->count++;
	totals->bytes += value.len;
	buf_clear(&value);
	return result;
}

/* The heads of the oldest, and the lengths of their rows. */
struct oldest {
	struct trace_row rows[EVICT_MAX];
	size_t bytes[EVICT_MAX];
	size_t count;
};

static bool
note_oldest(void *arg, const struct txn_row *row)
{
	struct oldest *oldest = arg;

	if (row_read(row->key, row->value, &oldest->rows[oldest->count])) {
		oldest->bytes[oldest->count] = row->value.len;
		oldest->rows[oldest->count++].trace = bytes_of(NULL, 0);
	}
	return true;
}

static int
let_go(struct txn *txn, const struct trace_row *row, size_t bytes, struct totals *totals,
    struct err *err)
{
	struct key key = trace_key(row->number), by_id = id_key(row->id, row->number);

	for (int i = 0; i < TRACE_SHARED; i++) {
		if (unshare(txn, &row->shared[i], totals, err) < 0)
			return -1;
	}
	totals->count -= totals->count > 0;
	totals->bytes -= bytes < totals->bytes ? bytes : totals->bytes;
	return drop(txn, &key, err) < 0 || drop(txn, &by_id, err) < 0 ? -1 : 0;
}

static int
evict(struct txn *txn, const struct traces_bounds *bounds, struct totals *totals, struct err *err)
{
	const struct txn_range range = {
		.space = SPACE_TRACE,
		.from = bytes_of_string("t"),
		.to = bytes_of_string("u"),
		.limit = totals->count > bounds->count_max || totals->bytes > bounds->bytes_max
			     ? EVICT_MAX
			     : 1,
	};
	struct oldest oldest = { .count = 0 };
	int result = txn_scan(txn, &range, note_oldest, &oldest, err);

	for (size_t i = 0; result == 0 && i < oldest.count; i++) {
		if (totals->count <= bounds->count_max && totals->bytes <= bounds->bytes_max &&
		    oldest.rows[i].time_ms >= bounds->oldest_ms)
			break;
		result = let_go(txn, &oldest.rows[i], oldest.bytes[i], totals, err);
	}
	return result;
}

int
traces_put(struct txn *txn, const struct traces_batch *batch, struct err *err)
{
	static const struct key totals_key = { "z" };
	struct totals totals = { 0 };
	struct buf value = { 0 };
	int result =
	    txn_get(txn, SPACE_TRACE, bytes_of_string("z"), &value, NULL, err) < 0 ? -1 : 0;

	if (result == 0 && value.len == sizeof(totals))
		memcpy(&totals, value.data, sizeof(totals));
	buf_clear(&value);
	/* One job's numbers: its version and, in the low bits, the place in the batch. */
	for (size_t i = 0; result == 0 && i < batch->count; i++)
		result =
		    put_row(txn, &batch->rows[i], txn_version(txn) * 1024 + i % 1024, &totals, err);
	for (size_t i = 0; result == 0 && i < batch->count + EVICTIONS_MAX; i++) {
		uint64_t before = totals.count;

		result = evict(txn, &batch->bounds, &totals, err);
		if (totals.count == before)
			break;
	}
	return result < 0 ? -1 : put(txn, &totals_key, bytes_of(&totals, sizeof(totals)), err);
}

struct listing {
	traces_each_fn *each;
	void *arg;
};

static bool
give(void *arg, const struct txn_row *row)
{
	const struct listing *listing = arg;
	struct trace_row trace;

	return !row_read(row->key, row->value, &trace) || listing->each(listing->arg, &trace);
}

int
traces_list(struct txn *txn, const struct traces_page *page, traces_each_fn *each, void *arg,
    struct err *err)
{
	struct key before = trace_key(page->before);
	struct listing listing = { each, arg };
	const struct txn_range range = { .space = SPACE_TRACE,
		.from = bytes_of_string("t"),
		.to = bytes_of_string(page->before > 0 ? before.text : "u"),
		.reverse = true,
		.limit = page->limit };

	return txn_scan(txn, &range, give, &listing, err);
}

struct numbers {
	unsigned long long list[OF_ONE_MAX];
	size_t count;
};

static bool
note_number(void *arg, const struct txn_row *row)
{
	struct numbers *numbers = arg;
	char text[KEY_BYTES];

	if (row->key.len >= sizeof(text))
		return true;
	memcpy(text, row->key.data, row->key.len);
	text[row->key.len] = '\0';
	numbers->count += sscanf(text, "i%*32[0-9a-f]-%llu", &numbers->list[numbers->count]) == 1;
	return numbers->count < OF_ONE_MAX;
}

int
traces_of(struct txn *txn, const uint8_t id[TRACE_ID_BYTES], traces_each_fn *each, void *arg,
    struct err *err)
{
	struct key from = id_key(id, 0), to = id_key(id, UINT64_MAX);
	const struct txn_range range = { .space = SPACE_TRACE,
		.from = bytes_of_string(from.text),
		.to = bytes_of_string(to.text) };
	struct numbers numbers = { .count = 0 };
	struct listing listing = { each, arg };
	int result = txn_scan(txn, &range, note_number, &numbers, err);

	for (size_t i = 0; result == 0 && i < numbers.count; i++) {
		struct key key = trace_key(numbers.list[i]);
		struct txn_row row = { .key = bytes_of_string(key.text) };
		struct buf value = { 0 };
		int found = txn_get(txn, SPACE_TRACE, row.key, &value, NULL, err);

		row.value = buf_bytes(&value);
		if (found == 1 && !give(&listing, &row))
			numbers.count = i;
		buf_clear(&value);
		result = found < 0 ? -1 : 0;
	}
	return result;
}

int
traces_shared(
    struct txn *txn, const uint8_t digest[TRACE_DIGEST_BYTES], struct buf *out, struct err *err)
{
	struct key key = shared_key('s', digest);

	return txn_get(txn, SPACE_TRACE, bytes_of_string(key.text), out, NULL, err);
}
