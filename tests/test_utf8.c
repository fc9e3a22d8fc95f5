/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

static const struct {
	const char *text;
	size_t len;
	bool valid, mqtt;
} rows[] = {
	{ "", 0, true, true }, { "a", 1, true, true },
	{ "plain ASCII, longer than a word", 31, true, true },
	{ "gr\xc3\xb6\xc3\x9f"
	  "e",
	    7, true, true },
	{ "\xe6\xb8\xa9\xe5\xba\xa6", 6, true, true }, { "\xf0\x9f\x9a\x97", 4, true, true },
	{ "\xf4\x8f\xbf\xbf", 4, true, true },	       /* U+10FFFF */
	{ "\xee\x80\x80", 3, true, true },	       /* U+E000, behind the surrogates */
	{ "\xed\x9f\xbf", 3, true, true },	       /* U+D7FF, before them */
	{ "\xef\xbb\xbf", 3, true, true },	       /* U+FEFF stays in the string */
	{ "a\0b", 3, true, false },		       /* U+0000 */
	{ "12345678\0", 9, true, false },	       /* behind a whole word */
	{ "\xc0\x80", 2, false, false },	       /* overlong */
	{ "\xc1\xbf", 2, false, false },	       /* overlong */
	{ "\xe0\x9f\xbf", 3, false, false },	       /* overlong */
	{ "\xf0\x8f\xbf\xbf", 4, false, false },       /* overlong */
	{ "\xed\xa0\x80", 3, false, false },	       /* U+D800 */
	{ "\xed\xbf\xbf", 3, false, false },	       /* U+DFFF */
	{ "\xf4\x90\x80\x80", 4, false, false },       /* above U+10FFFF */
	{ "\xf5\x80\x80\x80", 4, false, false },       /* no such lead */
	{ "\xff", 1, false, false },		       /* no such byte */
	{ "\x80", 1, false, false },		       /* nothing leads it */
	{ "12345678\x80", 9, false, false },	       /* behind a whole word */
	{ "\xc3", 1, false, false },		       /* cut */
	{ "\xe6\xb8", 2, false, false },	       /* cut */
	{ "\xf0\x9f\x9a", 3, false, false },	       /* cut */
	{ "\xc3g", 2, false, false },		       /* not followed */
	{ "\xe6\xb8g", 3, false, false },	       /* not followed */
	{ "\xf0\x9f\x9ag", 4, false, false },	       /* not followed */
	{ "1234567\xc3\xb6 1234567", 17, true, true }, /* across words */
};

/* Each row stands in a block of its own size, so that a read outside is seen. */
static void
text_is_valid_where_the_tables_of_unicode_say_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *copy = malloc(rows[i].len > 0 ? rows[i].len : 1);

		assert_non_null(copy);
		memcpy(copy, rows[i].text, rows[i].len);
		assert_int_equal(utf8_is_valid(bytes_of(copy, rows[i].len)), rows[i].valid);
		assert_int_equal(utf8_is_mqtt_string(bytes_of(copy, rows[i].len)), rows[i].mqtt);
		free(copy);
	}
}

static void
mqtt_string_has_at_most_65535_bytes(void **state)
{
	uint8_t *text = malloc(65536);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 65536);
	assert_true(utf8_is_mqtt_string(bytes_of(text, 65535)));
	assert_false(utf8_is_mqtt_string(bytes_of(text, 65536)));
	free(text);
}

/* Every code point, encoded plainly: valid but for the surrogates. */
static void
every_code_point_is_judged_by_what_it_is(void **state)
{
	(void)state;
	for (uint32_t point = 0x80; point <= 0x10ffff; point++) {
		uint8_t text[4];
		size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
		static const uint8_t leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

		for (size_t i = len; i-- > 1;)
			text[i] = (uint8_t)(0x80 | (point >> (6 * (len - 1 - i)) & 0x3f));
		text[0] = (uint8_t)(leads[len] | point >> (6 * (len - 1)));
		if (utf8_is_valid(bytes_of(text, len)) != (point < 0xd800 || point > 0xdfff))
			fail_msg("U+%04X", point);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_valid_where_the_tables_of_unicode_say_so),
		cmocka_unit_test(mqtt_string_has_at_most_65535_bytes),
		cmocka_unit_test(every_code_point_is_judged_by_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
