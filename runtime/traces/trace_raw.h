/* SPDX-License-Identifier: MIT
 * One kept run with all that a replay needs: three byte strings as in lib/frame.h, the record
 * (runtime/traces/trace_record.h), what its version was loaded from, and the tables that there
 * were.
 */
#ifndef RUNTIME_TRACES_TRACE_RAW_H
#define RUNTIME_TRACES_TRACE_RAW_H

#include "store/traces.h"

struct trace_wanted {
	const char *id;		   /* of an event or of a dead letter, as text */
	const char *function_name; /* NULL: whichever */
	uint64_t run;		   /* the trace's number; 0: the last that failed, else the last */
};

/* The event's id; that of a dead letter leads to its event's where there are no traces of it. 1,
 * 0: the text is no id, -1. */
int trace_id_resolve(struct txn *txn, const char *text, uint8_t id[TRACE_ID_BYTES], struct err *err)
    __attribute__((warn_unused_result));

/* Appends it to `raw`. 1, 0: there is none, -1. */
int trace_raw_read(struct txn *txn, const struct trace_wanted *wanted, struct buf *raw,
    struct err *err) __attribute__((warn_unused_result));

/* The same out of the data folder of a host that does not run. -1 also where there is none. */
int trace_raw_offline(const char *folder, const struct trace_wanted *wanted, struct buf *raw,
    struct err *err) __attribute__((warn_unused_result));

#endif
