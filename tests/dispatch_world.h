/* SPDX-License-Identifier: MIT
 * A host for tests: the real loop, broker, store (in memory), functions and dispatch, with workers
 * that are the test's own ends of socket pairs. A function's source is its manifest as JSON; a
 * source "refuse" is refused, "crash" ends the worker that loads it, "hang" is never answered.
 */
#ifndef TESTS_DISPATCH_WORLD_H
#define TESTS_DISPATCH_WORLD_H

#include "tests/store_unit.h"

#include "lib/frame.h"
#include "runtime/commit.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/gateway.h"
#include "runtime/host.h"
#include "runtime/pool.h"

enum { FAKES_MAX = 256, RUNS_MAX = 8192 };

/* An INVOKE as the worker got it. */
struct run {
	uint64_t invocation;
	uint32_t function;
	uint32_t lane;
	uint32_t epoch;
	uint16_t attempt;
	char payload[2048];
	bool answered;
	bool failed; /* for the test */
};

/* A worker: lives until fake_end, or until the host closes its end. */
struct fake {
	int fd; /* -1: it has ended */
	uint64_t id;
	struct buf in;
	struct buf out;
	struct run runs[RUNS_MAX];
	size_t run_count;
	size_t loads;
	size_t drops;
	size_t cancels;
	size_t replies;
	bool mute; /* takes frames, answers no LOAD */
};

struct world {
	struct place place;
	struct options options;
	struct host host;
	struct watch watch;
	struct tap *tap;
	struct buf heard; /* "topic payload\n" of each message on out/# */
	struct fake *fakes[FAKES_MAX];
	size_t fake_count;
};

/* `workers` of them, serving. */
void world_init(struct world *world, unsigned workers);
void world_clear(struct world *world);
/* One turn of the loop; the workers read what they got. */
void world_turn(struct world *world);
/* Puts the wall clock forward, or back. */
void world_move_wall(int64_t ms);
/* Turns for that long. */
void world_wait(struct world *world, int64_t ms);
/* Turns until `done` says so; fails the test after five seconds. */
void world_until(struct world *world, bool (*done)(struct world *world));

void world_deploy(struct world *world, const char *name, const char *manifest);
struct function *world_function(struct world *world, const char *name);
/* A message from outside; `ack` may be NULL. */
enum broker_flow world_publish(
    struct world *world, const char *topic, const char *payload, struct ack *ack);
/* How many rows a space of the store has. */
size_t world_rows(struct world *world, enum space space);

/* Workers that live, oldest first. */
struct fake *world_fake(struct world *world, size_t index);
size_t world_fakes(const struct world *world);
/* What is sent to any living worker with this payload and has no answer; NULL: nothing. */
struct run *world_run(struct world *world, const char *payload, struct fake **fake);

/* Done, with a message on `topic` (NULL: without effects). */
void fake_done(struct fake *fake, struct run *run, const char *topic, const char *payload);
void fake_failed(struct fake *fake, struct run *run, enum fail_reason reason);
void fake_skipped(struct fake *fake, struct run *run);
void fake_call(struct fake *fake, const struct run *run, uint32_t call, enum call_kind kind,
    struct bytes fields);
void fake_raw(struct fake *fake, struct bytes bytes);
void fake_end(struct fake *fake); /* it crashes */

/* Answers everything that was sent, everywhere, as a worker would: each publishes its payload on
 * out/<payload up to its colon>. */
void world_answer_all(struct world *world);

#endif
