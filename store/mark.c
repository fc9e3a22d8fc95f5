/* SPDX-License-Identifier: MIT
 * The mark: reading, and writing one line in place.
 */
#include "store/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "store/page_check.h"

/* Two halves of one sector, so that a write is whole or not there. */
enum { LINE_LEN = 8 + MARK_ID_LEN + 1 + 20 + 1 + 4 + 1 + 16 + 1, TRIES = 5 };

static void
write_line(const struct mark *mark, char line[LINE_LEN + 1])
{
	uint8_t summed[LINE_LEN + PAGE_CHECK_BYTES] = { 0 };
	int len = snprintf((char *)summed, LINE_LEN, "moonlet %s %020" PRIu64 " %s", mark->id,
	    mark->version, mark->shut ? "shut" : "open");

	(void)snprintf(line, LINE_LEN + 1, "%s %016" PRIx64 "\n", (char *)summed,
	    page_check_sum(summed, ((size_t)len + 7) / 8 * 8 + PAGE_CHECK_BYTES, 0));
}

/* Reads the parts, and whether they make this line. */
static bool
read_line(struct mark *mark, const char *text)
{
	char state[5] = "", line[LINE_LEN + 1];

	if (sscanf(text, "moonlet %32s %" SCNu64 " %4s", mark->id, &mark->version, state) != 3)
		return false;
	mark->shut = strcmp(state, "shut") == 0;
	write_line(mark, line);
	return strcmp(line, text) == 0;
}

/* Who reads while the host writes may see half of each: again then. */
static bool
read_file(struct mark *mark, int fd)
{
	char text[LINE_LEN + 2];

	for (int i = 0; i < TRIES; i++) {
		ssize_t len = pread(fd, text, LINE_LEN + 1, 0);

		text[len > 0 ? len : 0] = '\0';
		if (len == LINE_LEN && read_line(mark, text))
			return true;
	}
	return false;
}

int
mark_read(struct mark *mark, const char *folder, struct err *err)
{
	struct buf path = { 0 };
	int fd, code = 0;

	*mark = (struct mark){ .fd = -1 };
	buf_printf(&path, "%s/moonlet.mark", folder);
	fd = open(buf_string(&path), O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		code = err_errno(err, "%s", buf_string(&path));
	if (fd >= 0) {
		mark->is_there = read_file(mark, fd);
		if (!mark->is_there)
			code = err_set(err,
			    "%s: is damaged, so nobody can tell whether the database beside it "
			    "is whole; look at it with moonlet verify %s/moonlet.db, then "
			    "remove %s",
			    buf_string(&path), folder, buf_string(&path));
		(void)close(fd);
	}
	buf_clear(&path);
	return code;
}

static int
sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = fd >= 0 ? fsync(fd) : -1;

	if (fd >= 0)
		(void)close(fd);
	return code;
}

static int
write_file(const struct mark *mark)
{
	char line[LINE_LEN + 1];

	write_line(mark, line);
	return pwrite(mark->fd, line, LINE_LEN, 0) == LINE_LEN ? 0 : -1;
}

int
mark_start(struct mark *mark, const char *folder, struct err *err)
{
	struct buf path = { 0 };
	int code = 0;

	mark->shut = false;
	buf_printf(&path, "%s/moonlet.mark", folder);
	mark->fd = open(buf_string(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (mark->fd < 0 || write_file(mark) < 0 || ftruncate(mark->fd, LINE_LEN) < 0 ||
	    fsync(mark->fd) < 0 || sync_folder(folder) < 0)
		code = err_errno(err, "%s: write", buf_string(&path));
	buf_clear(&path);
	return code;
}

void
mark_note(struct mark *mark, uint64_t version)
{
	if (mark->fd < 0 || version <= mark->version)
		return;
	mark->version = version;
	(void)write_file(mark);
}

void
mark_end(struct mark *mark, bool shut)
{
	if (mark->fd < 0)
		return;
	mark->shut = shut;
	(void)write_file(mark);
	(void)close(mark->fd);
	mark->fd = -1;
}
