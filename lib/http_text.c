/* SPDX-License-Identifier: MIT
 * HTTP beside the head: chunked bodies, encoded paths and queries, status words and dates.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/http_parse.h"

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXTENSION, /* behind the size, up to CR */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START, /* at the start of a line */
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_END,
};

enum { SKIPPED_BYTES_MAX = 4096, SIZE_DIGITS_MAX = 15 };

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Each step takes one byte and returns the next state, or -1. */
static int
step_size(struct http_chunks *chunks, uint8_t c)
{
	int value = hex_value(c);

	if (value >= 0) {
		if (chunks->digits++ >= SIZE_DIGITS_MAX)
			return -1;
		chunks->left = chunks->left * 16 + (uint64_t)value;
		return CHUNK_SIZE;
	}
	if (chunks->digits == 0)
		return -1;
	if (c == '\r')
		return CHUNK_SIZE_LF;
	return c == ';' || c == ' ' || c == '\t' ? CHUNK_EXTENSION : -1;
}

/* What is dropped is bounded and holds no lone line end. */
static int
step_skipped(struct http_chunks *chunks, uint8_t c, int stay, int on_cr)
{
	if (c == '\r')
		return on_cr;
	if (c == '\n' || c == 0 || ++chunks->skipped > SKIPPED_BYTES_MAX)
		return -1;
	return stay;
}

static int
step_size_end(struct http_chunks *chunks, uint8_t c)
{
	chunks->digits = 0;
	if (c != '\n')
		return -1;
	return chunks->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START;
}

static int
step(struct http_chunks *chunks, uint8_t c)
{
	switch ((enum chunk_state)chunks->state) {
	case CHUNK_SIZE:
		return step_size(chunks, c);
	case CHUNK_EXTENSION:
		return step_skipped(chunks, c, CHUNK_EXTENSION, CHUNK_SIZE_LF);
	case CHUNK_SIZE_LF:
		return step_size_end(chunks, c);
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : -1;
	case CHUNK_DATA_LF:
		return c == '\n' ? CHUNK_SIZE : -1;
	case CHUNK_TRAILER_START:
		return step_skipped(chunks, c, CHUNK_TRAILER, CHUNK_END_LF);
	case CHUNK_TRAILER:
		return step_skipped(chunks, c, CHUNK_TRAILER, CHUNK_TRAILER_LF);
	case CHUNK_TRAILER_LF:
		return c == '\n' ? CHUNK_TRAILER_START : -1;
	case CHUNK_END_LF:
		return c == '\n' ? CHUNK_END : -1;
	case CHUNK_DATA:
	case CHUNK_END:
		break;
	}
	return -1;
}

static struct bytes
take_data(struct http_chunks *chunks, struct bytes *input)
{
	size_t len = chunks->left < input->len ? (size_t)chunks->left : input->len;
	struct bytes piece = bytes_of(input->data, len);

	*input = bytes_of(input->data + len, input->len - len);
	chunks->left -= len;
	if (chunks->left == 0)
		chunks->state = CHUNK_DATA_CR;
	return piece;
}

enum http_result
http_chunks_next(struct http_chunks *chunks, struct bytes *input, struct bytes *piece)
{
	*piece = (struct bytes){ 0 };
	while (chunks->state != CHUNK_END) {
		int next;

		if (input->len == 0)
			return HTTP_MORE;
		if (chunks->state == CHUNK_DATA) {
			*piece = take_data(chunks, input);
			return HTTP_MORE;
		}
		next = step(chunks, input->data[0]);
		if (next < 0)
			return HTTP_BAD;
		chunks->state = (uint8_t)next;
		*input = bytes_of(input->data + 1, input->len - 1);
	}
	return HTTP_OK;
}

int
http_decode(struct bytes text, bool plus, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.data[i] != '%') {
			buf_append_u8(out, plus && text.data[i] == '+' ? ' ' : text.data[i]);
			continue;
		}
		if (text.len - i < 3)
			return -1;
		high = hex_value(text.data[i + 1]);
		low = hex_value(text.data[i + 2]);
		if (high < 0 || low < 0 || high + low == 0)
			return -1;
		buf_append_u8(out, (uint8_t)(high * 16 + low));
		i += 2;
	}
	return 0;
}

/* "." or "..", where a dot may be written %2e. */
static bool
is_dots(struct bytes segment)
{
	size_t dots = 0;

	while (segment.len > 0) {
		size_t len = segment.data[0] == '.' ? 1 : 3;

		if (len == 3 && (segment.len < 3 || memcmp(segment.data, "%2", 2) != 0 ||
				    (segment.data[2] | 0x20) != 'e'))
			return false;
		segment = bytes_of(segment.data + len, segment.len - len);
		dots++;
	}
	return dots == 1 || dots == 2;
}

int
http_path_split(struct bytes path, struct bytes *segments)
{
	int count = 0;

	while (path.len > 0) {
		struct bytes rest = bytes_of(path.data + 1, path.len - 1);
		const uint8_t *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
		size_t len = slash != NULL ? (size_t)(slash - rest.data) : rest.len;

		if (count == HTTP_SEGMENTS_MAX || is_dots(bytes_of(rest.data, len)))
			return -1;
		segments[count++] = bytes_of(rest.data, len);
		path = bytes_of(rest.data + len, rest.len - len);
	}
	return count;
}

bool
http_query_next(struct bytes *query, struct bytes *name, struct bytes *value)
{
	while (query->len > 0) {
		const uint8_t *end = memchr(query->data, '&', query->len);
		size_t len = end != NULL ? (size_t)(end - query->data) : query->len;
		struct bytes pair = bytes_of(query->data, len);
		const uint8_t *equals = len > 0 ? memchr(pair.data, '=', len) : NULL;
		size_t used = end != NULL ? len + 1 : len;

		*query = bytes_of(query->data + used, query->len - used);
		if (len == 0)
			continue;
		*name = bytes_of(pair.data, equals != NULL ? (size_t)(equals - pair.data) : len);
		*value =
		    equals != NULL ? bytes_of(equals + 1, len - name->len - 1) : bytes_of("", 0);
		return true;
	}
	return false;
}

static const struct {
	int status;
	const char *text;
} statuses[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 418, "I'm a teapot" },
	{ 422, "Unprocessable Content" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *
http_status_text(int status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return statuses[i].text;
	}
	return "Status";
}

void
http_date(int64_t time_ms, char out[HTTP_DATE_BYTES])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;

	/* strftime would use the locale's names. */
	(void)gmtime_r(&seconds, &tm);
	(void)snprintf(out, HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
	    days + tm.tm_wday * 3, (unsigned)tm.tm_mday % 100, months + tm.tm_mon * 3,
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}
