/* SPDX-License-Identifier: MIT
 * The SQLite engine: <folder>/moonlet.db in WAL mode with synchronous=FULL, one table for each
 * space, to be read with plain SQL.
 *
 * Keys are bound as TEXT whatever their bytes are: SQLite compares text by memcmp, so the order is
 * that of the bytes, and every BLOB sorts behind it, which is how "to the end" is bound. A value is
 * TEXT where it is UTF-8 without zeros and a BLOB where it is not.
 *
 * After an I/O error nothing is known of what the kernel still holds, so such a handle is BROKEN:
 * it is closed, and closing moves only the commits that had succeeded out of the WAL.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"
#include "store/engine.h"
#include "store/page_check.h"
#include "store/schema.h"
#include "store/sqlite_guard.h"
#include "store/sqlite_view.h"

#define DB_NAME "moonlet.db"

enum { BUSY_TIMEOUT_MS = 5000 };

/* "%s" is the space's name. */
enum statement {
	STATEMENT_GET,
	STATEMENT_PUT,
	STATEMENT_DELETE,
	STATEMENT_SCAN,
	STATEMENT_SCAN_BACK,
	STATEMENT_COUNT
};

static const char *const statement_texts[STATEMENT_COUNT] = {
	[STATEMENT_GET] = "SELECT key, version, value FROM %s WHERE key = ?1",
	[STATEMENT_PUT] = "INSERT OR REPLACE INTO %s (key, version, value) VALUES (?1, ?2, ?3)",
	[STATEMENT_DELETE] = "DELETE FROM %s WHERE key = ?1",
	[STATEMENT_SCAN] = "SELECT key, version, value FROM %s"
			   " WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
	[STATEMENT_SCAN_BACK] = "SELECT key, version, value FROM %s"
				" WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3",
};

enum control {
	CONTROL_BEGIN,
	CONTROL_COMMIT,
	CONTROL_ROLLBACK,
	CONTROL_MARK,
	CONTROL_KEEP,
	CONTROL_UNDO,
	CONTROL_COUNT
};

static const char *const control_texts[CONTROL_COUNT] = {
	[CONTROL_BEGIN] = "BEGIN IMMEDIATE",
	[CONTROL_COMMIT] = "COMMIT",
	[CONTROL_ROLLBACK] = "ROLLBACK",
	[CONTROL_MARK] = "SAVEPOINT job",
	[CONTROL_KEEP] = "RELEASE job",
	[CONTROL_UNDO] = "ROLLBACK TO job",
};

enum count { COUNT_PAGES, COUNT_FREE, COUNT_COUNT };

static const char *const count_texts[COUNT_COUNT] = {
	[COUNT_PAGES] = "PRAGMA page_count",
	[COUNT_FREE] = "PRAGMA freelist_count",
};

/* Taken in this order when the database is opened. */
static const char *const pragmas[] = {
	"PRAGMA synchronous = FULL",
	"PRAGMA journal_size_limit = 67108864",
	"PRAGMA cache_size = -16384",
	"PRAGMA temp_store = MEMORY",
	"PRAGMA trusted_schema = OFF",
};

/* A tenth of a second's work. */
enum { CHECK_BYTES_MAX = 64 * 1024 * 1024 };

struct engine_db {
	sqlite3 *sqlite;
	char *path;
	sqlite3_stmt *statements[SPACE_COUNT][STATEMENT_COUNT];
	sqlite3_stmt *controls[CONTROL_COUNT];
	sqlite3_stmt *last_get; /* reset before anything else, its row was borrowed */
	enum engine_trouble trouble;
	struct guard guard;
	sqlite3_stmt *counts[COUNT_COUNT];
	sqlite3_int64 page_bytes;
};

static enum engine_trouble
trouble_of(int code)
{
	if ((code & 0xff) == SQLITE_FULL)
		return TROUBLE_FULL;
	if (guard_is_damage(code))
		return TROUBLE_DAMAGED;
	return TROUBLE_BROKEN;
}

/* SQLite says "disk I/O error" where the system said "no space": ask it. */
static int
note_trouble(struct engine_db *db, int code, const char *doing, struct err *err)
{
	const char *what = sqlite3_errmsg(db->sqlite);

	db->trouble = trouble_of(code);
	if (db->trouble == TROUBLE_FULL)
		return err_set(err, "%s: %s: the disk is full; free some space", db->path, doing);
	if (db->trouble == TROUBLE_DAMAGED)
		(void)sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (page_check_failed(code))
		return guard_damaged(db->path, doing, "a page has changed", err);
	if (db->trouble == TROUBLE_DAMAGED)
		return guard_damaged(db->path, doing, what, err);
	if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
		return err_set(err, "%s: %s: another program holds a lock on it", db->path, doing);
	return err_set(err, "%s: %s: %s", db->path, doing, what);
}

static int
prepare(struct engine_db *db, const char *text, sqlite3_stmt **statement, struct err *err)
{
	int code =
	    sqlite3_prepare_v3(db->sqlite, text, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);

	return code == SQLITE_OK ? 0 : note_trouble(db, code, "prepare", err);
}

static void
finish_get(struct engine_db *db)
{
	if (db->last_get != NULL)
		(void)sqlite3_reset(db->last_get);
	db->last_get = NULL;
}

static sqlite3_stmt *
statement_for(struct engine_db *db, enum space space, enum statement which, struct err *err)
{
	sqlite3_stmt **statement = &db->statements[space][which];
	char text[256];

	finish_get(db);
	if (*statement == NULL) {
		(void)sqlite3_snprintf(
		    sizeof(text), text, statement_texts[which], space_rows[space].name);
		if (prepare(db, text, statement, err) < 0)
			return NULL;
	}
	return *statement;
}

static int
control(struct engine_db *db, enum control which, struct err *err)
{
	int code;

	finish_get(db);
	if (db->controls[which] == NULL &&
	    prepare(db, control_texts[which], &db->controls[which], err) < 0)
		return -1;
	code = sqlite3_step(db->controls[which]);
	if (code != SQLITE_DONE)
		(void)note_trouble(db, code, control_texts[which], err);
	(void)sqlite3_reset(db->controls[which]);
	return code == SQLITE_DONE ? 0 : -1;
}

static void
bind_key(sqlite3_stmt *statement, int at, struct bytes key)
{
	(void)sqlite3_bind_text(
	    statement, at, key.len > 0 ? (const char *)key.data : "", (int)key.len, SQLITE_STATIC);
}

static void
bind_value(sqlite3_stmt *statement, int at, struct bytes value)
{
	bool text =
	    value.len == 0 || (memchr(value.data, 0, value.len) == NULL && utf8_is_valid(value));

	if (text)
		bind_key(statement, at, value);
	else
		(void)sqlite3_bind_blob(statement, at, value.data, (int)value.len, SQLITE_STATIC);
}

static struct bytes
column(sqlite3_stmt *statement, int at)
{
	const void *data = sqlite3_column_blob(statement, at);

	return bytes_of(data, (size_t)sqlite3_column_bytes(statement, at));
}

static struct txn_row
row_of(sqlite3_stmt *statement)
{
	return (struct txn_row){
		.key = column(statement, 0),
		.version = (uint64_t)sqlite3_column_int64(statement, 1),
		.value = column(statement, 2),
	};
}

static int
sqlite_get(
    struct engine_db *db, enum space space, struct bytes key, struct txn_row *row, struct err *err)
{
	sqlite3_stmt *statement = statement_for(db, space, STATEMENT_GET, err);
	int code;

	if (statement == NULL)
		return -1;
	bind_key(statement, 1, key);
	db->last_get = statement;
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		*row = row_of(statement);
		return 1;
	}
	return code == SQLITE_DONE ? 0 : note_trouble(db, code, "read", err);
}

static int
change(struct engine_db *db, sqlite3_stmt *statement, struct err *err)
{
	int code = sqlite3_step(statement);

	if (code != SQLITE_DONE)
		(void)note_trouble(db, code, "write", err);
	(void)sqlite3_reset(statement);
	return code == SQLITE_DONE ? 0 : -1;
}

static int
sqlite_put(struct engine_db *db, enum space space, const struct txn_row *row, struct err *err)
{
	sqlite3_stmt *statement = statement_for(db, space, STATEMENT_PUT, err);

	if (statement == NULL)
		return -1;
	bind_key(statement, 1, row->key);
	(void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)row->version);
	bind_value(statement, 3, row->value);
	return change(db, statement, err);
}

static int
sqlite_remove(struct engine_db *db, enum space space, struct bytes key, struct err *err)
{
	sqlite3_stmt *statement = statement_for(db, space, STATEMENT_DELETE, err);

	if (statement == NULL)
		return -1;
	bind_key(statement, 1, key);
	if (change(db, statement, err) < 0)
		return -1;
	return sqlite3_changes(db->sqlite) > 0;
}

static int
sqlite_scan(struct engine_db *db, const struct txn_range *range, txn_scan_fn *each, void *arg,
    struct err *err)
{
	sqlite3_stmt *statement = statement_for(
	    db, range->space, range->reverse ? STATEMENT_SCAN_BACK : STATEMENT_SCAN, err);
	int code, result = 0;

	if (statement == NULL)
		return -1;
	bind_key(statement, 1, range->from);
	if (range->to.len > 0)
		bind_key(statement, 2, range->to);
	else
		(void)sqlite3_bind_zeroblob(statement, 2, 0);
	(void)sqlite3_bind_int64(statement, 3, range->limit > 0 ? (sqlite3_int64)range->limit : -1);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct txn_row row = row_of(statement);

		if (!each(arg, &row))
			break;
	}
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		result = note_trouble(db, code, "read", err);
	(void)sqlite3_reset(statement);
	return result;
}

static enum engine_trouble
sqlite_trouble(const struct engine_db *db)
{
	return db->trouble;
}

static int
sqlite_begin(struct engine_db *db, struct err *err)
{
	db->trouble = TROUBLE_NONE;
	return control(db, CONTROL_BEGIN, err);
}

static int
sqlite_commit(struct engine_db *db, uint64_t version, struct err *err)
{
	if (control(db, CONTROL_COMMIT, err) < 0)
		return -1;
	mark_note(&db->guard.mark, version);
	return 0;
}

/* SQLite has rolled back by itself after some errors; a second time would be an error. */
static void
sqlite_rollback(struct engine_db *db)
{
	enum engine_trouble trouble = db->trouble;
	struct err err;

	finish_get(db);
	if (sqlite3_get_autocommit(db->sqlite) == 0 && control(db, CONTROL_ROLLBACK, &err) < 0)
		trouble = TROUBLE_BROKEN;
	db->trouble = trouble;
}

static int
sqlite_mark(struct engine_db *db, struct err *err)
{
	return control(db, CONTROL_MARK, err);
}

static int
sqlite_unmark(struct engine_db *db, bool undo, struct err *err)
{
	if (undo && control(db, CONTROL_UNDO, err) < 0)
		return -1;
	return control(db, CONTROL_KEEP, err);
}

static int
read_number(struct engine_db *db, sqlite3_stmt *statement, sqlite3_int64 *number, struct err *err)
{
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else
		(void)note_trouble(db, code, "read", err);
	(void)sqlite3_reset(statement);
	return code == SQLITE_ROW ? 0 : -1;
}

static int
read_page_bytes(struct engine_db *db, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int result;

	if (prepare(db, "PRAGMA page_size", &statement, err) < 0)
		return -1;
	result = read_number(db, statement, &db->page_bytes, err);
	(void)sqlite3_finalize(statement);
	return result;
}

static int
sqlite_used(struct engine_db *db, uint64_t *bytes, struct err *err)
{
	sqlite3_int64 counts[COUNT_COUNT] = { 0 };

	finish_get(db);
	if (db->page_bytes == 0 && read_page_bytes(db, err) < 0)
		return -1;
	for (int i = 0; i < COUNT_COUNT; i++) {
		if (db->counts[i] == NULL && prepare(db, count_texts[i], &db->counts[i], err) < 0)
			return -1;
		if (read_number(db, db->counts[i], &counts[i], err) < 0)
			return -1;
	}
	*bytes = (uint64_t)((counts[COUNT_PAGES] - counts[COUNT_FREE]) * db->page_bytes);
	return 0;
}

static int
run_text(struct engine_db *db, const char *text, const char *doing, struct err *err)
{
	int code = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : note_trouble(db, code, doing, err);
}

static int
sqlite_hide_table(struct engine_db *db, struct bytes name, struct err *err)
{
	struct buf sql = { 0 };
	int result;

	finish_get(db);
	sqlite_view_drop(name, &sql);
	result = run_text(db, buf_string(&sql), "drop a view", err);
	buf_clear(&sql);
	return result;
}

/* 1: the view stands there as the statement makes it, 0: it does not, -1. */
static int
has_view(struct engine_db *db, const char *create, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int code;

	if (prepare(db, "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND sql = ?1", &statement,
		err) < 0)
		return -1;
	(void)sqlite3_bind_text(statement, 1, create, -1, SQLITE_STATIC);
	code = sqlite3_step(statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		(void)note_trouble(db, code, "read", err);
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : -1;
}

static int
sqlite_show_table(struct engine_db *db, const struct table_def *def, struct err *err)
{
	struct buf sql = { 0 };
	int found;

	finish_get(db);
	sqlite_view_create(def, &sql);
	found = has_view(db, buf_string(&sql), err);
	if (found == 0)
		found = sqlite_hide_table(db, bytes_of_string(def->name), err);
	else if (found == 1)
		goto out;
	if (found == 0)
		found = run_text(db, buf_string(&sql), "make a view", err);
out:
	buf_clear(&sql);
	return found < 0 ? -1 : 0;
}

static void
sqlite_close(struct engine_db *db)
{
	for (int i = 0; i < SPACE_COUNT; i++) {
		for (int j = 0; j < STATEMENT_COUNT; j++)
			(void)sqlite3_finalize(db->statements[i][j]);
	}
	for (int i = 0; i < CONTROL_COUNT; i++)
		(void)sqlite3_finalize(db->controls[i]);
	for (int i = 0; i < COUNT_COUNT; i++)
		(void)sqlite3_finalize(db->counts[i]);
	(void)sqlite3_close(db->sqlite);
	guard_end(&db->guard);
	free(db->path);
	free(db);
}

/* Reads a row of each table too, so that a file that is no database is found now. */
static int
make_tables(struct engine_db *db, struct err *err)
{
	char text[256];

	for (int i = 0; i < SPACE_COUNT; i++) {
		(void)sqlite3_snprintf(sizeof(text), text,
		    "CREATE TABLE IF NOT EXISTS %s (key TEXT NOT NULL PRIMARY KEY,"
		    " version INTEGER NOT NULL, value) WITHOUT ROWID;"
		    " SELECT key FROM %s LIMIT 1",
		    space_rows[i].name, space_rows[i].name);
		if (run_text(db, text, "open", err) < 0)
			return -1;
	}
	return run_text(db, sqlite_views_keyed, "make views", err);
}

/* Whatever the schema's steps need, in the transaction that makes the tables. */
static int
migrate(struct engine_db *db, const struct store_config *config, struct err *err)
{
	struct txn txn = { .engine = &engine_sqlite, .db = db };
	int result = schema_migrate(
	    &txn, config->schema != NULL ? config->schema : &schema_present, db->path, err);

	finish_get(db);
	return result < 0 ? -1 : 0;
}

static int
set_up(struct engine_db *db, const struct store_config *config, struct err *err)
{
	(void)sqlite3_extended_result_codes(db->sqlite, 1);
	(void)sqlite3_busy_timeout(db->sqlite, BUSY_TIMEOUT_MS);
	guard_hold(&db->guard);
	for (size_t i = 0; i < sizeof(pragmas) / sizeof(*pragmas); i++) {
		if (run_text(db, pragmas[i], "open", err) < 0)
			return -1;
	}
	/* A copy made by a backup has no journal of this kind yet: its header is written here. */
	if (guard_check(&db->guard, err) < 0 ||
	    run_text(db, "PRAGMA journal_mode = WAL", "open", err) < 0)
		return -1;
	if (sqlite_begin(db, err) < 0 || make_tables(db, err) < 0 || migrate(db, config, err) < 0 ||
	    sqlite_commit(db, 0, err) < 0) {
		sqlite_rollback(db);
		return -1;
	}
	return guard_release(&db->guard, err);
}

static struct engine_db *
sqlite_open(const struct store_config *config, struct err *err)
{
	struct engine_db *db = xcalloc(1, sizeof(*db));
	size_t len = strlen(config->folder) + sizeof("/" DB_NAME);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	int code;

	db->path = xmalloc(len);
	(void)sqlite3_snprintf((int)len, db->path, "%s/" DB_NAME, config->folder);
	db->guard = (struct guard){ .folder = config->folder,
		.path = db->path,
		.mark.fd = -1,
		.check_bytes_max =
		    config->check_bytes_max > 0 ? config->check_bytes_max : CHECK_BYTES_MAX };
	if (guard_begin(&db->guard, err) < 0) {
		sqlite_close(db);
		return NULL;
	}
	code = sqlite3_open_v2(db->path, &db->sqlite, flags, page_check_name());
	db->guard.sqlite = db->sqlite;
	if (code != SQLITE_OK)
		(void)note_trouble(db, code, "open", err);
	if (code != SQLITE_OK || set_up(db, config, err) < 0) {
		sqlite_close(db);
		return NULL;
	}
	return db;
}

const struct engine engine_sqlite = {
	.name = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.trouble = sqlite_trouble,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.mark = sqlite_mark,
	.unmark = sqlite_unmark,
	.get = sqlite_get,
	.put = sqlite_put,
	.remove = sqlite_remove,
	.scan = sqlite_scan,
	.used = sqlite_used,
	.show_table = sqlite_show_table,
	.hide_table = sqlite_hide_table,
};
