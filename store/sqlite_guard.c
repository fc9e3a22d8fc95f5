/* SPDX-License-Identifier: MIT
 * The checks at open: the mark, the reserved bytes, SQLite's own check of small files.
 */
#include "store/sqlite_guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/bytes.h"
#include "lib/log.h"
#include "store/page_check.h"

bool
guard_is_damage(int code)
{
	return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ||
	       page_check_failed(code);
}

int
guard_damaged(const char *path, const char *doing, const char *what, struct err *err)
{
	return err_set(err,
	    "%s: %s: the file is damaged (%s); restore it from a backup, "
	    "or move it away to start empty",
	    path, doing, what);
}

static int
failed(const struct guard *guard, const char *doing, struct err *err)
{
	int code = sqlite3_extended_errcode(guard->sqlite);

	if (page_check_failed(code))
		return guard_damaged(guard->path, doing, "a page has changed", err);
	if (guard_is_damage(code))
		return guard_damaged(guard->path, doing, sqlite3_errmsg(guard->sqlite), err);
	return err_set(err, "%s: %s: %s", guard->path, doing, sqlite3_errmsg(guard->sqlite));
}

static int64_t
file_size(const char *path, const char *suffix)
{
	struct buf name = { 0 };
	struct stat status;
	int code;

	buf_printf(&name, "%s%s", path, suffix);
	code = stat(buf_string(&name), &status);
	buf_clear(&name);
	return code == 0 ? status.st_size : -1;
}

int
guard_begin(struct guard *guard, struct err *err)
{
	int64_t size = file_size(guard->path, "");

	if (mark_read(&guard->mark, guard->folder, err) < 0)
		return -1;
	guard->is_new = size < 0;
	if (guard->is_new)
		guard->mark.is_there = false;
	if (guard->mark.is_there && size == 0)
		return guard_damaged(guard->path, "open", "it is empty", err);
	guard->bare =
	    guard->mark.is_there && !guard->mark.shut && file_size(guard->path, "-wal") <= 0;
	return 0;
}

void
guard_hold(struct guard *guard)
{
	(void)sqlite3_db_config(guard->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	page_check_reserve(guard->sqlite);
	page_check_take_bare(guard->sqlite, guard->bare);
}

/* The first column of the first row as text, appended. 1, 0: no row, -1. */
static int
ask(const struct guard *guard, const char *sql, struct buf *out, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(guard->sqlite, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		buf_append(out, sqlite3_column_blob(statement, 0),
		    (size_t)sqlite3_column_bytes(statement, 0));
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		(void)failed(guard, "open", err);
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : -1;
}

/* What SQLite's check says where a page could not be had at all: for want of memory, or because
 * the disk fails. A page that has changed is damage. */
#define CANNOT_READ "unable to get the page. error code="
#define HAS_CHANGED CANNOT_READ "8202" /* SQLITE_IOERR_DATA */

/* SQLite's verdict has a heading. */
static const char *
last_line(const char *text)
{
	const char *end = strrchr(text, '\n');

	return end != NULL && end[1] != '\0' ? end + 1 : text;
}

static int
check_structure(const struct guard *guard, struct err *err)
{
	struct buf verdict = { 0 };
	int found = ask(guard, "PRAGMA quick_check(1)", &verdict, err);

	if (found >= 0 && strstr(buf_string(&verdict), HAS_CHANGED) != NULL)
		found = guard_damaged(guard->path, "open", "a page has changed", err);
	else if (found >= 0 && strstr(buf_string(&verdict), CANNOT_READ) != NULL)
		found = err_set(err, "%s: open: it cannot be read (%s)", guard->path,
		    strstr(buf_string(&verdict), CANNOT_READ));
	else if (found >= 0 && !bytes_equal_string(buf_bytes(&verdict), "ok"))
		found = guard_damaged(guard->path, "open", last_line(buf_string(&verdict)), err);
	buf_clear(&verdict);
	return found < 0 ? -1 : 0;
}

int
guard_measure(struct guard *guard, struct err *err)
{
	struct buf id = { 0 }, version = { 0 };
	const struct mark *mark = &guard->mark;
	int code = 0;

	if (ask(guard, "SELECT value FROM meta WHERE key = 'id'", &id, err) < 0 ||
	    ask(guard, "SELECT value FROM meta WHERE key = 'version'", &version, err) < 0)
		code = -1;
	else if (bytes_equal_string(buf_bytes(&id), mark->id) &&
		 strtoull(buf_string(&version), NULL, 10) < mark->version)
		code = err_set(err,
		    "%s-wal: the journal is damaged or missing, or %s is an older copy: it ends "
		    "with transaction %s, and those up to %" PRIu64 " were acknowledged; restore a "
		    "backup, or remove %s/moonlet.mark to go on without them",
		    guard->path, guard->path, version.len > 0 ? buf_string(&version) : "0",
		    mark->version, guard->folder);
	buf_clear(&id);
	buf_clear(&version);
	return code;
}

/* 1: there is a table of ours, 0, -1. */
static int
has_tables(const struct guard *guard, struct err *err)
{
	struct buf one = { 0 };
	int found = ask(guard, "SELECT 1 FROM sqlite_schema WHERE name = 'meta'", &one, err);

	buf_clear(&one);
	return found;
}

/* What another program keeps in a file of that name is not taken over. */
static int
check_is_empty(const struct guard *guard, struct err *err)
{
	struct buf one = { 0 };
	int found = ask(guard, "SELECT 1 FROM sqlite_schema LIMIT 1", &one, err);

	buf_clear(&one);
	if (found == 1)
		return err_set(err,
		    "%s: open: it is another program's database; move it away to start empty",
		    guard->path);
	return found;
}

/* 1: its pages had sums, 0, -1. */
static int
has_id(const struct guard *guard, struct err *err)
{
	struct buf id = { 0 };
	int found = ask(guard, "SELECT value FROM meta WHERE key = 'id'", &id, err);

	buf_clear(&id);
	return found < 0 ? -1 : found == 1 || guard->mark.is_there;
}

/* The pages that came past the file layer get their sums. */
static int
adopt(struct guard *guard, struct err *err)
{
	int64_t pages = page_check_stamp(guard->path);

	if (pages < 0)
		return err_errno(err, "%s: give its pages their sums", guard->path);
	if (pages > 0)
		log_warn("store",
		    "%s: another program has worked on it: %lld pages were checked and taken over",
		    guard->path, (long long)pages);
	guard->bare = false;
	page_check_take_bare(guard->sqlite, false);
	return 0;
}

int
guard_check(struct guard *guard, struct err *err)
{
	int tables = has_tables(guard, err);

	if (tables < 0)
		return -1;
	if (tables == 0 && guard->mark.is_there)
		return guard_damaged(guard->path, "open", "its tables are gone", err);
	if (tables == 0)
		return check_is_empty(guard, err);
	if (!page_check_is_on(guard->sqlite)) {
		tables = has_id(guard, err);
		if (tables != 0)
			return tables < 0 ? -1
					  : guard_damaged(
						guard->path, "open", "its header has changed", err);
	}
	if (guard->mark.is_there && guard_measure(guard, err) < 0)
		return -1;
	/* Larger files are checked page by page as they are read. */
	if ((guard->bare || file_size(guard->path, "") <= (int64_t)guard->check_bytes_max) &&
	    check_structure(guard, err) < 0)
		return -1;
	return guard->bare ? adopt(guard, err) : 0;
}

static int
run(const struct guard *guard, const char *sql, struct err *err)
{
	if (sqlite3_exec(guard->sqlite, sql, NULL, NULL, NULL) != SQLITE_OK)
		return failed(guard, "open", err);
	return 0;
}

/* A database of before there were sums is written anew with them. */
static int
rewrite(const struct guard *guard, struct err *err)
{
	if (page_check_is_on(guard->sqlite))
		return 0;
	log_info("store", "%s: is rewritten with a checksum for each page", guard->path);
	return run(guard, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", err);
}

static int
make_id(struct guard *guard, struct err *err)
{
	uint8_t bits[MARK_ID_LEN / 2];
	char sql[256];

	if (getrandom(bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		return err_errno(err, "random numbers");
	for (size_t i = 0; i < sizeof(bits); i++)
		(void)sqlite3_snprintf(3, guard->mark.id + 2 * i, "%02x", bits[i]);
	(void)sqlite3_snprintf(sizeof(sql), sql,
	    "INSERT OR REPLACE INTO meta (key, version, value) VALUES ('id', 0, '%s');"
	    " PRAGMA wal_checkpoint(TRUNCATE)",
	    guard->mark.id);
	return run(guard, sql, err);
}

int
guard_release(struct guard *guard, struct err *err)
{
	struct buf id = { 0 }, version = { 0 };
	int code = rewrite(guard, err);

	if (code == 0)
		code = ask(guard, "SELECT value FROM meta WHERE key = 'id'", &id, err);
	if (code == 1 && id.len == MARK_ID_LEN)
		memcpy(guard->mark.id, id.data, id.len);
	else if (code >= 0) /* none yet, or a copy */
		code = make_id(guard, err);
	if (code >= 0)
		code = ask(guard, "SELECT value FROM meta WHERE key = 'version'", &version, err);
	if (code >= 0) {
		guard->mark.version = strtoull(buf_string(&version), NULL, 10);
		code = mark_start(&guard->mark, guard->folder, err);
	}
	if (code == 0)
		(void)sqlite3_db_config(guard->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	buf_clear(&id);
	buf_clear(&version);
	return code;
}

/* A reader of another program's that is still there keeps the journal. */
void
guard_end(struct guard *guard)
{
	mark_end(&guard->mark, file_size(guard->path, "-wal") <= 0);
}
