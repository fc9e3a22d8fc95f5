/* SPDX-License-Identifier: MIT
 * Base64 by the vectors of RFC 4648 §10, and what is refused.
 */
#include "tests/unit.h"

#include "lib/base64.h"

static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
	{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd\xfc", "//79/A==" }, { "\xfb\xef\xbe", "++++" } };

static const char *const wrong[] = { "Z", "Zg",
	"Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zm-_", "=Zm9" };

static void
bytes_go_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct buf text = { 0 }, back = { 0 };

		base64_encode(bytes_of_string(pairs[i][0]), &text);
		assert_string_equal(buf_string(&text), pairs[i][1]);
		assert_int_equal(base64_decode(buf_bytes(&text), &back), 0);
		assert_string_equal(buf_string(&back), pairs[i][0]);
		buf_clear(&text);
		buf_clear(&back);
	}
}

static void
what_is_not_base64_is_refused_whole(void **state)
{
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(base64_decode(bytes_of_string(wrong[i]), &out), -1);
		assert_int_equal(out.len, 0);
	}
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_there_and_back),
		cmocka_unit_test(what_is_not_base64_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
