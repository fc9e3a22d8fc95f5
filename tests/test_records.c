/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include <poll.h>

#include "runtime/records.h"

struct seen {
	int count;
	uint64_t version;
	char text[32];
};

static void
see(void *arg, const struct record *record, const struct err *err)
{
	struct seen *seen = arg;

	assert_null(err);
	seen->count++;
	seen->version = record->version;
	(void)snprintf(seen->text, sizeof(seen->text), "%.*s", (int)record->value.len,
	    record->value.len > 0 ? (const char *)record->value.data : "");
}

static void
wait_for(struct place *place, const struct seen *seen, int count)
{
	struct pollfd fd = { .fd = store_fd(place->store), .events = POLLIN };

	while (seen->count < count) {
		(void)poll(&fd, 1, 1000);
		store_poll(place->store);
	}
}

static int
put_old(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_put(txn, SPACE_ITEM, text("a"), text("old"), err);
}

static void
a_row_is_read_once(void **state)
{
	struct place *place = *state;
	struct records *records = records_new(place->store, 1 << 20);
	struct seen seen = { 0 };

	assert_int_equal(place_call(place, put_old, NULL), 0);
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	wait_for(place, &seen, 1);
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.text, "old");
	records_read(records, SPACE_ITEM, text("none"), see, &seen);
	wait_for(place, &seen, 3);
	assert_int_equal(seen.version, 0);
	assert_int_equal(records_figures(records).hits, 1);
	records_free(records);
}

static void
what_is_about_to_be_written_is_read_at_once(void **state)
{
	struct place *place = *state;
	struct records *records = records_new(place->store, 1 << 20);
	struct seen seen = { 0 };

	records_put(records, SPACE_ITEM, text("a"), &(struct record){ 7, text("new") });
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	assert_int_equal(seen.version, 7);
	records_forget(records, SPACE_ITEM, text("a"), 6);
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	assert_int_equal(seen.count, 2);
	records_delete(records, SPACE_ITEM, text("a"), 8);
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	assert_int_equal(seen.version, 0);
	records_forget(records, SPACE_ITEM, text("a"), 8);
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	assert_int_equal(seen.count, 3);
	wait_for(place, &seen, 4);
	records_free(records);
}

/* The read is on its way; a commit puts the row, and it is forgotten, all before the read's end. */
static void
what_was_read_before_a_newer_row_was_lost_is_not_kept(void **state)
{
	struct place *place = *state;
	struct records *records = records_new(place->store, 1 << 20);
	struct seen seen = { 0 };

	assert_int_equal(place_call(place, put_old, NULL), 0);
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	records_put(records, SPACE_ITEM, text("a"), &(struct record){ 1000, text("new") });
	records_forget(records, SPACE_ITEM, text("a"), 0);
	wait_for(place, &seen, 1);
	assert_string_equal(seen.text, "old");
	records_read(records, SPACE_ITEM, text("a"), see, &seen);
	assert_int_equal(seen.count, 1);
	wait_for(place, &seen, 2);
	records_free(records);
}

static void
rows_of_a_prefix_are_forgotten_together(void **state)
{
	struct place *place = *state;
	struct records *records = records_new(place->store, 1 << 20);

	records_put(records, SPACE_ITEM, text("cars/a"), &(struct record){ 1, text("x") });
	records_put(records, SPACE_ITEM, text("cars/b"), &(struct record){ 1, text("x") });
	records_put(records, SPACE_ITEM, text("trips/a"), &(struct record){ 1, text("x") });
	records_put(records, SPACE_STATE, text("cars/c"), &(struct record){ 1, text("x") });
	records_forget_all(records, SPACE_ITEM, text("cars/"));
	assert_int_equal(records_figures(records).rows, 2);
	records_free(records);
}

static void
the_bound_holds(void **state)
{
	struct place *place = *state;
	struct records *records = records_new(place->store, 1000);
	char key[16];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "%d", i);
		records_put(
		    records, SPACE_ITEM, text(key), &(struct record){ 1, text("some text") });
		assert_true(records_figures(records).bytes <= 1000);
	}
	records_free(records);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_row_is_read_once, on_memory, place_end),
		cmocka_unit_test_setup_teardown(
		    what_is_about_to_be_written_is_read_at_once, on_memory, place_end),
		cmocka_unit_test_setup_teardown(
		    what_was_read_before_a_newer_row_was_lost_is_not_kept, on_memory, place_end),
		cmocka_unit_test_setup_teardown(
		    rows_of_a_prefix_are_forgotten_together, on_memory, place_end),
		cmocka_unit_test_setup_teardown(the_bound_holds, on_memory, place_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
