/* SPDX-License-Identifier: MIT
 * Tokens and keys: the first line is a token as it comes, the second the header of one that is
 * made, the third its claims, the rest a set of keys. What is taken has one reading only, a known
 * algorithm, and claims that are what the terms want; a key that is found is the one that is named.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/jwt.h"

enum { NOW_S = 1700000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct bytes
take_line(struct bytes *rest)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	struct bytes line = bytes_of(rest->data, len);

	if (end != NULL)
		len++;
	*rest = bytes_of(rest->data + len, rest->len - len);
	return line;
}

static void
encode(struct bytes bytes, struct buf *out)
{
	struct buf plain = { 0 };

	base64_encode(bytes, &plain);
	for (size_t i = 0; i < plain.len; i++) {
		uint8_t byte = plain.data[i];

		if (byte != '=')
			buf_append_u8(out, byte == '+' ? '-' : byte == '/' ? '_' : byte);
	}
	buf_clear(&plain);
}

/* No two texts mean the same, and what was encoded comes back. */
static void
check_base64url(struct bytes text)
{
	struct buf decoded = { 0 }, again = { 0 };

	if (base64url_decode(text, &decoded) == 0) {
		encode(buf_bytes(&decoded), &again);
		assert(bytes_equal(buf_bytes(&again), text));
	}
	buf_reset(&decoded);
	buf_reset(&again);
	encode(text, &again);
	assert(base64url_decode(buf_bytes(&again), &decoded) == 0);
	assert(bytes_equal(buf_bytes(&decoded), text));
	buf_clear(&decoded);
	buf_clear(&again);
}

static void
check_claims(const struct jwt *jwt)
{
	const struct jwt_terms terms = { "i", "a", NOW_S };
	struct err err = { .text = "" };

	if (jwt_check(jwt, &terms, &err) < 0) {
		assert(err.text[0] != '\0');
		return;
	}
	assert(jwt_subject(jwt) != NULL && jwt_subject(jwt)[0] != '\0');
	assert(jwt_expires_s(jwt) + JWT_LEEWAY_S >= NOW_S);
	assert(strcmp(cJSON_GetObjectItemCaseSensitive(jwt->claims, "iss")->valuestring, "i") == 0);
}

static void
check_keys(struct bytes text, const struct jwt *jwt)
{
	struct jwk_set set;
	const struct jwk *key;
	struct err err = { .text = "" };

	if (jwk_set_parse(text, &set, &err) < 0) {
		assert(err.text[0] != '\0' && set.count == 0);
		return;
	}
	assert(set.count > 0 && set.count <= JWK_KEYS_MAX);
	for (size_t i = 0; i < set.count; i++) {
		key = &set.keys[i];
		assert(key->algorithm == JWT_RS256 ? key->first.len >= 256 && key->other.len > 0
						   : key->first.len == 32 && key->other.len == 32);
	}
	key = jwt != NULL ? jwk_set_find(&set, jwt) : NULL;
	if (key != NULL) {
		assert(key->algorithm == jwt->algorithm);
		assert(jwt->key_id[0] == '\0' || strcmp(key->id, jwt->key_id) == 0);
	}
	jwk_set_clear(&set);
}

static void
check_token(struct bytes text, struct bytes keys)
{
	struct err err = { .text = "" };
	struct jwt jwt;

	if (jwt_parse(text, &jwt, &err) < 0) {
		assert(err.text[0] != '\0' && jwt.claims == NULL);
		check_keys(keys, NULL);
		return;
	}
	assert(jwt.algorithm == JWT_RS256 || jwt.algorithm == JWT_ES256);
	assert(jwt.signed_part.data == text.data && jwt.signed_part.len < text.len);
	assert(text.data[jwt.signed_part.len] == '.' && cJSON_IsObject(jwt.claims));
	check_claims(&jwt);
	check_keys(keys, &jwt);
	jwt_clear(&jwt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes rest = bytes_of(data, len), raw = take_line(&rest);
	struct bytes header = take_line(&rest), claims = take_line(&rest);
	struct buf token = { 0 };

	check_base64url(raw);
	check_token(raw, rest);
	encode(header, &token);
	buf_append_u8(&token, '.');
	encode(claims, &token);
	buf_append_string(&token, ".eA");
	check_token(buf_bytes(&token), rest);
	buf_clear(&token);
	return 0;
}
