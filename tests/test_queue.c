/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include "store/queue.h"

static struct queue_row
sample(const char *function, uint64_t sequence)
{
	return (struct queue_row){
		.sequence = sequence,
		.function_name = text(function),
		.event = bytes_of("ev\0\xff", 4),
		.due_ms = 100,
		.created_ms = 5,
		.attempt = 2,
	};
}

struct seen {
	int count;
	uint64_t sequences[8];
	int unreadable;
};

static bool
see(void *arg, const struct queue_row *row)
{
	struct seen *seen = arg;

	seen->sequences[seen->count++] = row->sequence;
	if (row->event.len == 0) {
		seen->unreadable++;
		return true;
	}
	assert_true(bytes_equal_string(row->function_name, "overspeed"));
	assert_true(bytes_equal(row->event, bytes_of("ev\0\xff", 4)));
	assert_int_equal(row->attempt, 2);
	assert_int_equal(row->created_ms, 5);
	assert_int_equal(row->due_ms, 100);
	return true;
}

static int
fill(struct txn *txn, void *arg, struct err *err)
{
	static const uint64_t sequences[] = { 0x3000, 1, 0xfffffffffffffff0 };
	const struct queue_row gone = sample("overspeed", 7), other = sample("overspeed2", 2),
			       before = sample("over", 3);
	struct writes writes = { 0 };

	(void)arg;
	for (uint8_t i = 0; i < 3; i++) {
		struct queue_row row = sample("overspeed", sequences[i]);

		assert_int_equal(queue_store(txn, &row, err), 0);
	}
	queue_put(&writes, &gone);
	queue_remove(&writes, &gone);
	queue_put(&writes, &other);
	queue_put(&writes, &before);
	writes_put(&writes, SPACE_QUEUE,
	    bytes_of("overspeed\0"
		     "0000000000005000",
		26),
	    text("no JSON"));
	assert_int_equal(store_apply_writes(txn, &writes, err), 0);
	writes_clear(&writes);
	return 0;
}

static int
page_through(struct txn *txn, void *arg, struct err *err)
{
	struct seen seen = { 0 };
	struct queue_page page = { .function_name = text("overspeed"), .limit = 2 };

	(void)arg;
	assert_int_equal(queue_scan(txn, &page, see, &seen, err), 0);
	assert_int_equal(seen.count, 2);
	page.from = seen.sequences[1] + 1;
	page.limit = 0;
	assert_int_equal(queue_scan(txn, &page, see, &seen, err), 0);
	assert_int_equal(seen.count, 4);
	assert_int_equal(seen.unreadable, 1);
	assert_true(seen.sequences[0] == 1 && seen.sequences[1] == 0x3000);
	assert_true(seen.sequences[2] == 0x5000 && seen.sequences[3] == 0xfffffffffffffff0);
	return 0;
}

static void
rows_of_a_function_come_in_their_order_page_by_page(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, fill, NULL), 0);
	place_reopen(place);
	assert_int_equal(place_call(place, page_through, NULL), 0);
}

static int
name_them(struct txn *txn, void *arg, struct err *err)
{
	struct buf name = { 0 };

	(void)arg;
	assert_int_equal(queue_next_function(txn, text(""), &name, err), 1);
	assert_string_equal(buf_string(&name), "over");
	assert_int_equal(queue_next_function(txn, text("over"), &name, err), 1);
	assert_string_equal(buf_string(&name), "overspeed");
	assert_int_equal(queue_next_function(txn, text("overspeed"), &name, err), 1);
	assert_string_equal(buf_string(&name), "overspeed2");
	assert_int_equal(queue_next_function(txn, text("overspeed2"), &name, err), 0);
	buf_clear(&name);
	return 0;
}

static void
functions_with_rows_are_named(void **state)
{
	assert_int_equal(place_call(*state, fill, NULL), 0);
	assert_int_equal(place_call(*state, name_them, NULL), 0);
}

static int
take_twice(struct txn *txn, void *arg, struct err *err)
{
	struct queue_row row = sample("overspeed", 1);

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
		.row = sample(function_name, 0),
		.failed_ms = 200,
		.error = text("it \"broke\""),
		.traceback = bytes_of("a\0\xff", 3),
		.function_version = text("v1"),
		.trace = text("abc"),
	};

	memset(failed.id, id, sizeof(failed.id));
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
#define LISTED(id, name)                                             \
	"{\"id\":\"" id "\",\"kind\":\"event\",\"function\":\"" name \
	"\",\"attempt\":2,\"due\":100,\"created\":5,"                \
	"\"failed\":200,\"error\":\"it "                             \
	"\\\"broke\\\"\",\"traceback\":\"a??\",\"version\":\"v1\",\"trace\":\"abc\"}"

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
	assert_int_equal(
	    failed_replay(txn, &(struct failed_again){ text(ID2), 9, 700 }, &value, err), 0);
	assert_int_equal(
	    failed_replay(txn, &(struct failed_again){ text(ID1), 9, 700 }, &value, err), 1);
	expect_list(txn, &(struct failed_query){ .limit = 9 }, "[]");
	buf_clear(&value);
	return 0;
}

static bool
see_replayed(void *arg, const struct queue_row *row)
{
	assert_int_equal(row->sequence, 9);
	assert_int_equal(row->attempt, 1);
	assert_int_equal(row->created_ms, 700);
	++*(int *)arg;
	return true;
}

static int
expect_replayed(struct txn *txn, void *arg, struct err *err)
{
	return queue_scan(txn, &(struct queue_page){ .function_name = text("overspeed") },
	    see_replayed, arg, err);
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

static int
bury_many(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	for (uint64_t i = 0; i < 20; i++) {
		struct failed_row failed = dead(0, "f");

		failed_id((int64_t)(1000 + i), i, ~i, failed.id);
		assert_int_equal(failed_store(txn, &failed, err), 0);
	}
	return 0;
}

static bool
note_moment(void *arg, struct bytes id)
{
	int64_t *first = arg;

	if (*first == 0)
		*first = failed_id_ms(id);
	return true;
}

static int
prune(struct txn *txn, void *arg, struct err *err)
{
	size_t dropped;
	int64_t first = 0;
	const struct failed_query all = { .limit = 0 };

	(void)arg;
	assert_int_equal(failed_prune(txn, &(struct failed_bounds){ 20, 1000 }, &dropped, err), 0);
	assert_int_equal(dropped, 0);
	assert_int_equal(failed_prune(txn, &(struct failed_bounds){ 15, 1002 }, &dropped, err), 0);
	assert_int_equal(dropped, 5);
	assert_int_equal(failed_prune(txn, &(struct failed_bounds){ 15, 1008 }, &dropped, err), 0);
	assert_int_equal(dropped, 3);
	assert_int_equal(failed_ids(txn, &all, note_moment, &first, err), 0);
	assert_int_equal(first, 1008);
	return 0;
}

static void
oldest_dead_letters_leave_by_count_and_age(void **state)
{
	assert_int_equal(place_call(*state, bury_many, NULL), 0);
	assert_int_equal(place_call(*state, prune, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(rows_of_a_function_come_in_their_order_page_by_page),
		ON_BOTH(functions_with_rows_are_named),
		ON_BOTH(row_is_taken_once),
		ON_BOTH(dead_letters_are_listed_discarded_and_replayed),
		ON_BOTH(oldest_dead_letters_leave_by_count_and_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
