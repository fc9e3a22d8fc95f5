/* SPDX-License-Identifier: MIT
 * The host's side of the zygote: asks for workers and hears of their end.
 */
#ifndef RUNTIME_ZYGOTE_H
#define RUNTIME_ZYGOTE_H

#include "net/loop.h"

struct zygote;

struct zygote_hooks {
	void *arg;
	/* A worker runs. `pidfd` is the callee's. */
	void (*started)(void *arg, uint64_t id, int pidfd);
	/* It has ended, or could not be started; `how` is for a person: "killed by SIGSYS". */
	void (*ended)(void *arg, uint64_t id, const char *how);
	/* The zygote itself has gone, and all workers with it. */
	void (*gone)(void *arg);
	/* It is ready; bits of enum cage_layer that hold for all its workers. */
	void (*ready)(void *arg, uint32_t layers);
};

/* Starts `program` with --zygote. */
struct zygote *zygote_start(struct loop *loop, const char *program,
    const struct zygote_hooks *hooks, struct err *err) __attribute__((warn_unused_result));
/* Takes over `channel`, the worker's end of its socket pair. */
int zygote_spawn(struct zygote *zygote, uint64_t id, int channel, struct err *err)
    __attribute__((warn_unused_result));
void zygote_stop(struct zygote *zygote); /* takes NULL */

/* Where moonlet-worker is: beside this program, or where it is installed. Into `out`. */
int zygote_program(char *out, size_t size, struct err *err) __attribute__((warn_unused_result));

#endif
