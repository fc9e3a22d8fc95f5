/* SPDX-License-Identifier: MIT
 * What a connection has to say and has not left yet: bytes of its own, and blocks by reference that
 * many connections may share. There is one only while there is something; spare ones go from one
 * connection to the next with their buffers.
 */
#ifndef NET_OUTPUT_H
#define NET_OUTPUT_H

#include <sys/uio.h>

#include "lib/bytes.h"

enum { OUTPUTS_SPARE = 64, OUTPUT_PARTS_MAX = 64 };

struct piece {
	struct blob *blob; /* NULL: own bytes */
	size_t at;
	size_t len;
};

struct output {
	struct buf own; /* appended to by its owner */
	size_t counted; /* its owner's: of output_pending, in a sum of all */
	size_t sent;	/* of the first piece, or of the own bytes where there is none */
	struct piece *pieces;
	size_t piece_count;
	size_t piece_cap;
	size_t own_queued; /* own bytes that stand in pieces */
	size_t own_gone;   /* of those, in pieces that have left */
	size_t blob_bytes;
};

/* All zero is a valid start. */
struct outputs {
	struct output *list[OUTPUTS_SPARE];
	size_t count;
};

struct output *output_new(struct outputs *spare);
void output_free(struct outputs *spare, struct output *output);
void outputs_clear(struct outputs *spare);

/* Queues a block, of which a reference is taken, behind the own bytes so far. */
void output_add(struct output *output, struct blob *blob);
size_t output_pending(const struct output *output); /* bytes */
/* The front of it: at most OUTPUT_PARTS_MAX parts. Returns how many. */
size_t output_gather(const struct output *output, struct iovec *parts);
/* Takes `len` bytes that have left off the front. */
void output_advance(struct output *output, size_t len);

#endif
