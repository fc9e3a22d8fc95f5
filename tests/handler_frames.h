/* SPDX-License-Identifier: MIT
 * What a worker's effects and calls say, as JSON, and the answers to its calls: for the tests of
 * what handlers see.
 */
#ifndef TESTS_HANDLER_FRAMES_H
#define TESTS_HANDLER_FRAMES_H

#include <cjson/cJSON.h>

#include "lib/frame.h"
#include "lib/protocol.h"

cJSON *json_of(struct bytes bytes); /* JSON where it parses, else a string */

void read_effect(struct cursor *cursor, cJSON *effect);
/* Reads a call into `call` and its key, under which `replies` answers it. */
void read_call(enum call_kind kind, struct cursor *cursor, cJSON *call, struct buf *key);
/* What a file without `replies` gets: enough for an example. */
cJSON *default_reply(enum call_kind kind);
void put_reply(struct buf *out, enum call_kind kind, const cJSON *reply);

/* A HOST_TABLES frame: table cars with key id, table readings with key id, sort key ts, time to
 * live expires and index by_place of place and ts. */
void put_tables(struct buf *out);

#endif
