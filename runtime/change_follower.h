/* SPDX-License-Identifier: MIT
 * A function that follows the changes of a table: reads the change log page by page from where it
 * stands, and submits each change as an event whose source it is.
 *
 *   handled | in flight  handled  in flight  handled | to be read
 *        low               marks                   read_to
 *
 * In the store stands `low` (SPACE_POSITION, <function> \0 <table>: every change up to it is
 * handled) and a mark for each handled change above it (<function> \0 <table> \0 <sequence>); both
 * are written in the transaction of the change's own effects. So each change takes effect once,
 * whatever ends the host, and different keys go on beside each other.
 */
#ifndef RUNTIME_CHANGE_FOLLOWER_H
#define RUNTIME_CHANGE_FOLLOWER_H

#include "runtime/host.h"

enum change_kind {
	CHANGE_INSERT = 1 << 0,
	CHANGE_MODIFY = 1 << 1,
	CHANGE_DELETE = 1 << 2,
};

struct change_wish {
	const char *table;
	unsigned kinds;	  /* bits of enum change_kind */
	bool from_oldest; /* a new function starts at the oldest change that is kept, not at now */
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

void change_followers_start(struct change_followers *followers); /* the host is ready */
void change_followers_wake(struct change_followers *followers);	 /* there are new changes */

#endif
