/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include "store/traces.h"

enum { WIDE = 1000000 };

struct put {
	uint8_t id;
	uint8_t source; /* stands for its digest */
	int64_t time_ms;
	size_t bytes;
	struct traces_bounds bounds;
};

static int
keep(struct txn *txn, void *arg, struct err *err)
{
	const struct put *put = arg;
	static const uint8_t zeros[4096];
	char source[100];
	struct trace_row row = { .time_ms = put->time_ms, .trace = bytes_of(zeros, put->bytes) };
	struct traces_batch batch = { &row, 1, put->bounds };

	memset(source, put->source, sizeof(source));
	memset(row.id, put->id, sizeof(row.id));
	memset(row.shared[0].digest, put->source, TRACE_DIGEST_BYTES);
	row.shared[0].bytes = bytes_of(source, sizeof(source));
	memset(row.shared[1].digest, 0xee, TRACE_DIGEST_BYTES);
	return traces_put(txn, &batch, err);
}

struct seen {
	char ids[64]; /* as letters */
	size_t count;
	uint64_t last;
};

static bool
see(void *arg, const struct trace_row *row)
{
	struct seen *seen = arg;

	seen->ids[seen->count++] = (char)row->id[0];
	seen->ids[seen->count] = '\0';
	seen->last = row->number;
	return seen->count < sizeof(seen->ids) - 1;
}

struct check {
	const char *newest; /* ids, the newest first */
	const char *of_a;   /* of event 'a' */
	int sources[2];	    /* whether '1' and '2' are kept */
};

static int
look(struct txn *txn, void *arg, struct err *err)
{
	const struct check *check = arg;
	struct seen all = { .count = 0 }, of_a = { .count = 0 };
	const struct traces_page page = { 0, 50 };
	uint8_t id[TRACE_ID_BYTES];
	struct buf source = { 0 };

	memset(id, 'a', sizeof(id));
	assert_int_equal(traces_list(txn, &page, see, &all, err), 0);
	assert_string_equal(all.ids, check->newest);
	assert_int_equal(traces_of(txn, id, see, &of_a, err), 0);
	assert_string_equal(of_a.ids, check->of_a);
	for (int i = 0; i < 2; i++) {
		memset(id, '1' + i, sizeof(id));
		assert_int_equal(traces_shared(txn, id, &source, err), check->sources[i]);
	}
	buf_clear(&source);
	return 0;
}

static void
put_all(struct place *place, const struct put *puts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct put put = puts[i];

		assert_int_equal(place_call(place, keep, &put), 0);
	}
}

static void
traces_are_listed_by_time_and_found_by_event(void **state)
{
	const struct traces_bounds wide = { WIDE, WIDE, 0 };
	const struct put puts[] = { { 'a', '1', 10, 10, wide }, { 'b', '1', 20, 10, wide },
		{ 'a', '2', 30, 10, wide } };
	struct check check = { "aba", "aa", { 1, 1 } };

	put_all(*state, puts, 3);
	place_reopen(*state);
	assert_int_equal(place_call(*state, look, &check), 0);
}

static void
the_oldest_go_first_and_their_sources_with_the_last_that_needs_them(void **state)
{
	const struct traces_bounds wide = { WIDE, WIDE, 0 };
	const struct put puts[] = { { 'a', '1', 10, 10, wide }, { 'b', '1', 20, 10, wide },
		{ 'c', '2', 30, 10, wide }, { 'd', '2', 40, 10, { 3, WIDE, 0 } } };
	const struct put more = { 'e', '2', 50, 10, { 3, WIDE, 0 } };
	struct check check = { "dcb", "", { 1, 1 } }, later = { "edc", "", { 0, 1 } };

	put_all(*state, puts, 4);
	assert_int_equal(place_call(*state, look, &check), 0);
	put_all(*state, &more, 1);
	assert_int_equal(place_call(*state, look, &later), 0);
}

static void
bytes_and_age_are_bounds_too(void **state)
{
	const struct put puts[] = { { 'a', '1', 10, 2000, { WIDE, 5000, 0 } },
		{ 'b', '1', 20, 2000, { WIDE, 5000, 0 } },
		{ 'c', '1', 30, 2000, { WIDE, 5000, 0 } },
		{ 'd', '1', 40, 100, { WIDE, 5000, 25 } } };
	struct check check = { "dc", "", { 1, 0 } };

	put_all(*state, puts, 4);
	assert_int_equal(place_call(*state, look, &check), 0);
}

static int
page_back(struct txn *txn, void *arg, struct err *err)
{
	struct seen first = { .count = 0 }, second = { .count = 0 };
	struct traces_page page = { 0, 2 };

	(void)arg;
	assert_int_equal(traces_list(txn, &page, see, &first, err), 0);
	assert_string_equal(first.ids, "cb");
	page.before = first.last;
	assert_int_equal(traces_list(txn, &page, see, &second, err), 0);
	assert_string_equal(second.ids, "a");
	return 0;
}

static void
a_list_goes_on_where_it_ended(void **state)
{
	const struct traces_bounds wide = { WIDE, WIDE, 0 };
	const struct put puts[] = { { 'a', '1', 10, 10, wide }, { 'b', '1', 20, 10, wide },
		{ 'c', '1', 30, 10, wide } };

	put_all(*state, puts, 3);
	assert_int_equal(place_call(*state, page_back, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(traces_are_listed_by_time_and_found_by_event),
		ON_BOTH(the_oldest_go_first_and_their_sources_with_the_last_that_needs_them),
		ON_BOTH(bytes_and_age_are_bounds_too),
		ON_BOTH(a_list_goes_on_where_it_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
