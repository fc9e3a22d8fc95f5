/* SPDX-License-Identifier: MIT
 * The definition of a table: what its key is, its indexes, its time to live.
 */
#ifndef LIB_TABLE_DEF_H
#define LIB_TABLE_DEF_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/frame.h"

enum {
	TABLE_NAME_BYTES_MAX = 64,
	TABLE_ATTRIBUTE_BYTES_MAX = 255,
	TABLE_INDEXES_MAX = 20,
	TABLES_MAX = 256,
	ITEM_BYTES_MAX = 400 * 1024, /* as JSON text */
	ITEM_DEPTH_MAX = 60,	     /* levels; a change, or a list of some, must be JSON too */
};

struct table_index {
	char *name;
	char *hash;    /* attributes of items */
	char *sort;    /* NULL: none */
	bool building; /* does not have all items yet: it is not to be read */
};

/* All strings are owned. */
struct table_def {
	char *name;
	char *hash;
	char *sort; /* NULL: none */
	char *ttl; /* the attribute with the time, in seconds since 1970, when an item ends; NULL */
	struct table_index indexes[TABLE_INDEXES_MAX];
	size_t index_count;
};

/* 1 to TABLE_NAME_BYTES_MAX letters, digits or "_", the first one a letter: it is the name of a
 * view in SQL too. */
bool table_name_is_valid(struct bytes name);

/* Names, lengths, no attribute twice in a key, no index twice. */
int table_def_check(const struct table_def *def, struct err *err)
    __attribute__((warn_unused_result));
void table_def_clear(struct table_def *def);
void table_def_copy(struct table_def *def, const struct table_def *from);
/* Whether they say the same; indexes that are being filled are as good as others. */
bool table_def_equal(const struct table_def *a, const struct table_def *b);
const struct table_index *table_def_index(const struct table_def *def, struct bytes name);

/* As fields of a frame. */
void table_def_encode(const struct table_def *def, struct buf *out);
/* False: it does not decode, or is not a valid one; `def` is empty then. */
bool table_def_decode(struct cursor *cursor, struct table_def *def);

/* As JSON: {"name":"cars","key":"id","sort":"ts","ttl":"expires","indexes":[{"name":...,"key":...,
 * "sort":...}]}; an index that is being filled has "building":true besides. */
void table_def_write(const struct table_def *def, struct buf *json);
/* Unknown members are errors. */
int table_def_read(struct bytes json, struct table_def *def, struct err *err)
    __attribute__((warn_unused_result));

enum item_defect {
	ITEM_OK,
	ITEM_NOT_OBJECT, /* or no JSON at all */
	ITEM_TOO_LARGE,
	ITEM_TOO_DEEP,
	ITEM_NO_HASH,
	ITEM_BAD_HASH, /* neither a string nor a number, empty, or too long */
	ITEM_NO_SORT,
	ITEM_BAD_SORT,
};

/* Appends the encoded key (lib/item_key.h) of an item given as JSON. Appends nothing where there is
 * a defect. */
enum item_defect table_item_key(const struct table_def *def, struct bytes item, struct buf *key);
/* "cars: the item has no \"id\", the table's key" */
void item_defect_text(const struct table_def *def, enum item_defect defect, struct err *err);
/* Whether `key` is an encoded key of this table, whole. */
bool table_key_is_valid(const struct table_def *def, struct bytes key);
/* {"id":"audi22","ts":5} */
void table_key_write(const struct table_def *def, struct bytes key, struct buf *json);
/* When an item given as JSON ends, in seconds since 1970. False: it does not, or the table has no
 * time to live. */
bool table_item_ends(const struct table_def *def, struct bytes item, int64_t *end_s);
bool table_item_is_expired(const struct table_def *def, struct bytes item, int64_t now_ms);
/* Appends the encoded key of an index for an item; false: the item is not in the index. */
bool table_index_key(const struct table_index *index, struct bytes item, struct buf *key);

#endif
