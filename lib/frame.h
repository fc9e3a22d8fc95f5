/* SPDX-License-Identifier: MIT
 * Frames between host and worker: u32 length of what follows, u8 type, fields. Integers are
 * little-endian; a byte string is a u32 length and its bytes.
 *
 * Reading is by a cursor that remembers the first thing that did not fit: read all fields, then
 * ask frame_end once, which insists that everything was consumed.
 */
#ifndef LIB_FRAME_H
#define LIB_FRAME_H

#include <string.h>

#include "lib/bytes.h"

enum {
	FRAME_HEAD_BYTES = 5,	    /* length and type */
	FRAME_BYTES_MAX = 16777216, /* of what follows the length */
};

enum frame_result { FRAME_OK, FRAME_MORE, FRAME_BAD };

struct frame {
	uint8_t type;
	struct bytes fields; /* borrowed from the input */
};

/* Takes the first frame out of `input`. OK: `*used` bytes belong to it. MORE: it is not complete.
 * BAD: its length is 0 or above FRAME_BYTES_MAX. Outputs are touched only on OK. */
enum frame_result frame_next(struct bytes input, struct frame *frame, size_t *used);

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad; /* something did not fit; all later reads give 0 */
};

static inline struct cursor
cursor_of(struct bytes bytes)
{
	return (struct cursor){ .at = bytes.data, .end = bytes.data + bytes.len };
}

/* Copies `len` bytes to `out`, zeros where they are not there. */
static inline void
cursor_copy(struct cursor *cursor, void *out, size_t len)
{
	if (cursor->bad || (size_t)(cursor->end - cursor->at) < len) {
		cursor->bad = true;
		memset(out, 0, len);
		return;
	}
	memcpy(out, cursor->at, len);
	cursor->at += len;
}

uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
int64_t cursor_i64(struct cursor *cursor);
struct bytes cursor_bytes(struct cursor *cursor); /* borrowed */
/* True where all was read, nothing was missing and nothing is left. */
static inline bool
cursor_end(const struct cursor *cursor)
{
	return !cursor->bad && cursor->at == cursor->end;
}

/* Writing: frame_begin, fields, frame_finish with what frame_begin returned. */
size_t frame_begin(struct buf *out, uint8_t type);
void frame_finish(struct buf *out, size_t begun);
void frame_u8(struct buf *out, uint8_t value);
void frame_u16(struct buf *out, uint16_t value);
void frame_u32(struct buf *out, uint32_t value);
void frame_u64(struct buf *out, uint64_t value);
void frame_i64(struct buf *out, int64_t value);
void frame_bytes(struct buf *out, struct bytes bytes);
void frame_string(struct buf *out, const char *text); /* NULL: empty */

#endif
