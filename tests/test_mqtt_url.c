/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "lib/mqtt_url.h"

static void
urls_have_the_parts_that_they_say(void **state)
{
	static const struct {
		const char *text, *user, *password, *host;
		uint16_t port;
	} rows[] = {
		{ "mqtt://broker", NULL, NULL, "broker", 1883 },
		{ "mqtt://broker/", NULL, NULL, "broker", 1883 },
		{ "mqtt://10.0.0.2:11883", NULL, NULL, "10.0.0.2", 11883 },
		{ "mqtt://[::1]:1", NULL, NULL, "::1", 1 },
		{ "mqtt://[fe80::1]", NULL, NULL, "fe80::1", 1883 },
		{ "mqtt://u@h", "u", NULL, "h", 1883 },
		{ "mqtt://u:@h:65535", "u", "", "h", 65535 },
		{ "mqtt://u:p:q@h", "u", "p:q", "h", 1883 },
		{ "mqtt://u%40x:p%2F%25@h", "u@x", "p/%", "h", 1883 },
		{ "mqtt://u:a@b@h", "u", "a@b", "h", 1883 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mqtt_url url;
		struct err err;

		assert_int_equal(mqtt_url_parse(rows[i].text, &url, &err), 0);
		assert_string_equal(url.host, rows[i].host);
		assert_int_equal(url.port, rows[i].port);
		assert_true((url.user == NULL) == (rows[i].user == NULL));
		assert_true((url.password == NULL) == (rows[i].password == NULL));
		if (url.user != NULL)
			assert_string_equal(url.user, rows[i].user);
		if (url.password != NULL)
			assert_string_equal(url.password, rows[i].password);
		mqtt_url_clear(&url);
	}
}

static void
tls_has_a_port_and_files(void **state)
{
	struct mqtt_url url;
	struct err err;

	(void)state;
	assert_int_equal(mqtt_url_parse("mqtts://u:p@h?ca=/a/b%20c&key=k&cert=d", &url, &err), 0);
	assert_true(url.tls);
	assert_int_equal(url.port, 8883);
	assert_string_equal(url.user, "u");
	assert_string_equal(url.host, "h");
	assert_string_equal(url.ca, "/a/b c");
	assert_string_equal(url.cert, "d");
	assert_string_equal(url.key, "k");
	mqtt_url_clear(&url);
	assert_int_equal(mqtt_url_parse("mqtts://h:1", &url, &err), 0);
	assert_int_equal(url.port, 1);
	assert_null(url.ca);
	mqtt_url_clear(&url);
}

static void
what_is_no_broker_is_refused(void **state)
{
	static const char *const rows[] = { "", "broker:1883", "http://h", "mqtt:/h", "mqtt://",
		"mqtt://:1883", "mqtt://h:", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:1x",
		"mqtt://h/topic", "mqtt://[::1", "mqtt://[::1]x", "mqtt://@h", "mqtt://:p@h",
		"mqtt://u%@h", "mqtt://u%4@h", "mqtt://u%00@h", "mqtt://h h", "mqtt://u:p@",
		"mqtt://h?ca=x", "mqtts://h?ca=", "mqtts://h?ca=x&ca=y", "mqtts://h?x=y", "mqtts://h?",
		"mqtts://?ca=x" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mqtt_url url;
		struct err err;

		if (mqtt_url_parse(rows[i], &url, &err) == 0)
			fail_msg("%s", rows[i]);
		assert_null(url.host);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_have_the_parts_that_they_say),
		cmocka_unit_test(tls_has_a_port_and_files),
		cmocka_unit_test(what_is_no_broker_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
