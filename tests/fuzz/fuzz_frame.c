/* SPDX-License-Identifier: MIT
 * Frames: a stream as a hostile worker would send it. The first byte of each frame's fields says in
 * which order they are read; a cursor never leaves its frame.
 */
#include <assert.h>

#include "lib/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
read_field(struct cursor *cursor, unsigned kind)
{
	struct bytes bytes;

	switch (kind % 6) {
	case 0:
		(void)cursor_u8(cursor);
		break;
	case 1:
		(void)cursor_u16(cursor);
		break;
	case 2:
		(void)cursor_u32(cursor);
		break;
	case 3:
		(void)cursor_u64(cursor);
		break;
	case 4:
		(void)cursor_i64(cursor);
		break;
	default:
		bytes = cursor_bytes(cursor);
		assert(cursor->bad ||
		       (bytes.data + bytes.len == cursor->at && cursor->at <= cursor->end));
		break;
	}
}

static void
read_fields(const struct frame *frame)
{
	struct cursor cursor = cursor_of(frame->fields);
	unsigned kinds = cursor_u8(&cursor) | (unsigned)frame->type << 8;

	for (int i = 0; i < 8; i++, kinds = kinds * 31 + 7)
		read_field(&cursor, kinds >> 3);
	if (cursor_end(&cursor))
		assert(!cursor.bad && cursor.at == frame->fields.data + frame->fields.len);
}

/* A frame written with the same fields reads back the same. */
static void
write_again(const struct frame *frame)
{
	struct buf out = { 0 };
	struct frame again;
	size_t used, begun = frame_begin(&out, frame->type);

	buf_append_bytes(&out, frame->fields);
	frame_finish(&out, begun);
	assert(frame_next(buf_bytes(&out), &again, &used) == FRAME_OK);
	assert(used == out.len && again.type == frame->type);
	assert(bytes_equal(again.fields, frame->fields));
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes left = bytes_of(data, len);
	struct frame frame;
	size_t used;

	while (frame_next(left, &frame, &used) == FRAME_OK) {
		assert(used >= FRAME_HEAD_BYTES && used <= left.len);
		read_fields(&frame);
		write_again(&frame);
		left = bytes_of(left.data + used, left.len - used);
	}
	return 0;
}
