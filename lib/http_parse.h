/* SPDX-License-Identifier: MIT
 * HTTP/1.1 requests: the head, the chunked body, paths and queries; and the small things that an
 * answer is made of. Pure. As strict as RFC 9112 lets a server be, because what two programs read
 * in two ways is how requests are smuggled: lines end in CRLF, no folded headers, one Host, one
 * Content-Length, never together with Transfer-Encoding.
 */
#ifndef LIB_HTTP_PARSE_H
#define LIB_HTTP_PARSE_H

#include "lib/bytes.h"

enum http_result { HTTP_OK, HTTP_MORE, HTTP_BAD };

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHODS,
};

const char *http_method_name(enum http_method method);
/* Case counts (RFC 9110 §9.1). -1 for another word. */
int http_method_parse(struct bytes word, enum http_method *method);

struct http_limits {
	size_t target_bytes_max; /* 414 */
	size_t head_bytes_max;	 /* request line and headers together: 431 */
	uint64_t body_bytes_max; /* a Content-Length above it: 413 */
};

enum { HTTP_HEADERS_MAX = 100, HTTP_SEGMENTS_MAX = 64 };

struct http_header {
	struct bytes name;
	struct bytes value; /* without the white space around it */
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED };

/* All bytes are borrowed from the input. */
struct http_head {
	enum http_method method;
	struct bytes target; /* as sent */
	struct bytes path;   /* still encoded; starts with '/', or is "*" (OPTIONS only) */
	struct bytes query;  /* still encoded, without '?' */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	enum http_framing framing;
	uint64_t content_length; /* where framing is HTTP_LENGTH */
	uint8_t minor;		 /* HTTP/1.minor: 0 or 1 */
	bool keep_alive;	 /* the connection may serve another request */
	bool expects_continue;	 /* the client waits for "100 Continue" (RFC 9110 §10.1.1) */
	bool upgrade;		 /* Connection names "upgrade" */
};

/* Why a request is refused: the status to answer with and a sentence for its author. */
struct http_refusal {
	int status;
	const char *why;
};

/* Takes a request's head, up to and with its empty line, out of `input`. OK: `*used` bytes belong
 * to it. MORE: it is not complete. BAD: `refusal` is set (400, 413, 414, 431, 501 or 505), and
 * where the next request begins cannot be known. Else outputs are touched only on OK. */
enum http_result http_head_parse(struct bytes input, const struct http_limits *limits,
    struct http_head *head, size_t *used, struct http_refusal *refusal);

/* The value of the first header of that name (any case); `.data` is NULL where there is none. */
struct bytes http_header_find(const struct http_head *head, const char *name);
/* Whether a comma-separated value holds `token` (any case). */
bool http_value_has_token(struct bytes value, const char *token);
bool http_is_token(struct bytes text);
/* May stand in a header's value: no control character but the tab. */
bool http_is_field_value(struct bytes text);

/* The decoder of a chunked body (RFC 9112 §7.1). All zero at its start. */
struct http_chunks {
	uint64_t left;	  /* of this chunk */
	uint32_t skipped; /* bytes of extensions and trailers so far */
	uint8_t state;
	uint8_t digits;
};

/* Takes the next piece of the body off the front of `input`. MORE with `piece` not empty: call
 * again; MORE with `piece` empty: more input is needed. OK: the body and its trailers (which are
 * dropped) have ended. BAD: not well formed. */
enum http_result http_chunks_next(
    struct http_chunks *chunks, struct bytes *input, struct bytes *piece);

/* Appends `text` with %XX decoded, and '+' as space where `plus` is true. -1 where an escape is
 * not two hexadecimal digits or stands for zero; `out` may then hold a part. */
int http_decode(struct bytes text, bool plus, struct buf *out);

/* Splits an encoded path at its slashes: "/a/b" gives two segments, "/" one that is empty. Returns
 * how many, or -1 where there are more than HTTP_SEGMENTS_MAX or one is "." or ".." (also encoded).
 */
int http_path_split(struct bytes path, struct bytes *segments);

/* Takes the next name=value off the front of `query`. False at the end. Still encoded. */
bool http_query_next(struct bytes *query, struct bytes *name, struct bytes *value);

const char *http_status_text(int status); /* "Not Found"; "Status" for one without a name */
/* IMF-fixdate (RFC 9110 §5.6.7), in `out` of 30 bytes at least. */
enum { HTTP_DATE_BYTES = 30 };
void http_date(int64_t time_ms, char out[HTTP_DATE_BYTES]);

#endif
