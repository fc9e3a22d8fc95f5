/* SPDX-License-Identifier: MIT
 * The host's side of one worker, for tests: starts moonlet-worker and speaks lib/protocol.h with
 * it. Blocking, with a timeout at every read.
 */
#ifndef TESTS_WORKER_PEER_H
#define TESTS_WORKER_PEER_H

#include <sys/types.h>

#include "lib/err.h"
#include "lib/frame.h"
#include "lib/protocol.h"

enum { WORKER_PEER_FILES_MAX = 64 };

/* All zero before worker_peer_start. */
struct worker_peer {
	pid_t zygote;
	int control; /* to the zygote */
	int channel; /* to the worker */
	uint32_t layers;
	struct buf out;
	struct buf in;
	size_t taken;
};

struct peer_file {
	const char *path;
	struct bytes source;
};

struct peer_invoke {
	uint64_t invocation;
	uint32_t function;
	uint32_t timeout_ms;
	enum payload_kind kind;
	const char *topic;
	const char *extra; /* JSON or NULL */
	struct bytes payload;
};

/* Starts `program`, has it fork one worker, waits for WORKER_READY and sends HOST_SETUP. */
int worker_peer_start(struct worker_peer *peer, const char *program, struct err *err)
    __attribute__((warn_unused_result));
void worker_peer_stop(struct worker_peer *peer);

/* Append a frame to `out`. */
void worker_peer_load(
    struct worker_peer *peer, uint32_t function, const struct peer_file *files, size_t count);
void worker_peer_invoke(struct worker_peer *peer, const struct peer_invoke *invoke);
/* Sends what `out` holds. */
int worker_peer_flush(struct worker_peer *peer, struct err *err)
    __attribute__((warn_unused_result));

/* The next frame of the worker's; it is borrowed until the next call. -1: none came in time, or
 * the worker is gone. */
int worker_peer_next(struct worker_peer *peer, int timeout_ms, struct frame *frame, struct err *err)
    __attribute__((warn_unused_result));

#endif
