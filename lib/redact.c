/* SPDX-License-Identifier: MIT
 * Names are looked at without regard to case; a name that holds one of the words is of a secret.
 */
#include "lib/redact.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const words[] = { "authorization", "cookie", "token", "secret", "passw",
	"api-key", "api_key", "apikey", "signature", "credential", "jwt" };
static const char *const wholes[] = { "key", "sig", "pwd", "auth", "pass" };

static bool
holds(struct bytes name, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= name.len; i++) {
		if (strncasecmp((const char *)name.data + i, word, len) == 0)
			return true;
	}
	return false;
}

bool
redact_is_secret(struct bytes name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (holds(name, words[i]))
			return true;
	}
	for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
		if (name.len == strlen(wholes[i]) && holds(name, wholes[i]))
			return true;
	}
	return false;
}

void
redact_mask(uint8_t *at, size_t len)
{
	if (len > 0)
		memset(at, '*', len);
}

bool
redact_find(uint8_t *text, size_t len, struct bytes secret)
{
	uint8_t *at = text, *end = text + len;
	bool found = false;

	while (len > 0 && secret.len > 0 &&
	       (at = memmem(at, (size_t)(end - at), secret.data, secret.len)) != NULL) {
		redact_mask(at, secret.len);
		at += secret.len;
		found = true;
	}
	return found;
}

/* --- URLs --- */

/* "scheme://user:password@host": what stands between the colon and the last @. */
static bool
redact_user(uint8_t *url, size_t len)
{
	uint8_t *at = len > 0 ? memmem(url, len, "://", 3) : NULL, *end = url + len, *sign, *colon;

	if (at == NULL)
		return false;
	at += 3;
	for (uint8_t *c = at; c < end; c++) {
		if (*c == '/' || *c == '?' || *c == '#')
			end = c;
	}
	sign = end > at ? memrchr(at, '@', (size_t)(end - at)) : NULL;
	if (sign == NULL)
		return false;
	colon = memchr(at, ':', (size_t)(sign - at));
	if (colon == NULL)
		return false;
	redact_mask(colon + 1, (size_t)(sign - colon - 1));
	return true;
}

static bool
redact_parameter(uint8_t *at, size_t len)
{
	uint8_t *equals = len > 0 ? memchr(at, '=', len) : NULL;
	size_t name_len = equals != NULL ? (size_t)(equals - at) : 0;

	if (equals == NULL || !redact_is_secret(bytes_of(at, name_len)))
		return false;
	redact_mask(equals + 1, len - name_len - 1);
	return true;
}

bool
redact_url(uint8_t *url, size_t len)
{
	bool found = redact_user(url, len);
	uint8_t *at = len > 0 ? memchr(url, '?', len) : NULL, *end = url + len;

	while (at != NULL && at < end) {
		uint8_t *begun = at + 1;

		for (at = begun; at < end && *at != '&' && *at != '#'; at++)
			;
		found = redact_parameter(begun, (size_t)(at - begun)) || found;
		if (at < end && *at == '#')
			break;
	}
	return found;
}

void
redact_url_append(struct buf *out, struct bytes url)
{
	size_t begun = out->len;

	buf_append_bytes(out, url);
	(void)redact_url(out->data + begun, out->len - begun);
}

/* --- JSON --- */

/* Behind the string that begins at `at` (its first quote). */
static uint8_t *
string_end(uint8_t *at, const uint8_t *end)
{
	for (at++; at < end && *at != '"'; at++) {
		if (*at == '\\' && at + 1 < end)
			at++;
	}
	return at < end ? at + 1 : at;
}

static uint8_t *
skip_space(uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

bool
redact_json(uint8_t *json, size_t len)
{
	uint8_t *at = json, *end = json + len;
	bool secret = false, found = false;

	while (at < end) {
		uint8_t *begun = at, *behind;

		if (*at != '"') {
			/* A value that is no string ends what its name meant. */
			secret = secret && *at != ',' && *at != '{' && *at != '}';
			at++;
			continue;
		}
		at = string_end(at, end);
		behind = skip_space(at, end);
		if (behind < end && *behind == ':') {
			secret = redact_is_secret(bytes_of(begun + 1, (size_t)(at - begun - 2)));
		} else if (at - begun > 2) {
			size_t inner = (size_t)(at - begun - 2);

			if (secret)
				redact_mask(begun + 1, inner);
			found = secret || redact_url(begun + 1, inner) || found;
		}
	}
	return found;
}
