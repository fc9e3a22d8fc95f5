/* SPDX-License-Identifier: MIT
 * The worker processes: started, watched, fed and, when they misbehave, ended.
 *
 * What was sent to a worker and has no answer yet stands in its `sent` list, in order; the worker
 * runs it in that order, so the first that does not wait is the one on the stage. A sending
 * outlives its invocation: when that was taken back (revoked) to run elsewhere, the answer that
 * still comes is recognised and dropped.
 */
#ifndef RUNTIME_POOL_H
#define RUNTIME_POOL_H

#include "lib/queue.h"
#include "net/conn.h"
#include "runtime/host.h"
#include "runtime/zygote.h"

struct invocation;
struct version;
struct worker;

enum { WORKERS_MAX = 64, WORKER_WINDOW = 1024, WORKER_BYTES_MAX = 4 * 1024 * 1024 };

struct sending {
	TAILQ_ENTRY(sending) link; /* in worker->sent or worker->waiting */
	struct worker *worker;
	struct invocation *invocation; /* NULL: revoked, or free */
	uint64_t number;
	int64_t deadline_us; /* of a waiting one */
	int64_t called_us;   /* when its last call came */
	int64_t elapsed_us;  /* what its clock showed then, by the worker */
	uint32_t timeout_ms;
	bool waits;
	bool cancelled;
	uint32_t lane; /* 0: in no order */
	bool parked;   /* stands in the worker behind a waiting one of its lane */
};

TAILQ_HEAD(sendings, sending);

enum worker_state { WORKER_NONE, WORKER_STARTING, WORKER_SERVES, WORKER_ENDING };

struct worker {
	struct pool *pool;
	enum worker_state state;
	unsigned index;
	uint64_t id; /* of this process, not of the place */
	struct conn *conn;
	int pidfd;
	struct sendings sent;
	struct sendings waiting;
	uint32_t inflight; /* length of sent */
	uint32_t waiting_count;
	uint32_t loads; /* LOAD frames without an answer */
	uint32_t layers;
	int64_t progress_us; /* when the first of sent came to the front */
	int64_t started_us;
	int64_t retry_us;	     /* of a place whose worker did not start: when to try again */
	bool solo;		     /* runs one suspect and nothing else */
	bool reserved;		     /* gets nothing more, for a suspect to have it alone */
	bool extra;		     /* beyond the wanted number; ends when idle */
	struct function *stuck_with; /* keeps its stage too long; held; NULL: nothing does */
	char how[64];		     /* it ended */
};

struct pool {
	struct host *host;
	struct zygote *zygote;
	struct worker workers[WORKERS_MAX];
	unsigned wanted;
	unsigned highest; /* places ever used */
	uint64_t next_id;
	uint64_t dismissed; /* the last extra worker that was not needed any more */
	uint32_t zygote_layers;
	uint32_t layers; /* that all workers have */
	bool layers_known;
	char lua_version[32];
	struct timer tick;
	struct sending **sendings; /* by the low half of their number */
	size_t sending_count;
	size_t sending_cap;
	struct sendings spare;
	uint64_t restarts;
	bool slow; /* the tick comes once a second */
	bool stopping;
	char program[4096];
};

struct pool *pool_new(struct host *host, unsigned workers, struct err *err)
    __attribute__((warn_unused_result));
void pool_free(struct pool *pool);

/* Asks workers for the images and manifests of what is in functions->unsent. */
void pool_load_all(struct pool *pool);
/* Tells all workers which tables there are. */
void pool_tell_tables(struct pool *pool);
/* No worker needs its image any more. */
void pool_forget(struct pool *pool, struct version *version);
/* A worker that can take one more of this version now; NULL: none. `suspect`: one that is idle. */
struct worker *pool_choose(struct pool *pool, const struct version *version, bool suspect);
/* It goes on, or is gone: nothing keeps its stage any more. */
void worker_unstick(struct worker *worker);
/* Sends the invocation, its image first where the worker lacks it. */
void worker_invoke(struct worker *worker, struct invocation *invocation);
/* Forgets that its answer matters. */
void sending_revoke(struct sending *sending);
/* A waiting one shall end; once. */
void sending_cancel(struct sending *sending);
/* Its worker is gone: it is free again. */
void sending_put(struct sending *sending);
void worker_reply(
    struct worker *worker, struct sending *sending, uint32_t call, bool ok, struct bytes fields);
/* Work is on its way: the watchdog looks often. */
void pool_wake(struct pool *pool);
unsigned pool_serving(const struct pool *pool);
uint64_t pool_image_bytes(const struct pool *pool);

#endif
