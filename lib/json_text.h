/* SPDX-License-Identifier: MIT
 * JSON as text (RFC 8259): is it whole, and what are an object's members, without a tree being
 * made of it. Numbers keep all their digits.
 */
#ifndef LIB_JSON_TEXT_H
#define LIB_JSON_TEXT_H

#include "lib/bytes.h"

enum { JSON_TEXT_DEPTH_MAX = 64 };

/* Whether the text is one JSON value, in valid UTF-8, at most JSON_TEXT_DEPTH_MAX deep. `*at` is
 * where it stops being one. */
bool json_text_is_valid(struct bytes text, size_t *at);

/* Whether the text, which is valid, has at most so many levels (1 to JSON_TEXT_DEPTH_MAX). */
bool json_text_is_within(struct bytes text, int depth_max);

/* Whether all numbers of the text, which is valid, are finite as doubles: 1e999 is not. */
bool json_text_is_finite(struct bytes text);

/* Calls `each` for each member of the object that the text is, in order, with the raw text of the
 * name (between its quotes, escapes as they are) and of the value. It returns false to stop.
 * False: the text is not valid, or no object (`*at`: where). */
typedef bool json_member_fn(void *arg, struct bytes name, struct bytes value);
bool json_text_members(struct bytes text, json_member_fn *each, void *arg, size_t *at);

/* Likewise for each element of the array that the text is. */
typedef bool json_element_fn(void *arg, struct bytes value);
bool json_text_elements(struct bytes text, json_element_fn *each, void *arg, size_t *at);

/* The raw value of a member, whatever way its name is written; empty: there is none. The text must
 * be a valid object. Where a name stands twice the last one counts, as it does for Lua. */
struct bytes json_text_member(struct bytes object, struct bytes name);

enum json_text_kind {
	JSON_TEXT_NULL,
	JSON_TEXT_FALSE,
	JSON_TEXT_TRUE,
	JSON_TEXT_NUMBER,
	JSON_TEXT_STRING,
	JSON_TEXT_ARRAY,
	JSON_TEXT_OBJECT,
};

enum json_text_kind json_text_kind(struct bytes value); /* of a raw value */

/* Appends what a raw string (with its quotes) says. */
void json_text_unescape(struct bytes value, struct buf *out);
/* Appends a string as JSON, with its quotes. The bytes must be valid UTF-8. */
void json_text_quote(struct bytes string, struct buf *out);

#endif
