/* SPDX-License-Identifier: MIT
 * A stopped host's files are damaged: bits are flipped, sectors and pages zeroed, copied or
 * exchanged, tails cut, in the database, the journal and the mark. The store refuses to open and
 * has written nothing, or every row that it serves is as it was committed. TEST_LONG makes it many
 * more; a failing seed is printed.
 */
#include "tests/store_unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/inspect.h"

enum { KEYS = 120, VALUE_BYTES_MAX = 20000, JOB_ROWS = 12, FILES = 3, KINDS = 8 };
enum { SPACES = 3, PAGE = 4096, SECTOR = 512 };

static const enum space spaces[SPACES] = { SPACE_ITEM, SPACE_QUEUE, SPACE_SESSION };

static const char *const file_names[FILES] = { "moonlet.db", "moonlet.db-wal", "moonlet.mark" };

static int
times(int quick, int many)
{
	return getenv("TEST_LONG") != NULL ? many : quick;
}

static unsigned
draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*state >> 33);
}

/* --- what is committed: the same by the store and by the model --- */

struct model {
	struct buf values[SPACES][KEYS];
	bool is_there[SPACES][KEYS];
};

static void
model_clear(struct model *model)
{
	for (int i = 0; i < SPACES * KEYS; i++)
		buf_clear(&model->values[i / KEYS][i % KEYS]);
}

static struct bytes
key_of(unsigned number, char key[16])
{
	(void)snprintf(key, 16, "key %u", number);
	return text(key);
}

/* Most are small, some reach over several pages. */
static void
draw_value(struct buf *value, uint64_t *state)
{
	size_t len = draw(state) % 8 == 0 ? draw(state) % VALUE_BYTES_MAX : draw(state) % 300;

	buf_reset(value);
	buf_append_string(value, "\"");
	for (size_t i = 0; i < len; i++)
		buf_append_u8(value, (uint8_t)('a' + draw(state) % 26));
	buf_append_string(value, "\"");
}

/* One job's changes; with `txn` NULL only the model's. */
static int
change_some(struct model *model, uint64_t seed, struct txn *txn, struct err *err)
{
	for (int i = 0; i < JOB_ROWS; i++) {
		unsigned space = draw(&seed) % SPACES, number = draw(&seed) % KEYS;
		struct buf *value = &model->values[space][number];
		bool put = draw(&seed) % 4 != 0;
		char key[16];
		int code = 0;

		if (put)
			draw_value(value, &seed);
		model->is_there[space][number] = put;
		if (txn != NULL && put)
			code =
			    txn_put(txn, spaces[space], key_of(number, key), buf_bytes(value), err);
		else if (txn != NULL)
			code = txn_delete(txn, spaces[space], key_of(number, key), err);
		if (code < 0)
			return -1;
	}
	return 0;
}

struct change {
	struct model *model;
	uint64_t seed;
};

static int
change_run(struct txn *txn, void *arg, struct err *err)
{
	struct change *change = arg;

	return change_some(change->model, change->seed, txn, err);
}

/* Commits the jobs in a process that is killed afterwards, or closes the store. */
static void
fill(struct place *place, unsigned seed, int jobs, bool killed)
{
	struct model scratch = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(killed ? WIFSIGNALED(status) : WIFEXITED(status));
		return;
	}
	place_open(place);
	for (int i = 0; i < jobs; i++) {
		struct change change = { &scratch, (uint64_t)seed << 32 | (unsigned)i };

		if (place_call(place, change_run, &change) < 0)
			_exit(1);
	}
	if (killed)
		(void)raise(SIGKILL);
	store_close(place->store);
	_exit(0);
}

/* --- damage --- */

struct file {
	uint8_t *data;
	size_t len; /* 0 with data NULL: not there */
};

static void
path_of(const struct place *place, int which, char path[96])
{
	(void)snprintf(path, 96, "%s/%s", place->folder, file_names[which]);
}

static struct file
load(const struct place *place, int which)
{
	struct file file = { 0 };
	struct stat status;
	char path[96];
	int fd;

	path_of(place, which, path);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return file;
	assert_int_equal(fstat(fd, &status), 0);
	file.len = (size_t)status.st_size;
	file.data = xmalloc(file.len + 1);
	assert_int_equal(read(fd, file.data, file.len), file.len);
	(void)close(fd);
	return file;
}

static void
keep(const struct place *place, int which, const struct file *file)
{
	char path[96];
	int fd;

	path_of(place, which, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file->data, file->len), file->len);
	(void)close(fd);
}

static void
copy_block(struct file *file, size_t block, uint64_t *state)
{
	size_t count = file->len / block, from, to;

	if (count < 2)
		return;
	from = draw(state) % count * block;
	to = draw(state) % count * block;
	memmove(file->data + to, file->data + from, block);
}

static void
zero_block(struct file *file, size_t block, uint64_t *state)
{
	size_t at = draw(state) % file->len / block * block;

	memset(file->data + at, 0, file->len - at < block ? file->len - at : block);
}

static void
damage(struct file *file, unsigned kind, uint64_t *state)
{
	switch (kind) {
	case 0:
	case 1:
		file->data[draw(state) % file->len] ^= (uint8_t)(1u << draw(state) % 8);
		break;
	case 2:
		for (int i = 0; i < 5; i++)
			file->data[draw(state) % file->len] = (uint8_t)draw(state);
		break;
	case 3:
		zero_block(file, SECTOR, state);
		break;
	case 4:
		zero_block(file, PAGE, state);
		break;
	case 5:
		file->len = draw(state) % file->len;
		break;
	case 6:
		copy_block(file, SECTOR, state);
		break;
	default:
		copy_block(file, PAGE, state);
	}
}

/* --- what is served --- */

struct scanned {
	const struct model *model;
	unsigned space;
	unsigned rows;
	bool wrong;
};

static bool
scan_row(void *arg, const struct txn_row *row)
{
	struct scanned *scanned = arg;
	const struct model *model = scanned->model;
	unsigned number = 0;
	char key[16];

	if (row->key.len > 4 && row->key.len < 10)
		(void)sscanf((const char *)row->key.data, "key %4u", &number);
	scanned->rows++;
	if (number >= KEYS || !bytes_equal(key_of(number, key), row->key) ||
	    !model->is_there[scanned->space][number] ||
	    !bytes_equal(row->value, buf_bytes(&model->values[scanned->space][number])))
		scanned->wrong = true;
	return true;
}

static int
scan_run(struct txn *txn, void *arg, struct err *err)
{
	struct scanned *scanned = arg;

	return txn_scan(
	    txn, &(struct txn_range){ .space = spaces[scanned->space] }, scan_row, arg, err);
}

/* How many rows the model has there. */
static unsigned
model_rows(const struct model *model, unsigned space)
{
	unsigned rows = 0;

	for (int i = 0; i < KEYS; i++)
		rows += model->is_there[space][i];
	return rows;
}

struct asked {
	const struct model *model;
	unsigned space, number;
	bool wrong;
};

static int
get_run(struct txn *txn, void *arg, struct err *err)
{
	struct asked *asked = arg;
	struct buf value = { 0 };
	char key[16];
	int found =
	    txn_get(txn, spaces[asked->space], key_of(asked->number, key), &value, NULL, err);
	bool expected = asked->model->is_there[asked->space][asked->number];

	if (found >= 0 && (found == 1) != expected)
		asked->wrong = true;
	if (found == 1 && expected)
		asked->wrong |= !bytes_equal(buf_bytes(&value),
		    buf_bytes(&asked->model->values[asked->space][asked->number]));
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

/* Returns how many reads failed; what does not fail is right. */
static int
read_all(struct place *place, const struct model *model, unsigned seed)
{
	int failed = 0;

	for (unsigned space = 0; space < SPACES; space++) {
		struct scanned scanned = { .model = model, .space = space };

		for (unsigned i = 0; i < KEYS; i++) {
			struct asked asked = { model, space, i, false };

			failed += place_call(place, get_run, &asked) < 0;
			if (asked.wrong)
				fail_msg("seed %u: key %u is served wrong", seed, i);
		}
		if (place_call(place, scan_run, &scanned) < 0)
			failed++;
		else if (scanned.rows != model_rows(model, space))
			scanned.wrong = true;
		if (scanned.wrong)
			fail_msg("seed %u: a scan is wrong", seed);
	}
	if (failed > 0)
		assert_int_equal(store_health(place->store), STORE_RED);
	return failed;
}

/* --- one case --- */

struct tally {
	int refused, noticed, harmless;
};

static void
expect_untouched(const struct place *place, const struct file files[FILES], unsigned seed)
{
	for (int i = 0; i < FILES; i++) {
		struct file now = load(place, i);

		if (now.len != files[i].len ||
		    (now.len > 0 && memcmp(now.data, files[i].data, now.len) != 0))
			fail_msg("seed %u: %s was refused and written to", seed, file_names[i]);
		free(now.data);
	}
}

static void
expect_helpful(const struct place *place, const struct err *err, unsigned seed)
{
	if (strstr(err->text, place->folder) == NULL ||
	    (strstr(err->text, "backup") == NULL && strstr(err->text, "remove") == NULL))
		fail_msg("seed %u: says neither file nor remedy: %s", seed, err->text);
}

static void
count_problem(void *arg, const char *text)
{
	(void)text;
	++*(int *)arg;
}

/* Whether the check finds the files whole. */
static bool
is_verified(const struct place *place)
{
	struct verify_result result;
	struct err err;
	int problems = 0;

	return store_verify(place->folder, count_problem, &problems, &result, &err) == 0 &&
	       result.problems == 0;
}

/* A copy that was made is whole. */
static void
expect_good_copy(struct place *place, const struct model *model, unsigned seed)
{
	struct place copy = *place;
	struct backup_result result;
	struct err err;
	char path[96];

	(void)strcpy(copy.folder, "/tmp/moonlet-store.XXXXXX");
	assert_non_null(mkdtemp(copy.folder));
	copy.config.folder = copy.folder;
	path_of(&copy, 0, path);
	if (store_backup(place->folder, path, false, &result, &err) == 0) {
		place_open(&copy);
		assert_int_equal(read_all(&copy, model, seed), 0);
		store_close(copy.store);
	}
	place_unlink(&copy);
}

/* The journal may be bound to end early by a damage that the mark does not reach: never so. */
static void
try_damaged(struct place *place, const struct model *model, unsigned seed, struct tally *tally)
{
	struct file files[FILES];
	struct err err;
	bool whole;
	int failed;

	for (int i = 0; i < FILES; i++)
		files[i] = load(place, i);
	whole = is_verified(place);
	if (whole)
		expect_good_copy(place, model, seed);
	expect_untouched(place, files, seed);
	place->store = store_open(&place->config, &err);
	if (place->store == NULL) {
		expect_helpful(place, &err, seed);
		expect_untouched(place, files, seed);
		tally->refused++;
		failed = 1;
	} else {
		failed = read_all(place, model, seed);
		store_close(place->store);
		*(failed > 0 ? &tally->noticed : &tally->harmless) += 1;
	}
	if (whole && failed > 0)
		fail_msg("seed %u: the check finds nothing: %s", seed, err.text);
	for (int i = 0; i < FILES; i++)
		free(files[i].data);
}

static void
damage_one(struct place *place, uint64_t *state)
{
	int which = (int)(draw(state) % 8);
	struct file file;

	which = which == 0 ? 2 : which % 2;
	file = load(place, which);
	if (file.len == 0) {
		free(file.data);
		which = 0;
		file = load(place, which);
	}
	damage(&file, draw(state) % KINDS, state);
	keep(place, which, &file);
	free(file.data);
}

static void
run_case(unsigned seed, struct tally *tally)
{
	struct place place = { .folder = "/tmp/moonlet-store.XXXXXX" };
	struct model model = { 0 };
	uint64_t state = seed;
	int jobs = 1 + (int)(draw(&state) % 150);
	bool killed = draw(&state) % 3 != 0;

	assert_non_null(mkdtemp(place.folder));
	place.config = (struct store_config){ .folder = place.folder, .sys = &sys_posix };
	/* Half of them are not checked at open, as a large file is not. */
	place.config.check_bytes_max = draw(&state) % 2 == 0 ? 0 : 1;
	fill(&place, seed, jobs, killed);
	for (int i = 0; i < jobs; i++)
		(void)change_some(&model, (uint64_t)seed << 32 | (unsigned)i, NULL, NULL);
	damage_one(&place, &state);
	try_damaged(&place, &model, seed, tally);
	model_clear(&model);
	place_unlink(&place);
}

static void
damage_is_noticed_and_never_served(void **state)
{
	const char *given = getenv("TEST_SEED");
	unsigned first = given != NULL ? (unsigned)atoi(given) : (unsigned)getpid() * 1000u;
	int count = times(40, 300);
	struct tally tally = { 0 };

	(void)state;
	for (int i = 0; i < count; i++)
		run_case(first + (unsigned)i, &tally);
	print_message("%d damaged: %d refused, %d noticed by a read, %d harmless\n", count,
	    tally.refused, tally.noticed, tally.harmless);
	assert_true(tally.refused + tally.noticed > count / 3);
}

/* --- what is no damage --- */

static struct place *
filled(unsigned seed, bool killed, struct model *model)
{
	struct place *place = xcalloc(1, sizeof(*place));

	(void)strcpy(place->folder, "/tmp/moonlet-store.XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->config = (struct store_config){ .folder = place->folder, .sys = &sys_posix };
	fill(place, seed, 60, killed);
	for (int i = 0; i < 60; i++)
		(void)change_some(model, (uint64_t)seed << 32 | (unsigned)i, NULL, NULL);
	return place;
}

static void
expect_opens(struct place *place, const struct model *model)
{
	place_open(place);
	assert_int_equal(read_all(place, model, 0), 0);
	place_reopen(place);
	assert_int_equal(read_all(place, model, 0), 0);
	store_close(place->store);
}

static int
nothing(void *arg, int count, char **values, char **names)
{
	(void)arg;
	(void)count;
	(void)values;
	(void)names;
	return 0;
}

/* Closing it moves the dead host's journal into the file, past the checksums. */
static void
reader_that_empties_the_journal_of_a_dead_host_does_no_harm(void **state)
{
	struct model model = { 0 };
	struct place *place = filled(5, true, &model);
	char path[96];
	sqlite3 *db;

	(void)state;
	path_of(place, 0, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "SELECT count(*) FROM item", nothing, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	expect_opens(place, &model);
	place_unlink(place);
	free(place);
	model_clear(&model);
}

static void
exec_in(const struct place *place, const char *sql)
{
	char path[96];
	sqlite3 *db;

	path_of(place, 0, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int
no_op(struct txn *txn, void *arg, struct err *err)
{
	return txn_put(txn, SPACE_META, text("probe"), text("1"), err) < 0 || arg != NULL ? -1 : 0;
}

static void
database_without_checksums_is_rewritten_with_them(void **state)
{
	struct place *place = *state;
	struct file file;

	assert_int_equal(place_call(place, no_op, NULL), 0);
	store_close(place->store);
	place->store = NULL;
	place_unlink(place);
	assert_int_equal(mkdir(place->folder, 0700), 0);
	exec_in(place, "PRAGMA journal_mode = WAL;"
		       "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL,"
		       " value) WITHOUT ROWID;"
		       "CREATE TABLE queue (key TEXT NOT NULL PRIMARY KEY,"
		       " version INTEGER NOT NULL, value) WITHOUT ROWID;"
		       "INSERT INTO meta VALUES ('schema', 1, '1'), ('version', 9, '9');"
		       "INSERT INTO queue VALUES ('k', 9, '\"' || hex(randomblob(30000)) || '\"')");
	place_open(place);
	assert_int_equal(store_version(place->store), 9);
	store_close(place->store);
	place->store = NULL;
	file = load(place, 0);
	assert_int_equal(file.data[20], 8);
	free(file.data);
	assert_true(is_verified(place));
	place_open(place);
}

static void
older_copy_in_its_place_is_refused(void **state)
{
	struct model model = { 0 };
	struct place *place = filled(6, false, &model);
	struct file old = load(place, 0);
	struct change change = { &model, 77 };
	struct err err;

	(void)state;
	place_open(place);
	assert_int_equal(place_call(place, change_run, &change), 0);
	store_close(place->store);
	keep(place, 0, &old);
	assert_null(store_open(&place->config, &err));
	assert_non_null(strstr(err.text, "older copy"));
	assert_non_null(strstr(err.text, "moonlet.mark"));
	free(old.data);
	place_unlink(place);
	free(place);
	model_clear(&model);
}

static void
backup_in_its_place_is_taken(void **state)
{
	struct model model = { 0 };
	struct place *place = filled(7, false, &model);
	struct backup_result result;
	struct file copy;
	struct change change = { &model, 78 };
	struct place elsewhere = *place;
	char path[96];
	struct err err;

	(void)state;
	(void)snprintf(elsewhere.folder, sizeof(elsewhere.folder), "%.50s-2", place->folder);
	assert_int_equal(mkdir(elsewhere.folder, 0700), 0);
	path_of(&elsewhere, 0, path);
	assert_int_equal(store_backup(place->folder, path, false, &result, &err), 0);
	copy = load(&elsewhere, 0);
	place_unlink(&elsewhere);
	place_open(place);
	assert_int_equal(place_call(place, change_run, &change), 0);
	store_close(place->store);
	keep(place, 0, &copy);
	free(copy.data);
	place_open(place);
	place_reopen(place);
	store_close(place->store);
	place_unlink(place);
	free(place);
	model_clear(&model);
}

static void
file_that_was_moved_away_starts_empty(void **state)
{
	struct place *place = *state;
	char path[96];

	assert_int_equal(place_call(place, no_op, NULL), 0);
	store_close(place->store);
	path_of(place, 0, path);
	assert_int_equal(unlink(path), 0);
	place_open(place);
	assert_int_equal(store_version(place->store), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_noticed_and_never_served),
		cmocka_unit_test(reader_that_empties_the_journal_of_a_dead_host_does_no_harm),
		cmocka_unit_test_setup_teardown(
		    database_without_checksums_is_rewritten_with_them, on_sqlite, place_end),
		cmocka_unit_test(older_copy_in_its_place_is_refused),
		cmocka_unit_test(backup_in_its_place_is_taken),
		cmocka_unit_test_setup_teardown(
		    file_that_was_moved_away_starts_empty, on_sqlite, place_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
