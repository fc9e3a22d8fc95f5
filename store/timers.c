/* SPDX-License-Identifier: MIT
 * Timers' rows and their index of due times.
 */
#include "store/timers.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/frame.h"
#include "lib/json_text.h"
#include "lib/utf8.h"

void
timer_due_write(struct buf *out, int64_t due_ms)
{
	buf_printf(out, "%016llx", (unsigned long long)due_ms);
}

static void
due_key(struct buf *out, int64_t due_ms, struct bytes key)
{
	buf_reset(out);
	timer_due_write(out, due_ms);
	buf_append_bytes(out, key);
}

/* --- a row --- */

static void
put_text(struct buf *out, const char *name, struct bytes text)
{
	if (text.len == 0 || !utf8_is_valid(text))
		return;
	buf_printf(out, ",\"%s\":", name);
	json_text_quote(text, out);
}

static void
put_time(struct buf *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[40];

	if (gmtime_r(&seconds, &tm) == NULL)
		return;
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(out, ",\"due\":\"%s.%03dZ\"", text, (int)(ms % 1000));
}

static void
row_write(const struct timer_row *row, struct buf *out)
{
	buf_printf(out, "{\"due_ms\":%lld", (long long)row->due_ms);
	put_time(out, row->due_ms);
	if (row->payload.len > 0) {
		buf_append_string(out, ",\"payload\":");
		buf_append_bytes(out, row->payload);
	}
	put_text(out, "topic", row->subject);
	put_text(out, "client_id", row->client_id);
	buf_printf(out, ",\"run\":\"%016llx\",\"offset_ms\":%lld}",
	    (unsigned long long)row->clock.run_id, (long long)row->clock.offset_ms);
}

static struct bytes
member(struct bytes object, const char *name)
{
	return json_text_member(object, bytes_of_string(name));
}

static struct bytes
text_member(struct bytes object, const char *name)
{
	struct bytes raw = member(object, name);

	return raw.len > 0 && json_text_kind(raw) == JSON_TEXT_STRING ? raw : bytes_of(NULL, 0);
}

/* A raw number, or the hexadecimal digits of a raw string. */
static bool
read_number(struct bytes raw, int base, int64_t *out)
{
	char text[32];

	if (raw.len >= 2 && raw.data[0] == '"')
		raw = bytes_of(raw.data + 1, raw.len - 2);
	if (raw.len == 0 || raw.len >= sizeof(text))
		return false;
	memcpy(text, raw.data, raw.len);
	text[raw.len] = '\0';
	*out = base == 16 ? (int64_t)strtoull(text, NULL, 16) : strtoll(text, NULL, 10);
	return true;
}

bool
timer_row_read(struct bytes value, struct timer_row *row)
{
	int64_t run_id;
	size_t at;

	*row = (struct timer_row){ 0 };
	if (!json_text_is_valid(value, &at) || json_text_kind(value) != JSON_TEXT_OBJECT ||
	    !read_number(member(value, "due_ms"), 10, &row->due_ms) ||
	    !read_number(member(value, "run"), 16, &run_id) ||
	    !read_number(member(value, "offset_ms"), 10, &row->clock.offset_ms))
		return false;
	row->clock.run_id = (uint64_t)run_id;
	row->payload = member(value, "payload");
	row->subject = text_member(value, "topic");
	row->client_id = text_member(value, "client_id");
	return true;
}

/* --- what transactions do --- */

void
timer_ops_set(struct timer_ops *ops, struct bytes name, const struct timer_row *row)
{
	struct buf value = { 0 };

	row_write(row, &value);
	frame_u8(&ops->list, true);
	frame_i64(&ops->list, row->due_ms);
	frame_bytes(&ops->list, name);
	frame_bytes(&ops->list, buf_bytes(&value));
	ops->count++;
	buf_clear(&value);
}

void
timer_ops_cancel(struct timer_ops *ops, struct bytes name)
{
	frame_u8(&ops->list, false);
	frame_i64(&ops->list, 0);
	frame_bytes(&ops->list, name);
	frame_u32(&ops->list, 0);
	ops->count++;
}

void
timer_ops_clear(struct timer_ops *ops)
{
	buf_clear(&ops->prefix);
	buf_clear(&ops->list);
	ops->count = 0;
}

bool
timer_ops_next(const struct timer_ops *ops, size_t *at, struct timer_op *op)
{
	struct cursor cursor;

	if (*at >= ops->list.len)
		return false;
	cursor = cursor_of(bytes_of(ops->list.data + *at, ops->list.len - *at));
	op->is_set = cursor_u8(&cursor) != 0;
	op->due_ms = cursor_i64(&cursor);
	op->name = cursor_bytes(&cursor);
	op->value = cursor_bytes(&cursor);
	*at = (size_t)(cursor.at - ops->list.data);
	return !cursor.bad;
}

/* What a change of one timer needs, kept from one to the next. */
struct change {
	struct txn *txn;
	struct buf key;
	struct buf due;
	struct buf value;
};

/* Takes the old due time of a timer out of the index. 1: there was a timer, 0, -1. */
static int
unindex(struct change *change, struct err *err)
{
	struct bytes key = buf_bytes(&change->key);
	struct timer_row row;
	int found = txn_get(change->txn, SPACE_TIMER, key, &change->value, NULL, err);

	if (found <= 0 || !timer_row_read(buf_bytes(&change->value), &row))
		return found;
	due_key(&change->due, row.due_ms, key);
	return txn_delete(change->txn, SPACE_TIMER_DUE, buf_bytes(&change->due), err) < 0 ? -1 : 1;
}

static int
put(struct change *change, int64_t due_ms, struct bytes value, struct err *err)
{
	struct bytes key = buf_bytes(&change->key);

	due_key(&change->due, due_ms, key);
	if (txn_put(change->txn, SPACE_TIMER, key, value, err) < 0)
		return -1;
	return txn_put(change->txn, SPACE_TIMER_DUE, buf_bytes(&change->due), bytes_of("", 0), err);
}

/* 1: there is a timer more than before, 0, -1. */
static int
apply_one(struct change *change, const struct timer_op *op, struct err *err)
{
	int found = unindex(change, err);

	if (found < 0)
		return -1;
	if (op->is_set)
		return put(change, op->due_ms, op->value, err) < 0 ? -1 : found == 0;
	return found == 0 || txn_delete(change->txn, SPACE_TIMER, buf_bytes(&change->key), err) >= 0
		   ? 0
		   : -1;
}

static void
change_clear(struct change *change)
{
	buf_clear(&change->key);
	buf_clear(&change->due);
	buf_clear(&change->value);
}

int
timer_ops_apply(const struct timer_ops *ops, size_t most, struct txn *txn, struct err *err)
{
	const struct keyed_bound bound = { SPACE_TIMER, "timers (timers_max)", most };
	struct change change = { .txn = txn };
	struct timer_op op;
	int result = 0;
	bool more = false;
	size_t at = 0;

	while (result >= 0 && timer_ops_next(ops, &at, &op)) {
		buf_reset(&change.key);
		buf_append_bytes(&change.key, buf_bytes(&ops->prefix));
		buf_append_bytes(&change.key, op.name);
		result = apply_one(&change, &op, err);
		more = more || result > 0;
	}
	change_clear(&change);
	if (result >= 0 && more)
		result = keyed_check_bound(&bound, buf_bytes(&ops->prefix), txn, err);
	return result < 0 ? -1 : 0;
}

void
timers_remove(struct writes *writes, struct bytes key, uint64_t version, int64_t due_ms)
{
	struct buf due = { 0 };

	due_key(&due, due_ms, key);
	writes_expect(writes, SPACE_TIMER, key, version);
	writes_delete(writes, SPACE_TIMER, key);
	writes_delete(writes, SPACE_TIMER_DUE, buf_bytes(&due));
	buf_clear(&due);
}

/* --- what is due --- */

struct scan {
	struct timers_page *page;
	struct buf keys; /* frames: keys of timer_due */
	size_t count;
};

static int64_t
due_of(struct bytes key)
{
	int64_t due_ms = 0;

	if (key.len < TIMER_DUE_BYTES ||
	    !read_number(bytes_of(key.data, TIMER_DUE_BYTES), 16, &due_ms))
		return 0;
	return due_ms;
}

static bool
take_due(void *arg, const struct txn_row *row)
{
	struct scan *scan = arg;
	struct timers_page *page = scan->page;
	int64_t due_ms = due_of(row->key);

	if (due_ms > page->now_ms) {
		page->next_ms = due_ms;
		return false;
	}
	if (scan->count == page->limit) {
		page->is_full = true;
		page->next_ms = due_ms;
		return false;
	}
	frame_bytes(&scan->keys, row->key);
	scan->count++;
	return true;
}

/* The wall clock was put forward since the timer was set by this run: it is as much later. The
 * milliseconds; 0: nothing to speak of. */
static int64_t
shift_of(const struct timers_page *page, const struct timer_row *row)
{
	int64_t shift_ms = page->clock.offset_ms - row->clock.offset_ms;

	return row->clock.run_id == page->clock.run_id && shift_ms >= 1000 ? shift_ms : 0;
}

static int
move(struct change *change, const struct timers_page *page, struct timer_row *row, struct err *err)
{
	struct buf value = { 0 }, subject = { 0 }, client_id = { 0 };
	int result;

	row->due_ms += shift_of(page, row);
	row->clock = page->clock;
	if (row->subject.len > 0)
		json_text_unescape(row->subject, &subject);
	if (row->client_id.len > 0)
		json_text_unescape(row->client_id, &client_id);
	row->subject = buf_bytes(&subject);
	row->client_id = buf_bytes(&client_id);
	row_write(row, &value);
	result = put(change, row->due_ms, buf_bytes(&value), err);
	buf_clear(&value);
	buf_clear(&subject);
	buf_clear(&client_id);
	return result;
}

/* Looks at the timer of a due time: gone, moved, or one for the page. */
static int
look(struct change *change, struct timers_page *page, struct bytes due, struct err *err)
{
	struct timer_row row;
	uint64_t version;
	int found;

	buf_reset(&change->key);
	buf_append(&change->key, due.data + TIMER_DUE_BYTES, due.len - TIMER_DUE_BYTES);
	found = txn_get(
	    change->txn, SPACE_TIMER, buf_bytes(&change->key), &change->value, &version, err);
	if (found < 0)
		return -1;
	if (found == 0 || !timer_row_read(buf_bytes(&change->value), &row) ||
	    row.due_ms != due_of(due))
		return txn_delete(change->txn, SPACE_TIMER_DUE, due, err) < 0 ? -1 : 0;
	if (row.due_ms + shift_of(page, &row) > page->now_ms) {
		if (row.due_ms + shift_of(page, &row) < page->next_ms)
			page->next_ms = row.due_ms + shift_of(page, &row);
		return txn_delete(change->txn, SPACE_TIMER_DUE, due, err) < 0 ||
			       move(change, page, &row, err) < 0
			   ? -1
			   : 0;
	}
	frame_bytes(&page->rows, buf_bytes(&change->key));
	frame_u64(&page->rows, version);
	frame_i64(&page->rows, row.due_ms);
	frame_bytes(&page->rows, buf_bytes(&change->value));
	page->count++;
	return 0;
}

static int
look_at_all(struct scan *scan, struct txn *txn, struct err *err)
{
	struct cursor cursor = cursor_of(buf_bytes(&scan->keys));
	struct change change = { .txn = txn };
	int result = 0;

	for (size_t i = 0; result == 0 && i < scan->count; i++) {
		struct bytes due = cursor_bytes(&cursor);

		buf_reset(&scan->page->after);
		buf_append_bytes(&scan->page->after, due);
		if (due.len > TIMER_DUE_BYTES)
			result = look(&change, scan->page, due, err);
	}
	change_clear(&change);
	return result;
}

int
timers_read(struct timers_page *page, struct txn *txn, struct err *err)
{
	struct scan scan = { .page = page };
	struct buf from = { 0 };
	int result;

	buf_append_bytes(&from, buf_bytes(&page->after));
	buf_append_u8(&from, 0);
	page->next_ms = INT64_MAX;
	page->is_full = false;
	page->count = 0;
	buf_reset(&page->rows);
	result = txn_scan(txn,
	    &(struct txn_range){ .space = SPACE_TIMER_DUE,
		.from = page->after.len > 0 ? buf_bytes(&from) : bytes_of(NULL, 0) },
	    take_due, &scan, err);
	if (result == 0)
		result = look_at_all(&scan, txn, err);
	buf_clear(&from);
	buf_clear(&scan.keys);
	return result;
}
