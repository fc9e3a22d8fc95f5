/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include <poll.h>
#include <sys/wait.h>

static int
put_hello(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_put(txn, SPACE_RETAINED, text("a/b"), text("hello"), err);
}

static int
expect_hello(struct txn *txn, void *arg, struct err *err)
{
	struct buf value = { 0 };
	uint64_t version = 0;

	(void)arg;
	assert_int_equal(txn_get(txn, SPACE_RETAINED, text("a/b"), &value, &version, err), 1);
	assert_true(bytes_equal_string(buf_bytes(&value), "hello"));
	assert_true(version > 0);
	assert_int_equal(txn_get(txn, SPACE_RETAINED, text("a/c"), &value, &version, err), 0);
	assert_int_equal(txn_get(txn, SPACE_SESSION, text("a/b"), NULL, NULL, err), 0);
	buf_clear(&value);
	return 0;
}

static void
row_is_there_after_a_reopen(void **state)
{
	struct place *place = *state;

	assert_int_equal(place_call(place, put_hello, NULL), 0);
	place_reopen(place);
	assert_int_equal(place_call(place, expect_hello, NULL), 0);
}

static int
put_odd(struct txn *txn, void *arg, struct err *err)
{
	struct bytes key = bytes_of("client\0iot/\xff+", 14);
	struct buf value = { 0 };

	(void)arg;
	assert_int_equal(txn_put(txn, SPACE_SUBSCRIPTION, key, bytes_of("\0\xff", 2), err), 0);
	assert_int_equal(txn_put(txn, SPACE_SUBSCRIPTION, text(""), text(""), err), 0);
	assert_int_equal(txn_get(txn, SPACE_SUBSCRIPTION, key, &value, NULL, err), 1);
	assert_true(bytes_equal(buf_bytes(&value), bytes_of("\0\xff", 2)));
	assert_int_equal(txn_get(txn, SPACE_SUBSCRIPTION, text(""), &value, NULL, err), 1);
	assert_int_equal(value.len, 0);
	assert_int_equal(txn_delete(txn, SPACE_SUBSCRIPTION, key, err), 1);
	assert_int_equal(txn_delete(txn, SPACE_SUBSCRIPTION, key, err), 0);
	buf_clear(&value);
	return 0;
}

static void
key_and_value_are_any_bytes(void **state)
{
	assert_int_equal(place_call(*state, put_odd, NULL), 0);
}

static bool
gather(void *arg, const struct txn_row *row)
{
	buf_append_bytes(arg, row->key);
	buf_append_u8(arg, ' ');
	return true;
}

static bool
gather_one(void *arg, const struct txn_row *row)
{
	(void)gather(arg, row);
	return false;
}

static const struct scan_case {
	const char *from, *to, *expect;
	bool reverse;
	size_t limit;
} scan_cases[] = {
	{ "", "", "a a\xff b ba c ", false, 0 },
	{ "", "", "c ba b a\xff a ", true, 0 },
	{ "b", "c", "b ba ", false, 0 },
	{ "aa", "", "a\xff b ", false, 2 },
	{ "", "c", "ba ", true, 1 },
	{ "c", "b", "", false, 0 },
	{ "d", "", "", false, 0 },
};

static int
scan_all(struct txn *txn, void *arg, struct err *err)
{
	struct buf seen = { 0 }, end = { 0 };

	(void)arg;
	for (const char *const *key = (const char *const[]){ "c", "a", "ba", "b", "a\xff", NULL };
	     *key != NULL; key++)
		assert_int_equal(txn_put(txn, SPACE_SESSION, text(*key), text("x"), err), 0);
	for (size_t i = 0; i < sizeof(scan_cases) / sizeof(*scan_cases); i++) {
		const struct scan_case *c = &scan_cases[i];
		struct txn_range range = { SPACE_SESSION, text(c->from), text(c->to), c->reverse,
			c->limit };

		buf_reset(&seen);
		assert_int_equal(txn_scan(txn, &range, gather, &seen, err), 0);
		assert_string_equal(buf_string(&seen), c->expect);
	}
	buf_reset(&seen);
	assert_int_equal(txn_scan(txn,
			     &(struct txn_range){ .space = SPACE_SESSION,
				 .from = text("a"),
				 .to = txn_prefix_end(text("a"), &end) },
			     gather_one, &seen, err),
	    0);
	assert_string_equal(buf_string(&seen), "a ");
	assert_int_equal(txn_prefix_end(text("\xff\xff"), &end).len, 0);
	buf_clear(&seen);
	buf_clear(&end);
	return 0;
}

static void
scan_goes_in_the_order_of_bytes_within_its_range(void **state)
{
	assert_int_equal(place_call(*state, scan_all, NULL), 0);
}

/* --- jobs, groups --- */

struct step {
	struct store_job job;
	int number;
	bool fails;
	int *order; /* where the number of each finished job goes */
	int *count;
};

static int
step_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct step *step = (struct step *)job;
	char key[16];

	(void)snprintf(key, sizeof(key), "%06d", step->number);
	if (txn_put(txn, SPACE_QUEUE, text(key), text("v"), err) < 0)
		return -1;
	return step->fails ? err_set(err, "step %d fails", step->number) : 0;
}

static void
step_done(struct store_job *job)
{
	struct step *step = (struct step *)job;

	step->order[(*step->count)++] = step->number;
}

static void
await(struct place *place, const int *count, int target)
{
	while (*count < target) {
		struct pollfd fd = { .fd = store_fd(place->store), .events = POLLIN };

		assert_int_equal(poll(&fd, 1, 60000), 1);
		store_poll(place->store);
	}
}

static int
count_queue(struct txn *txn, void *arg, struct err *err)
{
	struct buf seen = { 0 };
	int result;

	result = txn_scan(txn, &(struct txn_range){ .space = SPACE_QUEUE }, gather, &seen, err);
	*(size_t *)arg = seen.len / 7;
	buf_clear(&seen);
	return result;
}

static void
failing_job_alone_is_undone_and_done_comes_in_order(void **state)
{
	enum { STEPS = 5000 };
	struct place *place = *state;
	struct step *steps = xcalloc(STEPS, sizeof(*steps));
	int *order = xcalloc(STEPS, sizeof(*order)), count = 0;
	size_t rows = 0;

	for (int i = 0; i < STEPS; i++) {
		steps[i] = (struct step){ { .run = step_run, .done = step_done }, i, i % 7 == 3,
			order, &count };
		store_submit(place->store, &steps[i].job);
	}
	await(place, &count, STEPS);
	for (int i = 0; i < STEPS; i++) {
		assert_int_equal(order[i], i);
		assert_int_equal(steps[i].job.status, i % 7 == 3 ? -1 : 0);
	}
	assert_string_equal(steps[3].job.err.text, "step 3 fails");
	assert_int_equal(place_call(place, count_queue, &rows), 0);
	assert_int_equal(rows, STEPS - (STEPS + 3) / 7);
	assert_int_equal(store_figures(place->store).jobs, STEPS + 1);
	assert_int_equal(store_figures(place->store).waiting_jobs, 0);
	free(steps);
	free(order);
}

/* A list of writes as a job of its own. */
struct listed {
	struct store_job job;
	struct writes writes;
	int over;
};

static int
listed_run(struct txn *txn, struct store_job *job, struct err *err)
{
	return store_apply_writes(txn, &((struct listed *)job)->writes, err);
}

static void
listed_done(struct store_job *job)
{
	((struct listed *)job)->over++;
}

static void
listed_submit(struct place *place, struct listed *listed)
{
	listed->job.run = listed_run;
	listed->job.done = listed_done;
	store_submit(place->store, &listed->job);
}

/* The second relies on what the first is about to write; the third on what was there before. */
static void
what_a_job_relies_on_is_checked_against_the_versions_told_at_submission(void **state)
{
	struct place *place = *state;
	struct listed jobs[3] = { 0 };

	writes_expect(&jobs[0].writes, SPACE_STATE, text("k"), 0);
	writes_put(&jobs[0].writes, SPACE_STATE, text("k"), text("1"));
	listed_submit(place, &jobs[0]);
	writes_expect(&jobs[1].writes, SPACE_STATE, text("k"), jobs[0].job.version);
	writes_put(&jobs[1].writes, SPACE_STATE, text("k"), text("2"));
	listed_submit(place, &jobs[1]);
	writes_put(&jobs[2].writes, SPACE_STATE, text("other"), text("x"));
	writes_expect(&jobs[2].writes, SPACE_STATE, text("k"), jobs[0].job.version);
	listed_submit(place, &jobs[2]);
	assert_true(jobs[1].job.version > jobs[0].job.version);
	while (jobs[2].over == 0) {
		struct pollfd fd = { .fd = store_fd(place->store), .events = POLLIN };

		assert_int_equal(poll(&fd, 1, 60000), 1);
		store_poll(place->store);
	}
	assert_int_equal(jobs[0].job.status, 0);
	assert_int_equal(jobs[1].job.status, 0);
	assert_int_equal(jobs[2].job.status, -1);
	assert_true(jobs[2].job.conflict && !jobs[1].job.conflict);
	for (int i = 0; i < 3; i++)
		writes_clear(&jobs[i].writes);
}

static void
note_status(void *arg, int status)
{
	*(int *)arg += status == 0 ? 1 : 100;
}

static void
list_of_writes_is_applied_whole_and_is_finished_by_close(void **state)
{
	struct place *place = *state;
	struct writes writes = { 0 };
	int done = 0;

	writes_put(&writes, SPACE_RETAINED, text("a/b"), text("no"));
	writes_delete(&writes, SPACE_RETAINED, text("a/b"));
	writes_put(&writes, SPACE_RETAINED, text("a/b"), text("hello"));
	store_write(place->store, &writes, note_status, &done);
	assert_int_equal(writes.count, 0);
	place_reopen(place);
	assert_int_equal(done, 1);
	assert_int_equal(place_call(place, expect_hello, NULL), 0);
}

static void
store_says_when_it_is_full(void **state)
{
	struct place *place = *state;
	struct step steps[4];
	int order[4], count = 0;

	place->config.jobs_max = 1000000;
	place->config.bytes_max = 1000;
	place_reopen(place);
	for (int i = 0; i < 4; i++) {
		steps[i] = (struct step){ { .run = step_run, .done = step_done, .bytes = 2000 }, i,
			false, order, &count };
		store_submit(place->store, &steps[i].job);
	}
	await(place, &count, 4);
	assert_false(store_is_full(place->store));
	assert_int_equal(store_figures(place->store).waiting_bytes, 0);
}

/* --- versions --- */

static int
put_and_version(struct txn *txn, void *arg, struct err *err)
{
	*(uint64_t *)arg = txn_version(txn);
	return txn_put(txn, SPACE_SHADOW, text("t"), text("x"), err);
}

static int
delete_it(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_delete(txn, SPACE_SHADOW, text("t"), err) == 1 ? 0 : -1;
}

static void
version_is_never_given_twice(void **state)
{
	struct place *place = *state;
	uint64_t first = 0, second = 0, third = 0;

	assert_int_equal(place_call(place, put_and_version, &first), 0);
	assert_int_equal(place_call(place, delete_it, NULL), 0);
	place_reopen(place);
	assert_int_equal(place_call(place, put_and_version, &second), 0);
	place_reopen(place);
	assert_int_equal(place_call(place, put_and_version, &third), 0);
	assert_true(first > 0 && second > first && third > second);
}

/* --- a model --- */

enum { MODEL_KEYS = 40, MODEL_JOBS = 1500, MODEL_OPS = 6 };

struct model {
	int values[MODEL_KEYS]; /* 0: not there */
	int next[MODEL_KEYS];	/* inside a job */
	unsigned seed;
	bool fails;
};

static unsigned
draw(struct model *model, unsigned below)
{
	model->seed = model->seed * 1103515245u + 12345u;
	return (model->seed >> 16) % below;
}

static void
model_step(struct model *model, struct txn *txn, struct err *err)
{
	unsigned at = draw(model, MODEL_KEYS), op = draw(model, 3);
	struct buf value = { 0 };
	char key[8], number[16];
	int got;

	(void)snprintf(key, sizeof(key), "%02u", at);
	(void)snprintf(number, sizeof(number), "%u", draw(model, 1000) + 1);
	if (op == 0) {
		assert_int_equal(txn_put(txn, SPACE_WILL, text(key), text(number), err), 0);
		model->next[at] = atoi(number);
	} else if (op == 1) {
		got = txn_delete(txn, SPACE_WILL, text(key), err);
		assert_int_equal(got, model->next[at] != 0);
		model->next[at] = 0;
	} else {
		got = txn_get(txn, SPACE_WILL, text(key), &value, NULL, err);
		assert_int_equal(got, model->next[at] != 0);
		if (got == 1)
			assert_int_equal(atoi(buf_string(&value)), model->next[at]);
	}
	buf_clear(&value);
}

static int
model_job(struct txn *txn, void *arg, struct err *err)
{
	struct model *model = arg;

	memcpy(model->next, model->values, sizeof(model->next));
	for (int i = 0; i < MODEL_OPS; i++)
		model_step(model, txn, err);
	if (model->fails)
		return err_set(err, "undone");
	memcpy(model->values, model->next, sizeof(model->next));
	return 0;
}

static bool
model_row(void *arg, const struct txn_row *row)
{
	struct model *model = arg;
	int at = (row->key.data[0] - '0') * 10 + row->key.data[1] - '0';
	char *number = bytes_to_string(row->value);

	model->next[at] = atoi(number);
	free(number);
	return true;
}

static int
model_compare(struct txn *txn, void *arg, struct err *err)
{
	struct model *model = arg;

	memset(model->next, 0, sizeof(model->next));
	assert_int_equal(
	    txn_scan(txn, &(struct txn_range){ .space = SPACE_WILL }, model_row, model, err), 0);
	assert_memory_equal(model->next, model->values, sizeof(model->next));
	return 0;
}

static void
random_jobs_do_what_a_model_does(void **state)
{
	struct place *place = *state;
	struct model model = { .seed = 7 };

	for (int i = 0; i < MODEL_JOBS; i++) {
		model.fails = draw(&model, 4) == 0;
		assert_int_equal(place_call(place, model_job, &model), model.fails ? -1 : 0);
		if (i % 300 == 299)
			place_reopen(place);
		if (i % 50 == 0)
			assert_int_equal(place_call(place, model_compare, &model), 0);
	}
}

/* --- failures --- */

static void
full_disk_fails_one_group_and_heals(void **state)
{
	struct place *place = *state;

	memory_disk_fail(place->config.disk, TROUBLE_FULL, 2);
	assert_int_equal(place_call(place, put_hello, NULL), -1);
	assert_int_equal(store_health(place->store), STORE_DISK_FULL);
	assert_int_equal(place_call(place, put_hello, NULL), -1);
	assert_int_equal(place_call(place, put_hello, NULL), 0);
	assert_int_equal(store_health(place->store), STORE_GREEN);
	assert_int_equal(place_call(place, expect_hello, NULL), 0);
}

static void
broken_handle_is_opened_anew_and_stays_red_while_that_fails(void **state)
{
	struct place *place = *state;

	memory_disk_fail(place->config.disk, TROUBLE_BROKEN, 1);
	assert_int_equal(place_call(place, put_hello, NULL), -1);
	assert_int_equal(store_health(place->store), STORE_RED);
	assert_int_equal(place_call(place, put_hello, NULL), 0);
	assert_int_equal(store_health(place->store), STORE_GREEN);
	memory_disk_fail(place->config.disk, TROUBLE_BROKEN, 2);
	assert_int_equal(place_call(place, put_hello, NULL), -1);
	assert_int_equal(place_call(place, put_hello, NULL), -1);
	assert_int_equal(place_call(place, put_hello, NULL), -1); /* not opened again so soon */
	assert_int_equal(store_health(place->store), STORE_RED);
	place_reopen(place);
	assert_int_equal(place_call(place, expect_hello, NULL), 0);
}

/* --- the folder --- */

static int
wait_status(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
second_host_is_refused_with_the_first_ones_number(void **state)
{
	struct place *place = *state;
	struct err err = { 0 };
	char expected[32];
	int ends[2];
	pid_t second;

	(void)snprintf(expected, sizeof(expected), "(process %d)", (int)getpid());
	assert_int_equal(pipe(ends), 0);
	second = fork();
	assert_true(second >= 0);
	if (second == 0) {
		bool opened = store_open(&place->config, &err) != NULL;

		(void)!write(ends[1], err.text, sizeof(err.text));
		_exit(opened ? 1 : 0);
	}
	assert_int_equal(read(ends[0], err.text, sizeof(err.text)), sizeof(err.text));
	assert_int_equal(wait_status(second), 0);
	assert_non_null(strstr(err.text, expected));
	assert_non_null(strstr(err.text, "in use"));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Whoever was being started when its host was killed has its descriptors for a moment more. */
static void
child_of_a_host_that_is_gone_does_not_keep_the_folder(void **state)
{
	struct place *place = *state;
	struct err err;
	int ends[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	store_close(place->store);
	place->store = store_open(&place->config, &err);
	assert_non_null(place->store);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(wait_status(child), 0);
}

static void
overwrite(const struct place *place, const char *with)
{
	char path[96];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/moonlet.db", place->folder);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_true(fwrite(with, 1, strlen(with), file) == strlen(with));
	assert_int_equal(fclose(file), 0);
}

static void
damaged_file_is_refused_with_its_name_and_a_remedy(void **state)
{
	struct place *place = *state;
	struct err err;

	assert_int_equal(place_call(place, put_hello, NULL), 0);
	store_close(place->store);
	overwrite(place, "this is not a database at all");
	place->store = store_open(&place->config, &err);
	assert_null(place->store);
	assert_non_null(strstr(err.text, "moonlet.db"));
	assert_non_null(strstr(err.text, "damaged"));
	assert_non_null(strstr(err.text, "restore it from a backup"));
}

static int
put_newer(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_put(txn, SPACE_META, text("schema"), text("999"), err);
}

static void
newer_schema_is_refused(void **state)
{
	struct place *place = *state;
	struct err err;

	assert_int_equal(place_call(place, put_newer, NULL), 0);
	store_close(place->store);
	place->store = store_open(&place->config, &err);
	assert_null(place->store);
	assert_non_null(strstr(err.text, "newer"));
}

static int
put_much(struct txn *txn, void *arg, struct err *err)
{
	static char value[100000];
	char key[16];
	int from = *(int *)arg;

	memset(value, 'x', sizeof(value));
	for (int i = from; i < from + 10; i++) {
		(void)snprintf(key, sizeof(key), "much%d", i);
		if (txn_put(txn, SPACE_THING, text(key), bytes_of(value, sizeof(value)), err) < 0)
			return -1;
	}
	return 0;
}

static int
delete_much(struct txn *txn, void *arg, struct err *err)
{
	char key[16];

	(void)arg;
	for (int i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "much%d", i);
		if (txn_delete(txn, SPACE_THING, text(key), err) < 0)
			return -1;
	}
	return 0;
}

static void
database_grows_to_its_bound_and_goes_on_when_there_is_room(void **state)
{
	struct place *place = *state;
	int first = 0, second = 10;

	place->config.size_max = 2 * 1024 * 1024;
	place_reopen(place);
	assert_int_equal(place_call(place, put_much, &first), 0);
	assert_int_equal(place_call(place, put_much, &second), -1);
	assert_int_equal(store_health(place->store), STORE_DISK_FULL);
	assert_int_equal(place_call(place, delete_much, NULL), 0);
	assert_int_equal(place_call(place, put_much, &second), 0);
	assert_int_equal(store_health(place->store), STORE_GREEN);
}

/* As tables do: the row goes, and its old image comes into the log of changes. */
static int
delete_one(struct txn *txn, void *arg, struct err *err)
{
	static char value[150000];
	char key[16];

	memset(value, 'y', sizeof(value));
	(void)snprintf(key, sizeof(key), "much%d", *(int *)arg);
	if (txn_put(txn, SPACE_CHANGE, text(key), bytes_of(value, sizeof(value)), err) < 0)
		return -1;
	return txn_delete(txn, SPACE_THING, text(key), err) == 1 ? 0 : -1;
}

static int
delete_change(struct txn *txn, void *arg, struct err *err)
{
	char key[16];

	(void)snprintf(key, sizeof(key), "much%d", *(int *)arg);
	return txn_delete(txn, SPACE_CHANGE, text(key), err) == 1 ? 0 : -1;
}

static void
database_at_its_bound_can_be_emptied(void **state)
{
	struct place *place = *state;
	int first = 0;

	place->config.size_max = 1024 * 1024 + 256 * 1024;
	place_reopen(place);
	assert_int_equal(place_call(place, put_much, &first), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(place_call(place, delete_one, &i), 0);
	/* The changes alone are beyond the bound. */
	assert_int_equal(place_call(place, put_much, &first), -1);
	place_reopen(place);
	assert_int_equal(place_call(place, put_much, &first), -1);
	assert_int_equal(store_health(place->store), STORE_DISK_FULL);
	for (int i = 0; i < 10; i++)
		assert_int_equal(place_call(place, delete_change, &i), 0);
	assert_int_equal(place_call(place, put_much, &first), 0);
	assert_int_equal(store_health(place->store), STORE_GREEN);
}

static void
folder_that_is_a_file_is_refused(void **state)
{
	struct store_config config = { .folder = "/dev/null", .sys = &sys_posix };
	struct err err;

	(void)state;
	assert_null(store_open(&config, &err));
	assert_non_null(strstr(err.text, "/dev/null"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(row_is_there_after_a_reopen),
		ON_BOTH(key_and_value_are_any_bytes),
		ON_BOTH(scan_goes_in_the_order_of_bytes_within_its_range),
		ON_BOTH(failing_job_alone_is_undone_and_done_comes_in_order),
		ON_BOTH(what_a_job_relies_on_is_checked_against_the_versions_told_at_submission),
		ON_BOTH(list_of_writes_is_applied_whole_and_is_finished_by_close),
		ON_BOTH(store_says_when_it_is_full),
		ON_BOTH(version_is_never_given_twice),
		ON_BOTH(random_jobs_do_what_a_model_does),
		ON_BOTH(second_host_is_refused_with_the_first_ones_number),
		ON_BOTH(child_of_a_host_that_is_gone_does_not_keep_the_folder),
		cmocka_unit_test_setup_teardown(
		    full_disk_fails_one_group_and_heals, on_memory, place_end),
		cmocka_unit_test_setup_teardown(
		    broken_handle_is_opened_anew_and_stays_red_while_that_fails, on_memory,
		    place_end),
		cmocka_unit_test_setup_teardown(
		    damaged_file_is_refused_with_its_name_and_a_remedy, on_sqlite, place_end),
		cmocka_unit_test_setup_teardown(newer_schema_is_refused, on_sqlite, place_end),
		cmocka_unit_test_setup_teardown(
		    database_at_its_bound_can_be_emptied, on_sqlite, place_end),
		cmocka_unit_test_setup_teardown(
		    database_grows_to_its_bound_and_goes_on_when_there_is_room, on_sqlite,
		    place_end),
		cmocka_unit_test(folder_that_is_a_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
