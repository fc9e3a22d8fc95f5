/* SPDX-License-Identifier: MIT
 * JSON Web Tokens.
 */
#include "lib/jwt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/json_text.h"
#include "lib/utf8.h"

enum { SUBJECT_BYTES_MAX = 256, DEPTH_MAX = 16, MEMBERS_MAX = 64 };

int
base64url_decode(struct bytes text, struct buf *out)
{
	struct buf plain = { 0 };
	int result = -1;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];

		if (byte == '+' || byte == '/' || byte == '=')
			goto out;
		buf_append_u8(&plain, byte == '-' ? '+' : byte == '_' ? '/' : byte);
	}
	while (plain.len % 4 != 0)
		buf_append_u8(&plain, '=');
	result = base64_decode(buf_bytes(&plain), out);
out:
	buf_clear(&plain);
	return result;
}

/* Where the two dots are. */
static bool
find_dots(struct bytes text, size_t dots[2])
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '.')
			continue;
		if (count == 2)
			return false;
		dots[count++] = i;
	}
	return count == 2 && dots[0] > 0 && dots[1] > dots[0] + 1 && dots[1] + 1 < text.len;
}

bool
jwt_is_likely(struct bytes text)
{
	size_t dots[2];

	/* Every header begins with `{"`. */
	return text.len > 10 && memcmp(text.data, "eyJ", 3) == 0 && find_dots(text, dots);
}

static bool
no_name_twice(const cJSON *object)
{
	const cJSON *member, *other;

	cJSON_ArrayForEach(member, object)
	{
		for (other = member->next; other != NULL; other = other->next) {
			if (strcmp(member->string, other->string) == 0)
				return false;
		}
	}
	return true;
}

/* A part that is a JSON object; each name in it once (RFC 7515 §4, RFC 7519 §4). Names are compared
 * each with each before a signature is checked, so there is a bound to them. */
static cJSON *
parse_part(struct bytes part, const char *name, struct err *err)
{
	struct buf text = { 0 };
	cJSON *json = NULL;
	size_t at;

	if (base64url_decode(part, &text) == 0 && json_text_is_valid(buf_bytes(&text), &at) &&
	    json_text_is_within(buf_bytes(&text), DEPTH_MAX) &&
	    memmem(text.data, text.len, "\\u0000", 6) == NULL)
		json = cJSON_ParseWithLength((const char *)text.data, text.len);
	buf_clear(&text);
	if (cJSON_IsObject(json) && cJSON_GetArraySize(json) <= MEMBERS_MAX &&
	    no_name_twice(json))
		return json;
	cJSON_Delete(json);
	(void)err_set(err,
	    "the token's %s is no JSON object in base64url, or has a name twice, or more than %d",
	    name, MEMBERS_MAX);
	return NULL;
}

static int
read_header(const cJSON *header, struct jwt *jwt, struct err *err)
{
	static const char *const refused[] = { "crit", "b64", "jwk", "jku", "x5u", "x5c" };
	const char *algorithm =
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(header, "alg"));
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(header, "kid");

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (cJSON_GetObjectItemCaseSensitive(header, refused[i]) != NULL)
			return err_set(err, "the token's header has \"%s\"", refused[i]);
	}
	if (algorithm != NULL && strcmp(algorithm, "RS256") == 0)
		jwt->algorithm = JWT_RS256;
	else if (algorithm != NULL && strcmp(algorithm, "ES256") == 0)
		jwt->algorithm = JWT_ES256;
	else
		return err_set(err, "the token's algorithm is neither RS256 nor ES256");
	if (id != NULL && (!cJSON_IsString(id) || strlen(id->valuestring) > JWK_ID_BYTES_MAX))
		return err_set(
		    err, "the token's key id is no text of at most %d bytes", JWK_ID_BYTES_MAX);
	jwt->key_id = xstrdup(id != NULL ? id->valuestring : "");
	return 0;
}

int
jwt_parse(struct bytes text, struct jwt *jwt, struct err *err)
{
	size_t dots[2];
	cJSON *header;
	int result;

	*jwt = (struct jwt){ 0 };
	if (text.len > JWT_BYTES_MAX || !find_dots(text, dots))
		return err_set(err,
		    "a token is three parts with dots between them, at most %d bytes",
		    JWT_BYTES_MAX);
	jwt->signed_part = bytes_of(text.data, dots[1]);
	header = parse_part(bytes_of(text.data, dots[0]), "header", err);
	result = header != NULL ? read_header(header, jwt, err) : -1;
	cJSON_Delete(header);
	if (result == 0) {
		jwt->claims = parse_part(
		    bytes_of(text.data + dots[0] + 1, dots[1] - dots[0] - 1), "payload", err);
		result = jwt->claims != NULL ? 0 : -1;
	}
	if (result == 0 &&
	    base64url_decode(
		bytes_of(text.data + dots[1] + 1, text.len - dots[1] - 1), &jwt->signature) < 0)
		result = err_set(err, "the token's signature is not in base64url");
	if (result < 0)
		jwt_clear(jwt);
	return result;
}

void
jwt_clear(struct jwt *jwt)
{
	free(jwt->key_id);
	buf_clear(&jwt->signature);
	cJSON_Delete(jwt->claims);
	*jwt = (struct jwt){ 0 };
}

static bool
is_audience(const cJSON *claim, const char *audience)
{
	const cJSON *one;

	if (cJSON_IsString(claim))
		return strcmp(claim->valuestring, audience) == 0;
	if (!cJSON_IsArray(claim))
		return false;
	cJSON_ArrayForEach(one, claim)
	{
		if (cJSON_IsString(one) && strcmp(one->valuestring, audience) == 0)
			return true;
	}
	return false;
}

/* A time; false: it is there and is none. */
static bool
read_time(const struct jwt *jwt, const char *name, double fallback, double *seconds)
{
	const cJSON *claim = cJSON_GetObjectItemCaseSensitive(jwt->claims, name);

	*seconds = cJSON_IsNumber(claim) ? claim->valuedouble : fallback;
	return claim == NULL ||
	       (cJSON_IsNumber(claim) && isfinite(*seconds) && fabs(*seconds) < 1e15);
}

static int
check_times(const struct jwt *jwt, double now_s, struct err *err)
{
	double expires, not_before, issued;

	if (cJSON_GetObjectItemCaseSensitive(jwt->claims, "exp") == NULL)
		return err_set(err, "exp: the token has no end");
	if (!read_time(jwt, "exp", 0, &expires) || !read_time(jwt, "nbf", 0, &not_before) ||
	    !read_time(jwt, "iat", 0, &issued))
		return err_set(err, "exp, nbf, iat: a time is a number of seconds");
	if (now_s >= expires + JWT_LEEWAY_S)
		return err_set(err, "exp: the token has expired");
	if (now_s < not_before - JWT_LEEWAY_S)
		return err_set(err, "nbf: the token does not hold yet");
	if (now_s < issued - JWT_LEEWAY_S)
		return err_set(err, "iat: the token is from the future");
	return 0;
}

int
jwt_check(const struct jwt *jwt, const struct jwt_terms *terms, struct err *err)
{
	const char *issuer =
	    cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(jwt->claims, "iss"));
	const char *subject = jwt_subject(jwt);
	size_t len = subject != NULL ? strlen(subject) : 0;

	if (issuer == NULL || strcmp(issuer, terms->issuer) != 0)
		return err_set(err, "iss: the token is not from %s", terms->issuer);
	if (!is_audience(cJSON_GetObjectItemCaseSensitive(jwt->claims, "aud"), terms->audience))
		return err_set(err, "aud: the token is not for %s", terms->audience);
	if (len == 0 || len > SUBJECT_BYTES_MAX || !utf8_is_valid(bytes_of(subject, len)))
		return err_set(err, "sub: a text of 1 to %d bytes is wanted", SUBJECT_BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)subject[i] < ' ' || subject[i] == 0x7f)
			return err_set(err, "sub: it holds control characters");
	}
	return check_times(jwt, (double)terms->now_s, err);
}

const char *
jwt_subject(const struct jwt *jwt)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(jwt->claims, "sub"));
}

int64_t
jwt_expires_s(const struct jwt *jwt)
{
	double seconds;

	(void)read_time(jwt, "exp", 0, &seconds);
	return (int64_t)seconds;
}
