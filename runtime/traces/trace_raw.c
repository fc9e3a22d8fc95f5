/* SPDX-License-Identifier: MIT
 * Kept runs by their ids.
 */
#include "runtime/traces/trace_raw.h"

#include <string.h>
#include <unistd.h>

#include "runtime/traces/trace_record.h"
#include "runtime/trigger.h"
#include "store/queue_row.h"
#include "store/store.h"

struct finding {
	const struct trace_wanted *wanted;
	uint8_t digests[TRACE_SHARED][TRACE_DIGEST_BYTES];
	struct buf *raw;
	bool any;
	bool failed; /* what `raw` holds was not committed */
};

static bool
note_any(void *arg, const struct trace_row *row)
{
	bool *any = arg;

	(void)row;
	*any = true;
	return false;
}

/* The event of a dead letter. */
static int
letter_event(struct txn *txn, const char *text, uint8_t id[TRACE_ID_BYTES], struct err *err)
{
	struct buf letter = { 0 };
	struct queue_read read;
	int found = failed_get(txn, bytes_of_string(text), &letter, err);

	if (found == 1 && queue_row_read(&read, buf_bytes(&letter)) == 0) {
		(void)occurrence_id(read.row.event, id);
		queue_read_clear(&read);
	}
	buf_clear(&letter);
	return found < 0 ? -1 : 1;
}

int
trace_id_resolve(struct txn *txn, const char *text, uint8_t id[TRACE_ID_BYTES], struct err *err)
{
	bool any = false;

	if (queue_id_read(bytes_of_string(text), id) < 0)
		return 0;
	if (traces_of(txn, id, note_any, &any, err) < 0)
		return -1;
	return any ? 1 : letter_event(txn, text, id, err);
}

static bool
take(void *arg, const struct trace_row *row)
{
	struct finding *finding = arg;
	const struct trace_wanted *wanted = finding->wanted;
	struct trace_record record;

	if (!trace_record_read(row->trace, &record) ||
	    (wanted->run != 0 && wanted->run != row->number) ||
	    (wanted->function_name != NULL &&
		!bytes_equal_string(record.function_name, wanted->function_name)) ||
	    (finding->failed && record.end == TRACE_DONE))
		return true;
	buf_reset(finding->raw);
	frame_bytes(finding->raw, row->trace);
	for (int i = 0; i < TRACE_SHARED; i++)
		memcpy(finding->digests[i], row->shared[i].digest, TRACE_DIGEST_BYTES);
	finding->any = true;
	finding->failed = record.end != TRACE_DONE;
	return true;
}

int
trace_raw_read(struct txn *txn, const struct trace_wanted *wanted, struct buf *raw, struct err *err)
{
	struct finding finding = { .wanted = wanted, .raw = raw };
	uint8_t id[TRACE_ID_BYTES];
	struct buf shared = { 0 };
	int found = trace_id_resolve(txn, wanted->id, id, err);

	if (found == 1 && traces_of(txn, id, take, &finding, err) < 0)
		found = -1;
	if (found == 1 && !finding.any)
		found = 0;
	for (int i = 0; found == 1 && i < TRACE_SHARED; i++) {
		found = traces_shared(txn, finding.digests[i], &shared, err);
		frame_bytes(raw, buf_bytes(&shared));
	}
	buf_clear(&shared);
	return found;
}

struct raw_job {
	struct store_job job;
	const struct trace_wanted *wanted;
	struct buf *raw;
};

static int
run_raw(struct txn *txn, struct store_job *job, struct err *err)
{
	const struct raw_job *raw = (struct raw_job *)(void *)job;
	int found = trace_raw_read(txn, raw->wanted, raw->raw, err);

	return found == 0 ? err_set(err, "there is no trace of that id") : found < 0 ? -1 : 0;
}

static void
raw_done(struct store_job *job)
{
	(void)job;
}

int
trace_raw_offline(
    const char *folder, const struct trace_wanted *wanted, struct buf *raw, struct err *err)
{
	const struct store_config config = { .folder = folder, .sys = &sys_posix };
	struct raw_job job = {
		.job = { .run = run_raw, .done = raw_done }, .wanted = wanted, .raw = raw
	};
	struct buf path = { 0 };
	struct store *store;
	int status = 0;

	buf_printf(&path, "%s/moonlet.db", folder);
	if (access(buf_string(&path), R_OK) < 0)
		status = err_set(err,
		    "no moonlet runs here and %s is not there; name the data folder with --data",
		    buf_string(&path));
	buf_clear(&path);
	if (status < 0)
		return -1;
	store = store_open(&config, err);
	if (store == NULL)
		return -1;
	status = store_run(store, &job.job, err);
	store_close(store);
	return status;
}
