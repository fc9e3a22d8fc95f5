/* SPDX-License-Identifier: MIT
 * What must be made durable, as a list: how a part that does not know the store says what to put
 * and what to delete. One list is applied whole or not at all.
 *
 * Encoded one after another: u8 space, u32 key length, u32 value length + 1 (0: delete), key,
 * value; integers little-endian.
 */
#ifndef LIB_WRITES_H
#define LIB_WRITES_H

#include "lib/bytes.h"

/* The ordered key-value tables of the store. A row of `space_rows` documents each. */
enum space {
	SPACE_META,	       /* schema version, host identity, counters */
	SPACE_SESSION,	       /* client id -> session */
	SPACE_SUBSCRIPTION,    /* client id \0 filter -> options */
	SPACE_SESSION_MESSAGE, /* client id \0 sequence -> queued or in-flight message */
	SPACE_RECEIVED,	       /* client id \0 packet id -> a QoS 2 message that was received */
	SPACE_RETAINED,	       /* topic -> message */
	SPACE_WILL,	       /* client id -> will that waits for its delay */
	SPACE_SHADOW,	       /* thing [\0 name] -> document */
	SPACE_QUEUE,	       /* due time, id -> event that waits to be run */
	SPACE_FAILED,	       /* id -> dead letter */
	SPACE_OUTBOX,	       /* sequence -> message that is committed and not yet routed */
	SPACE_COUNT
};

struct space_row {
	const char *name; /* of the table; [a-z_]+ */
	const char *help;
};

extern const struct space_row space_rows[SPACE_COUNT];

/* All zero is a valid empty list. */
struct writes {
	struct buf encoded;
	size_t count;
};

struct write {
	enum space space;
	struct bytes key;
	struct bytes value; /* empty for a delete */
	bool is_delete;
};

void writes_put(struct writes *writes, enum space space, struct bytes key, struct bytes value);
void writes_delete(struct writes *writes, enum space space, struct bytes key);
void writes_append(struct writes *writes, const struct writes *more);
void writes_clear(struct writes *writes);

/* Walks the list: `*at` starts at 0. Returns false at the end. Views last until the next change. */
bool writes_next(const struct writes *writes, size_t *at, struct write *write);

#endif
