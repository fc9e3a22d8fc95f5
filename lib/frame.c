/* SPDX-License-Identifier: MIT
 * Frames: reading and writing. The wire is little-endian and so are the machines that we run on;
 * the shifts keep it right on others.
 */
#include "lib/frame.h"

#include <assert.h>

#define DECODE(type, name)                             \
	type name(struct cursor *cursor)               \
	{                                              \
		uint8_t raw[sizeof(type)];             \
		uint64_t value = 0;                    \
                                                       \
		cursor_copy(cursor, raw, sizeof(raw)); \
		for (size_t i = sizeof(raw); i-- > 0;) \
			value = value << 8 | raw[i];   \
		return (type)value;                    \
	}

#define ENCODE(type, name)                                              \
	void name(struct buf *out, type value)                          \
	{                                                               \
		uint8_t *raw = buf_reserve(out, sizeof(type));          \
                                                                        \
		for (size_t i = 0; i < sizeof(type); i++)               \
			raw[i] = (uint8_t)((uint64_t)value >> (8 * i)); \
		out->len += sizeof(type);                               \
	}

DECODE(uint8_t, cursor_u8)
DECODE(uint16_t, cursor_u16)
DECODE(uint32_t, cursor_u32)
DECODE(uint64_t, cursor_u64)
DECODE(int64_t, cursor_i64)
ENCODE(uint8_t, frame_u8)
ENCODE(uint16_t, frame_u16)
ENCODE(uint32_t, frame_u32)
ENCODE(uint64_t, frame_u64)
ENCODE(int64_t, frame_i64)

enum frame_result
frame_next(struct bytes input, struct frame *frame, size_t *used)
{
	struct cursor cursor = cursor_of(input);
	uint32_t len;

	if (input.len < sizeof(len))
		return FRAME_MORE;
	len = cursor_u32(&cursor);
	if (len == 0 || len > FRAME_BYTES_MAX)
		return FRAME_BAD;
	if (input.len - sizeof(len) < len)
		return FRAME_MORE;
	frame->type = cursor_u8(&cursor);
	frame->fields = bytes_of(cursor.at, len - 1);
	*used = sizeof(len) + len;
	return FRAME_OK;
}

struct bytes
cursor_bytes(struct cursor *cursor)
{
	uint32_t len = cursor_u32(cursor);
	struct bytes bytes;

	if (cursor->bad || (size_t)(cursor->end - cursor->at) < len) {
		cursor->bad = true;
		return bytes_of(NULL, 0);
	}
	bytes = bytes_of(cursor->at, len);
	cursor->at += len;
	return bytes;
}

size_t
frame_begin(struct buf *out, uint8_t type)
{
	size_t begun = out->len;

	frame_u32(out, 0);
	frame_u8(out, type);
	return begun;
}

void
frame_finish(struct buf *out, size_t begun)
{
	size_t len = out->len - begun - sizeof(uint32_t);

	assert(len > 0 && len <= FRAME_BYTES_MAX);
	for (size_t i = 0; i < sizeof(uint32_t); i++)
		out->data[begun + i] = (uint8_t)(len >> (8 * i));
}

void
frame_bytes(struct buf *out, struct bytes bytes)
{
	assert(bytes.len <= FRAME_BYTES_MAX);
	frame_u32(out, (uint32_t)bytes.len);
	buf_append_bytes(out, bytes);
}

void
frame_string(struct buf *out, const char *text)
{
	frame_bytes(out, bytes_of_string(text));
}
