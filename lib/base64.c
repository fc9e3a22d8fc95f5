/* SPDX-License-Identifier: MIT
 * Three bytes to four digits and back.
 */
#include "lib/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct bytes bytes, struct buf *out)
{
	uint8_t *at = buf_reserve(out, (bytes.len + 2) / 3 * 4);

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		uint32_t group = (uint32_t)bytes.data[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes.data[i + 1] << 8;
		if (left > 2)
			group |= bytes.data[i + 2];
		*at++ = (uint8_t)digits[group >> 18];
		*at++ = (uint8_t)digits[group >> 12 & 63];
		*at++ = left > 1 ? (uint8_t)digits[group >> 6 & 63] : '=';
		*at++ = left > 2 ? (uint8_t)digits[group & 63] : '=';
	}
	out->len += (bytes.len + 2) / 3 * 4;
}

static int
value_of(uint8_t digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	if (digit == '+' || digit == '/')
		return digit == '+' ? 62 : 63;
	return -1;
}

/* Four digits, of which the last `padding` are '='. */
static int
decode_group(const uint8_t *text, size_t padding, struct buf *out)
{
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(text[i]) : 0;

		if (value < 0)
			return -1;
		group = group << 6 | (uint32_t)value;
	}
	if ((group & ((1u << padding * 8) - 1)) != 0)
		return -1;
	buf_append_u8(out, (uint8_t)(group >> 16));
	if (padding < 2)
		buf_append_u8(out, (uint8_t)(group >> 8));
	if (padding < 1)
		buf_append_u8(out, (uint8_t)group);
	return 0;
}

int
base64_decode(struct bytes text, struct buf *out)
{
	size_t before = out->len;

	if (text.len % 4 != 0)
		return -1;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t padding = 0;

		if (i + 4 == text.len)
			padding = text.data[i + 3] != '=' ? 0 : text.data[i + 2] != '=' ? 1 : 2;
		if (decode_group(text.data + i, padding, out) < 0) {
			out->len = before;
			return -1;
		}
	}
	return 0;
}
