/* SPDX-License-Identifier: MIT
 * A broker for tests: on a loop of its own with a clock that can be moved, a store in memory that
 * answers when it is told to, and clients at the other end of socket pairs.
 */
#ifndef TESTS_BROKER_WORLD_H
#define TESTS_BROKER_WORLD_H

#include "lib/writes.h"
#include "net/broker.h"

enum {
	WORLD_RECORDS_MAX = 4096,
	WORLD_WAITING_MAX = 4096,
	WORLD_LOGINS_MAX = 8,
	WORLD_DENIED_MAX = 8
};

/* What clients may not do: for every client, on exactly this topic. */
struct world_denied {
	enum broker_action action;
	char topic[64];
};

struct world_record {
	enum space space;
	struct buf key;
	struct buf value;
};

struct world_waiting {
	void (*done)(void *arg, int status);
	void *arg;
};

struct world {
	struct loop *loop;
	struct broker *broker;
	struct broker_config config;
	struct world_record records[WORLD_RECORDS_MAX];
	size_t record_count;
	struct world_waiting waiting[WORLD_WAITING_MAX]; /* for the store, in order */
	size_t waiting_count;
	struct ack *acks[WORLD_WAITING_MAX]; /* held as an invocation would */
	size_t ack_count;
	int store_status;   /* what the store answers */
	bool store_failed;  /* it has refused something */
	bool store_is_held; /* it answers nothing */
	bool ends;
	bool acks_are_held;  /* messages with an ack are not done */
	bool pauses_clients; /* each message pauses its client */
	bool is_full;	     /* each packet does */
	uint64_t published;
	bool logins_are_held; /* nobody is let in for now */
	struct broker_login *logins[WORLD_LOGINS_MAX];
	size_t login_count;
	struct world_denied denied[WORLD_DENIED_MAX];
	size_t denied_count;
	size_t identities; /* that the broker holds */
};

void world_init(struct world *world);
void world_clear(struct world *world);
/* The broker ends at once, as by kill -9, and a new one knows what was durable. */
void world_restart(struct world *world);
int world_connect(struct world *world); /* the client's end, non-blocking */
void world_turn(struct world *world);	/* one turn of the loop, and of the store */
void world_release_acks(struct world *world, uint8_t code);
void world_release_logins(struct world *world, uint8_t reason);
void world_advance(int64_t by_us); /* the clock of all worlds */

#endif
