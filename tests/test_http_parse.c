/* SPDX-License-Identifier: MIT
 * HTTP requests as tables: what is read, and what is refused with which status.
 */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/http_parse.h"

static const struct http_limits limits = {
	.target_bytes_max = 100,
	.head_bytes_max = 400,
	.body_bytes_max = 1000,
};

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
	const char *input;
	int status; /* 0: OK; 1: MORE */
} heads[] = {
	{ "", 1 },
	{ "G", 1 },
	{ "GET /", 1 },
	{ GET HOST, 1 },
	{ GET HOST "\r", 1 },
	{ GET HOST "\r\n", 0 },
	{ "\r\n" GET HOST "\r\n", 0 },
	{ "\r\n\r\n" GET HOST "\r\n", 400 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "GET / HTTP/1.2\r\n" HOST "\r\n", 0 },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ "GET http://a/b HTTP/1.1\r\n" HOST "\r\n", 0 },
	{ GET "Host:\r\n\r\n", 0 },
	{ GET "Host: [::1]:80\r\n\r\n", 0 },
	{ GET HOST "X:\r\n\r\n", 0 },
	{ GET HOST "X: \xc3\xa4\tb\r\n\r\n", 0 },
	{ POST HOST "Content-Length: 0\r\n\r\n", 0 },
	{ POST HOST "Content-Length: 1000\r\n\r\n", 0 },
	{ POST HOST "transfer-encoding: Chunked\r\n\r\n", 0 },
	/* the request line */
	{ "GET  / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /  HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ " GET / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n" HOST "\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET a HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET * HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/1.1\n" HOST "\r\n", 400 },
	{ "GET / HTTP/11\r\n" HOST "\r\n", 400 },
	{ "GET / http/1.1\r\n" HOST "\r\n", 400 },
	{ "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	{ "GET / HTTP/0.9\r\n\r\n", 505 },
	{ "get / HTTP/1.1\r\n" HOST "\r\n", 501 },
	{ "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 501 },
	{ "BREW / HTTP/1.1\r\n" HOST "\r\n", 501 },
	{ "B(W / HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "\x16\x03\x01", 400 },
	{ "GET /" HUNDRED " HTTP/1.1\r\n" HOST "\r\n", 414 },
	{ "GET /" HUNDRED HUNDRED, 414 },
	/* headers */
	{ GET "\r\n", 400 },
	{ GET HOST HOST "\r\n", 400 },
	{ GET HOST "host: a\r\n\r\n", 400 },
	{ GET "Host: a b\r\n\r\n", 400 },
	{ GET "Host: a/b\r\n\r\n", 400 },
	{ GET "Host: u@a\r\n\r\n", 400 },
	{ GET " " HOST "\r\n", 400 },
	{ GET HOST "X: 1\r\n 2\r\n\r\n", 400 },
	{ GET HOST "X: 1\r\n\t2\r\n\r\n", 400 },
	{ GET HOST "X : 1\r\n\r\n", 400 },
	{ GET HOST ": 1\r\n\r\n", 400 },
	{ GET HOST "X\r\n\r\n", 400 },
	{ GET HOST "X(: 1\r\n\r\n", 400 },
	{ GET HOST "X: a\x01\r\n\r\n", 400 },
	{ GET HOST "X: a\rb\r\n\r\n", 400 },
	{ GET HOST "X: a\nY: b\r\n\r\n", 400 },
	{ GET HOST "X: a\n\n", 400 },
	{ GET HOST "X: " HUNDRED HUNDRED HUNDRED HUNDRED "\r\n\r\n", 431 },
	{ GET HOST "X: " HUNDRED HUNDRED HUNDRED HUNDRED, 431 },
	/* how the body is framed */
	{ POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 5, 5\r\n\r\n", 400 },
	{ POST HOST "Content-Length: +5\r\n\r\n", 400 },
	{ POST HOST "Content-Length: -5\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 0x5\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 5 5\r\n\r\n", 400 },
	{ POST HOST "Content-Length:\r\n\r\n", 400 },
	{ POST HOST "Content-Length: 1001\r\n\r\n", 413 },
	{ POST HOST "Content-Length: 18446744073709551616\r\n\r\n", 413 },
	{ POST HOST "Content-Length: 99999999999999999999999\r\n\r\n", 413 },
	{ POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	{ POST HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 501 },
	{ POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
	{ POST HOST "Transfer-Encoding: identity\r\n\r\n", 501 },
	{ POST HOST "Transfer-Encoding: \x0b"
		    "chunked\r\n\r\n",
	    400 },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
};

/* The input in a block of its exact size, so that AddressSanitizer sees a byte read too far. */
static enum http_result
parse(const char *text, size_t len, struct http_head *head, struct http_refusal *refusal)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	size_t used = SIZE_MAX;
	enum http_result result;

	assert_non_null(copy);
	memcpy(copy, text, len);
	result = http_head_parse(bytes_of(copy, len), &limits, head, &used, refusal);
	assert_true(result == HTTP_OK ? used <= len : used == SIZE_MAX);
	free(copy);
	return result;
}

static void
heads_are_read_or_refused_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct http_refusal refusal = { 0 };
		struct http_head head;
		enum http_result result =
		    parse(heads[i].input, strlen(heads[i].input), &head, &refusal);
		int status = result == HTTP_OK ? 0 : result == HTTP_MORE ? 1 : refusal.status;

		if (status != heads[i].status)
			fail_msg("%s: got %d (%s), not %d", heads[i].input, status,
			    refusal.why != NULL ? refusal.why : "", heads[i].status);
	}
}

static void
every_part_of_a_good_head_asks_for_more(void **state)
{
	static const char good[] = "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n";
	struct http_refusal refusal;
	struct http_head head;

	(void)state;
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_int_equal(parse(good, len, &head, &refusal), HTTP_MORE);
	assert_int_equal(parse(good, sizeof(good) - 1, &head, &refusal), HTTP_OK);
}

static void
head_gives_its_parts(void **state)
{
	static const char text[] =
	    "PUT http://h:1/a/b?x=1&y HTTP/1.1\r\nHost: h\r\nX-One:  v 1 \r\n"
	    "Expect: 100-continue\r\nContent-Length: 7\r\n"
	    "Connection: Upgrade, close\r\n\r\nbody...";
	struct http_refusal refusal;
	struct http_head head;
	size_t used;

	(void)state;
	assert_int_equal(
	    http_head_parse(bytes_of_string(text), &limits, &head, &used, &refusal), HTTP_OK);
	assert_int_equal(used, sizeof(text) - 1 - 7);
	assert_int_equal(head.method, HTTP_PUT);
	assert_true(bytes_equal_string(head.path, "/a/b"));
	assert_true(bytes_equal_string(head.query, "x=1&y"));
	assert_true(bytes_equal_string(http_header_find(&head, "x-one"), "v 1"));
	assert_null(http_header_find(&head, "x-two").data);
	assert_int_equal(head.framing, HTTP_LENGTH);
	assert_int_equal(head.content_length, 7);
	assert_true(head.expects_continue);
	assert_true(head.upgrade);
	assert_false(head.keep_alive);
}

static const struct {
	const char *head;
	bool keep_alive;
} connections[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
	{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n", false },
	{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: x ,close\r\n\r\n", false },
	{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false },
	{ "GET / HTTP/1.0\r\n\r\n", false },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
};

static void
connection_says_whether_it_lasts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++) {
		struct http_refusal refusal;
		struct http_head head;

		assert_int_equal(
		    parse(connections[i].head, strlen(connections[i].head), &head, &refusal),
		    HTTP_OK);
		assert_int_equal(head.keep_alive, connections[i].keep_alive);
	}
}

static const struct {
	const char *input;
	const char *body; /* NULL: refused */
	const char *rest;
} chunks[] = {
	{ "0\r\n\r\n", "", "" },
	{ "3\r\nabc\r\n0\r\n\r\nGET", "abc", "GET" },
	{ "3\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", "abc0123456789", "" },
	{ "3;a=b\r\nabc\r\n0;x\r\n\r\n", "abc", "" },
	{ "3 \r\nabc\r\n0\r\nX: y\r\nZ: 1\r\n\r\nx", "abc", "x" },
	{ "\r\n", NULL, NULL },
	{ "g\r\n", NULL, NULL },
	{ "-1\r\n", NULL, NULL },
	{ "0x3\r\nabc\r\n", NULL, NULL },
	{ "3\nabc\r\n", NULL, NULL },
	{ "3\r\rabc", NULL, NULL },
	{ "3\r\nabcd\r\n", NULL, NULL },
	{ "3\r\nabc\n0\r\n\r\n", NULL, NULL },
	{ "3;a\nabc\r\n", NULL, NULL },
	{ "0\r\n\n", NULL, NULL },
	{ "0\r\nX: y\n\r\n", NULL, NULL },
	{ "ffffffffffffffff\r\n", NULL, NULL },
	{ "0000000000000003\r\nabc\r\n", NULL, NULL },
};

/* Feeds the input in steps of `step` bytes. */
static enum http_result
decode_chunks(const char *text, size_t step, struct buf *body, size_t *used)
{
	struct http_chunks decoder = { 0 };
	size_t len = strlen(text), fed = 0;
	struct bytes piece, input = bytes_of(text, 0);

	for (;;) {
		enum http_result result = http_chunks_next(&decoder, &input, &piece);

		buf_append_bytes(body, piece);
		*used = (size_t)((const char *)input.data - text);
		if (result != HTTP_MORE || (piece.len == 0 && input.len == 0 && fed == len))
			return result;
		if (piece.len == 0) {
			input.len += len - fed < step ? len - fed : step;
			fed += len - fed < step ? len - fed : step;
		}
	}
}

static void
chunks_are_joined_or_refused_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		for (size_t step = 1; step < 40; step += 6) {
			struct buf body = { 0 };
			size_t used;
			enum http_result result =
			    decode_chunks(chunks[i].input, step, &body, &used);

			if (chunks[i].body == NULL) {
				assert_int_equal(result, HTTP_BAD);
			} else {
				assert_int_equal(result, HTTP_OK);
				assert_string_equal(buf_string(&body), chunks[i].body);
				assert_int_equal(
				    used, strlen(chunks[i].input) - strlen(chunks[i].rest));
			}
			buf_clear(&body);
		}
	}
}

static void
trailers_are_bounded(void **state)
{
	struct http_chunks decoder = { 0 };
	struct bytes piece, input = bytes_of_string("0\r\nX: ");
	enum http_result result = http_chunks_next(&decoder, &input, &piece);

	(void)state;
	for (int i = 0; i < 1000 && result == HTTP_MORE; i++) {
		input = bytes_of_string(TEN);
		result = http_chunks_next(&decoder, &input, &piece);
	}
	assert_int_equal(result, HTTP_BAD);
}

static const struct {
	const char *text;
	bool plus;
	const char *decoded; /* NULL: refused */
} escapes[] = {
	{ "", false, "" },
	{ "a+b%20c", false, "a+b c" },
	{ "a+b%2Bc", true, "a b+c" },
	{ "%c3%A4", false, "\xc3\xa4" },
	{ "%2525", false, "%25" },
	{ "%", false, NULL },
	{ "%4", false, NULL },
	{ "%4g", false, NULL },
	{ "a%00", false, NULL },
};

static void
escapes_are_decoded_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		struct buf out = { 0 };
		int status = http_decode(bytes_of_string(escapes[i].text), escapes[i].plus, &out);

		assert_int_equal(status, escapes[i].decoded == NULL ? -1 : 0);
		if (status == 0)
			assert_string_equal(buf_string(&out), escapes[i].decoded);
		buf_clear(&out);
	}
}

static const struct {
	const char *path;
	const char *segments; /* joined by ","; NULL: refused */
} paths[] = {
	{ "/", "" },
	{ "/a", "a" },
	{ "/a/", "a," },
	{ "//a", ",a" },
	{ "/a/b%2Fc", "a,b%2Fc" },
	{ "/...", "..." },
	{ "/a/.b/..c", "a,.b,..c" },
	{ "/.", NULL },
	{ "/a/../b", NULL },
	{ "/a/%2e%2E/b", NULL },
	{ "/a/.%2e", NULL },
	{ "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0"
	  "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5",
	    NULL },
};

static void
paths_are_split_before_they_are_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct bytes segments[HTTP_SEGMENTS_MAX];
		int count = http_path_split(bytes_of_string(paths[i].path), segments);
		struct buf joined = { 0 };

		if (paths[i].segments == NULL) {
			assert_int_equal(count, -1);
			continue;
		}
		for (int k = 0; k < count; k++) {
			if (k > 0)
				buf_append_string(&joined, ",");
			buf_append_bytes(&joined, segments[k]);
		}
		assert_string_equal(buf_string(&joined), paths[i].segments);
		buf_clear(&joined);
	}
}

static void
query_is_walked_pair_by_pair(void **state)
{
	struct bytes query = bytes_of_string("&a=1&&b&c=&=d&e=f=g"), name, value;
	struct buf seen = { 0 };

	(void)state;
	while (http_query_next(&query, &name, &value))
		buf_printf(&seen, "[%.*s|%.*s]", (int)name.len, (const char *)name.data,
		    (int)value.len, (const char *)value.data);
	assert_string_equal(buf_string(&seen), "[a|1][b|][c|][|d][e|f=g]");
	buf_clear(&seen);
}

static void
date_is_written_as_mail_has_it(void **state)
{
	char date[HTTP_DATE_BYTES];

	(void)state;
	http_date(784111777000, date);
	assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_read_or_refused_as_the_table_says),
		cmocka_unit_test(every_part_of_a_good_head_asks_for_more),
		cmocka_unit_test(head_gives_its_parts),
		cmocka_unit_test(connection_says_whether_it_lasts),
		cmocka_unit_test(chunks_are_joined_or_refused_as_the_table_says),
		cmocka_unit_test(trailers_are_bounded),
		cmocka_unit_test(escapes_are_decoded_once),
		cmocka_unit_test(paths_are_split_before_they_are_decoded),
		cmocka_unit_test(query_is_walked_pair_by_pair),
		cmocka_unit_test(date_is_written_as_mail_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
