/* SPDX-License-Identifier: MIT
 * Keys of items, encoded so that the order of their bytes is the order of their values: numbers
 * before strings, numbers as numbers (whole and broken ones among each other, exactly), strings by
 * their bytes. An item's key is its hash key's encoding followed by its sort key's.
 *
 *   number: 'n', 8 bytes, 2 bytes   the nearest double, ordered; what a whole number is above it
 *   string: 's', bytes, 0 1         where a byte 0 is written 0 255
 */
#ifndef LIB_ITEM_KEY_H
#define LIB_ITEM_KEY_H

#include "lib/bytes.h"

enum {
	ITEM_KEY_STRING_BYTES_MAX = 2048, /* of a hash key; of a sort key 1024 */
	ITEM_SORT_STRING_BYTES_MAX = 1024,
	ITEM_KEY_BYTES_MAX = 8192, /* of both together, encoded */
};

/* An encoded number. */
struct item_key_number {
	uint8_t bytes[11];
};

struct item_key_number item_key_of_integer(int64_t value);
struct item_key_number item_key_of_double(double value); /* finite */

void item_key_string(struct buf *out, struct bytes value);

/* A JSON number or string, raw. False: of another kind, or a number that is out of range. */
bool item_key_json(struct buf *out, struct bytes value);

/* Takes one encoded value off the front and appends it as JSON (`json` may be NULL). False: it is
 * none. */
bool item_key_next(struct bytes *encoded, struct buf *json);

#endif
