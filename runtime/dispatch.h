/* SPDX-License-Identifier: MIT
 * Dispatch: events to workers in order, and their results to the commit.
 *
 * A lane is what runs in order: the events of one function and key. Many of a lane are sent to
 * its worker at a time, which runs them one after another. When one fails, the lane's epoch is
 * raised: what was sent behind it comes back as skipped, or is recognised as stale, and is sent
 * again behind the failed one, after its pause.
 *
 *   lane: [committing] [sent] [sent] [sent] | [waits] [waits]
 *                                           next
 *
 * Events of functions without order have no lane.
 */
#ifndef RUNTIME_DISPATCH_H
#define RUNTIME_DISPATCH_H

#include "lib/frame.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "net/loop.h"
#include "runtime/trigger.h"
#include "store/queue.h"

struct function;
struct host;
struct http_call;
struct pool;
struct recording;
struct sending;
struct version;
struct worker;

struct lane {
	struct hash_node link; /* in the function's lanes, by key */
	TAILQ_ENTRY(lane) stalled_link;
	struct function *function;
	TAILQ_HEAD(invocations, invocation) invocations;
	struct invocation *next; /* the first that waits to be sent, or fails; NULL: none */
	struct worker *worker;	 /* where what was sent runs; NULL: nothing is sent */
	uint32_t number;
	uint32_t epoch;
	uint32_t sent;	     /* in the worker */
	uint32_t committing; /* on their way to the disk */
	bool pausing;	     /* the first waits for its next attempt */
	bool held;	     /* one of it waits for a call: the worker keeps the others */
	bool stalled;	     /* in dispatch->stalled: no worker had room */
	bool returning;	     /* a commit of it failed: those behind it come back, then it goes on */
	/* The store thread's, while anything of the lane is on its way to the disk: a commit of it
	 * failed, and those behind it must fail too. */
	bool broken;
	struct timer pause;
	struct buf key;
};

enum invocation_state {
	INVOCATION_WAITS,
	INVOCATION_SENT,
	INVOCATION_COMMITTING,
	INVOCATION_FAILING, /* its failure is on its way to the disk */
};

struct invocation {
	TAILQ_ENTRY(invocation) link; /* in its lane, or dispatch->loose */
	struct dispatch *dispatch;
	struct lane *lane; /* NULL: in no order */
	struct function *function;
	struct version *version; /* while it is sent */
	struct occurrence *event;
	struct sending *sending; /* while it is sent */
	struct http_call *http_call;
	struct recording *recording; /* the tracer's; NULL: nothing to be noted yet */
	enum invocation_state state;
	uint32_t attempt;
	uint32_t conflicts; /* of this attempt */
	uint32_t skips;	    /* in a row, though the host knew of no failure */
	bool suspect;	    /* may have killed its worker: runs alone */
	bool stored;	    /* stands in the durable queue as `row` */
	int64_t begun_us;
	int64_t due_us; /* of a loose one that pauses */
	uint64_t sequence;	       /* in the durable queue; 0: none yet */
	int64_t since_ms; /* when it was put into the queue anew; 0: its event's time counts */
	size_t stored_bytes;
	struct hash_node stored_link; /* of a stored one, by sequence, in the backlog */
};

/* What its age is counted from. */
static inline int64_t
invocation_since_ms(const struct invocation *invocation)
{
	return invocation->since_ms != 0 ? invocation->since_ms : invocation->event->time_ms;
}

struct dispatch {
	struct host *host;
	TAILQ_HEAD(lanes_head, lane) stalled;
	TAILQ_HEAD(, lane) spare_lanes;
	struct invocations loose; /* of functions without order, waiting to be sent */
	struct invocations spare;
	struct timer loose_timer;
	int64_t loose_due_us; /* when it fires */
	struct timer rest;	/* for the stalled lanes that dispatch_pump did not come to */
	uint32_t stalled_count;
	uint32_t rest_count;
	struct task pump; /* what came back from the store goes again at the end of the turn */
	uint32_t next_lane;
	uint32_t load; /* all events that run or wait */
	bool paused;   /* a source was told to pause */
	bool stopped;  /* nothing is sent any more */
	uint64_t taken_back;
	uint64_t stale;
};

enum dispatch_flow {
	DISPATCH_GO_ON,
	DISPATCH_FULL, /* taken, but the source shall pause */
	DISPATCH_SHED, /* not taken */
};

struct dispatch *dispatch_new(struct host *host);
/* Sends nothing more, and waits for what is on its way to the disk. Takes NULL. */
void dispatch_stop(struct dispatch *dispatch);
/* After dispatch_stop. */
void dispatch_free(struct dispatch *dispatch);

/* Holds the event for as long as it needs it. */
enum dispatch_flow dispatch_submit(struct function *function, struct occurrence *event);
/* An event out of the durable queue; only from the backlog. */
void dispatch_submit_stored(
    struct function *function, struct occurrence *event, const struct queue_row *row);
/* Whether an event of a function would be shed. */
bool dispatch_would_shed(const struct function *function, const struct occurrence *event);

/* What waits for a function that is no more becomes dead letters. */
void dispatch_removed(struct function *function);

/* Sends what found no room before. Takes NULL: workers speak while the host closes. */
void dispatch_pump(struct dispatch *dispatch);
bool dispatch_is_idle(const struct dispatch *dispatch);

/* From workers. False: the worker broke the protocol. */
bool dispatch_done(struct invocation *invocation, struct cursor *cursor);
bool dispatch_failed(struct invocation *invocation, struct cursor *cursor, bool cancelled);
/* For who follows the log: what it ran for, how long, with how many effects. */
void dispatch_trace(const struct invocation *invocation, const struct outcome *outcome);
/* The worker did not run it, for an earlier one of its lane failed. False: that cannot be. */
bool dispatch_skipped(struct invocation *invocation);
bool dispatch_call(struct dispatch *dispatch, struct sending *sending, uint32_t call,
    enum call_kind kind, struct bytes fields);
void dispatch_log(const struct invocation *invocation, enum log_level level, struct bytes text);
void dispatch_worker_gone(struct dispatch *dispatch, struct worker *worker, const char *how);
/* What stands behind the one on this worker's stage runs elsewhere. */
void dispatch_take_back(struct dispatch *dispatch, struct worker *worker);
void dispatch_announce_cage(const struct pool *pool);

/* Between dispatch.c and dispatch_workers.c. */
void invocation_leave_worker(struct invocation *invocation); /* it is no longer with a worker */
void lane_restart(struct lane *lane, struct invocation *first);
void lane_stall(struct dispatch *dispatch, struct lane *lane); /* dispatch_pump comes to it */
void lane_unstall(struct dispatch *dispatch, struct lane *lane);

/* From the commit: it is durable (or needed not to be), or failed. */
void dispatch_committed(struct invocation *invocation, const struct outcome *outcome);
void dispatch_fail(struct invocation *invocation, const struct outcome *outcome);
/* What it relied on has been changed: it runs again at once, and no attempt is used up. `behind`:
 * only because one before it in its lane failed. */
void dispatch_conflict(struct invocation *invocation, bool behind);
/* Its source has taken it back: it is no more. */
void dispatch_forget(struct invocation *invocation);
/* From the failure's end: it is given up, or goes on after a pause. */
void dispatch_give_up(struct invocation *invocation, const struct outcome *outcome);
void dispatch_again(struct invocation *invocation, int64_t pause_us);
void invocation_id(const struct invocation *invocation, char out[EVENT_ID_BYTES * 2 + 1]);

/* Inside of dispatch. */
void lane_send(struct lane *lane);
void lane_settle(struct dispatch *dispatch, struct lane *lane);
void invocation_free(struct invocation *invocation);

#endif
