/* SPDX-License-Identifier: MIT
 * Basic Ingest: a message on $aws/rules/<function>/<topic...> is for that function alone, whatever
 * triggers it has, and sees no subscriber, retained message or tap (the broker's direct topics).
 * The function sees it on the topic behind its name.
 */
#ifndef RUNTIME_INGEST_H
#define RUNTIME_INGEST_H

#include <stdbool.h>

#include "lib/bytes.h"
#include "lib/log_limit.h"

struct host;
struct function;
struct message;

#define INGEST_TOPICS "$aws/rules/"

struct ingest {
	uint64_t messages; /* that a function got */
	uint64_t unknown;  /* that name no function which runs */
	struct log_limit told;
};

/* Whether the topic is one of Basic Ingest. */
bool ingest_takes(struct bytes topic);

/* The function that the message names, and the topic that it sees (a part of the message's; empty
 * where nothing stands behind the name). NULL: no function of that name runs; it is counted, and
 * told in the log at a bounded rate. */
struct function *ingest_find(struct host *host, const struct message *message, struct bytes *topic);

void ingest_figures(const struct host *host, struct buf *out);

#endif
