/* SPDX-License-Identifier: MIT
 * Functions that follow changes of shadows: an event for each stands in the durable queue in the
 * transaction of the change itself, so that no change is missed and none is told twice in effect.
 */
#ifndef RUNTIME_SHADOW_FOLLOW_H
#define RUNTIME_SHADOW_FOLLOW_H

#include "lib/glob_index.h"
#include "runtime/host.h"
#include "store/shadows.h"

enum shadow_change {
	SHADOW_CHANGE_UPDATE = 1 << 0, /* an update was accepted */
	SHADOW_CHANGE_DELTA = 1 << 1,  /* ... and desired and reported differ behind it */
	SHADOW_CHANGE_DELETE = 1 << 2,
};

/* What one element of a function's `on` asks for. */
struct shadow_watch {
	struct glob_entry entry; /* the thing: first, for the index finds it */
	struct function *function;
	char *thing;	  /* pattern (lib/glob.h) */
	char *name;	  /* pattern; empty: the classic shadow */
	unsigned changes; /* enum shadow_change */
};

/* All of them. One stands in the host. */
struct shadow_watches {
	struct glob_index things;
	struct host *host;
};

struct shadow_watches *shadow_watches_new(struct host *host);
void shadow_watches_free(struct shadow_watches *watches); /* empty by then; takes NULL */

void shadow_watches_add(struct shadow_watches *watches, struct shadow_watch *watch);
void shadow_watches_remove(struct shadow_watches *watches, struct shadow_watch *watch);

/* One request and the functions that its change would run. */
struct shadow_follow;

/* On the loop thread; the request's thing and name must be valid. NULL: nobody follows. `hops` are
 * those of the request. */
struct shadow_follow *shadow_follow_new(const struct shadow_watches *watches,
    enum shadow_request_kind kind, const struct shadow_request *request, uint8_t hops);
/* On the store thread, when the request was run and accepted: stores the events. */
int shadow_follow_store(struct shadow_follow *follow, const struct shadow_reply *reply,
    struct txn *txn, struct err *err) __attribute__((warn_unused_result));
/* On the loop thread, behind the commit: runs the functions. Call shadow_follow_free then. */
void shadow_follow_submit(struct shadow_follow *follow);
void shadow_follow_free(struct shadow_follow *follow); /* takes NULL */

#endif
