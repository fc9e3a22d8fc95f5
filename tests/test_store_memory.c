/* SPDX-License-Identifier: MIT
 * SQLite's n-th allocation fails, for every n until a short life of a store makes no more: opening
 * says so or works, a read fails or is right, what was acknowledged is there and whole, and
 * afterwards all goes on. TEST_LONG takes every n, else every hundred-and-first.
 */
#include "tests/store_unit.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum { JOBS = 8, ROWS = 3, LONG_VALUE_BYTES = 9000, ENDLESS = 100000 };

/* The allocator under SQLite; 0: none fails. */
static sqlite3_mem_methods real;
static atomic_long left;
static atomic_bool happened;

static bool
fails(void)
{
	if (atomic_load(&left) == 0 || atomic_fetch_sub(&left, 1) != 1)
		return false;
	atomic_store(&happened, true);
	return true;
}

static void *
failing_malloc(int bytes)
{
	return fails() ? NULL : real.xMalloc(bytes);
}

static void *
failing_realloc(void *old, int bytes)
{
	return fails() ? NULL : real.xRealloc(old, bytes);
}

static void
arm(long number)
{
	atomic_store(&happened, false);
	atomic_store(&left, number);
}

static void
install(void)
{
	sqlite3_mem_methods methods;

	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
	methods = real;
	methods.xMalloc = failing_malloc;
	methods.xRealloc = failing_realloc;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
	/* Each allocation is a real one. */
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

struct life {
	bool acknowledged[JOBS + 1];
	int job;
	int rows[JOBS + 1];
	bool wrong;
};

static struct bytes
value_of(int job, int row, char value[LONG_VALUE_BYTES])
{
	size_t len = row == 0 ? LONG_VALUE_BYTES : 20;

	memset(value, 'a' + (job * ROWS + row) % 26, len);
	return bytes_of(value, len);
}

static int
put_rows(struct txn *txn, void *arg, struct err *err)
{
	const struct life *life = arg;
	char key[16], value[LONG_VALUE_BYTES];

	for (int i = 0; i < ROWS; i++) {
		(void)snprintf(key, sizeof(key), "%04d/%d", life->job, i);
		if (txn_put(txn, SPACE_QUEUE, text(key), value_of(life->job, i, value), err) < 0)
			return -1;
	}
	return 0;
}

static bool
check_row(void *arg, const struct txn_row *row)
{
	struct life *life = arg;
	char key[16] = "", value[LONG_VALUE_BYTES];
	int job = -1, number = -1;

	if (row->key.len < sizeof(key))
		memcpy(key, row->key.data, row->key.len);
	if (sscanf(key, "%d/%d", &job, &number) != 2 || job < 0 || job > JOBS ||
	    !bytes_equal(row->value, value_of(job, number, value)))
		life->wrong = true;
	else
		life->rows[job]++;
	return true;
}

static int
check_rows(struct txn *txn, void *arg, struct err *err)
{
	struct life *life = arg;

	memset(life->rows, 0, sizeof(life->rows));
	return txn_scan(txn, &(struct txn_range){ .space = SPACE_QUEUE }, check_row, arg, err);
}

/* A read that does not fail is right. Returns whether it did not. */
static bool
read_rows(struct place *place, struct life *life, long number)
{
	bool read = place_call(place, check_rows, life) == 0;

	for (int i = 0; read && i <= JOBS; i++) {
		if (life->rows[i] != 0 && life->rows[i] != ROWS)
			fail_msg("allocation %ld: job %d is there by a part", number, i);
		if (life->acknowledged[i] && life->rows[i] == 0)
			fail_msg("allocation %ld: job %d was acknowledged and is gone", number, i);
	}
	if (life->wrong)
		fail_msg("allocation %ld: a row is wrong", number);
	return read;
}

static void
write_rows(struct place *place, struct life *life, int job)
{
	life->job = job;
	life->acknowledged[job] = place_call(place, put_rows, life) == 0;
}

/* Whether an allocation failed in this life. */
static bool
live(struct place *place, long number)
{
	struct life life = { 0 };
	struct err err = { "" };

	arm(number);
	place->store = store_open(&place->config, &err);
	if (place->store == NULL) {
		assert_true(atomic_load(&happened) && err.text[0] != '\0');
		arm(0);
		place_open(place);
		atomic_store(&happened, true);
	}
	for (int i = 0; i < JOBS; i++) {
		write_rows(place, &life, i);
		(void)read_rows(place, &life, number);
	}
	atomic_store(&left, 0);
	write_rows(place, &life, JOBS);
	assert_true(life.acknowledged[JOBS]);
	assert_true(read_rows(place, &life, number));
	assert_int_equal(store_health(place->store), STORE_GREEN);
	place_reopen(place);
	assert_true(read_rows(place, &life, number));
	store_close(place->store);
	place->store = NULL;
	return atomic_load(&happened);
}

static void
failed_allocation_is_an_error_and_nothing_else(void **state)
{
	long step = getenv("TEST_LONG") != NULL ? 1 : 101, number = 1;
	bool more = true;

	(void)state;
	for (; more && number < ENDLESS; number += step) {
		struct place place = { .folder = "/tmp/moonlet-store.XXXXXX" };

		assert_non_null(mkdtemp(place.folder));
		place.config = (struct store_config){ .folder = place.folder, .sys = &sys_posix };
		more = live(&place, number);
		place_unlink(&place);
	}
	print_message("%ld allocations failed\n", number / step - 1);
	assert_true(number > 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failed_allocation_is_an_error_and_nothing_else),
	};

	install();
	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
