/* SPDX-License-Identifier: MIT
 * HTTP requests: heads, chunked bodies, paths, queries, patterns of routes. What was read must hold
 * together, and must not depend on how the bytes came.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http_parse.h"
#include "lib/http_routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = {
	.target_bytes_max = 200, .head_bytes_max = 2000, .body_bytes_max = 100000
};

static void
decode_in_steps(struct bytes text, size_t step, struct buf *body, enum http_result *result)
{
	struct http_chunks chunks = { 0 };
	struct bytes input = bytes_of(text.data, 0), piece;
	size_t fed = 0;

	for (;;) {
		*result = http_chunks_next(&chunks, &input, &piece);
		buf_append_bytes(body, piece);
		if (*result != HTTP_MORE || (piece.len == 0 && fed == text.len))
			return;
		if (piece.len == 0) {
			size_t more = text.len - fed < step ? text.len - fed : step;

			input.len += more;
			fed += more;
		}
	}
}

static void
check_chunks(struct bytes text)
{
	struct buf whole = { 0 }, pieces = { 0 };
	enum http_result one, other;

	decode_in_steps(text, SIZE_MAX, &whole, &one);
	decode_in_steps(text, 1, &pieces, &other);
	assert(one == other && bytes_equal(buf_bytes(&whole), buf_bytes(&pieces)));
	buf_clear(&whole);
	buf_clear(&pieces);
}

static void
check_within(struct bytes part, struct bytes whole)
{
	if (part.len > 0)
		assert(part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void
check_path(const struct http_head *head)
{
	struct http_routes *routes = http_routes_new();
	struct http_match match = { 0 };
	struct bytes query = head->query, name, value;
	struct buf decoded = { 0 };

	http_routes_add(routes, HTTP_GET, "/a/{b}", routes);
	http_routes_add(routes, HTTP_GET, "/{c}/d", routes);
	if (http_routes_match(routes, head->method, head->path, &match) == 0 &&
	    match.target != NULL)
		assert(match.target == routes && match.param_count <= 1);
	http_match_clear(&match);
	http_routes_free(routes, NULL);
	while (http_query_next(&query, &name, &value)) {
		check_within(name, head->query);
		check_within(value, head->query);
		(void)http_decode(value, true, &decoded);
	}
	buf_clear(&decoded);
}

static void
check_head(struct bytes input)
{
	struct http_refusal refusal = { 0 };
	struct http_head head, again;
	size_t used = 0, used_again = 0;
	enum http_result result = http_head_parse(input, &limits, &head, &used, &refusal);

	if (result == HTTP_BAD)
		assert(refusal.status >= 400 && refusal.why != NULL);
	if (result != HTTP_OK)
		return;
	assert(used <= input.len && used > 0);
	if (!bytes_equal_string(head.path, "/")) /* of "http://host", it stands nowhere */
		check_within(head.path, input);
	check_within(head.query, input);
	for (size_t i = 0; i < head.header_count; i++) {
		assert(http_is_token(head.headers[i].name));
		assert(http_is_field_value(head.headers[i].value));
	}
	assert(http_head_parse(
		   bytes_of(input.data, used), &limits, &again, &used_again, &refusal) == HTTP_OK);
	assert(used_again == used && again.header_count == head.header_count);
	assert(http_head_parse(bytes_of(input.data, used - 1), &limits, &again, &used_again,
		   &refusal) == HTTP_MORE);
	check_path(&head);
	if (head.framing == HTTP_CHUNKED)
		check_chunks(bytes_of(input.data + used, input.len - used));
}

/* A route's pattern that checks can be added, found and removed. */
static void
check_pattern(struct bytes input)
{
	char *pattern = bytes_to_string(input);
	struct http_routes *routes = http_routes_new();
	struct err err;

	if (http_routes_check(pattern, &err) == 0) {
		http_routes_add(routes, HTTP_GET, pattern, pattern);
		assert(http_routes_find(routes, HTTP_GET, pattern) == pattern);
		http_routes_remove(routes, HTTP_GET, pattern);
		assert(http_routes_find(routes, HTTP_GET, pattern) == NULL);
	}
	http_routes_free(routes, NULL);
	free(pattern);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);

	check_head(input);
	check_chunks(input);
	if (size < 500)
		check_pattern(input);
	return 0;
}
