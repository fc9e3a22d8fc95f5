/* SPDX-License-Identifier: MIT
 * state.get and state.set: values of a function for each of its ordering keys.
 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include "runtime/effect.h"
#include "runtime/records.h"
#include "store/keyed.h"

struct host;
struct invocation;
struct version;

/* What states and timers of an event belong to beside its function: its ordering key; "*" where all
 * of the function's events are in one order, and where somebody waits for the result (http,
 * invoke.call), for each of those has a key of its own. */
struct bytes state_key(const struct version *version, const struct invocation *invocation);

/* An EFFECT_STATE, or an EFFECT_READ of a state. `prefix` is the invocation's (keyed_prefix). */
int state_take_effect(const struct effect *effect, struct bytes prefix, struct writes *writes,
    struct err *err) __attribute__((warn_unused_result));

/* The job with these writes was submitted, or has failed. */
void state_submitted(struct records *records, const struct writes *writes, uint64_t version);
void state_failed(struct records *records, const struct writes *writes, uint64_t version);

/* For CALL_STATE_GET. `done` as in records.h. */
void state_get(struct records *records, const struct invocation *invocation, struct bytes name,
    records_done_fn *done, void *arg);

#endif
