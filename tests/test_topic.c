/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/topic.h"
#include "lib/utf8.h"

static void
filters_take_the_names_of_the_specification(void **state)
{
	static const struct {
		const char *filter, *name;
		bool takes;
	} rows[] = {
		{ "sport/tennis/player1/#", "sport/tennis/player1", true },
		{ "sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true },
		{ "sport/#", "sport", true },
		{ "#", "a/b", true },
		{ "#", "$SYS/x", false },
		{ "+/monitor/Clients", "$SYS/monitor/Clients", false },
		{ "$SYS/#", "$SYS/monitor", true },
		{ "sport/tennis/+", "sport/tennis/player1", true },
		{ "sport/tennis/+", "sport/tennis/player1/ranking", false },
		{ "sport/+", "sport", false },
		{ "sport/+", "sport/", true },
		{ "+/+", "/finance", true },
		{ "/+", "/finance", true },
		{ "+", "/finance", false },
		{ "a", "A", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    topic_match(bytes_of_string(rows[i].filter), bytes_of_string(rows[i].name)),
		    rows[i].takes);
}

static void
defects_of_filters_and_names_are_told_apart(void **state)
{
	static const struct {
		const char *topic;
		enum topic_defect name, filter;
	} rows[] = {
		{ "a/b", TOPIC_OK, TOPIC_OK },
		{ "", TOPIC_EMPTY, TOPIC_EMPTY },
		{ "a/#", TOPIC_HAS_WILDCARD, TOPIC_OK },
		{ "a/#/b", TOPIC_HAS_WILDCARD, TOPIC_HASH_NOT_LAST },
		{ "a#", TOPIC_HAS_WILDCARD, TOPIC_HASH_NOT_LAST },
		{ "a+/b", TOPIC_HAS_WILDCARD, TOPIC_PLUS_NOT_ALONE },
		{ "\xff", TOPIC_NOT_UTF8, TOPIC_NOT_UTF8 },
		{ "$share/g/a/+", TOPIC_HAS_WILDCARD, TOPIC_OK },
		{ "$share/g", TOPIC_OK, TOPIC_BAD_SHARE },
		{ "$share/g/", TOPIC_OK, TOPIC_BAD_SHARE },
		{ "$share//a", TOPIC_OK, TOPIC_BAD_SHARE },
		{ "$share/+/a", TOPIC_HAS_WILDCARD, TOPIC_BAD_SHARE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes topic = bytes_of_string(rows[i].topic);

		assert_int_equal(topic_name_check(topic), rows[i].name);
		assert_int_equal(topic_filter_check(topic), rows[i].filter);
		assert_non_null(topic_defect_text(rows[i].filter));
	}
}

static void
too_many_levels_and_bytes_are_refused(void **state)
{
	static char deep[70000];

	(void)state;
	memset(deep, '/', sizeof(deep));
	assert_int_equal(topic_name_check(bytes_of(deep, TOPIC_LEVELS_MAX - 1)), TOPIC_OK);
	assert_int_equal(topic_name_check(bytes_of(deep, TOPIC_LEVELS_MAX)), TOPIC_TOO_DEEP);
	assert_int_equal(topic_name_check(bytes_of(deep, 65536)), TOPIC_TOO_LONG);
}

static void
malformed_utf8_is_refused(void **state)
{
	static const struct {
		const char *text;
		bool valid, mqtt;
	} rows[] = {
		{ "gr\xc3\xbc\xc3\x9f", true, true },
		{ "\xed\xa0\x80", false, false },     /* surrogate */
		{ "\xc0\x80", false, false },	      /* overlong */
		{ "\xf0\x8f\xbf\xbf", false, false }, /* overlong */
		{ "\xf4\x90\x80\x80", false, false }, /* above U+10FFFF */
		{ "\xf0\x9f\x9a\x97", true, true },   /* a car */
		{ "\xe2\x82", false, false },	      /* cut */
		{ "12345678\x80", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(utf8_is_valid(bytes_of_string(rows[i].text)), rows[i].valid);
		assert_int_equal(utf8_is_mqtt_string(bytes_of_string(rows[i].text)), rows[i].mqtt);
	}
	assert_true(utf8_is_valid(bytes_of("a\0b", 3)));
	assert_false(utf8_is_mqtt_string(bytes_of("a\0b", 3)));
}

static void
wider_filter_covers_the_narrower(void **state)
{
	(void)state;
	assert_true(topic_covers(bytes_of_string("alerts/+"), bytes_of_string("alerts/a")));
	assert_true(topic_covers(bytes_of_string("alerts/#"), bytes_of_string("alerts/+/x")));
	assert_true(topic_covers(bytes_of_string("alerts/#"), bytes_of_string("alerts/#")));
	assert_false(topic_covers(bytes_of_string("alerts/+"), bytes_of_string("alerts/#")));
	assert_false(topic_covers(bytes_of_string("alerts/a"), bytes_of_string("alerts/+")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_take_the_names_of_the_specification),
		cmocka_unit_test(defects_of_filters_and_names_are_told_apart),
		cmocka_unit_test(too_many_levels_and_bytes_are_refused),
		cmocka_unit_test(malformed_utf8_is_refused),
		cmocka_unit_test(wider_filter_covers_the_narrower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
