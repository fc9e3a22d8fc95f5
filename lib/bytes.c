/* SPDX-License-Identifier: MIT
 * Byte views, buffers, shared blocks.
 */
#include "lib/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_CAP_MIN = 64 };

static void *
checked(void *memory, size_t size)
{
	if (memory == NULL) {
		(void)fprintf(stderr, "moonlet: out of memory (%zu bytes)\n", size);
		abort();
	}
	return memory;
}

void *
xmalloc(size_t size)
{
	return checked(malloc(size > 0 ? size : 1), size);
}

void *
xcalloc(size_t count, size_t size)
{
	return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1), size);
}

void *
xrealloc(void *old, size_t size)
{
	return checked(realloc(old, size > 0 ? size : 1), size);
}

char *
xstrdup(const char *text)
{
	return checked(strdup(text), strlen(text) + 1);
}

struct bytes
bytes_of_string(const char *text)
{
	return bytes_of(text, text != NULL ? strlen(text) : 0);
}

bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
bytes_equal_string(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of_string(text));
}

int
bytes_compare(struct bytes a, struct bytes b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

char *
bytes_to_string(struct bytes a)
{
	char *text = xmalloc(a.len + 1);

	if (a.len > 0)
		memcpy(text, a.data, a.len);
	text[a.len] = '\0';
	return text;
}

void
buf_clear(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

void
buf_reset(struct buf *buf)
{
	buf->len = 0;
}

uint8_t *
buf_grow(struct buf *buf, size_t more)
{
	assert(more <= SIZE_MAX / 4 && buf->len <= SIZE_MAX / 4);
	if (buf->cap - buf->len < more) {
		size_t cap = buf->cap < BUF_CAP_MIN ? BUF_CAP_MIN : buf->cap * 2;

		if (cap < buf->len + more)
			cap = buf->len + more;
		buf->data = xrealloc(buf->data, cap);
		buf->cap = cap;
	}
	return buf->data + buf->len;
}

void
buf_append_bytes(struct buf *buf, struct bytes bytes)
{
	buf_append(buf, bytes.data, bytes.len);
}

void
buf_append_string(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void
buf_append_u8(struct buf *buf, uint8_t value)
{
	buf_append(buf, &value, 1);
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, format);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	assert(len >= 0);
	(void)vsnprintf((char *)buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, format, again);
	va_end(again);
	buf->len += (size_t)len;
}

void
buf_drain(struct buf *buf, size_t len)
{
	assert(len <= buf->len);
	if (len == 0)
		return;
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

const char *
buf_string(struct buf *buf)
{
	*buf_reserve(buf, 1) = '\0';
	return (const char *)buf->data;
}

struct blob *
blob_alloc(size_t len)
{
	struct blob *blob;

	assert(len <= UINT32_MAX);
	blob = xmalloc(sizeof(*blob) + len);
	blob->refs = 1;
	blob->len = (uint32_t)len;
	return blob;
}

struct blob *
blob_new(struct bytes bytes)
{
	struct blob *blob = blob_alloc(bytes.len);

	if (bytes.len > 0)
		memcpy(blob->data, bytes.data, bytes.len);
	return blob;
}

struct blob *
blob_ref(struct blob *blob)
{
	assert(blob->refs > 0 && blob->refs < UINT32_MAX);
	blob->refs++;
	return blob;
}

void
blob_unref(struct blob *blob)
{
	if (blob == NULL)
		return;
	assert(blob->refs > 0);
	if (--blob->refs == 0)
		free(blob);
}
