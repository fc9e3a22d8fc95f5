/* SPDX-License-Identifier: MIT
 * What the files of the webhooks share: requests in memory, and the hosts that they go to.
 */
#ifndef RUNTIME_WEBHOOKS_PRIVATE_H
#define RUNTIME_WEBHOOKS_PRIVATE_H

#include "lib/hash.h"
#include "lib/queue.h"
#include "runtime/http_call.h"
#include "runtime/webhooks.h"
#include "store/queue.h"

enum {
	PARALLEL = 64,	     /* under way */
	TARGET_PARALLEL = 4, /* of one host */
	AGAIN_US = 1000000,  /* after a failure of the store */
};

struct hook;

/* The host of URLs: how many of its requests are in memory. */
struct target {
	struct hash_node link;
	TAILQ_ENTRY(target) turn;
	TAILQ_HEAD(, hook) waiting;
	unsigned waiting_count;
	unsigned active;
	bool in_turn;
	int64_t postponed_ms; /* when what found no room last is due */
	char name[];
};

enum hook_state {
	HOOK_WAITS,
	HOOK_ACTIVE,
	HOOK_ENDS, /* what becomes of it is on its way to the disk */
};

/* One request in memory. */
struct hook {
	struct hash_node link;	   /* by sequence */
	TAILQ_ENTRY(hook) waiting; /* in its target's */
	struct webhooks *webhooks; /* NULL: the host closes */
	struct target *target;	   /* NULL: it ends */
	struct http_call *call;
	enum hook_state state;
	struct queue_row row; /* views into `data` */
	int64_t next_due_ms;  /* 0: it is not tried again */
	struct bytes key, trace, version, method, url, request;
	size_t size;
	uint8_t data[];
};

struct webhooks {
	struct host *host;
	struct http_client *client;
	struct timer wake;
	int64_t wake_ms; /* when it fires */
	struct hash_map targets;
	TAILQ_HEAD(, target) turns;
	struct hash_map hooks;	/* all in memory */
	struct queue_row after; /* all that was due up to here is in memory, or was */
	bool reading;
	bool started;
	bool more; /* perhaps there is more that is due */
	size_t bytes;
	struct webhook_sum stored; /* on the disk, or on their way there */
	struct webhook_figures figures;
};

/* webhooks.c */
void hook_leave(struct hook *hook); /* it has nothing more to do with its target */
void hook_free(struct hook *hook);
void webhooks_target_update(struct webhooks *webhooks, struct target *target);
/* Everything from this place on is looked at again. */
void webhooks_look_from(struct webhooks *webhooks, int64_t due_ms, uint64_t sequence);
void webhooks_wake_at(struct webhooks *webhooks, int64_t due_ms);
/* Reads what is due where there is room. */
void webhooks_read_on(struct webhooks *webhooks);

/* webhook_bound.c */
/* -1: with these there would be too many. */
int webhooks_check_bound(struct webhooks *webhooks, const struct webhook_ops *ops, struct err *err)
    __attribute__((warn_unused_result));

/* webhook_send.c */
/* To another place of the disk, and out of memory. */
void hook_move(struct hook *hook, int64_t due_ms, uint32_t attempt);
/* Sends what may be under way; targets take turns. */
void webhooks_pump(struct webhooks *webhooks);

#endif
