/* SPDX-License-Identifier: MIT
 * Inside of the followers of the change log.
 */
#ifndef RUNTIME_CHANGES_CHANGE_FOLLOWER_PRIVATE_H
#define RUNTIME_CHANGES_CHANGE_FOLLOWER_PRIVATE_H

#include "lib/hash.h"
#include "lib/queue.h"
#include "runtime/changes/change_follower.h"
#include "store/queue_row.h"
#include "store/tables.h"

enum {
	WINDOW = 512,	     /* changes of one follower in flight, or two batches */
	PENDING_MAX = 65536, /* and with those that wait, and runs of those handled above them */
	BATCH_BYTES_MAX = 1024 * 1024,
	AGAIN_US = 100000, /* until what could not be submitted is tried again */
	NOTE_US = 1000000, /* how often a position is stored that moves without commits */
};

/* A row of the log, taken apart; the views point into it. */
struct change {
	uint64_t sequence;
	int64_t time_ms;
	unsigned hops; /* how often functions have triggered each other before it */
	struct bytes table;
	struct bytes kind;
	struct bytes key; /* JSON, as it stands in the change */
	struct bytes text;
};

/* A change between `low` and `read_to` that is for the function. */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct change_follower *follower;
	uint64_t sequence;
	uint64_t from; /* of a mark out of the store: the first change that it is for */
	int64_t time_ms;
	bool in_flight;
	bool handled;
	bool marked;  /* a mark of it stands in the store */
	bool cut;     /* a batch ends with it */
	bool waiting; /* in its key's lane */
	TAILQ_ENTRY(pending) lane_link;
	uint8_t tried;			  /* attempts that failed before it stood aside */
	uint8_t event_id[EVENT_ID_BYTES]; /* of those, and ... */
	int64_t event_ms;		  /* ... their time */
	struct bytes key;
	uint8_t data[];
};

/* The changes of one event, which is an array of them where the function asks for batches. */
struct bunch {
	struct change_follower *follower;
	struct function *function; /* that it was submitted to; held */
	struct chain *falling;	   /* whose first dead letter it becomes; NULL */
	uint32_t generation;
	bool taken_back; /* to be submitted anew at once */
	bool in_lane;	 /* one change, in the lane of its key */
	bool aside;	 /* likewise, of a function that takes batches */
	bool in_array;
	unsigned hops; /* the most of its changes */
	size_t count;
	struct pending *list[];
};

/* The changes of one key that are parked: the first is a dead letter, those behind it wait, as dead
 * letters too. In the store each has a row in SPACE_PARKED, <function> \0 <table> \0 <key> \0
 * <sequence> -> the dead letter's id; a row without a sequence says that they are let go. */
enum chain_state {
	CHAIN_FALLING, /* the first is on its way to the dead letters */
	CHAIN_PARKED,
	CHAIN_READING, /* let go: its rows are being read; new changes go behind them, to the disk
			*/
	CHAIN_GOING,   /* all of them are in dispatch, where new changes follow them */
};

struct chain {
	struct hash_node link; /* in its follower's chains, by the key */
	struct change_follower *follower;
	enum chain_state state;
	size_t rows;	       /* in the store, or on their way to it */
	size_t in_flight;      /* of them, in dispatch */
	uint64_t submitted_to; /* the last sequence that is in dispatch */
	bool reading;
	bool more;		  /* rows came since the page was asked for */
	bool again;		  /* some came back: all are read again when none is in flight */
	char head[QUEUE_ID_TEXT]; /* the first one's id */
	struct bytes key;
	uint8_t data[];
};

enum follower_state { FOLLOWER_NEW, FOLLOWER_LOADING, FOLLOWER_READY };

struct change_follower {
	TAILQ_ENTRY(change_follower) link;
	struct change_followers *all;
	struct function *function; /* held */
	char *table;
	struct change_wish wish; /* its table is `table` */
	bool attached;
	enum follower_state state;
	TAILQ_HEAD(pendings, pending) list; /* by sequence */
	size_t count;
	size_t merge_at;       /* the count from which runs are looked for */
	size_t settled;	       /* changes handled since that was done last */
	struct pending *found; /* by the last look, where the next one begins; or NULL */
	size_t in_flight;      /* changes */
	size_t bunches;	       /* events, but for those aside */
	/* Raised where all that waits is to be taken back and put together anew. Nothing is read
	 * while events of earlier generations are there, or later ones could overtake them. */
	uint32_t generation;
	size_t stale;	    /* events of earlier generations */
	struct bunch *open; /* a batch that is being filled; NULL: none */
	struct buf text;    /* its event */
	struct timer window;
	struct hash_map chains;
	struct hash_map lanes; /* change_lane.c */
	size_t waiting;	       /* changes, in all lanes */
	bool feeding;
	uint64_t read_to;  /* every change up to it has been seen */
	uint64_t stored;   /* the low that stands in the store, as far as is known */
	struct writes old; /* deletions of marks below low */
	bool reading;
	bool again;  /* there may be more than what is being read */
	bool behind; /* the log has more than what was read */
	struct timer timer;
	struct task task;
	/* As counted last: changes that are not read yet, and the time of the first of them. */
	uint64_t unread;
	int64_t unread_ms;
	bool counting;
	uint64_t lost_said;
	int64_t lost_said_us;
	int64_t full_said_us; /* when it was told last that too much waits; 0: not yet */
	uint64_t lost;	      /* changes that retention took before they were read */
	uint64_t halved;      /* batches that failed */
};

/* Of the whole log, as far as it is counted. */
struct change_log {
	uint64_t bytes;
	uint64_t counted_to;
	uint64_t gone_to; /* the last sequence that its bounds took in this run */
};

/* A row of SPACE_META: the last sequence that the log's bounds took. */
#define CHANGES_GONE "changes_gone"

struct change_followers {
	struct host *host;
	size_t pending_max; /* PENDING_MAX, but in tests */
	struct change_log log;
	struct timer trim;
	bool trimming;
	bool stopped;
	TAILQ_HEAD(, change_follower) list;
	struct timer note;
	bool started;
};

void follower_key(const struct change_follower *follower, struct buf *key);
struct pending *pending_find(struct change_follower *follower, uint64_t sequence);
/* The change is handled, as a mark or its place in the list says. */
bool change_is_handled(struct change_follower *follower, uint64_t sequence);
struct pending *pending_add(struct change_follower *follower, uint64_t sequence, struct bytes key);
void pending_drop(struct pending *pending);
void drop_handled(struct change_follower *follower); /* what no position needs any more */
/* These changes, by sequence, are handled with these writes. */
void pendings_mark(struct change_follower *follower, struct pending *const *list, size_t count,
    struct writes *writes);
/* They are in flight no more; not handled: they are read again. */
void pendings_settle(
    struct change_follower *follower, struct pending *const *list, size_t count, bool handled);
uint64_t sequence_of(struct bytes digits);
size_t window_of(const struct change_follower *follower);
bool follower_is_live(const struct change_follower *follower); /* it may submit */

/* change_follower_read.c */
void follower_begin(struct change_follower *follower); /* loads its position, or reads on */
void follower_read(struct change_follower *follower);
bool follower_has_room(const struct change_follower *follower);
/* It reads no further until what is held up goes on. */
bool follower_is_full(const struct change_follower *follower);
/* Takes apart what it can: the members up to the key. */
void change_parse(struct bytes text, struct change *change);

/* change_bunch.c */
/* The change becomes an event, or part of one. */
void bunch_add(
    struct change_follower *follower, struct pending *pending, const struct change *change);
void bunch_close(struct change_follower *follower); /* submits what has been gathered */
void bunch_discard(struct change_follower *follower);
void bunches_take_back(struct change_follower *follower); /* raises the generation */

/* change_aside.c */
/* Whether the change goes by its key's lane, and not into a batch. */
bool aside_takes(const struct change_follower *follower, const struct pending *pending);
/* A change failed alone, in the lane of the batches. False: it is not tried again. */
bool aside_begins(struct change_follower *follower, struct pending *pending,
    const struct occurrence *event, struct bytes message);

/* change_lane.c */
/* Something of the key is in flight, or waits. */
bool lane_is_there(const struct change_follower *follower, struct bytes key);
/* A change of the key is in flight; no more, and it was handled or not. */
void lane_enter(struct change_follower *follower, struct bytes key);
void lane_leave(struct change_follower *follower, struct bytes key, bool handled);
/* It waits for those of its key before it. False: there is room for it. */
bool lane_takes(struct change_follower *follower, struct pending *pending);
void lanes_feed(struct change_follower *follower); /* those that wait go on where there is room */
/* The log's bounds took all up to it: what waits there is lost. */
void lanes_lose(struct change_follower *follower, uint64_t gone_to);
void lanes_clear(struct change_follower *follower);

/* change_park.c */
struct chain *chain_find(const struct change_follower *follower, struct bytes key); /* or NULL */
struct chain *chain_get(struct change_follower *follower, struct bytes key);
/* Whether changes of the key that are not parked must not run now. */
bool chain_blocks(const struct change_follower *follower, struct bytes key);
/* The change goes behind those that are parked, if it has to. */
bool chain_takes(struct chain *chain);
void chain_park(struct chain *chain, struct pending *pending, const struct change *change);
/* Nothing of the key runs from now on, but what is on its way. */
void chain_block(struct chain *chain);
/* The change becomes the dead letter `failed`, and its key is parked; then: it is so, or not. */
void chain_fall(struct chain *chain, const struct pending *pending, const struct failed_row *failed,
    struct writes *writes);
void chain_fallen(struct chain *chain, bool stored);
void chains_clear(struct change_follower *follower);
/* <function> \0 <table> \0 */
void chains_prefix(const struct change_follower *follower, struct buf *key);
/* Once nothing of the key is parked any more it is as all others. */
void chain_end_if_over(struct chain *chain);
/* Their rows; `sequence` 0: the row that says that they are let go. */
void chain_row_key(const struct chain *chain, uint64_t sequence, struct buf *key);
void chain_put_row(
    const struct chain *chain, uint64_t sequence, const char *id, struct writes *writes);
void chain_delete_row(const struct chain *chain, uint64_t sequence, struct writes *writes);
void chain_write(const struct chain *chain, struct writes *writes); /* durable soon */
/* The change as its function is given it. */
struct occurrence *change_event(
    struct change_follower *follower, struct bytes text, const struct happening *like);

/* change_going.c */
void chains_load(struct change_follower *follower, struct bytes rows);
void chains_go_on(struct change_follower *follower); /* those that had no room */

/* change_log.c */
void change_log_init(struct change_followers *followers);
void change_log_trim(struct change_followers *followers); /* once a second */

/* change_lag.c */
void lags_count(struct change_followers *followers); /* what is not read, of those behind */

#endif
