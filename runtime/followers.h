/* SPDX-License-Identifier: MIT
 * The functions that a message triggers, and events for them, between a commit's beginning and its
 * end.
 */
#ifndef RUNTIME_FOLLOWERS_H
#define RUNTIME_FOLLOWERS_H

#include "runtime/trigger.h"
#include "store/queue.h"

struct message;

struct follower {
	struct function *function;
	struct occurrence *event;
	uint64_t sequence; /* of its row in the queue; 0: it has none */
};

struct followers {
	struct follower *list;
	size_t count;
	size_t cap;
};

/* Adds those that the message triggers; `hops` are those of the message. */
void followers_of_message(
    struct followers *followers, struct host *host, const struct message *message, struct ack *ack);
void followers_add(
    struct followers *followers, struct function *function, struct occurrence *event);
/* Makes them durable with the writes. */
void followers_store(struct followers *followers, struct host *host, struct writes *writes);
/* Submits them all and empties the list. True: a source should pause. */
bool followers_submit(struct followers *followers);
void followers_drop(struct followers *followers); /* the commit failed */

#endif
