/* SPDX-License-Identifier: MIT
 * What was acknowledged is there, whatever happened: power cuts and failing calls by a file layer
 * that does so on demand, kill -9 of a process at random and at each fault point. TEST_LONG
 * makes it many more. A failing seed is printed.
 */
#include "tests/store_unit.h"

#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "tests/cut_vfs.h"

enum { JOBS = 40, IN_FLIGHT = 4, ROWS_OF_A_JOB = 3 };

static int
times(int quick, int many)
{
	return getenv("TEST_LONG") != NULL ? many : quick;
}

/* Writes rows "n/0".."n/2" and counts n up; the last acknowledged n goes to `acknowledged`. */
struct writer {
	struct store_job job;
	int number;
	int *acknowledged;
	int *done;
	int fd; /* where it is told; -1: nowhere */
};

static int
writer_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct writer *writer = (struct writer *)job;
	char key[32], value[600];

	memset(value, 'v', sizeof(value));
	for (int i = 0; i < ROWS_OF_A_JOB; i++) {
		(void)snprintf(key, sizeof(key), "%08d/%d", writer->number, i);
		if (txn_put(txn, SPACE_QUEUE, text(key), bytes_of(value, sizeof(value)), err) < 0)
			return -1;
	}
	return txn_put(txn, SPACE_META, text("last"), text(key), err);
}

static void
writer_done(struct store_job *job)
{
	struct writer *writer = (struct writer *)job;

	++*writer->done;
	if (job->status == 0 && writer->acknowledged != NULL)
		writer->acknowledged[writer->number] = 1;
	if (job->status == 0 && writer->fd >= 0 &&
	    write(writer->fd, &writer->number, sizeof(int)) != sizeof(int))
		abort();
}

/* Writes `count` jobs with a few on their way; returns how many were acknowledged. */
static void
write_all(struct store *store, int first, int count, int *acknowledged)
{
	struct writer *writers = xcalloc((size_t)count, sizeof(*writers));
	int done = 0;

	for (int i = 0; i < count; i++) {
		writers[i] = (struct writer){ { .run = writer_run, .done = writer_done }, first + i,
			acknowledged, &done, -1 };
		store_submit(store, &writers[i].job);
		while (i - done >= IN_FLIGHT) {
			struct pollfd fd = { .fd = store_fd(store), .events = POLLIN };

			(void)poll(&fd, 1, -1);
			store_poll(store);
		}
	}
	while (done < count) {
		struct pollfd fd = { .fd = store_fd(store), .events = POLLIN };

		(void)poll(&fd, 1, -1);
		store_poll(store);
	}
	free(writers);
}

/* How many rows of each number there are. */
static bool
count_row(void *arg, const struct txn_row *row)
{
	char key[16] = "";

	memcpy(key, row->key.data, 8);
	((int *)arg)[atoi(key)]++;
	return true;
}

static int
count_rows(struct txn *txn, void *arg, struct err *err)
{
	return txn_scan(txn, &(struct txn_range){ .space = SPACE_QUEUE }, count_row, arg, err);
}

static int
first_column(void *arg, int count, char **values, char **names)
{
	(void)count;
	(void)names;
	(void)snprintf(arg, 64, "%s", values[0]);
	return 0;
}

static void
expect_sound(const struct place *place, unsigned seed)
{
	char path[96], verdict[64] = "";
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/moonlet.db", place->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_exec(db, "PRAGMA integrity_check", first_column, verdict, NULL);
	(void)sqlite3_close(db);
	if (strcmp(verdict, "ok") != 0)
		fail_msg("seed %u: integrity check: %s", seed, verdict);
}

/* All that was acknowledged is there, and what is there is whole. */
static void
expect_all(struct place *place, const int *acknowledged, int count, unsigned seed)
{
	int *rows = xcalloc((size_t)count, sizeof(int));

	assert_int_equal(place_call(place, count_rows, rows), 0);
	for (int i = 0; i < count; i++) {
		if (acknowledged[i] && rows[i] != ROWS_OF_A_JOB)
			fail_msg("seed %u: job %d was acknowledged, %d of its rows are there", seed,
			    i, rows[i]);
		if (rows[i] != 0 && rows[i] != ROWS_OF_A_JOB)
			fail_msg("seed %u: job %d is there by a part", seed, i);
	}
	free(rows);
	expect_sound(place, seed);
}

static int
quiet(void **state)
{
	cut_heal();
	return on_sqlite(state);
}

static void
start_anew(struct place *place)
{
	store_close(place->store);
	place_unlink(place);
	assert_non_null(mkdtemp(strcpy(place->folder, "/tmp/moonlet-store.XXXXXX")));
	place_open(place);
}

static void
power_cut_loses_nothing_that_was_acknowledged(void **state)
{
	struct place *place = *state;
	int acknowledged[JOBS], cuts = 0, kept = 0;

	for (unsigned seed = 1; seed <= (unsigned)times(300, 30000); seed++) {
		memset(acknowledged, 0, sizeof(acknowledged));
		cut_at(CUT_POWER, 1 + (long)(seed * 7919 % 160), seed);
		write_all(place->store, 0, JOBS, acknowledged);
		cuts += cut_happened();
		store_close(place->store);
		cut_heal();
		place_open(place);
		expect_all(place, acknowledged, JOBS, seed);
		for (int i = 0; i < JOBS; i++)
			kept += acknowledged[i];
		start_anew(place);
	}
	print_message("%d power cuts, %d acknowledged transactions, none lost\n", cuts, kept);
	assert_true(cuts > times(300, 30000) / 2);
}

/* Of a life from a fresh folder on: opening says so, or one group fails. Returns whether a call
 * failed. */
static bool
live_with_failing_call(struct place *place, enum cut_kind kind, long number, int *acknowledged)
{
	struct err err = { "" };
	bool failed;

	cut_at(kind, number, 1);
	place->store = store_open(&place->config, &err);
	if (place->store != NULL)
		write_all(place->store, 0, JOBS, acknowledged);
	failed = cut_happened();
	cut_heal();
	if (place->store == NULL) {
		assert_true(failed && err.text[0] != '\0');
		place_open(place);
	}
	return failed;
}

static void
failing_call_costs_one_group_and_then_all_is_well(void **state)
{
	struct place *place = *state;
	enum cut_kind kinds[] = { CUT_FULL, CUT_IO };
	int acknowledged[2 * JOBS], n = 0;
	bool failed = true;

	for (; failed; n += times(9, 1)) {
		memset(acknowledged, 0, sizeof(acknowledged));
		store_close(place->store);
		place_unlink(place);
		assert_non_null(mkdtemp(strcpy(place->folder, "/tmp/moonlet-store.XXXXXX")));
		failed = live_with_failing_call(place, kinds[n % 2], 1 + n / 2, acknowledged);
		write_all(place->store, JOBS, JOBS, acknowledged);
		for (int i = JOBS; i < 2 * JOBS; i++)
			assert_int_equal(acknowledged[i], 1);
		assert_int_equal(store_health(place->store), STORE_GREEN);
		place_reopen(place);
		expect_all(place, acknowledged, 2 * JOBS, (unsigned)n);
	}
	print_message("the calls up to %d failed, each in lives of its own\n", n / 2);
	assert_true(n > 100);
}

static void
disk_that_goes_on_failing_acknowledges_nothing(void **state)
{
	struct place *place = *state;
	int acknowledged[3 * JOBS] = { 0 };

	write_all(place->store, 0, JOBS, acknowledged);
	cut_at(CUT_IO_STICKY, 1, 1);
	write_all(place->store, JOBS, JOBS, acknowledged);
	for (int i = JOBS; i < 2 * JOBS; i++)
		assert_int_equal(acknowledged[i], 0);
	assert_int_equal(store_health(place->store), STORE_RED);
	cut_heal();
	while (store_health(place->store) == STORE_RED) {
		write_all(place->store, 2 * JOBS, 1, acknowledged);
		(void)poll(NULL, 0, 20);
	}
	write_all(place->store, 2 * JOBS, JOBS, acknowledged);
	assert_int_equal(acknowledged[3 * JOBS - 1], 1);
	place_reopen(place);
	expect_all(place, acknowledged, 3 * JOBS, 0);
}

/* --- processes that are killed --- */

enum { MANY = 100000 };

static void
child_writes(const struct place *place, int first, int fd)
{
	struct writer *writers = xcalloc(MANY, sizeof(*writers));
	struct place mine = *place;
	int done = 0;

	place_open(&mine);
	for (int i = 0; i < MANY; i++) {
		writers[i] = (struct writer){ { .run = writer_run, .done = writer_done }, first + i,
			NULL, &done, fd };
		store_submit(mine.store, &writers[i].job);
		while (i - done >= IN_FLIGHT) {
			struct pollfd poll_fd = { .fd = store_fd(mine.store), .events = POLLIN };

			(void)poll(&poll_fd, 1, -1);
			store_poll(mine.store);
		}
	}
	_exit(0);
}

/* Starts a writer, kills it once it has acknowledged `kill_after` jobs (or lets it end itself at
 * a fault point), and notes what it acknowledged. Returns the number behind the last one. */
static int
run_child(const struct place *place, int first, int kill_after, int *acknowledged)
{
	int fds[2], number, last = first, status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		child_writes(place, first, fds[1]);
	}
	(void)close(fds[1]);
	while (read(fds[0], &number, sizeof(number)) == sizeof(number)) {
		acknowledged[number] = 1;
		last = number + 1;
		if (--kill_after == 0)
			(void)kill(pid, SIGKILL);
	}
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return last + IN_FLIGHT + 1;
}

static void
kill_at_random_loses_nothing_that_was_acknowledged(void **state)
{
	struct place *place = *state;
	int *acknowledged = xcalloc(2 * MANY, sizeof(int));
	int next = 0;

	for (int i = 0; i < times(20, 500); i++) {
		store_close(place->store);
		next = run_child(place, next, 1 + i * 37 % 101, acknowledged);
		assert_true(next < MANY);
		place_open(place);
		expect_all(place, acknowledged, next, (unsigned)i);
	}
	free(acknowledged);
}

static void
end_at_each_fault_point_loses_nothing_that_was_acknowledged(void **state)
{
	static const char *const points[] = { "commit-before-sync", "commit-after-sync" };
	struct place *place = *state;
	int *acknowledged = xcalloc(2 * MANY, sizeof(int));
	char chosen[64];
	int next = 0;

	for (int i = 0; i < times(10, 100); i++) {
		store_close(place->store);
		(void)snprintf(chosen, sizeof(chosen), "%s:%d", points[i % 2], 1 + i);
		(void)setenv("FAULT_AT", chosen, 1);
		next = run_child(place, next, -1, acknowledged);
		(void)unsetenv("FAULT_AT");
		place_open(place);
		expect_all(place, acknowledged, next, (unsigned)i);
	}
	free(acknowledged);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    power_cut_loses_nothing_that_was_acknowledged, quiet, place_end),
		cmocka_unit_test_setup_teardown(
		    failing_call_costs_one_group_and_then_all_is_well, quiet, place_end),
		cmocka_unit_test_setup_teardown(
		    disk_that_goes_on_failing_acknowledges_nothing, quiet, place_end),
		cmocka_unit_test_setup_teardown(
		    kill_at_random_loses_nothing_that_was_acknowledged, quiet, place_end),
		cmocka_unit_test_setup_teardown(
		    end_at_each_fault_point_loses_nothing_that_was_acknowledged, quiet, place_end),
	};

	cut_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
