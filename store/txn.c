/* SPDX-License-Identifier: MIT
 * Transactions: checks what callers hand in and passes it to the engine.
 */
#include "store/txn.h"

#include <assert.h>

#include "store/engine.h"

static int
key_check(enum space space, struct bytes key, struct err *err)
{
	assert((unsigned)space < SPACE_COUNT);
	if (key.len > TXN_KEY_BYTES_MAX)
		return err_set(err, "store %s: a key of %zu bytes is too long",
		    space_rows[space].name, key.len);
	return 0;
}

int
txn_get(struct txn *txn, enum space space, struct bytes key, struct buf *value, uint64_t *version,
    struct err *err)
{
	struct txn_row row;
	int found;

	assert(!txn->scanning);
	if (key_check(space, key, err) < 0)
		return -1;
	found = txn->engine->get(txn->db, space, key, &row, err);
	if (found != 1)
		return found;
	if (value != NULL) {
		buf_reset(value);
		buf_append_bytes(value, row.value);
	}
	if (version != NULL)
		*version = row.version;
	return 1;
}

/* What has bounds of its own, or hardly grows, must not stand in the way of what makes room. */
static bool
counts(const struct txn *txn, enum space space, bool put)
{
	if (!txn->counted || space == SPACE_META || space == SPACE_POSITION || space == SPACE_TABLE)
		return false;
	return !put || space != SPACE_CHANGE;
}

static int
count_removed(struct txn *txn, enum space space, struct bytes key, struct err *err)
{
	struct txn_row row;
	int found = txn->engine->get(txn->db, space, key, &row, err);

	if (found == 1)
		txn->grown -= (int64_t)(row.key.len + row.value.len);
	return found < 0 ? -1 : 0;
}

int
txn_put(struct txn *txn, enum space space, struct bytes key, struct bytes value, struct err *err)
{
	struct txn_row row = { .key = key, .value = value, .version = txn->version };

	assert(!txn->scanning);
	if (key_check(space, key, err) < 0)
		return -1;
	if (value.len > TXN_VALUE_BYTES_MAX)
		return err_set(err, "store %s: a value of %zu bytes is too large",
		    space_rows[space].name, value.len);
	txn->changed = true;
	if (counts(txn, space, true)) {
		if (count_removed(txn, space, key, err) < 0)
			return -1;
		txn->grown += (int64_t)(key.len + value.len);
	}
	return txn->engine->put(txn->db, space, &row, err);
}

int
txn_delete(struct txn *txn, enum space space, struct bytes key, struct err *err)
{
	assert(!txn->scanning);
	if (key_check(space, key, err) < 0)
		return -1;
	txn->changed = true;
	if (counts(txn, space, false) && count_removed(txn, space, key, err) < 0)
		return -1;
	return txn->engine->remove(txn->db, space, key, err);
}

int
txn_scan(
    struct txn *txn, const struct txn_range *range, txn_scan_fn *each, void *arg, struct err *err)
{
	int result;

	assert(!txn->scanning && (unsigned)range->space < SPACE_COUNT);
	txn->scanning = true;
	result = txn->engine->scan(txn->db, range, each, arg, err);
	txn->scanning = false;
	return result;
}

struct bytes
txn_prefix_end(struct bytes prefix, struct buf *out)
{
	buf_reset(out);
	buf_append_bytes(out, prefix);
	while (out->len > 0 && out->data[out->len - 1] == 0xff)
		out->len--;
	if (out->len > 0)
		out->data[out->len - 1]++;
	return buf_bytes(out);
}

int
txn_show_table(struct txn *txn, const struct table_def *def, struct err *err)
{
	if (txn->engine->show_table == NULL)
		return 0;
	txn->changed = true;
	return txn->engine->show_table(txn->db, def, err);
}

int
txn_hide_table(struct txn *txn, struct bytes name, struct err *err)
{
	if (txn->engine->hide_table == NULL)
		return 0;
	txn->changed = true;
	return txn->engine->hide_table(txn->db, name, err);
}

uint64_t
txn_version(const struct txn *txn)
{
	return txn->version;
}

static int
expect(struct txn *txn, const struct write *write, struct err *err)
{
	uint64_t version = 0;

	if (txn_get(txn, write->space, write->key, NULL, &version, err) < 0)
		return -1;
	if (version == write->version)
		return 0;
	txn->conflict = true;
	return err_set(err, "conflict: what was read in %s has been changed meanwhile",
	    space_rows[write->space].name);
}

static int
apply(struct txn *txn, const struct write *write, struct err *err)
{
	switch (write->kind) {
	case WRITE_PUT:
		return txn_put(txn, write->space, write->key, write->value, err);
	case WRITE_DELETE:
		return txn_delete(txn, write->space, write->key, err);
	case WRITE_EXPECT:
		return expect(txn, write, err);
	}
	return err_set(err, "store: a write of kind %d", (int)write->kind);
}

void
txn_conflict(struct txn *txn)
{
	txn->conflict = true;
}

int
store_apply_writes(struct txn *txn, const struct writes *writes, struct err *err)
{
	struct write write;
	size_t at = 0;

	while (writes_next(writes, &at, &write)) {
		if (apply(txn, &write, err) < 0)
			return -1;
	}
	return 0;
}
