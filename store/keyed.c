/* SPDX-License-Identifier: MIT
 * Keys of states and timers.
 */
#include "store/keyed.h"

void
keyed_prefix(struct buf *out, struct bytes function, struct bytes key)
{
	buf_append_bytes(out, function);
	buf_append_u8(out, 0);
	buf_append_bytes(out, key);
	buf_append_u8(out, 0);
}

bool
keyed_read(struct bytes row_key, struct keyed *keyed)
{
	const uint8_t *end = row_key.data + row_key.len, *first, *last;

	first = row_key.len > 0 ? memchr(row_key.data, 0, row_key.len) : NULL;
	last = row_key.len > 0 ? memrchr(row_key.data, 0, row_key.len) : NULL;
	if (first == NULL || first == last || first == row_key.data || last + 1 == end)
		return false;
	keyed->function = bytes_of(row_key.data, (size_t)(first - row_key.data));
	keyed->key = bytes_of(first + 1, (size_t)(last - first - 1));
	keyed->name = bytes_of(last + 1, (size_t)(end - last - 1));
	return true;
}

struct counting {
	size_t prefix_len;
	size_t count;
	size_t most;
};

/* What has a byte 0 behind the prefix is of another, longer ordering key. */
static bool
count_row(void *arg, const struct txn_row *row)
{
	struct counting *counting = arg;
	size_t len = row->key.len - counting->prefix_len;

	counting->count += memchr(row->key.data + counting->prefix_len, 0, len) == NULL;
	return counting->count <= counting->most;
}

int
keyed_check_bound(
    const struct keyed_bound *bound, struct bytes prefix, struct txn *txn, struct err *err)
{
	struct counting counting = { .prefix_len = prefix.len, .most = bound->most };
	struct buf end = { 0 };
	const struct txn_range range = {
		.space = bound->space, .from = prefix, .to = txn_prefix_end(prefix, &end)
	};
	int result = txn_scan(txn, &range, count_row, &counting, err);

	buf_clear(&end);
	if (result == 0 && counting.count > bound->most)
		return err_set(err, "more than %zu %s of one function and ordering key",
		    bound->most, bound->what);
	return result;
}
