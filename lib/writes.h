/* SPDX-License-Identifier: MIT
 * What must be made durable, as a list: how a part that does not know the store says what to put,
 * what to delete, and what it relies on. One list is applied whole or not at all.
 *
 * Encoded one after another: u8 space, u8 kind, u32 key length, u32 value length, key, value;
 * integers little-endian. The value of an expectation is its version, u64.
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
	SPACE_QUEUE,	       /* function \0 sequence -> event that waits to be run */
	SPACE_FAILED,	       /* id -> dead letter */
	SPACE_OUTBOX,	       /* sequence -> message that is committed and not yet routed */
	SPACE_TABLE,	       /* name -> definition of a table, JSON */
	SPACE_ITEM,	       /* table \0 encoded key -> item, JSON (lib/item_key.h) */
	SPACE_ITEM_INDEX,      /* table \0 index \0 encoded index key, encoded key -> nothing */
	SPACE_ITEM_EXPIRY,     /* due time, item's key -> nothing */
	SPACE_CHANGE,	       /* sequence -> a table's change with old and new image, JSON */
	SPACE_POSITION,	       /* function \0 table [\0 sequence] -> how far it has followed */
	SPACE_PARKED,	       /* function \0 table \0 item's key \0 sequence -> its dead letter */
	SPACE_FILE,	       /* function \0 path -> the version of the file that was handled */
	SPACE_TICK,	       /* function \0 schedule -> its last tick */
	SPACE_TIMER,	       /* function \0 ordering key \0 name -> timer, JSON */
	SPACE_TIMER_DUE,       /* due time, timer's key -> nothing */
	SPACE_STATE,	       /* function \0 ordering key \0 name -> value, JSON */
	SPACE_TRACE,	       /* id -> what went into an invocation and came out */
	SPACE_THING,	       /* name -> thing, JSON */
	SPACE_THING_TYPE,      /* name -> thing type, JSON */
	SPACE_THING_GROUP,     /* name -> group, JSON */
	SPACE_CERTIFICATE,     /* fingerprint -> certificate and its state, JSON */
	SPACE_POLICY,	       /* name -> policy document */
	SPACE_ATTACHMENT,      /* kind, from \0 to -> nothing: who has which policy, thing, group */
	SPACE_CREDENTIAL,      /* user or token -> salted hash, JSON */
	SPACE_AUTHORITY,       /* fingerprint -> CA certificate, JSON */
	SPACE_PRESENCE,	       /* client id -> its connection, JSON, where somebody follows it */
	SPACE_WEBHOOK,	       /* due time, sequence -> request that waits to be sent */
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
	size_t expectations; /* of them */
};

enum write_kind { WRITE_PUT, WRITE_DELETE, WRITE_EXPECT };

struct write {
	enum space space;
	enum write_kind kind;
	struct bytes key;
	struct bytes value; /* of a put */
	uint64_t version;   /* of an expectation */
};

void writes_put(struct writes *writes, enum space space, struct bytes key, struct bytes value);
void writes_delete(struct writes *writes, enum space space, struct bytes key);
/* The row must have this version when the list is applied, or (0) not be there: else nothing of the
 * list's transaction takes effect, which is a conflict. */
void writes_expect(struct writes *writes, enum space space, struct bytes key, uint64_t version);
void writes_append(struct writes *writes, const struct writes *more);
void writes_clear(struct writes *writes);

/* Walks the list: `*at` starts at 0. Returns false at the end. Views last until the next change. */
bool writes_next(const struct writes *writes, size_t *at, struct write *write);

#endif
