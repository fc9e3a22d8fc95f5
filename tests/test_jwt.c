/* SPDX-License-Identifier: MIT
 * JSON Web Tokens: the examples of RFC 7515 are verified, what is crooked is refused.
 */
#include "lib/jwt.h"

#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "net/signature.h"
#include "tests/unit.h"

/* RFC 7515 A.2 and A.3: keys, tokens with the same payload. */
static const char rfc_keys[] =
    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1\"},{\"kty\":\"RSA\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
    "wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
    "YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
    "KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-"
    "DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e1\",\"x\":"
    "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char payload[] = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
			      "LmNvbS9pc19yb290Ijp0cnVlfQ";
static const char rfc_rs256[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
    "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHl"
    "b1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
    "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUip"
    "UTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char rfc_es256[] =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static void
write_token(const char *header, const char *middle, const char *signature, struct buf *out)
{
	struct buf encoded = { 0 };

	base64_encode(bytes_of_string(header), &encoded);
	for (size_t i = 0; i < encoded.len; i++) {
		if (encoded.data[i] != '=')
			buf_append_u8(out, encoded.data[i] == '+'   ? '-'
					   : encoded.data[i] == '/' ? '_'
								    : encoded.data[i]);
	}
	buf_printf(out, ".%s.%s", middle, signature);
	buf_clear(&encoded);
}

static bool
verifies(const char *header, const char *signature)
{
	struct buf token = { 0 };
	struct jwk_set keys;
	struct jwt jwt;
	struct err err;
	const struct jwk *key;
	bool good;

	write_token(header, payload, signature, &token);
	assert_int_equal(jwk_set_parse(bytes_of_string(rfc_keys), &keys, &err), 0);
	assert_int_equal(keys.count, 2);
	assert_int_equal(jwt_parse(buf_bytes(&token), &jwt, &err), 0);
	key = jwk_set_find(&keys, &jwt);
	assert_non_null(key);
	good = signature_verify(key, jwt.signed_part, buf_bytes(&jwt.signature));
	jwt_clear(&jwt);
	jwk_set_clear(&keys);
	buf_clear(&token);
	return good;
}

static void
the_examples_of_the_rfc_verify(void **state)
{
	(void)state;
	assert_true(verifies("{\"alg\":\"RS256\"}", rfc_rs256));
	assert_true(verifies("{\"alg\":\"ES256\"}", rfc_es256));
	/* Another header is another text; another algorithm another key. */
	assert_false(verifies("{\"alg\":\"RS256\" }", rfc_rs256));
	assert_false(verifies("{\"alg\":\"ES256\",\"kid\":\"e1\"}", rfc_es256));
	assert_false(verifies("{\"alg\":\"ES256\"}", rfc_rs256));
	assert_false(verifies("{\"alg\":\"RS256\"}", rfc_es256));
}

static const char *const bad_headers[] = { "{}", "[]", "{\"alg\":\"none\"}", "{\"alg\":\"None\"}",
	"{\"alg\":\"HS256\"}", "{\"alg\":\"RS512\"}", "{\"alg\":1}",
	"{\"alg\":\"RS256\",\"alg\":\"none\"}", "{\"alg\":\"RS256\",\"crit\":[\"exp\"]}",
	"{\"alg\":\"RS256\",\"jwk\":{}}", "{\"alg\":\"RS256\",\"jku\":\"https://x\"}",
	"{\"alg\":\"RS256\",\"kid\":7}", "{\"alg\":\"RS256\"", "" };

static void
crooked_tokens_are_refused(void **state)
{
	static const char *const texts[] = { "", ".", "..", "a.b", "a.b.c.d",
		"eyJhbGciOiJSUzI1NiJ9..x", "eyJhbGciOiJSUzI1NiJ9.e30.",
		"eyJhbGciOiJSUzI1NiJ9.e30=.eA", "eyJhbGciOiJSUzI1NiJ9.W10.eA",
		"eyJhbGciOiJSUzI1NiJ9.e30.e+A" };
	struct jwt jwt;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_headers) / sizeof(bad_headers[0]); i++) {
		struct buf token = { 0 };

		write_token(bad_headers[i], "e30", "eA", &token);
		assert_int_equal(jwt_parse(buf_bytes(&token), &jwt, &err), -1);
		buf_clear(&token);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(jwt_parse(bytes_of_string(texts[i]), &jwt, &err), -1);
}

static void
a_header_of_too_many_members_is_refused_before_they_are_compared(void **state)
{
	struct buf header = { 0 }, token = { 0 };
	struct jwt jwt;
	struct err err;

	(void)state;
	buf_append_string(&header, "{\"alg\":\"RS256\"");
	for (int i = 0; i < 64; i++)
		buf_printf(&header, ",\"%d\":0", i);
	buf_append_string(&header, "}");
	write_token(buf_string(&header), "e30", "eA", &token);
	assert_int_equal(jwt_parse(buf_bytes(&token), &jwt, &err), -1);
	buf_clear(&header);
	buf_clear(&token);
}

enum { NOW = 1700000000 };

static const struct {
	const char *claims;
	const char *problem; /* how the error begins; NULL: good */
} checks[] = {
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000001}", NULL },
	{ "{\"iss\":\"i\",\"aud\":[\"x\",\"a\"],\"sub\":\"s\",\"exp\":1700000001.5}", NULL },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1699999941}", NULL },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1699999940}",
	    "exp: the token has ex" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\"}", "exp: the token has no end" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":\"1700000001\"}", "exp, nbf, iat" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1e400}", "exp, nbf, iat" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000001,\"nbf\":1700000061}",
	    "nbf" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000001,\"iat\":1700000061}",
	    "iat" },
	{ "{\"iss\":\"j\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000001}", "iss" },
	{ "{\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000001}", "iss" },
	{ "{\"iss\":[\"i\"],\"aud\":\"a\",\"sub\":\"s\",\"exp\":1700000001}", "iss" },
	{ "{\"iss\":\"i\",\"aud\":\"b\",\"sub\":\"s\",\"exp\":1700000001}", "aud" },
	{ "{\"iss\":\"i\",\"aud\":[],\"sub\":\"s\",\"exp\":1700000001}", "aud" },
	{ "{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1700000001}", "aud" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1700000001}", "sub" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"\",\"exp\":1700000001}", "sub" },
	{ "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\\n\",\"exp\":1700000001}", "sub" },
};

static void
claims_are_checked(void **state)
{
	const struct jwt_terms terms = { "i", "a", NOW };

	(void)state;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct jwt jwt = { .claims = cJSON_Parse(checks[i].claims) };
		struct err err = { "" };
		int result = jwt_check(&jwt, &terms, &err);

		if ((result == 0) != (checks[i].problem == NULL))
			(void)fprintf(stderr, "%s: %s\n", checks[i].claims, err.text);
		assert_int_equal(result, checks[i].problem == NULL ? 0 : -1);
		if (checks[i].problem != NULL)
			assert_memory_equal(err.text, checks[i].problem, strlen(checks[i].problem));
		jwt_clear(&jwt);
	}
}

static void
sets_without_a_key_of_use_are_refused(void **state)
{
	static const char *const sets[] = { "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQAB\"}]}", "{\"keys\":[1,null,[]]}" };
	struct jwk_set set;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		assert_int_equal(jwk_set_parse(bytes_of_string(sets[i]), &set, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_rfc_verify),
		cmocka_unit_test(crooked_tokens_are_refused),
		cmocka_unit_test(a_header_of_too_many_members_is_refused_before_they_are_compared),
		cmocka_unit_test(claims_are_checked),
		cmocka_unit_test(sets_without_a_key_of_use_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
