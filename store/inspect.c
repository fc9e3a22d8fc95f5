/* SPDX-License-Identifier: MIT
 * Backup by VACUUM INTO, which reads one snapshot and leaves the host's writes alone; verification
 * by SQLite's own check, by queries, and by walking the items.
 */
#include "store/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/table_def.h"
#include "store/page_check.h"
#include "store/sqlite_guard.h"
#include "store/tables.h"

#define DB_NAME "moonlet.db"

enum { BUSY_TIMEOUT_MS = 10000, PROBLEMS_MAX = 1000 };

static int
sql_error(sqlite3 *db, const char *path, const char *doing, struct err *err)
{
	int code = sqlite3_extended_errcode(db);

	if (guard_is_damage(code))
		return guard_damaged(path, doing,
		    page_check_failed(code) ? "a page has changed" : sqlite3_errmsg(db), err);
	return err_set(err, "%s: %s: %s", path, doing, sqlite3_errmsg(db));
}

static sqlite3 *
open_read_only(const char *path, struct err *err)
{
	sqlite3 *db = NULL;

	if (access(path, R_OK) < 0) {
		(void)err_errno(err, "%s", path);
		return NULL;
	}
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, page_check_name()) != SQLITE_OK ||
	    sqlite3_extended_result_codes(db, 1) != SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA trusted_schema = OFF; SELECT count(*) FROM meta", NULL, NULL,
		NULL) != SQLITE_OK) {
		(void)sql_error(db, path, "open", err);
		(void)sqlite3_close(db);
		return NULL;
	}
	(void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
	page_check_reserve(db);
	return db;
}

/* --- backup --- */

static int
sync_path(const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC);
	int result = fd >= 0 ? fsync(fd) : -1;

	if (result < 0)
		(void)err_errno(err, "%s: sync", path);
	if (fd >= 0)
		(void)close(fd);
	return result;
}

static int
copy_into(sqlite3 *db, const char *from, const char *to, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &statement, NULL);

	if (code == SQLITE_OK) {
		(void)sqlite3_bind_text(statement, 1, to, -1, SQLITE_STATIC);
		code = sqlite3_step(statement);
	}
	(void)sqlite3_finalize(statement);
	if (code == SQLITE_DONE)
		return 0;
	if ((code & 0xff) == SQLITE_FULL)
		return err_set(err, "%s: the disk is full; name a place with more space", to);
	return sql_error(db, from, "copy", err);
}

/* The copy is another database: what the original acknowledges from now on is not asked of it. */
static int
change_id(const char *path, struct err *err)
{
	sqlite3 *db = NULL;
	int code = 0;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, page_check_name()) != SQLITE_OK ||
	    sqlite3_exec(db,
		"INSERT OR REPLACE INTO meta (key, version, value) VALUES ('id', 0, 'copy')", NULL,
		NULL, NULL) != SQLITE_OK)
		code = sql_error(db, path, "write", err);
	(void)sqlite3_close(db);
	return code;
}

/* The name in its place, and the place on the disk. */
static int
put_in_place(const char *part, const char *path, struct err *err)
{
	struct buf folder = { 0 };
	const char *slash = strrchr(path, '/');
	int result;

	if (sync_path(part, O_RDWR, err) < 0)
		return -1;
	if (rename(part, path) < 0)
		return err_errno(err, "%s: rename to %s", part, path);
	if (slash == NULL)
		buf_append_string(&folder, ".");
	else
		buf_append(&folder, path, slash == path ? 1 : (size_t)(slash - path));
	result = sync_path(buf_string(&folder), O_RDONLY | O_DIRECTORY, err);
	buf_clear(&folder);
	return result;
}

/* An empty file is made first: what SQLite writes into it keeps its mode. */
static int
backup_to(sqlite3 *db, const char *from, const char *part, const char *path, struct err *err)
{
	int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, "%s: cannot be written there", path);
	(void)close(fd);
	if (copy_into(db, from, part, err) == 0 && change_id(part, err) == 0 &&
	    put_in_place(part, path, err) == 0)
		return 0;
	(void)unlink(part);
	return -1;
}

int
store_backup(const char *folder, const char *path, bool replace, struct backup_result *result,
    struct err *err)
{
	struct buf from = { 0 }, part = { 0 };
	struct stat status;
	sqlite3 *db;
	int code = -1;

	buf_printf(&from, "%s/" DB_NAME, folder);
	buf_printf(&part, "%s.part-%d", path, (int)getpid());
	if (!replace && access(path, F_OK) == 0) {
		(void)err_set(err, "%s is there already; name another file, or --force", path);
	} else if ((db = open_read_only(buf_string(&from), err)) != NULL) {
		code = backup_to(db, buf_string(&from), buf_string(&part), path, err);
		(void)sqlite3_close(db);
	}
	if (code == 0)
		result->bytes = stat(path, &status) == 0 ? status.st_size : 0;
	buf_clear(&from);
	buf_clear(&part);
	return code;
}

/* --- verification --- */

struct verifying {
	sqlite3 *db;
	const char *path;
	void (*problem)(void *arg, const char *text);
	void *arg;
	struct verify_result *result;
	struct table_def *tables;
	size_t table_count;
	sqlite3_stmt *has[2]; /* item_index, item_expiry: is this key there */
	uint64_t expected[2]; /* rows that items call for */
	struct mark mark;
	bool works; /* definitions were changed: rows come and go by and by */
	struct err *err;
};

enum { HAS_INDEX, HAS_EXPIRY };

static void __attribute__((format(printf, 2, 3)))
complain(struct verifying *verifying, const char *format, ...)
{
	struct err text;
	va_list ap;

	if (++verifying->result->problems > PROBLEMS_MAX)
		return;
	va_start(ap, format);
	(void)vsnprintf(text.text, sizeof(text.text), format, ap);
	va_end(ap);
	verifying->problem(verifying->arg, text.text);
}

typedef int each_row_fn(struct verifying *verifying, sqlite3_stmt *row);

static int
each_row(struct verifying *verifying, const char *sql, each_row_fn *each)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(verifying->db, sql, -1, &statement, NULL), result = 0;

	while (code == SQLITE_OK && result == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		result = each(verifying, statement);
		code = SQLITE_OK;
	}
	(void)sqlite3_finalize(statement);
	if (code != SQLITE_OK && code != SQLITE_DONE)
		return sql_error(verifying->db, verifying->path, "check", verifying->err);
	return result;
}

static struct bytes
column(sqlite3_stmt *row, int at)
{
	const void *data = sqlite3_column_blob(row, at);

	return bytes_of(data, (size_t)sqlite3_column_bytes(row, at));
}

static int
integrity_row(struct verifying *verifying, sqlite3_stmt *row)
{
	const char *text = (const char *)sqlite3_column_text(row, 0);

	if (text != NULL && strcmp(text, "ok") != 0)
		complain(verifying, "structure: %s", text);
	return 0;
}

static int
count_row(struct verifying *verifying, sqlite3_stmt *row)
{
	verifying->result->rows += (uint64_t)sqlite3_column_int64(row, 0);
	return 0;
}

static int
not_json_row(struct verifying *verifying, sqlite3_stmt *row)
{
	complain(verifying, "%s: the row %s is not JSON", sqlite3_column_text(row, 0),
	    sqlite3_column_text(row, 1));
	return 0;
}

/* Spaces whose values are JSON (lib/writes.h). */
static const enum space json_spaces[] = { SPACE_SHADOW, SPACE_QUEUE, SPACE_FAILED, SPACE_WEBHOOK,
	SPACE_TABLE, SPACE_ITEM, SPACE_CHANGE, SPACE_TIMER, SPACE_STATE };

static int
check_rows(struct verifying *verifying)
{
	char sql[512];

	for (int i = 0; i < SPACE_COUNT; i++) {
		(void)sqlite3_snprintf(
		    sizeof(sql), sql, "SELECT count(*) FROM %s", space_rows[i].name);
		if (each_row(verifying, sql, count_row) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(json_spaces) / sizeof(*json_spaces); i++) {
		const char *name = space_rows[json_spaces[i]].name;

		(void)sqlite3_snprintf(sizeof(sql), sql,
		    "SELECT '%s', quote(key) FROM %s WHERE typeof(value) = 'blob' OR NOT "
		    "json_valid(value)",
		    name, name);
		if (each_row(verifying, sql, not_json_row) < 0)
			return -1;
	}
	return 0;
}

static int
table_row(struct verifying *verifying, sqlite3_stmt *row)
{
	struct table_def *def = &verifying->tables[verifying->table_count];
	struct err why;

	if (verifying->table_count == TABLES_MAX)
		return 0;
	if (table_def_read(column(row, 1), def, &why) == 0)
		verifying->table_count++;
	else
		complain(
		    verifying, "definition: table %s: %s", sqlite3_column_text(row, 0), why.text);
	return 0;
}

static const struct table_def *
table_of(const struct verifying *verifying, struct bytes row_key, struct bytes *key)
{
	const uint8_t *zero = row_key.len > 0 ? memchr(row_key.data, 0, row_key.len) : NULL;
	struct bytes name =
	    bytes_of(row_key.data, zero != NULL ? (size_t)(zero - row_key.data) : 0);

	*key = zero != NULL ? bytes_of(zero + 1, row_key.len - name.len - 1) : bytes_of(NULL, 0);
	for (size_t i = 0; zero != NULL && i < verifying->table_count; i++) {
		if (bytes_equal_string(name, verifying->tables[i].name))
			return &verifying->tables[i];
	}
	return NULL;
}

static bool
has_row(struct verifying *verifying, int which, struct bytes key)
{
	sqlite3_stmt *statement = verifying->has[which];
	int code;

	(void)sqlite3_bind_text(statement, 1, (const char *)key.data, (int)key.len, SQLITE_STATIC);
	code = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	verifying->expected[which]++;
	return code == SQLITE_ROW;
}

static int
item_row(struct verifying *verifying, sqlite3_stmt *row)
{
	struct bytes row_key = column(row, 0), item = column(row, 1), key;
	const struct table_def *def = table_of(verifying, row_key, &key);
	const char *shown = (const char *)sqlite3_column_text(row, 2);
	struct buf expected = { 0 };

	verifying->result->items++;
	if (def == NULL) {
		if (!verifying->works)
			complain(verifying, "item: the row %s is of no table", shown);
		return 0;
	}
	if (table_item_key(def, item, &expected) != ITEM_OK ||
	    !bytes_equal(buf_bytes(&expected), key))
		complain(
		    verifying, "item: the row %s stands under another key than its item's", shown);
	for (size_t i = 0; i < def->index_count; i++) {
		buf_reset(&expected);
		if (table_index_row(def, &def->indexes[i], key, item, &expected) &&
		    !has_row(verifying, HAS_INDEX, buf_bytes(&expected)) && !verifying->works)
			complain(verifying, "item_index: %s is missing in index %s of table %s",
			    shown, def->indexes[i].name, def->name);
	}
	buf_reset(&expected);
	if (table_expiry_row(def, key, item, &expected) &&
	    !has_row(verifying, HAS_EXPIRY, buf_bytes(&expected)) && !verifying->works)
		complain(verifying, "item_expiry: %s of table %s is missing", shown, def->name);
	buf_clear(&expected);
	return 0;
}

static int
index_count_row(struct verifying *verifying, sqlite3_stmt *row)
{
	static const char *const names[] = { "item_index", "item_expiry" };

	for (int i = 0; i < 2; i++) {
		uint64_t there = (uint64_t)sqlite3_column_int64(row, i);

		if (there > verifying->expected[i] && !verifying->works)
			complain(verifying, "%s: %llu rows belong to no item", names[i],
			    (unsigned long long)(there - verifying->expected[i]));
	}
	return 0;
}

/* A folder's database must hold what its mark says; `folder` NULL: a copy, which has none. */
static int
check_mark(struct verifying *verifying, const char *folder)
{
	struct guard guard = { .folder = folder, .path = verifying->path, .sqlite = verifying->db };
	struct err why;

	if (folder == NULL)
		return 0;
	guard.mark = verifying->mark;
	if (guard.mark.is_there && !page_check_is_on(verifying->db))
		complain(verifying, "%s: its header has changed", verifying->path);
	if (guard.mark.is_there && guard_measure(&guard, &why) < 0)
		complain(verifying, "%s", why.text);
	return 0;
}

static int
works_row(struct verifying *verifying, sqlite3_stmt *row)
{
	verifying->works = sqlite3_column_int64(row, 0) > 0;
	return 0;
}

static int
verify_all(struct verifying *verifying)
{
	sqlite3 *db = verifying->db;

	/* One snapshot for all of it. */
	if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT 1 FROM item_index WHERE key = ?1", -1,
		&verifying->has[HAS_INDEX], NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT 1 FROM item_expiry WHERE key = ?1", -1,
		&verifying->has[HAS_EXPIRY], NULL) != SQLITE_OK)
		return sql_error(db, verifying->path, "check", verifying->err);
	if (each_row(verifying, "PRAGMA integrity_check(100)", integrity_row) < 0 ||
	    check_rows(verifying) < 0 ||
	    each_row(verifying, "SELECT key, value FROM definition", table_row) < 0 ||
	    each_row(verifying, "SELECT count(*) FROM meta WHERE key GLOB 'work/*'", works_row) <
		0 ||
	    each_row(verifying, "SELECT key, value, quote(key) FROM item", item_row) < 0)
		return -1;
	return each_row(verifying,
	    "SELECT (SELECT count(*) FROM item_index), (SELECT count(*) FROM item_expiry)",
	    index_count_row);
}

int
store_verify(const char *path, void (*problem)(void *arg, const char *text), void *arg,
    struct verify_result *result, struct err *err)
{
	struct verifying verifying = {
		.problem = problem, .arg = arg, .result = result, .err = err
	};
	struct buf file = { 0 };
	struct stat status;
	bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
	int code = -1;

	*result = (struct verify_result){ 0 };
	buf_append_string(&file, path);
	if (is_folder)
		buf_append_string(&file, "/" DB_NAME);
	verifying.path = buf_string(&file);
	/* The mark before the database, for a host may be running. */
	if (!is_folder || mark_read(&verifying.mark, path, err) == 0)
		verifying.db = open_read_only(verifying.path, err);
	if (verifying.db != NULL) {
		verifying.tables = xcalloc(TABLES_MAX + 1, sizeof(*verifying.tables));
		code = verify_all(&verifying);
		if (code == 0)
			code = check_mark(&verifying, is_folder ? path : NULL);
		(void)sqlite3_finalize(verifying.has[HAS_INDEX]);
		(void)sqlite3_finalize(verifying.has[HAS_EXPIRY]);
		for (size_t i = 0; i < verifying.table_count; i++)
			table_def_clear(&verifying.tables[i]);
		free(verifying.tables);
		(void)sqlite3_close(verifying.db);
	}
	buf_clear(&file);
	return code;
}
