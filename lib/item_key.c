/* SPDX-License-Identifier: MIT
 * Ordered encoding of key values.
 */
#include "lib/item_key.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/json_text.h"

enum { TAG_NUMBER = 'n', TAG_STRING = 's', NUMBER_BYTES = 11, REST_ZERO = 0x8000 };

static struct item_key_number
ordered(double value, int rest)
{
	struct item_key_number out = { { TAG_NUMBER } };
	uint64_t bits;

	value = value == 0 ? 0 : value; /* -0 is 0 */
	memcpy(&bits, &value, sizeof(bits));
	bits = bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
	for (int i = 0; i < 8; i++)
		out.bytes[1 + i] = (uint8_t)(bits >> (56 - 8 * i));
	out.bytes[9] = (uint8_t)((REST_ZERO + rest) >> 8);
	out.bytes[10] = (uint8_t)(REST_ZERO + rest);
	return out;
}

/* A double is at most 512 away from a whole number of 64 bits. */
struct item_key_number
item_key_of_integer(int64_t value)
{
	double nearest = (double)value;

	return ordered(nearest, (int)((__int128)value - (__int128)nearest));
}

struct item_key_number
item_key_of_double(double value)
{
	return ordered(value, 0);
}

void
item_key_string(struct buf *out, struct bytes value)
{
	buf_append_u8(out, TAG_STRING);
	for (size_t i = 0; i < value.len; i++) {
		buf_append_u8(out, value.data[i]);
		if (value.data[i] == 0)
			buf_append_u8(out, 0xff);
	}
	buf_append_u8(out, 0);
	buf_append_u8(out, 1);
}

static bool
number_json(struct buf *out, struct bytes value)
{
	char text[64], *end;
	long long whole;
	struct item_key_number key;
	double number;

	if (value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	if (strpbrk(text, ".eE") == NULL) {
		errno = 0;
		whole = strtoll(text, &end, 10);
		if (errno == 0 && *end == '\0') {
			key = item_key_of_integer(whole);
			buf_append(out, key.bytes, sizeof(key.bytes));
			return true;
		}
	}
	number = strtod(text, &end);
	if (*end != '\0' || !isfinite(number))
		return false;
	key = item_key_of_double(number);
	buf_append(out, key.bytes, sizeof(key.bytes));
	return true;
}

bool
item_key_json(struct buf *out, struct bytes value)
{
	struct buf plain = { 0 };

	switch (json_text_kind(value)) {
	case JSON_TEXT_NUMBER:
		return number_json(out, value);
	case JSON_TEXT_STRING:
		json_text_unescape(value, &plain);
		item_key_string(out, buf_bytes(&plain));
		buf_clear(&plain);
		return true;
	case JSON_TEXT_NULL:
	case JSON_TEXT_FALSE:
	case JSON_TEXT_TRUE:
	case JSON_TEXT_ARRAY:
	case JSON_TEXT_OBJECT:
		break;
	}
	return false;
}

static bool
next_number(struct bytes *encoded, struct buf *json)
{
	uint64_t bits = 0;
	double nearest;
	int rest;

	if (encoded->len < NUMBER_BYTES)
		return false;
	for (int i = 1; i <= 8; i++)
		bits = bits << 8 | encoded->data[i];
	rest = (encoded->data[9] << 8 | encoded->data[10]) - REST_ZERO;
	bits = bits >> 63 != 0 ? bits & ~((uint64_t)1 << 63) : ~bits;
	memcpy(&nearest, &bits, sizeof(nearest));
	if (!isfinite(nearest) || rest < -1024 || rest > 1024)
		return false;
	*encoded = bytes_of(encoded->data + NUMBER_BYTES, encoded->len - NUMBER_BYTES);
	if (json == NULL)
		return true;
	if (nearest == floor(nearest) && fabs(nearest) <= 0x1p63) {
		__int128 whole = (__int128)nearest + rest;

		if (whole >= INT64_MIN && whole <= INT64_MAX) {
			buf_printf(json, "%lld", (long long)whole);
			return true;
		}
	}
	buf_printf(json, "%.17g", nearest);
	return true;
}

static bool
next_string(struct bytes *encoded, struct buf *json)
{
	struct buf plain = { 0 };
	size_t at = 1;

	for (; at + 1 < encoded->len; at++) {
		uint8_t byte = encoded->data[at];

		if (byte == 0 && encoded->data[at + 1] == 1)
			break;
		if (byte == 0 && encoded->data[++at] != 0xff)
			break;
		buf_append_u8(&plain, byte);
	}
	if (at + 1 >= encoded->len || encoded->data[at] != 0) {
		buf_clear(&plain);
		return false;
	}
	*encoded = bytes_of(encoded->data + at + 2, encoded->len - at - 2);
	if (json != NULL)
		json_text_quote(buf_bytes(&plain), json);
	buf_clear(&plain);
	return true;
}

bool
item_key_next(struct bytes *encoded, struct buf *json)
{
	if (encoded->len == 0)
		return false;
	if (encoded->data[0] == TAG_NUMBER)
		return next_number(encoded, json);
	return encoded->data[0] == TAG_STRING && next_string(encoded, json);
}
