/* SPDX-License-Identifier: MIT
 * Walking the spaces by names: one seek for each name and space.
 */
#include "store/leftovers.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/queue.h"
#include "store/timers.h"

const struct leftover_kind_row leftover_kinds[LEFTOVER_KINDS] = {
	[LEFTOVER_QUEUE] = { "events", SPACE_QUEUE, true },
	[LEFTOVER_PARKED] = { "parked", SPACE_PARKED, true },
	[LEFTOVER_TIMER] = { "timers", SPACE_TIMER, true },
	[LEFTOVER_STATE] = { "states", SPACE_STATE, false },
	[LEFTOVER_POSITION] = { "positions", SPACE_POSITION, false },
	[LEFTOVER_TICK] = { "ticks", SPACE_TICK, false },
	[LEFTOVER_FILE] = { "files", SPACE_FILE, false },
};

static bool
note_name(void *arg, const struct txn_row *row)
{
	const uint8_t *zero = row->key.len > 0 ? memchr(row->key.data, 0, row->key.len) : NULL;
	struct buf *name = arg;

	if (zero != NULL)
		buf_append_bytes(name, bytes_of(row->key.data, (size_t)(zero - row->key.data)));
	return false;
}

/* The first in one space. */
static int
next_in(struct txn *txn, enum space space, struct bytes after, struct buf *name, struct err *err)
{
	struct txn_range range = { .space = space, .limit = 1 };
	struct buf from = { 0 };
	int result;

	buf_reset(name);
	buf_append_bytes(&from, after);
	if (after.len > 0)
		buf_append_u8(&from, 1);
	range.from = buf_bytes(&from);
	result = txn_scan(txn, &range, note_name, name, err);
	buf_clear(&from);
	return result;
}

int
leftovers_next(struct txn *txn, struct bytes after, struct buf *name, struct err *err)
{
	struct buf found = { 0 };
	int result = 0;

	buf_reset(name);
	for (int kind = 0; result == 0 && kind < LEFTOVER_KINDS; kind++) {
		result = next_in(txn, leftover_kinds[kind].space, after, &found, err);
		if (result < 0 || found.len == 0 ||
		    (name->len > 0 && bytes_compare(buf_bytes(&found), buf_bytes(name)) >= 0))
			continue;
		buf_reset(name);
		buf_append_bytes(name, buf_bytes(&found));
	}
	buf_clear(&found);
	return result < 0 ? -1 : name->len > 0;
}

/* All rows of the name in a space; `from` and `to` hold the range's ends. */
static struct txn_range
range_of(enum space space, struct bytes name, struct buf *from, struct buf *to)
{
	buf_reset(from);
	buf_append_bytes(from, name);
	buf_append_u8(from, 0);
	buf_reset(to);
	buf_append_bytes(to, name);
	buf_append_u8(to, 1);
	return (struct txn_range){ .space = space, .from = buf_bytes(from), .to = buf_bytes(to) };
}

static bool
count_row(void *arg, const struct txn_row *row)
{
	(void)row;
	return ++*(uint64_t *)arg < LEFTOVER_COUNT_MAX;
}

int
leftovers_count(struct txn *txn, struct bytes name, struct leftover_sum *sum, struct err *err)
{
	struct buf from = { 0 }, to = { 0 };
	int result = 0;

	*sum = (struct leftover_sum){ .counts = { 0 } };
	for (int kind = 0; result == 0 && kind < LEFTOVER_KINDS; kind++) {
		const struct txn_range range =
		    range_of(leftover_kinds[kind].space, name, &from, &to);

		result = txn_scan(txn, &range, count_row, &sum->counts[kind], err);
	}
	buf_clear(&from);
	buf_clear(&to);
	return result;
}

/* --- forgetting --- */

static void
forget_with(struct writes *writes, enum space space, const struct txn_row *row)
{
	struct timer_row timer;
	struct buf due = { 0 };

	writes_delete(writes, space, row->key);
	if (space == SPACE_PARKED && row->value.len > 0)
		writes_delete(writes, SPACE_FAILED, row->value);
	if (space != SPACE_TIMER || !timer_row_read(row->value, &timer))
		return;
	timer_due_write(&due, timer.due_ms);
	buf_append_bytes(&due, row->key);
	writes_delete(writes, SPACE_TIMER_DUE, buf_bytes(&due));
	buf_clear(&due);
}

struct forgetting {
	struct writes writes;
	enum space space;
	size_t rows;
};

static bool
note_row(void *arg, const struct txn_row *row)
{
	struct forgetting *forgetting = arg;

	forget_with(&forgetting->writes, forgetting->space, row);
	forgetting->rows++;
	return true;
}

int
leftovers_forget(struct txn *txn, struct bytes name, size_t limit, bool *left, struct err *err)
{
	struct forgetting forgetting = { .rows = 0 };
	struct buf from = { 0 }, to = { 0 };
	int result = 0;

	for (int kind = 0; result == 0 && kind < LEFTOVER_KINDS && forgetting.rows < limit;
	     kind++) {
		struct txn_range range = range_of(leftover_kinds[kind].space, name, &from, &to);

		range.limit = limit - forgetting.rows;
		forgetting.space = leftover_kinds[kind].space;
		result = txn_scan(txn, &range, note_row, &forgetting, err);
	}
	*left = forgetting.rows == limit;
	if (result == 0)
		result = store_apply_writes(txn, &forgetting.writes, err);
	if (result == 0 && !*left)
		result = leftovers_gone_write(txn, name, -1, err);
	writes_clear(&forgetting.writes);
	buf_clear(&from);
	buf_clear(&to);
	return result;
}

/* --- since when --- */

static void
gone_key(struct bytes name, struct buf *key)
{
	buf_append_string(key, "gone/");
	buf_append_bytes(key, name);
}

int
leftovers_gone_read(struct txn *txn, struct bytes name, int64_t *gone_ms, struct err *err)
{
	struct buf key = { 0 }, value = { 0 };
	int found;

	gone_key(name, &key);
	found = txn_get(txn, SPACE_META, buf_bytes(&key), &value, NULL, err);
	*gone_ms = found == 1 ? strtoll(buf_string(&value), NULL, 10) : 0;
	buf_clear(&key);
	buf_clear(&value);
	return found;
}

int
leftovers_gone_write(struct txn *txn, struct bytes name, int64_t gone_ms, struct err *err)
{
	struct buf key = { 0 };
	char text[24];
	int result;

	gone_key(name, &key);
	(void)snprintf(text, sizeof(text), "%lld", (long long)gone_ms);
	if (gone_ms < 0)
		result = txn_delete(txn, SPACE_META, buf_bytes(&key), err);
	else
		result = txn_put(txn, SPACE_META, buf_bytes(&key), bytes_of_string(text), err);
	buf_clear(&key);
	return result < 0 ? -1 : 0;
}
