/* SPDX-License-Identifier: MIT
 * UTF-8 validation (Unicode 15, table 3-7). Text is mostly ASCII: eight bytes at a time first.
 */
#include "lib/utf8.h"

#include <string.h>

enum { MQTT_STRING_BYTES_MAX = 65535 };

/* For a lead byte: how many follow, and the bounds of the first of them. 0 follow: never leads. */
static size_t
sequence(uint8_t lead, uint8_t *least, uint8_t *most)
{
	*least = 0x80;
	*most = 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 1;
	if (lead >= 0xe0 && lead <= 0xef) {
		if (lead == 0xe0)
			*least = 0xa0;
		else if (lead == 0xed)
			*most = 0x9f;
		return 2;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		if (lead == 0xf0)
			*least = 0x90;
		else if (lead == 0xf4)
			*most = 0x8f;
		return 3;
	}
	return 0;
}

static size_t
skip_ascii(const uint8_t *data, size_t at, size_t len)
{
	uint64_t word;

	while (len - at >= 8) {
		memcpy(&word, data + at, 8);
		if ((word & 0x8080808080808080u) != 0)
			break;
		at += 8;
	}
	while (at < len && data[at] < 0x80)
		at++;
	return at;
}

size_t
utf8_character(struct bytes text)
{
	uint8_t least, most;
	size_t follow;

	if (text.len == 0 || text.data[0] < 0x80)
		return text.len > 0;
	follow = sequence(text.data[0], &least, &most);
	if (follow == 0 || text.len <= follow)
		return 0;
	if (text.data[1] < least || text.data[1] > most)
		return 0;
	for (size_t i = 2; i <= follow; i++) {
		if ((text.data[i] & 0xc0) != 0x80)
			return 0;
	}
	return follow + 1;
}

bool
utf8_is_valid(struct bytes text)
{
	size_t at = skip_ascii(text.data, 0, text.len);

	while (at < text.len) {
		size_t len = utf8_character(bytes_of(text.data + at, text.len - at));

		if (len == 0)
			return false;
		at = skip_ascii(text.data, at + len, text.len);
	}
	return true;
}

bool
utf8_is_mqtt_string(struct bytes text)
{
	if (text.len == 0)
		return true;
	return text.len <= MQTT_STRING_BYTES_MAX && memchr(text.data, 0, text.len) == NULL &&
	       utf8_is_valid(text);
}
