/* SPDX-License-Identifier: MIT
 * The rows of webhooks: keys and pages.
 */
#include "store/webhook.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/queue_row.h"

enum { DUE_DIGITS = 13, KEY_DIGITS = DUE_DIGITS + 1 + 16 };

static void
write_key(int64_t due_ms, uint64_t sequence, char key[KEY_DIGITS + 1])
{
	assert(due_ms >= 0 && due_ms < 10000000000000);
	(void)snprintf(key, KEY_DIGITS + 1, "%013lld-%016llx", (long long)due_ms,
	    (unsigned long long)sequence);
}

void
webhook_put(struct writes *writes, const struct queue_row *row)
{
	char key[KEY_DIGITS + 1];
	struct buf value = { 0 };

	write_key(row->due_ms, row->sequence, key);
	queue_row_write(row, &value);
	writes_put(writes, SPACE_WEBHOOK, bytes_of_string(key), buf_bytes(&value));
	buf_clear(&value);
}

void
webhook_remove(struct writes *writes, const struct queue_row *row)
{
	char key[KEY_DIGITS + 1];

	write_key(row->due_ms, row->sequence, key);
	writes_delete(writes, SPACE_WEBHOOK, bytes_of_string(key));
}

struct webhook_walk {
	queue_each_fn *each;
	void *arg;
};

static bool
give_row(void *arg, const struct txn_row *row)
{
	struct webhook_walk *walk = arg;
	struct queue_read read;
	char digits[KEY_DIGITS + 1] = "";
	bool go_on;

	if (queue_row_read(&read, row->value) < 0)
		read = (struct queue_read){ 0 };
	if (row->key.len == KEY_DIGITS)
		memcpy(digits, row->key.data, KEY_DIGITS);
	read.row.due_ms = strtoll(digits, NULL, 10);
	read.row.sequence = strtoull(digits + DUE_DIGITS + 1, NULL, 16);
	go_on = walk->each(walk->arg, &read.row);
	queue_read_clear(&read);
	return go_on;
}

int
webhook_scan(struct txn *txn, const struct webhook_page *page, queue_each_fn *each, void *arg,
    struct err *err)
{
	struct webhook_walk walk = { each, arg };
	char from[KEY_DIGITS + 1], to[KEY_DIGITS + 1];
	struct txn_range range = { .space = SPACE_WEBHOOK, .limit = page->limit };

	write_key(page->after.due_ms, page->after.sequence + 1, from);
	write_key(page->until_ms + 1, 0, to);
	range.from = bytes_of_string(from);
	range.to = bytes_of_string(to);
	return txn_scan(txn, &range, give_row, &walk, err);
}
