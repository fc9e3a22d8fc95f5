/* SPDX-License-Identifier: MIT
 * Runs a kept run again: in a confined worker of its own, with what was recorded in place of the
 * world. What the handler asks for that was not recorded, or otherwise than then, is said.
 */
#ifndef RUNTIME_TRACES_REPLAY_H
#define RUNTIME_TRACES_REPLAY_H

#include "lib/err.h"
#include "runtime/traces/trace_record.h"

/* Views are borrowed; made by replay_case_read from what GET /v1/traces/{id}/raw gives. */
struct replay_case {
	struct trace_record record;
	struct bytes load;   /* the fields of HOST_LOAD behind the function's number */
	struct bytes tables; /* the fields of HOST_TABLES */
};

int replay_case_read(struct bytes raw, struct replay_case *given, struct err *err)
    __attribute__((warn_unused_result));

/* A file in place of a recorded one: of the same name, else of the first. */
struct replay_file {
	const char *path;
	struct bytes source;
};

enum replay_state {
	REPLAY_ENDED,	/* the handler returned or failed */
	REPLAY_REFUSED, /* the file did not load */
	REPLAY_LOST,	/* the worker died of it */
};

/* All zero before replay_run. */
struct replay_result {
	enum replay_state state;
	char *problem;	    /* of REFUSED and LOST */
	struct buf entries; /* what the worker said, as a record has it; no answers */
	struct buf notes;   /* lines: what was asked otherwise than recorded */
	char lua[32];	    /* the worker's */
};

/* `file` NULL: as recorded. -1: it could not be run at all. */
int replay_run(const struct replay_case *given, const struct replay_file *file,
    struct replay_result *result, struct err *err) __attribute__((warn_unused_result));
void replay_result_clear(struct replay_result *result);

#endif
