/* SPDX-License-Identifier: MIT
 * What a query or a scan asks of a table, and the range of rows that it means. Keys are encoded as
 * in lib/item_key.h.
 */
#ifndef LIB_TABLE_QUERY_H
#define LIB_TABLE_QUERY_H

#include "lib/table_def.h"

enum {
	QUERY_LIMIT_MAX = 1000,	       /* items of an answer; also where no limit is given */
	QUERY_BYTES_MAX = 1024 * 1024, /* and their bytes; the item that goes beyond is the last */
	QUERY_ROWS_MAX = 10000,	       /* that are looked at, expired ones included */
	QUERY_PENDING_MAX = 1000,      /* items that the run itself has written, for one query */
};

/* Views are borrowed. Empty: not given. */
struct table_query {
	struct bytes table;
	struct bytes index;  /* its name; empty: by the table's own key */
	struct bytes hash;   /* encoded; empty: all items, which is a scan */
	struct bytes from;   /* encoded, of the sort key, inclusive */
	struct bytes to;     /* likewise */
	struct bytes prefix; /* plain text, of a sort key that is a string */
	struct bytes after;  /* where an answer before ended: an encoded row key */
	bool reverse;
	uint32_t limit; /* 1 to QUERY_LIMIT_MAX */
};

/* As fields of a frame: bytes table, index, hash, from, to, prefix, after; u8 reverse; u32 limit.
 */
void table_query_encode(const struct table_query *query, struct buf *out);
/* Reads the fields; they are checked by table_query_bounds. */
void table_query_decode(struct cursor *cursor, struct table_query *query);

/* Appends the range: keys k of the table's or the index's rows with lower <= k < upper; an empty
 * upper is the end. -1: the query does not fit the table, `err` names the field. */
int table_query_bounds(const struct table_def *def, const struct table_query *query,
    struct buf *lower, struct buf *upper, struct err *err) __attribute__((warn_unused_result));

/* Where an answer ended, as text for handlers and clients. */
void table_after_write(struct bytes key, struct buf *text);
/* False: it is no such text. */
bool table_after_read(struct bytes text, struct buf *key);

#endif
