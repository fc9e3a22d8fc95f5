/* SPDX-License-Identifier: MIT
 * A borrowed run of bytes, and the growing buffer and the shared block that can own one.
 *
 * Memory in the host comes from bounded sizes; where it cannot be had the process ends with a
 * message (what was acknowledged is on disk). So nothing here returns a failure.
 */
#ifndef LIB_BYTES_H
#define LIB_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed view; `data` may be NULL where `len` is 0. Never terminated by a zero. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

static inline struct bytes
bytes_of(const void *data, size_t len)
{
	return (struct bytes){ .data = data, .len = len };
}

struct bytes bytes_of_string(const char *text); /* without its zero; NULL gives the empty view */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_string(struct bytes a, const char *text);
int bytes_compare(struct bytes a, struct bytes b); /* as memcmp; a prefix comes first */
char *bytes_to_string(struct bytes a);		   /* a terminated heap copy; free() it */

/* A growing buffer. All zero is a valid empty one. */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
};

void buf_clear(struct buf *buf); /* frees; the buffer is empty and usable again */
void buf_reset(struct buf *buf); /* empties, keeps the memory */
/* Makes room for `more` bytes behind `len` and returns the place to write them; the caller adds to
 * len. */
uint8_t *buf_grow(struct buf *buf, size_t more); /* the same where there is no room yet */
static inline uint8_t *
buf_reserve(struct buf *buf, size_t more)
{
	return buf->cap - buf->len >= more ? buf->data + buf->len : buf_grow(buf, more);
}

static inline void
buf_append(struct buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return;
	memcpy(buf_reserve(buf, len), data, len);
	buf->len += len;
}

void buf_append_bytes(struct buf *buf, struct bytes bytes);
void buf_append_string(struct buf *buf, const char *text);
void buf_append_u8(struct buf *buf, uint8_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drain(struct buf *buf, size_t len); /* forgets the first `len` bytes */
const char *buf_string(struct buf *buf);     /* terminated; valid until the next change */
static inline struct bytes
buf_bytes(const struct buf *buf)
{
	return bytes_of(buf->data, buf->len);
}

/* An immutable block of bytes that several owners share. Counted without atomics: one thread only.
 */
struct blob {
	uint32_t refs;
	uint32_t len;
	uint8_t data[];
};

struct blob *blob_new(struct bytes bytes); /* a copy with one reference */
struct blob *blob_alloc(size_t len);	   /* not filled, with one reference */
struct blob *blob_ref(struct blob *blob);  /* returns its argument */
void blob_unref(struct blob *blob);	   /* takes NULL */
static inline struct bytes
blob_bytes(const struct blob *blob)
{
	return bytes_of(blob->data, blob->len);
}

/* malloc, calloc, realloc, strdup that end the process with a message instead of returning NULL. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));

#endif
