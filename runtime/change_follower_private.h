/* SPDX-License-Identifier: MIT
 * Inside of the followers of the change log.
 */
#ifndef RUNTIME_CHANGE_FOLLOWER_PRIVATE_H
#define RUNTIME_CHANGE_FOLLOWER_PRIVATE_H

#include "lib/queue.h"
#include "runtime/change_follower.h"
#include "store/tables.h"

enum {
	WINDOW = 512,	    /* changes of one follower in flight */
	PENDING_MAX = 8192, /* and with those handled above one that is not */
	AGAIN_US = 100000,  /* until what could not be submitted is tried again */
	NOTE_US = 1000000,  /* how often a position is stored that moves without commits */
};

/* A change between `low` and `read_to` that is for the function. */
struct pending {
	TAILQ_ENTRY(pending) link;
	struct change_follower *follower;
	uint64_t sequence;
	bool in_flight;
	bool handled;
	bool marked; /* a mark of it stands in the store */
};

enum follower_state { FOLLOWER_NEW, FOLLOWER_LOADING, FOLLOWER_READY };

struct change_follower {
	TAILQ_ENTRY(change_follower) link;
	struct change_followers *all;
	struct function *function; /* held */
	char *table;
	unsigned kinds;
	bool from_oldest;
	bool attached;
	enum follower_state state;
	TAILQ_HEAD(pendings, pending) list; /* by sequence */
	size_t count;
	size_t in_flight;
	uint64_t read_to;  /* every change up to it has been seen */
	uint64_t stored;   /* the low that stands in the store, as far as is known */
	struct writes old; /* deletions of marks below low */
	bool reading;
	bool again; /* there may be more than what is being read */
	struct timer timer;
	struct task task;
};

struct change_followers {
	struct host *host;
	TAILQ_HEAD(, change_follower) list;
	struct timer note;
	bool started;
};

extern const struct event_source change_source; /* its argument is a struct pending */

void position_key(const struct change_follower *follower, struct buf *key);
struct pending *pending_find(const struct change_follower *follower, uint64_t sequence);
struct pending *pending_add(struct change_follower *follower, uint64_t sequence);
void pending_drop(struct pending *pending);
void drop_handled(struct change_follower *follower); /* what no position needs any more */

/* change_follower_read.c */
void follower_begin(struct change_follower *follower); /* loads its position, or reads on */
void follower_read(struct change_follower *follower);

#endif
