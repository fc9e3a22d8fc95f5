/* SPDX-License-Identifier: MIT
 * A worker: reads frames, keeps images, runs invocations on the stage one at a time, in order
 * within a lane, and copies those that wait off it.
 */
#ifndef SANDBOX_WORKER_H
#define SANDBOX_WORKER_H

#include <lua.h>

#include "lib/frame.h"
#include "lib/hash.h"
#include "lib/protocol.h"
#include "lib/queue.h"
#include "lib/table_def.h"
#include "sandbox/image.h"
#include "sandbox/json.h"

enum {
	EFFECT_BYTES_MAX = 4 * 1024 * 1024, /* of one invocation, all effects together */
	RESULT_BYTES_MAX = 1024 * 1024,
	CALL_BYTES_MAX = 1024 * 1024,
	LOG_LINE_BYTES_MAX = 4096,
	LOG_BYTES_MAX = 65536, /* of one invocation */
	EFFECTS_MAX = 1000,
	CALLS_MAX = 100,
	WAITING_MAX = 1024,
};

/* An invocation; the views are borrowed from the frame, or from `copy` when it waits. */
struct run {
	uint64_t invocation;
	uint32_t function;
	uint32_t lane;
	uint32_t lane_epoch;
	uint32_t timeout_ms;
	uint16_t attempt;
	uint8_t payload_kind;
	uint8_t qos;
	uint8_t retain;
	int64_t time_ms;
	uint8_t event_id[EVENT_ID_BYTES];
	uint64_t seed[2];
	struct bytes trigger;
	struct bytes subject;
	struct bytes client_id;
	struct bytes extra;
	struct bytes payload;

	int64_t started_us; /* when it first came onto the stage */
	int64_t resumed_us; /* when it came back last */
	int64_t clock_us;   /* what its clock shows, from its start: moves only when it waits */
	int64_t deadline_us;
	int64_t busy_us;
	uint32_t calls;
	uint32_t log_bytes;
	uint32_t effect_count;
	uint32_t effect_bytes; /* of whole effects in worker->effects */
	uint8_t result_kind;
};

/* What a binding asks of the host. Written by the binding, sent when the stage is free. */
struct call {
	bool pending;
	uint8_t kind;
	struct sink fields;
};

/* The host's answer, while its invocation goes on. */
struct reply {
	bool ok;
	struct bytes fields;
};

struct waiting {
	struct hash_node link; /* by invocation */
	struct run run;
	void *stage;
	size_t stage_size;
	struct bytes effects; /* heap */
	uint8_t *copy;	      /* what the run's views point to */
};

struct lane {
	struct hash_node link; /* by number */
	TAILQ_ENTRY(lane) broken_link;
	uint32_t number;
	uint32_t broken_epoch;
	bool broken;
	bool busy;	   /* one of it waits */
	struct buf queued; /* INVOKE frames behind the one that waits */
};

struct worker {
	int channel;
	struct buf in;
	struct buf out;
	int64_t unsent_since_us; /* 0: nothing unsent */
	struct image_base base;
	struct hash_map images;
	struct hash_map waiting;
	struct hash_map lanes;
	TAILQ_HEAD(, lane) broken;
	size_t broken_count;
	uint64_t seed[2]; /* of what depends on no event */
	uint64_t image_bytes_max;
	uint64_t image_bytes;
	struct table_def *tables;
	size_t table_count;

	/* Of what is on the stage. */
	struct run *run;    /* NULL while a file is loaded */
	uint32_t loading;   /* function number */
	struct bytes files; /* of the LOAD frame, for require */
	uint16_t file_count;
	struct sink effects;
	struct sink result;
	struct sink logs;
	struct call call;
	struct reply reply;
};

/* The worker that a state belongs to. */
static inline struct worker *
worker_of(lua_State *lua)
{
	return *(struct worker **)lua_getextraspace(lua);
}

int worker_run(int channel); /* until the channel closes; exit status */

/* worker_load.c */
void worker_load(struct worker *worker, struct bytes fields);

/* worker_run.c: an invocation, from start to its end or its next wait */
void run_start(struct worker *worker, struct run *run, const struct image *image);
void run_resume(struct worker *worker, struct waiting *waiting, bool ok, struct bytes fields);
void run_cancel(struct worker *worker, struct waiting *waiting);

/* worker.c */
void worker_write_failed(struct worker *worker, const struct run *run, enum fail_reason reason,
    const char *message, const char *traceback);
void worker_ended(struct worker *worker, const struct run *run, bool failed);
void worker_flush(struct worker *worker, bool now);
void worker_flush_logs(struct worker *worker, uint64_t invocation);
void worker_waits(struct worker *worker, const struct run *run); /* it is off the stage */

#endif
