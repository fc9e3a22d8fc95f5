/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include "store/queue.h"

static struct queue_row
sample(uint8_t id, int64_t due_ms)
{
	struct queue_row row = {
		.function_name = text("overspeed"),
		.event = bytes_of("ev\0\xff", 4),
		.due_ms = due_ms,
		.created_ms = 5,
		.attempt = 2,
	};

	memset(row.id, id, sizeof(row.id));
	return row;
}

struct seen {
	int count;
	int64_t due_ms[8];
	struct buf last_key;
	int unreadable;
};

static bool
see(void *arg, struct bytes key, const struct queue_row *row)
{
	struct seen *seen = arg;

	buf_reset(&seen->last_key);
	buf_append_bytes(&seen->last_key, key);
	if (row == NULL) {
		seen->unreadable++;
		return true;
	}
	assert_true(bytes_equal_string(row->function_name, "overspeed"));
	assert_true(bytes_equal(row->event, bytes_of("ev\0\xff", 4)));
	assert_int_equal(row->attempt, 2);
	assert_int_equal(row->created_ms, 5);
	seen->due_ms[seen->count++] = row->due_ms;
	return true;
}

static int
fill(struct txn *txn, void *arg, struct err *err)
{
	static const int64_t dues[] = { 3000, 100, 20000000000, 2000 };
	struct writes writes = { 0 };

	(void)arg;
	for (uint8_t i = 0; i < 3; i++) {
		struct queue_row row = sample(i, dues[i]);

		assert_int_equal(queue_store(txn, &row, err), 0);
	}
	queue_put(&writes, &(struct queue_row){ 0 });
	queue_remove(&writes, &(struct queue_row){ 0 });
	writes_put(&writes, SPACE_QUEUE, text("9"), text("no JSON"));
	assert_int_equal(store_apply_writes(txn, &writes, err), 0);
	writes_clear(&writes);
	return 0;
}

static int
page_through(struct txn *txn, void *arg, struct err *err)
{
	struct seen seen = { 0 };
	struct buf after = { 0 };

	(void)arg;
	assert_int_equal(queue_scan(txn, text(""), 2, see, &seen, err), 0);
	assert_int_equal(seen.count, 2);
	buf_append_bytes(&after, buf_bytes(&seen.last_key));
	assert_int_equal(queue_scan(txn, buf_bytes(&after), 9, see, &seen, err), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.unreadable, 1);
	assert_true(seen.due_ms[0] == 100 && seen.due_ms[1] == 3000);
	assert_true(seen.due_ms[2] == 20000000000);
	buf_clear(&after);
	buf_clear(&seen.last_key);
	return 0;
}

static void
rows_come_by_due_time_page_by_page(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, fill, NULL), 0);
	place_reopen(place);
	assert_int_equal(place_call(place, page_through, NULL), 0);
}

static int
take_twice(struct txn *txn, void *arg, struct err *err)
{
	struct queue_row row = sample(1, 100);

	(void)arg;
	assert_int_equal(queue_store(txn, &row, err), 0);
	assert_int_equal(queue_take(txn, &row, err), 1);
	assert_int_equal(queue_take(txn, &row, err), 0);
	return 0;
}

static void
row_is_taken_once(void **state)
{
	assert_int_equal(place_call(*state, take_twice, NULL), 0);
}

static struct failed_row
dead(uint8_t id, const char *function_name)
{
	struct failed_row failed = {
		.row = sample(id, 100),
		.failed_ms = 200,
		.error = text("it \"broke\""),
		.traceback = bytes_of("a\0\xff", 3),
		.function_version = text("v1"),
	};

	failed.row.function_name = text(function_name);
	return failed;
}

static int
bury(struct txn *txn, void *arg, struct err *err)
{
	struct failed_row first = dead(0x11, "overspeed"), second = dead(0x22, "tyre");

	(void)arg;
	assert_int_equal(failed_store(txn, &first, err), 0);
	return failed_store(txn, &second, err);
}

static void
expect_list(struct txn *txn, const struct failed_query *query, const char *expected)
{
	struct buf json = { 0 };
	struct err err;

	assert_int_equal(failed_list(txn, query, &json, &err), 0);
	assert_string_equal(buf_string(&json), expected);
	buf_clear(&json);
}

#define ID1 "11111111111111111111111111111111"
#define ID2 "22222222222222222222222222222222"
#define LISTED(id, name)                                                                        \
	"{\"id\":\"" id "\",\"function\":\"" name "\",\"attempt\":2,\"due\":100,\"created\":5," \
	"\"failed\":200,\"error\":\"it \\\"broke\\\"\",\"traceback\":\"a??\",\"version\":\"v1\"}"

static int
list_and_replay(struct txn *txn, void *arg, struct err *err)
{
	struct buf value = { 0 };

	(void)arg;
	expect_list(txn, &(struct failed_query){ .limit = 9 },
	    "[" LISTED(ID1, "overspeed") "," LISTED(ID2, "tyre") "]");
	expect_list(txn, &(struct failed_query){ .limit = 1 }, "[" LISTED(ID1, "overspeed") "]");
	expect_list(txn, &(struct failed_query){ .limit = 1, .after = text(ID1) },
	    "[" LISTED(ID2, "tyre") "]");
	expect_list(txn, &(struct failed_query){ .limit = 9, .function_name = text("tyre") },
	    "[" LISTED(ID2, "tyre") "]");
	assert_int_equal(failed_get(txn, text(ID1), &value, err), 1);
	assert_non_null(strstr(buf_string(&value), "\"event\":\"ZXYA/w==\""));
	assert_int_equal(failed_discard(txn, text(ID2), err), 1);
	assert_int_equal(failed_discard(txn, text(ID2), err), 0);
	assert_int_equal(failed_replay(txn, text(ID2), 700, err), 0);
	assert_int_equal(failed_replay(txn, text(ID1), 700, err), 1);
	expect_list(txn, &(struct failed_query){ .limit = 9 }, "[]");
	buf_clear(&value);
	return 0;
}

static bool
see_replayed(void *arg, struct bytes key, const struct queue_row *row)
{
	assert_true(bytes_equal_string(key, "0000000000700-" ID1));
	assert_int_equal(row->attempt, 1);
	assert_int_equal(row->created_ms, 700);
	++*(int *)arg;
	return true;
}

static int
expect_replayed(struct txn *txn, void *arg, struct err *err)
{
	return queue_scan(txn, text(""), 0, see_replayed, arg, err);
}

static void
dead_letters_are_listed_discarded_and_replayed(void **state)
{
	struct place *place = *state;
	int count = 0;

	assert_int_equal(place_call(place, bury, NULL), 0);
	assert_int_equal(place_call(place, list_and_replay, NULL), 0);
	assert_int_equal(place_call(place, expect_replayed, &count), 0);
	assert_int_equal(count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(rows_come_by_due_time_page_by_page),
		ON_BOTH(row_is_taken_once),
		ON_BOTH(dead_letters_are_listed_discarded_and_replayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
