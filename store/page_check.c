/* SPDX-License-Identifier: MIT
 * Checksums of pages: the sum, and the file layer that writes and checks it.
 */
#include "store/page_check.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bytes.h"

enum { LANES = 4, PAGE_BYTES_MIN = 512, PAGE_BYTES_MAX = 65536, HEADER_BYTES = 100 };
enum { HEADER_PAGE_BYTES = 16, HEADER_RESERVED = 20 };
/* Above what SQLite keeps for itself. */
enum { CONTROL_IS_ON = 0x6d6f6f6e, CONTROL_TAKE_BARE };
/* A promise that parts of pages may be read, which could not be checked; newer SQLites know it. */
enum { IOCAP_SUBPAGE_READ = 0x8000 };

struct checked_file {
	sqlite3_file base;
	bool is_database;
	bool on;   /* its header reserves the bytes; an empty file will have such a header */
	bool bare; /* pages without a sum are taken */
	uint8_t page[PAGE_BYTES_MAX];
};

static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	pthread_once_t once;
} layer = { .once = PTHREAD_ONCE_INIT };

/* --- the sum --- */

static uint64_t
word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

/* Each step is one-to-one in the word, so a change of one word always changes the sum. */
static uint64_t
step(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * 0x9e3779b97f4a7c15u;
	return lane << 29 | lane >> 35;
}

uint64_t
page_check_sum(const uint8_t *page, size_t page_bytes, uint64_t number)
{
	uint64_t lanes[LANES] = { 1, 2, 3, 4 }, sum = number * 0xd6e8feb86659fd93u;
	size_t len = page_bytes - PAGE_CHECK_BYTES, at = 0;

	for (; at + LANES * 8 <= len; at += LANES * 8) {
		for (size_t i = 0; i < LANES; i++)
			lanes[i] = step(lanes[i], word_at(page + at + i * 8));
	}
	for (; at < len; at += 8)
		lanes[0] = step(lanes[0], word_at(page + at));
	for (size_t i = 0; i < LANES; i++)
		sum = step(sum, lanes[i]);
	sum ^= sum >> 32;
	return sum != 0 ? sum : 1;
}

static bool
is_page_size(size_t len)
{
	return len >= PAGE_BYTES_MIN && len <= PAGE_BYTES_MAX && (len & (len - 1)) == 0;
}

/* --- one file --- */

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return (sqlite3_file *)((struct checked_file *)file + 1);
}

static void
learn(struct checked_file *file, const uint8_t *header)
{
	file->on = header[HEADER_RESERVED] != 0;
}

static int
check_page(const struct checked_file *file, uint8_t *page, size_t len, sqlite3_int64 offset)
{
	uint64_t stored = word_at(page + len - PAGE_CHECK_BYTES);

	if (stored == 0 && file->bare)
		return SQLITE_OK;
	if (stored != page_check_sum(page, len, (uint64_t)offset / len + 1))
		return SQLITE_IOERR_DATA;
	memset(page + len - PAGE_CHECK_BYTES, 0, PAGE_CHECK_BYTES);
	return SQLITE_OK;
}

/* A page that SQLite asks for and that is not there was cut off: it never reads what it has not
 * written. Of an empty file it reads the header. */
static int
checked_read(sqlite3_file *base, void *out, int len, sqlite3_int64 offset)
{
	struct checked_file *file = (struct checked_file *)base;
	int code = real_of(base)->pMethods->xRead(real_of(base), out, len, offset);
	bool page = is_page_size((size_t)len) && offset % len == 0;

	if (!file->is_database)
		return code;
	if (code == SQLITE_OK && offset == 0 && len >= HEADER_BYTES)
		learn(file, out);
	if (!file->on || !page)
		return code;
	if (code == SQLITE_IOERR_SHORT_READ && offset > 0)
		return SQLITE_IOERR_DATA;
	return code == SQLITE_OK ? check_page(file, out, (size_t)len, offset) : code;
}

static int
checked_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
	struct checked_file *file = (struct checked_file *)base;
	uint64_t sum;

	if (file->is_database && offset == 0 && len >= HEADER_BYTES)
		learn(file, data);
	if (!file->is_database || !file->on || !is_page_size((size_t)len) || offset % len != 0)
		return real_of(base)->pMethods->xWrite(real_of(base), data, len, offset);
	memcpy(file->page, data, (size_t)len);
	sum = htole64(page_check_sum(file->page, (size_t)len, (uint64_t)(offset / len) + 1));
	memcpy(file->page + len - PAGE_CHECK_BYTES, &sum, sizeof(sum));
	return real_of(base)->pMethods->xWrite(real_of(base), file->page, len, offset);
}

static int
checked_control(sqlite3_file *base, int op, void *arg)
{
	struct checked_file *file = (struct checked_file *)base;

	if (op == CONTROL_IS_ON)
		*(bool *)arg = file->on;
	else if (op == CONTROL_TAKE_BARE)
		file->bare = *(const bool *)arg;
	else
		return real_of(base)->pMethods->xFileControl(real_of(base), op, arg);
	return SQLITE_OK;
}

static int
checked_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file)) & ~IOCAP_SUBPAGE_READ;
}

/* --- what is only handed on --- */

static int
checked_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int
checked_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
checked_sync(sqlite3_file *file, int flags)
{
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int
checked_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int
checked_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int
checked_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int
checked_is_reserved(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int
checked_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int
checked_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int
checked_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void
checked_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
checked_shm_unmap(sqlite3_file *file, int remove)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* Version 2: no page is read by mapping the file. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = checked_close,
	.xRead = checked_read,
	.xWrite = checked_write,
	.xTruncate = checked_truncate,
	.xSync = checked_sync,
	.xFileSize = checked_size,
	.xLock = checked_lock,
	.xUnlock = checked_unlock,
	.xCheckReservedLock = checked_is_reserved,
	.xFileControl = checked_control,
	.xSectorSize = checked_sector_size,
	.xDeviceCharacteristics = checked_traits,
	.xShmMap = checked_shm_map,
	.xShmLock = checked_shm_lock,
	.xShmBarrier = checked_shm_barrier,
	.xShmUnmap = checked_shm_unmap,
};

/* --- the layer --- */

static int
checked_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
	struct checked_file *file = (struct checked_file *)base;
	int code;

	(void)vfs;
	memset(file, 0, offsetof(struct checked_file, page));
	file->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
	file->on = true;
	real_of(base)->pMethods = NULL;
	code = layer.real->xOpen(layer.real, name, real_of(base), flags, out);
	if (real_of(base)->pMethods != NULL)
		file->base.pMethods = &methods;
	return code;
}

static int
checked_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	(void)vfs;
	return layer.real->xDelete(layer.real, name, sync_folder);
}

static void
install(void)
{
	layer.real = sqlite3_vfs_find(NULL);
	assert(layer.real != NULL);
	layer.vfs = *layer.real;
	layer.vfs.pNext = NULL;
	layer.vfs.zName = "checked";
	layer.vfs.szOsFile = (int)sizeof(struct checked_file) + layer.real->szOsFile;
	layer.vfs.xOpen = checked_open;
	layer.vfs.xDelete = checked_delete;
	assert(sqlite3_vfs_register(&layer.vfs, 0) == SQLITE_OK);
}

const char *
page_check_name(void)
{
	(void)pthread_once(&layer.once, install);
	return layer.vfs.zName;
}

void
page_check_reserve(sqlite3 *db)
{
	int bytes = PAGE_CHECK_BYTES;

	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

bool
page_check_is_on(sqlite3 *db)
{
	bool on = false;

	(void)sqlite3_file_control(db, "main", CONTROL_IS_ON, &on);
	return on;
}

void
page_check_take_bare(sqlite3 *db, bool bare)
{
	(void)sqlite3_file_control(db, "main", CONTROL_TAKE_BARE, &bare);
}

bool
page_check_failed(int code)
{
	return code == SQLITE_IOERR_DATA;
}

/* --- stamping what is bare --- */

static size_t
read_page_size(int fd)
{
	uint8_t header[HEADER_BYTES];
	size_t len;

	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header))
		return 0;
	len = (size_t)header[HEADER_PAGE_BYTES] << 8 | header[HEADER_PAGE_BYTES + 1];
	len = len == 1 ? PAGE_BYTES_MAX : len;
	return header[HEADER_RESERVED] != 0 && is_page_size(len) ? len : 0;
}

static int64_t
stamp_pages(int fd, size_t len)
{
	uint8_t *page = xmalloc(len);
	off_t offset = 0;
	int64_t stamped = 0;

	for (; pread(fd, page, len, offset) == (ssize_t)len; offset += (off_t)len) {
		off_t at = offset + (off_t)len - PAGE_CHECK_BYTES;
		uint64_t sum;

		if (word_at(page + len - PAGE_CHECK_BYTES) != 0)
			continue;
		sum = htole64(page_check_sum(page, len, (uint64_t)offset / len + 1));
		if (pwrite(fd, &sum, sizeof(sum), at) != (ssize_t)sizeof(sum)) {
			stamped = -1;
			break;
		}
		stamped++;
	}
	free(page);
	return stamped;
}

int64_t
page_check_stamp(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	size_t len = fd >= 0 ? read_page_size(fd) : 0;
	int64_t stamped = fd >= 0 ? 0 : -1;

	if (len > 0)
		stamped = stamp_pages(fd, len);
	if (stamped > 0 && fsync(fd) < 0)
		stamped = -1;
	if (fd >= 0)
		(void)close(fd);
	return stamped;
}
