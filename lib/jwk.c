/* SPDX-License-Identifier: MIT
 * Sets of public keys (RFC 7517).
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/jwt.h"

enum {
	RSA_BYTES_MIN = 256, /* RFC 7518 §3.3 */
	RSA_BYTES_MAX = 1024,
	EXPONENT_BYTES_MAX = 8,
	P256_BYTES = 32,
	DEPTH_MAX = 16,
};

static const char *
text_of(const cJSON *key, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(key, name));

	return text != NULL ? text : "";
}

/* Absent, or this. */
static bool
may_be(const cJSON *key, const char *name, const char *wanted)
{
	return cJSON_GetObjectItemCaseSensitive(key, name) == NULL ||
	       strcmp(text_of(key, name), wanted) == 0;
}

static bool
read_number(const cJSON *key, const char *name, struct buf *out)
{
	const char *text = text_of(key, name);

	return text[0] != '\0' && base64url_decode(bytes_of_string(text), out) == 0;
}

/* False: it is none that we use. */
static bool
read_rsa(const cJSON *key, struct jwk *out)
{
	if (strcmp(text_of(key, "kty"), "RSA") != 0 || !may_be(key, "alg", "RS256"))
		return false;
	out->algorithm = JWT_RS256;
	return read_number(key, "n", &out->first) && read_number(key, "e", &out->other) &&
	       out->first.len >= RSA_BYTES_MIN && out->first.len <= RSA_BYTES_MAX &&
	       out->other.len <= EXPONENT_BYTES_MAX;
}

static bool
read_ec(const cJSON *key, struct jwk *out)
{
	if (strcmp(text_of(key, "kty"), "EC") != 0 || strcmp(text_of(key, "crv"), "P-256") != 0 ||
	    !may_be(key, "alg", "ES256"))
		return false;
	out->algorithm = JWT_ES256;
	return read_number(key, "x", &out->first) && read_number(key, "y", &out->other) &&
	       out->first.len == P256_BYTES && out->other.len == P256_BYTES;
}

static void
jwk_clear(struct jwk *key)
{
	free(key->id);
	buf_clear(&key->first);
	buf_clear(&key->other);
	*key = (struct jwk){ 0 };
}

static bool
read_key(const cJSON *json, struct jwk *out)
{
	*out = (struct jwk){ 0 };
	if (cJSON_IsObject(json) && may_be(json, "use", "sig") &&
	    strlen(text_of(json, "kid")) <= JWK_ID_BYTES_MAX &&
	    (read_rsa(json, out) || read_ec(json, out))) {
		out->id = xstrdup(text_of(json, "kid"));
		return true;
	}
	jwk_clear(out);
	return false;
}

int
jwk_set_parse(struct bytes text, struct jwk_set *set, struct err *err)
{
	const cJSON *keys, *key;
	cJSON *json = NULL;
	size_t at;

	*set = (struct jwk_set){ 0 };
	if (json_text_is_valid(text, &at) && json_text_is_within(text, DEPTH_MAX))
		json = cJSON_ParseWithLength((const char *)text.data, text.len);
	keys = cJSON_GetObjectItemCaseSensitive(json, "keys");
	if (!cJSON_IsArray(keys)) {
		cJSON_Delete(json);
		return err_set(err, "it is no JSON object with an array \"keys\"");
	}
	set->keys = xcalloc(JWK_KEYS_MAX, sizeof(*set->keys));
	cJSON_ArrayForEach(key, keys)
	{
		if (set->count < JWK_KEYS_MAX && read_key(key, &set->keys[set->count]))
			set->count++;
	}
	cJSON_Delete(json);
	if (set->count > 0)
		return 0;
	jwk_set_clear(set);
	return err_set(err, "none of its keys is an RSA key of 2048 bits or more, or one on P-256");
}

void
jwk_set_clear(struct jwk_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		jwk_clear(&set->keys[i]);
	free(set->keys);
	*set = (struct jwk_set){ 0 };
}

const struct jwk *
jwk_set_find(const struct jwk_set *set, const struct jwt *jwt)
{
	const struct jwk *found = NULL;

	for (size_t i = 0; i < set->count; i++) {
		const struct jwk *key = &set->keys[i];

		if (key->algorithm != jwt->algorithm)
			continue;
		if (jwt->key_id[0] != '\0') {
			if (strcmp(key->id, jwt->key_id) == 0)
				return key;
			continue;
		}
		if (found != NULL)
			return NULL;
		found = key;
	}
	return found;
}
