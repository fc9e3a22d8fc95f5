/* SPDX-License-Identifier: MIT
 * One pass by recursive descent; names and values are views into the text.
 */
#include "lib/json_text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "lib/utf8.h"

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	int depth;
};

static bool value(struct reader *reader);

static void
space(struct reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
					       *reader->at == '\n' || *reader->at == '\r'))
		reader->at++;
}

static bool
take(struct reader *reader, uint8_t byte)
{
	if (reader->at == reader->end || *reader->at != byte)
		return false;
	reader->at++;
	return true;
}

static bool
is_digit(const struct reader *reader)
{
	return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool
digits(struct reader *reader)
{
	if (!is_digit(reader))
		return false;
	while (is_digit(reader))
		reader->at++;
	return true;
}

static bool
number(struct reader *reader)
{
	(void)take(reader, '-');
	if (!take(reader, '0') && !digits(reader))
		return false;
	if (take(reader, '.') && !digits(reader))
		return false;
	if (take(reader, 'e') || take(reader, 'E')) {
		if (!take(reader, '-'))
			(void)take(reader, '+');
		return digits(reader);
	}
	return true;
}

static int
hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* The four digits behind \u; -1: they are not. */
static int32_t
hex4(const uint8_t *at, const uint8_t *end)
{
	int32_t code = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		code = code << 4 | digit;
	}
	return code;
}

static bool
escape(struct reader *reader)
{
	if (reader->at == reader->end)
		return false;
	if (*reader->at == 'u') {
		if (hex4(reader->at + 1, reader->end) < 0)
			return false;
		reader->at += 5;
		return true;
	}
	if (*reader->at == 0 || strchr("\"\\/bfnrt", *reader->at) == NULL)
		return false;
	reader->at++;
	return true;
}

static bool
string(struct reader *reader)
{
	const uint8_t *begun;

	if (!take(reader, '"'))
		return false;
	begun = reader->at;
	while (reader->at < reader->end && *reader->at != '"') {
		uint8_t byte = *reader->at++;

		if (byte < 0x20 || (byte == '\\' && !escape(reader)))
			return false;
	}
	if (reader->at == reader->end)
		return false;
	if (!utf8_is_valid(bytes_of(begun, (size_t)(reader->at - begun)))) {
		reader->at = begun;
		return false;
	}
	reader->at++;
	return true;
}

static bool
array(struct reader *reader)
{
	space(reader);
	if (take(reader, ']'))
		return true;
	do {
		if (!value(reader))
			return false;
	} while (take(reader, ','));
	return take(reader, ']');
}

/* The name and the colon; `*name` lies between the quotes. */
static bool
member_name(struct reader *reader, struct bytes *name)
{
	const uint8_t *begun;

	space(reader);
	begun = reader->at;
	if (!string(reader))
		return false;
	*name = bytes_of(begun + 1, (size_t)(reader->at - begun) - 2);
	space(reader);
	return take(reader, ':');
}

static bool
object(struct reader *reader)
{
	struct bytes name;

	space(reader);
	if (take(reader, '}'))
		return true;
	do {
		if (!member_name(reader, &name) || !value(reader))
			return false;
	} while (take(reader, ','));
	return take(reader, '}');
}

static bool
word(struct reader *reader, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, text, len) != 0)
		return false;
	reader->at += len;
	return true;
}

static bool
bare_value(struct reader *reader)
{
	bool ok;

	if (reader->at == reader->end)
		return false;
	switch (*reader->at) {
	case '"':
		return string(reader);
	case 't':
		return word(reader, "true");
	case 'f':
		return word(reader, "false");
	case 'n':
		return word(reader, "null");
	case '[':
	case '{':
		if (++reader->depth > JSON_TEXT_DEPTH_MAX)
			return false;
		ok = *reader->at++ == '[' ? array(reader) : object(reader);
		reader->depth--;
		return ok;
	default:
		return number(reader);
	}
}

static bool
value(struct reader *reader)
{
	bool ok;

	space(reader);
	ok = bare_value(reader);
	space(reader);
	return ok;
}

bool
json_text_is_valid(struct bytes text, size_t *at)
{
	struct reader reader = { .at = text.data, .end = text.data + text.len };
	bool ok = value(&reader) && reader.at == reader.end;

	*at = (size_t)(reader.at - text.data);
	return ok;
}

/* A value without the space around it. */
static bool
raw_value(struct reader *reader, struct bytes *raw)
{
	const uint8_t *begun;

	space(reader);
	begun = reader->at;
	if (!bare_value(reader))
		return false;
	*raw = bytes_of(begun, (size_t)(reader->at - begun));
	space(reader);
	return true;
}

static bool
members(struct reader *reader, json_member_fn *each, void *arg)
{
	struct bytes name, raw;

	space(reader);
	if (take(reader, '}'))
		return true;
	do {
		if (!member_name(reader, &name) || !raw_value(reader, &raw))
			return false;
		if (each != NULL && !each(arg, name, raw))
			each = NULL;
	} while (take(reader, ','));
	return take(reader, '}');
}

static bool
elements(struct reader *reader, json_element_fn *each, void *arg)
{
	struct bytes raw;

	space(reader);
	if (take(reader, ']'))
		return true;
	do {
		if (!raw_value(reader, &raw))
			return false;
		if (each != NULL && !each(arg, raw))
			each = NULL;
	} while (take(reader, ','));
	return take(reader, ']');
}

static struct reader
reader_of(struct bytes text)
{
	struct reader reader = { .at = text.data, .end = text.data + text.len, .depth = 1 };

	space(&reader);
	return reader;
}

static bool
whole(struct reader *reader, struct bytes text, bool ok, size_t *at)
{
	space(reader);
	*at = (size_t)(reader->at - text.data);
	return ok && reader->at == reader->end;
}

bool
json_text_is_within(struct bytes text, int depth_max)
{
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];

		if (byte == '"')
			in_string = !in_string;
		else if (in_string)
			i += byte == '\\';
		else if ((byte == '{' || byte == '[') && ++depth > depth_max)
			return false;
		else
			depth -= byte == '}' || byte == ']';
	}
	return true;
}

static bool
is_of_number(uint8_t byte)
{
	return byte == '+' || byte == '-' || byte == '.' || byte == 'e' || byte == 'E' ||
	       (byte >= '0' && byte <= '9');
}

static bool
number_is_finite(struct bytes number)
{
	struct buf text = { 0 };
	bool finite;

	buf_append_bytes(&text, number);
	finite = isfinite(strtod(buf_string(&text), NULL));
	buf_clear(&text);
	return finite;
}

bool
json_text_is_finite(struct bytes text)
{
	bool in_string = false;
	size_t len;

	for (size_t i = 0; i < text.len; i += len) {
		uint8_t byte = text.data[i];

		len = 1;
		if (byte == '"') {
			in_string = !in_string;
		} else if (in_string) {
			len += byte == '\\';
		} else if (byte == '-' || (byte >= '0' && byte <= '9')) {
			while (i + len < text.len && is_of_number(text.data[i + len]))
				len++;
			if (!number_is_finite(bytes_of(text.data + i, len)))
				return false;
		}
	}
	return true;
}

bool
json_text_members(struct bytes text, json_member_fn *each, void *arg, size_t *at)
{
	struct reader reader = reader_of(text);

	return whole(&reader, text, take(&reader, '{') && members(&reader, each, arg), at);
}

bool
json_text_elements(struct bytes text, json_element_fn *each, void *arg, size_t *at)
{
	struct reader reader = reader_of(text);

	return whole(&reader, text, take(&reader, '[') && elements(&reader, each, arg), at);
}

struct search {
	struct bytes name;
	struct bytes found;
};

static bool
is_name(struct bytes raw, struct bytes name)
{
	struct buf plain = { 0 };
	bool same;

	if (memchr(raw.data, '\\', raw.len) == NULL)
		return bytes_equal(raw, name);
	json_text_unescape(bytes_of(raw.data - 1, raw.len + 2), &plain);
	same = bytes_equal(buf_bytes(&plain), name);
	buf_clear(&plain);
	return same;
}

static bool
search_member(void *arg, struct bytes name, struct bytes found)
{
	struct search *search = arg;

	if (is_name(name, search->name))
		search->found = found;
	return true;
}

struct bytes
json_text_member(struct bytes text, struct bytes name)
{
	struct search search = { .name = name };
	size_t at;

	(void)json_text_members(text, search_member, &search, &at);
	return search.found;
}

enum json_text_kind
json_text_kind(struct bytes text)
{
	assert(text.len > 0);
	switch (text.data[0]) {
	case '"':
		return JSON_TEXT_STRING;
	case 't':
		return JSON_TEXT_TRUE;
	case 'f':
		return JSON_TEXT_FALSE;
	case 'n':
		return JSON_TEXT_NULL;
	case '[':
		return JSON_TEXT_ARRAY;
	case '{':
		return JSON_TEXT_OBJECT;
	default:
		return JSON_TEXT_NUMBER;
	}
}

static void
append_code(struct buf *out, uint32_t code)
{
	if (code < 0x80) {
		buf_append_u8(out, (uint8_t)code);
	} else if (code < 0x800) {
		buf_append_u8(out, (uint8_t)(0xc0 | code >> 6));
		buf_append_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buf_append_u8(out, (uint8_t)(0xe0 | code >> 12));
		buf_append_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
		buf_append_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	} else {
		buf_append_u8(out, (uint8_t)(0xf0 | code >> 18));
		buf_append_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
		buf_append_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
		buf_append_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	}
}

/* Behind "\u": a surrogate alone becomes U+FFFD. Returns where it ends. */
static const uint8_t *
unescape_unicode(const uint8_t *at, const uint8_t *end, struct buf *out)
{
	int32_t code = hex4(at, end), low = -1;

	at += 4;
	if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u')
		low = hex4(at + 2, end);
	if (low >= 0xdc00 && low < 0xe000) {
		append_code(out, 0x10000 + (uint32_t)((code - 0xd800) << 10 | (low - 0xdc00)));
		return at + 6;
	}
	append_code(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : (uint32_t)code);
	return at;
}

void
json_text_unescape(struct bytes raw, struct buf *out)
{
	static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	const uint8_t *at = raw.data + 1, *end = raw.data + raw.len - 1;

	while (at < end) {
		const char *name;

		if (*at != '\\') {
			buf_append_u8(out, *at++);
			continue;
		}
		at++;
		if (*at == 'u') {
			at = unescape_unicode(at + 1, end, out);
			continue;
		}
		name = strchr(names, *at);
		buf_append_u8(out, name != NULL ? (uint8_t)meanings[name - names] : *at);
		at++;
	}
}

void
json_text_quote(struct bytes plain, struct buf *out)
{
	buf_append_u8(out, '"');
	for (size_t i = 0; i < plain.len; i++) {
		uint8_t byte = plain.data[i];

		if (byte == '"' || byte == '\\')
			buf_append_u8(out, '\\');
		if (byte < 0x20)
			buf_printf(out, "\\u%04x", byte);
		else
			buf_append_u8(out, byte);
	}
	buf_append_u8(out, '"');
}
