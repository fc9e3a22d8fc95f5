/* SPDX-License-Identifier: MIT
 * A function that follows the changes of a table: reads the change log page by page from where it
 * stands, and submits each change as an event whose source it is.
 *
 *   handled | in flight  handled  in flight  handled | to be read
 *        low               marks                   read_to
 *
 * In the store stands `low` (SPACE_POSITION, <function> \0 <table>: every change up to it is
 * handled) and marks for handled changes above it (<function> \0 <table> \0 <sequence> -> the first
 * sequence that the mark is for); both are written in the transaction of the change's own effects.
 * So each change takes effect once, whatever ends the host, and different keys go on beside each
 * other.
 *
 * A change that fails for good parks its key: it becomes a dead letter, and so do later changes of
 * that key, behind it, until somebody lets them go. A batch that fails is halved until the change
 * at fault is alone.
 */
#ifndef RUNTIME_CHANGES_CHANGE_FOLLOWER_H
#define RUNTIME_CHANGES_CHANGE_FOLLOWER_H

#include "runtime/host.h"

struct queue_row;

enum change_kind {
	CHANGE_INSERT = 1 << 0,
	CHANGE_MODIFY = 1 << 1,
	CHANGE_DELETE = 1 << 2,
};

enum { CHANGE_BATCH_MAX = 1000 };

struct change_wish {
	const char *table;
	unsigned kinds;	   /* bits of enum change_kind */
	bool from_oldest;  /* a new function starts at the oldest change that is kept, not at now */
	uint32_t batch;	   /* the most changes in an array; 0: each comes alone */
	int64_t window_ms; /* how long a batch waits until it is full; 0: not at all */
};

struct change_followers;

struct change_followers *change_followers_new(struct host *host);
/* Nothing more is read or submitted. */
void change_followers_stop(struct change_followers *followers);
/* After dispatch_free, and when the store has nothing of theirs any more. Takes NULL. */
void change_followers_free(struct change_followers *followers);

/* The function follows the table from now on, where it stood when it followed it before. Nothing is
 * submitted before change_followers_start. NULL: it follows that table already. */
struct change_follower *change_follower_attach(
    struct change_followers *followers, struct function *function, const struct change_wish *wish);
/* It rests: what is in flight goes on. */
void change_follower_detach(struct change_follower *follower);

enum parked_answer {
	PARKED_NOT,  /* nobody follows the table so */
	PARKED_DONE, /* what the store is given from now on comes behind it */
	PARKED_BUSY, /* its key has been let go already */
};

/* A dead letter is a change whose key is parked: all of the key go on, in their order. */
enum parked_answer change_followers_replay(
    struct change_followers *followers, const struct queue_row *letter);
/* It is no longer parked; where it was the first, those behind it go on. The dead letter itself is
 * the caller's to remove. */
enum parked_answer change_followers_discard(
    struct change_followers *followers, const char *id, const struct queue_row *letter);
/* Dead letters of the function were removed, but not by name: keys whose changes are gone, or stand
 * first no more, go on. */
void change_followers_look(struct change_followers *followers, struct bytes function_name);

/* How far a function is behind. */
struct change_lag {
	uint64_t changes;
	int64_t ms;	 /* the age of the oldest that is not handled; 0: none */
	uint64_t parked; /* changes, of all parked keys */
};
/* Of all tables that it follows. False: it follows none. */
bool change_followers_lag(const struct change_followers *followers, const struct function *function,
    struct change_lag *lag);
/* A function that is no more: what is known of it goes. False: something of it is under way. */
bool change_followers_forget(struct change_followers *followers, const char *function_name);
void change_followers_figures(const struct change_followers *followers, struct buf *out);

void change_followers_start(struct change_followers *followers); /* the host is ready */
void change_followers_wake(struct change_followers *followers);	 /* there are new changes */

#endif
