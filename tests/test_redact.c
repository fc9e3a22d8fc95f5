/* SPDX-License-Identifier: MIT
 * What becomes asterisks, and what does not.
 */
#include "tests/unit.h"

#include "lib/redact.h"

static void
names_tell_secrets(void **state)
{
	static const char *const secret[] = { "Authorization", "PROXY-AUTHORIZATION", "cookie",
		"Set-Cookie", "X-Api-Key", "apikey", "access_token", "X-Amz-Security-Token",
		"client_secret", "password", "passwd", "X-Amz-Signature", "sig", "key", "PWD",
		"jwt" };
	static const char *const plain[] = { "", "Content-Type", "Accept", "Idempotency-Key",
		"keys", "monkey", "author", "design", "x", "Host" };

	(void)state;
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		assert_true(redact_is_secret(bytes_of_string(secret[i])));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_false(redact_is_secret(bytes_of_string(plain[i])));
}

static void
urls_lose_passwords_and_secret_parameters(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "http://host/path", "http://host/path" },
		{ "https://user:pa:ss@host/p@th:1", "https://user:*****@host/p@th:1" },
		{ "https://user@host:81/", "https://user@host:81/" },
		{ "mqtt://u:p@[::1]:1883", "mqtt://u:*@[::1]:1883" },
		{ "http://h/?a=1&token=abc&b=2#token=x", "http://h/?a=1&token=***&b=2#token=x" },
		{ "http://h/?api_key=abc", "http://h/?api_key=***" },
		{ "http://h?sig=", "http://h?sig=" },
		{ "http://h?sig", "http://h?sig" },
		{ "http://h?&&key=1&", "http://h?&&key=*&" },
		{ "://:@", "://:@" },
		{ "?", "?" },
	};
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&out);
		redact_url_append(&out, bytes_of_string(cases[i][0]));
		assert_string_equal(buf_string(&out), cases[i][1]);
		(void)redact_url(out.data, out.len);
		assert_string_equal(buf_string(&out), cases[i][1]);
	}
	buf_clear(&out);
}

static void
json_members_with_secret_names_are_masked(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "{\"headers\":{\"authorization\":\"Bearer x\",\"accept\":\"*\"}}",
		    "{\"headers\":{\"authorization\":\"********\",\"accept\":\"*\"}}" },
		{ "{ \"token\" : \"a\\\"b\" , \"b\":\"c\"}",
		    "{ \"token\" : \"****\" , \"b\":\"c\"}" },
		{ "{\"token\":7,\"b\":\"c\"}", "{\"token\":7,\"b\":\"c\"}" },
		{ "{\"token\":{\"b\":\"c\"}}", "{\"token\":{\"b\":\"c\"}}" },
		{ "{\"a\":\"token\"}", "{\"a\":\"token\"}" },
		{ "{\"referer\":\"http://h/?token=abc\",\"b\":\"c\"}",
		    "{\"referer\":\"http://h/?token=***\",\"b\":\"c\"}" },
		{ "{\"token\":\"", "{\"token\":\"" },
		{ "{\"token", "{\"token" },
		{ "\"", "\"" },
		{ "\"\\", "\"\\" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text = { 0 };

		buf_append_string(&text, cases[i][0]);
		(void)redact_json(text.data, text.len);
		assert_string_equal(buf_string(&text), cases[i][1]);
		buf_clear(&text);
	}
}

static void
a_secret_is_masked_wherever_it_stands(void **state)
{
	uint8_t text[] = "s3cret and s3crets3cret";

	(void)state;
	assert_true(redact_find(text, sizeof(text) - 1, bytes_of_string("s3cret")));
	assert_string_equal((char *)text, "****** and ************");
	assert_false(redact_find(text, sizeof(text) - 1, bytes_of_string("s3cret")));
	assert_false(redact_find(text, 0, bytes_of_string("s3cret")));
	assert_false(redact_find(text, 3, bytes_of_string("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_tell_secrets),
		cmocka_unit_test(urls_lose_passwords_and_secret_parameters),
		cmocka_unit_test(json_members_with_secret_names_are_masked),
		cmocka_unit_test(a_secret_is_masked_wherever_it_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
