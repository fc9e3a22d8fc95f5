/* SPDX-License-Identifier: MIT
 * A row is deleted only in the version that was read: what has been marked since stays.
 */
#include "runtime/files/file_sweep.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "store/txn.h"

enum { PAGE_ROWS = 64 };

struct row {
	struct buf key; /* function \0 path \0, the last of them not part of the key */
	uint64_t version;
	uint64_t device;
};

struct file_sweep {
	struct store *store;
	struct file_thread *thread;
	struct store_job job;
	struct row rows[PAGE_ROWS];
	size_t count;
	size_t waiting;	 /* of them, for their answers */
	struct buf from; /* of the next page */
	struct writes writes;
	size_t gone, kept;
	bool running, again, stopped;
};

static bool
take_row(void *arg, const struct txn_row *row)
{
	struct file_sweep *sweep = arg;
	struct row *taken = &sweep->rows[sweep->count++];

	buf_reset(&taken->key);
	buf_append_bytes(&taken->key, row->key);
	buf_append_u8(&taken->key, 0);
	taken->version = row->version;
	taken->device = file_version_device(row->value);
	return true;
}

static int
read_page(struct txn *txn, struct store_job *job, struct err *err)
{
	struct file_sweep *sweep = HASH_OWNER(job, struct file_sweep, job);
	const struct txn_range range = {
		.space = SPACE_FILE, .from = buf_bytes(&sweep->from), .limit = PAGE_ROWS
	};

	sweep->count = 0;
	return txn_scan(txn, &range, take_row, sweep, err);
}

static void
end(struct file_sweep *sweep)
{
	sweep->running = false;
	if (sweep->gone > 0)
		log_info("files", "%zu versions of files that are gone are forgotten", sweep->gone);
	if (sweep->kept > 0)
		log_warn("files",
		    "%zu versions of files are remembered whose folder is empty or not in the "
		    "option files: is it mounted?",
		    sweep->kept);
	if (sweep->again)
		file_sweep_start(sweep);
}

static void
next_page(struct file_sweep *sweep)
{
	if (sweep->writes.count > 0)
		store_write(sweep->store, &sweep->writes, NULL, NULL);
	if (sweep->stopped)
		return;
	if (sweep->count < PAGE_ROWS) {
		end(sweep);
		return;
	}
	buf_reset(&sweep->from); /* with its zero byte it is the first key behind that one */
	buf_append_bytes(&sweep->from, buf_bytes(&sweep->rows[sweep->count - 1].key));
	store_submit(sweep->store, &sweep->job);
}

static void
page_read(struct store_job *job)
{
	struct file_sweep *sweep = HASH_OWNER(job, struct file_sweep, job);

	if (sweep->stopped)
		return;
	if (job->status < 0) {
		log_warn("files", "looking for files that are gone: %s", job->err.text);
		sweep->count = 0;
	}
	sweep->waiting = 0;
	for (size_t i = 0; i < sweep->count; i++) {
		struct row *row = &sweep->rows[i];
		const char *zero = memchr(row->key.data, 0, row->key.len - 1);

		if (zero == NULL)
			continue;
		sweep->waiting++;
		file_thread_check(sweep->thread, zero + 1, row->device, row);
	}
	if (sweep->waiting == 0)
		next_page(sweep);
}

void
file_sweep_take(struct file_sweep *sweep, const struct file_news *news)
{
	const struct row *row = news->arg;
	struct bytes key = bytes_of(row->key.data, row->key.len - 1);

	if (news->check == FILE_AWAY) {
		sweep->gone++;
		writes_expect(&sweep->writes, SPACE_FILE, key, row->version);
		writes_delete(&sweep->writes, SPACE_FILE, key);
		store_write(sweep->store, &sweep->writes, NULL, NULL);
	} else if (news->check == FILE_FOLDER_AWAY) {
		sweep->kept++;
	}
	if (--sweep->waiting == 0)
		next_page(sweep);
}

void
file_sweep_start(struct file_sweep *sweep)
{
	if (sweep->running) {
		sweep->again = true;
		return;
	}
	sweep->running = true;
	sweep->again = false;
	sweep->gone = sweep->kept = 0;
	buf_reset(&sweep->from);
	store_submit(sweep->store, &sweep->job);
}

struct file_sweep *
file_sweep_new(struct store *store, struct file_thread *thread)
{
	struct file_sweep *sweep = xcalloc(1, sizeof(*sweep));

	sweep->store = store;
	sweep->thread = thread;
	sweep->job.run = read_page;
	sweep->job.done = page_read;
	return sweep;
}

void
file_sweep_stop(struct file_sweep *sweep)
{
	if (sweep != NULL)
		sweep->stopped = true;
}

void
file_sweep_free(struct file_sweep *sweep)
{
	if (sweep == NULL)
		return;
	for (size_t i = 0; i < PAGE_ROWS; i++)
		buf_clear(&sweep->rows[i].key);
	buf_clear(&sweep->from);
	writes_clear(&sweep->writes);
	free(sweep);
}
