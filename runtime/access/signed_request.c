/* SPDX-License-Identifier: MIT
 * Tokens in signed requests.
 */
#include "runtime/access/signed_request.h"

#include <string.h>
#include <strings.h>

#include "runtime/access/credentials.h"

static const char token_name[] = "X-Amz-Security-Token";

bool
signed_request_is(struct bytes authorization)
{
	static const char word[] = "AWS4-HMAC-SHA256 ";
	size_t len = sizeof(word) - 1;

	return authorization.len >= len &&
	       strncasecmp((const char *)authorization.data, word, len) == 0;
}

/* Appends it decoded; false where it is not there. */
static bool
find_in_query(struct bytes query, struct buf *token)
{
	struct bytes name, value;

	while (http_query_next(&query, &name, &value)) {
		if (bytes_equal_string(name, token_name))
			return http_decode(value, true, token) == 0;
	}
	return false;
}

bool
signed_request_token(const struct http_head *head, struct buf *token)
{
	struct bytes header = http_header_find(head, token_name);
	size_t before = token->len;

	if (header.len > 0)
		buf_append_bytes(token, header);
	else if (!find_in_query(head->query, token))
		token->len = before;
	if (token_is_ours(bytes_of(token->data + before, token->len - before)))
		return true;
	token->len = before;
	return false;
}
