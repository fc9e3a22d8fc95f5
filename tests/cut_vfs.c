/* SPDX-License-Identifier: MIT
 * The file layer that fails on demand, over SQLite's own.
 */
#include "tests/cut_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/queue.h"

enum { SECTOR_BYTES = 512 };

/* What a write replaced; `size` is the file's before it. */
struct undo {
	TAILQ_ENTRY(undo) link;
	sqlite3_int64 offset;
	sqlite3_int64 size;
	int len;
	unsigned char before[];
};

struct cut_file {
	sqlite3_file base;
	TAILQ_HEAD(undo_list, undo) undos;
	TAILQ_ENTRY(cut_file) link;
	sqlite3_file *real; /* stands behind this struct */
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	TAILQ_HEAD(, cut_file) files;
	enum cut_kind kind;
	long at;
	long calls;
	unsigned seed;
	bool happened;
} cut;

static unsigned
draw(void)
{
	cut.seed = cut.seed * 1103515245u + 12345u;
	return cut.seed >> 16;
}

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return ((struct cut_file *)file)->real;
}

static void
undos_clear(struct cut_file *file)
{
	struct undo *undo;

	while ((undo = TAILQ_FIRST(&file->undos)) != NULL) {
		TAILQ_REMOVE(&file->undos, undo, link);
		free(undo);
	}
}

/* Each sector of the write is kept or goes back to what it was. */
static void
undo_some(struct cut_file *file, const struct undo *undo)
{
	for (int at = 0; at < undo->len; at += SECTOR_BYTES) {
		int len = undo->len - at < SECTOR_BYTES ? undo->len - at : SECTOR_BYTES;

		if (draw() % 2 == 0)
			(void)file->real->pMethods->xWrite(
			    file->real, undo->before + at, len, undo->offset + at);
	}
}

static void
power_off(void)
{
	struct cut_file *file;
	struct undo *undo;

	TAILQ_FOREACH (file, &cut.files, link) {
		bool shrink = draw() % 2 == 0;
		sqlite3_int64 size = -1;

		TAILQ_FOREACH_REVERSE(undo, &file->undos, undo_list, link)
		{
			undo_some(file, undo);
			size = undo->size;
		}
		if (shrink && size >= 0)
			(void)file->real->pMethods->xTruncate(file->real, size);
		undos_clear(file);
	}
}

/* SQLITE_OK, or what this call fails with. */
static int
count_call(int failure)
{
	cut.calls++;
	if (cut.kind == CUT_NONE || cut.calls < cut.at)
		return SQLITE_OK;
	if (cut.calls > cut.at && cut.kind != CUT_POWER && cut.kind != CUT_IO_STICKY)
		return SQLITE_OK;
	if (!cut.happened && cut.kind == CUT_POWER)
		power_off();
	cut.happened = true;
	return cut.kind == CUT_FULL ? SQLITE_FULL : failure;
}

static bool
is_dark(void)
{
	return cut.happened && cut.kind == CUT_POWER;
}

static int
cut_close(sqlite3_file *file)
{
	struct cut_file *mine = (struct cut_file *)file;

	undos_clear(mine);
	TAILQ_REMOVE(&cut.files, mine, link);
	return mine->real->pMethods->xClose(mine->real);
}

static int
cut_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset)
{
	if (is_dark())
		return SQLITE_IOERR_READ;
	return real_of(file)->pMethods->xRead(real_of(file), out, len, offset);
}

static void
note_write(struct cut_file *file, int len, sqlite3_int64 offset)
{
	struct undo *undo = xcalloc(1, sizeof(*undo) + (size_t)len);

	undo->offset = offset;
	undo->len = len;
	(void)file->real->pMethods->xFileSize(file->real, &undo->size);
	(void)file->real->pMethods->xRead(file->real, undo->before, len, offset);
	TAILQ_INSERT_TAIL(&file->undos, undo, link);
}

static int
cut_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
	int code;

	note_write((struct cut_file *)file, len, offset);
	code = count_call(SQLITE_IOERR_WRITE);
	if (code != SQLITE_OK)
		return code;
	return real_of(file)->pMethods->xWrite(real_of(file), data, len, offset);
}

static int
cut_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int code = count_call(SQLITE_IOERR_TRUNCATE);

	if (code != SQLITE_OK)
		return code;
	undos_clear((struct cut_file *)file);
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
cut_sync(sqlite3_file *file, int flags)
{
	int code = count_call(SQLITE_IOERR_FSYNC);

	(void)flags;
	if (code == SQLITE_OK)
		undos_clear((struct cut_file *)file);
	return code;
}

static int
cut_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int
cut_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int
cut_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int
cut_check_lock(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int
cut_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int
cut_sector_size(sqlite3_file *file)
{
	(void)file;
	return SECTOR_BYTES;
}

/* Nothing is promised: no atomic sectors, no power-safe overwrite. */
static int
cut_traits(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static int
cut_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int
cut_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void
cut_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
cut_shm_unmap(sqlite3_file *file, int remove)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = cut_close,
	.xRead = cut_read,
	.xWrite = cut_write,
	.xTruncate = cut_truncate,
	.xSync = cut_sync,
	.xFileSize = cut_size,
	.xLock = cut_lock,
	.xUnlock = cut_unlock,
	.xCheckReservedLock = cut_check_lock,
	.xFileControl = cut_control,
	.xSectorSize = cut_sector_size,
	.xDeviceCharacteristics = cut_traits,
	.xShmMap = cut_shm_map,
	.xShmLock = cut_shm_lock,
	.xShmBarrier = cut_shm_barrier,
	.xShmUnmap = cut_shm_unmap,
};

static int
cut_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct cut_file *mine = (struct cut_file *)file;
	int code;

	(void)vfs;
	*mine = (struct cut_file){ .real = (sqlite3_file *)(mine + 1) };
	TAILQ_INIT(&mine->undos);
	if (is_dark())
		return SQLITE_CANTOPEN;
	code = cut.real->xOpen(cut.real, name, mine->real, flags, out);
	if (code != SQLITE_OK)
		return code;
	mine->base.pMethods = &methods;
	TAILQ_INSERT_TAIL(&cut.files, mine, link);
	return SQLITE_OK;
}

static int
cut_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	(void)vfs;
	if (is_dark())
		return SQLITE_IOERR_DELETE;
	return cut.real->xDelete(cut.real, name, sync_folder);
}

void
cut_install(void)
{
	cut.real = sqlite3_vfs_find("unix");
	assert(cut.real != NULL);
	TAILQ_INIT(&cut.files);
	cut.vfs = *cut.real;
	cut.vfs.zName = "cut";
	cut.vfs.szOsFile = (int)sizeof(struct cut_file) + cut.real->szOsFile;
	cut.vfs.xOpen = cut_open;
	cut.vfs.xDelete = cut_delete;
	assert(sqlite3_vfs_register(&cut.vfs, 1) == SQLITE_OK);
}

void
cut_at(enum cut_kind kind, long calls, unsigned seed)
{
	cut.kind = kind;
	cut.at = calls;
	cut.seed = seed;
	cut.calls = 0;
	cut.happened = false;
}

void
cut_heal(void)
{
	cut_at(CUT_NONE, 0, 0);
}

bool
cut_happened(void)
{
	return cut.happened;
}

long
cut_calls(void)
{
	return cut.calls;
}
