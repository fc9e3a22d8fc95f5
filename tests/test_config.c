/* SPDX-License-Identifier: MIT
 * Options and the configuration: right ones, and a table of wrong ones with what is said of each.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nearest.h"
#include "runtime/config.h"

static int
apply(struct options *options, const char *settings, struct err *err)
{
	struct buf loaded = { 0 };
	struct config_source source = { .path = "moonlet.lua" };
	int status;

	buf_printf(&loaded, "{\"settings\":{%s},\"lines\":{}}", settings);
	source.loaded = buf_bytes(&loaded);
	status = config_apply(options, &source, err);
	buf_clear(&loaded);
	return status;
}

static void
each_row_is_whole_and_its_default_and_bounds_are_accepted(void **state)
{
	struct options options;

	(void)state;
	options_init(&options);
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		const struct option *row = &option_table[id];

		assert_non_null(row->name);
		assert_non_null(row->help);
		assert_non_null(row->value);
		assert_int_equal(option_find(bytes_of_string(row->name)), id);
		if (row->type >= OPTION_NUMBER)
			assert_true(row->min < row->max);
		else if (row->type == OPTION_CHOICE)
			assert_non_null(row->choices);
		assert_string_equal(options_text(&options, id), row->initial);
	}
	options_clear(&options);
}

static void
a_flag_wins_over_the_environment_over_the_file(void **state)
{
	char *const environment[] = { "MOONLET_MQTT=127.0.0.1:2", "MOONLET_LOG_LEVEL=warn",
		"PATH=/", NULL };
	struct options options;
	struct err err;

	(void)state;
	options_init(&options);
	assert_int_equal(options_set(&options, OPTION_MQTT, "127.0.0.1:3", SOURCE_FLAG, &err), 0);
	assert_int_equal(options_from_environment(&options, environment, &err), 0);
	assert_int_equal(
	    apply(&options, "\"mqtt\":\"127.0.0.1:1\",\"log_level\":\"debug\",\"workers\":3", &err),
	    0);
	assert_string_equal(options_text(&options, OPTION_MQTT), "127.0.0.1:3");
	assert_string_equal(options_text(&options, OPTION_LOG_LEVEL), "warn");
	assert_int_equal(options_number(&options, OPTION_WORKERS), 3);
	options_clear(&options);
}

static void
sizes_and_durations_have_units(void **state)
{
	int64_t value;

	(void)state;
	assert_int_equal(duration_parse("3s", &value), 0);
	assert_int_equal(value, 3000);
	assert_int_equal(duration_parse("1.5h", &value), 0);
	assert_int_equal(value, 5400000);
	assert_int_equal(duration_parse("15min", &value), 0);
	assert_int_equal(value, 900000);
	assert_int_equal(size_parse("16MiB", &value), 0);
	assert_int_equal(value, 16777216);
	assert_int_equal(size_parse("8 KB", &value), 0);
	assert_int_equal(value, 8192);
	assert_int_equal(duration_parse("3", &value), -1);
	assert_int_equal(duration_parse("-3s", &value), -1);
	assert_int_equal(size_parse("0x10", &value), -1);
	assert_int_equal(size_parse("1e30", &value), -1);
}

static void
everything_that_a_file_may_say_is_understood(void **state)
{
	struct options options;
	struct err err;

	(void)state;
	options_init(&options);
	assert_int_equal(
	    apply(&options,
		"\"limits\":{\"timeout\":\"5s\",\"clients_max\":100,\"payload_bytes_max\":1024},"
		"\"broker\":[\"mqtt://a:1883\",{\"url\":\"mqtt://u:p@b\",\"share\":\"x\"}],"
		"\"tables\":{\"cars\":{\"key\":\"id\",\"sort\":\"ts\",\"ttl\":\"ends\",\"index\":"
		"{\"by_place\":\"place, ts\"}}},"
		"\"secrets\":{\"key\":\"abc\",\"home\":{\"env\":\"PATH\"}},"
		"\"allow\":{\"publish\":[\"alerts/#\",\"x\"],\"http\":[],\"shadow\":\"*\"}",
		&err),
	    0);
	assert_int_equal(options_number(&options, OPTION_TIMEOUT_MS), 5000);
	assert_int_equal(options_number(&options, OPTION_CLIENTS_MAX), 100);
	assert_int_equal(options.broker_count, 2);
	assert_string_equal(options.brokers[1].name, "b");
	assert_string_equal(options.brokers[1].share, "x");
	assert_string_equal(options_secret(&options, bytes_of_string("key")), "abc");
	assert_null(options_secret(&options, bytes_of_string("ke")));
	assert_int_equal(options.table_count, 1);
	assert_string_equal(options.tables[0].ttl, "ends");
	assert_string_equal(options.tables[0].indexes[0].hash, "place");
	assert_string_equal(options.tables[0].indexes[0].sort, "ts");
	assert_int_equal(options.allow_count, 3);
	assert_int_equal(
	    options.allow_kinds, 1U << ALLOW_PUBLISH | 1U << ALLOW_HTTP | 1U << ALLOW_SHADOW);
	options_clear(&options);
}

static const struct {
	const char *settings;
	const char *says;
} wrong[] = {
	{ "\"mqt\":\"x\"", "unknown setting 'mqt': did you mean 'mqtt'?" },
	{ "\"htpp\":\"x\"", "did you mean 'http'?" },
	{ "\"lmits\":{}", "did you mean 'limits'?" },
	{ "\"brokers\":[]", "did you mean 'broker'?" },
	{ "\"secret\":{}", "did you mean 'secrets'?" },
	{ "\"loglevel\":\"info\"", "did you mean 'log_level'?" },
	{ "\"function\":\"x\"", "did you mean 'functions'?" },
	{ "\"banana\":1", "unknown setting 'banana'" },
	{ "\"MQTT\":\"127.0.0.1:1\"", "unknown setting 'MQTT'" },
	{ "\"timeout\":\"3s\"", "'timeout' is a limit: write limits = { timeout = ... }" },
	{ "\"limits\":{\"mqtt\":\"x\"}", "'mqtt' stands outside of limits" },
	{ "\"limits\":{\"timeot\":\"3s\"}", "unknown limit 'timeot': did you mean 'timeout'?" },
	{ "\"limits\":{\"x\":1}", "unknown limit 'x'" },
	{ "\"limits\":3", "limits must be a table" },
	{ "\"limits\":[1]", "limits must be a table" },
	{ "\"mqtt\":1883", "mqtt must be text" },
	{ "\"mqtt\":true", "mqtt must be text" },
	{ "\"mqtt\":\"1883\"", "must be ADDR:PORT" },
	{ "\"mqtt\":\":1883\"", "must be ADDR:PORT" },
	{ "\"mqtt\":\"localhost:\"", "must be ADDR:PORT" },
	{ "\"mqtt\":\"localhost:70000\"", "must be ADDR:PORT" },
	{ "\"mqtt\":\"localhost:12a\"", "must be ADDR:PORT" },
	{ "\"mqtt\":\"::1:1883\"", "stands in brackets" },
	{ "\"functions\":\"\"", "must not be empty" },
	{ "\"data\":{}", "data must be text" },
	{ "\"workers\":\"many\"", "a whole number from 0 to 256" },
	{ "\"workers\":-1", "a whole number from 0 to 256" },
	{ "\"workers\":257", "a whole number from 0 to 256" },
	{ "\"workers\":1.5", "workers must be a whole number" },
	{ "\"workers\":true", "workers must be a whole number" },
	{ "\"log\":\"xml\"", "must be one of: human json" },
	{ "\"log\":\"hum\"", "must be one of: human json" },
	{ "\"log_level\":\"loud\"", "must be one of: debug info warn error" },
	{ "\"broker\":5", "broker must be a URL, a table or a list" },
	{ "\"broker\":\"10.0.0.1\"", "must be a URL like mqtt://host:1883" },
	{ "\"broker\":\"http://10.0.0.1\"", "must be a URL like mqtt://host:1883" },
	{ "\"broker\":\"mqtt://\"", "must be a URL like mqtt://host:1883" },
	{ "\"broker\":{\"name\":\"x\"}", "broker needs a url" },
	{ "\"broker\":{\"ulr\":\"mqtt://x\"}",
	    "unknown name in broker 'ulr': did you mean 'url'?" },
	{ "\"broker\":{\"url\":5}", "broker: url must be text" },
	{ "\"broker\":[5]", "each must be a URL or a table" },
	{ "\"broker\":[[\"mqtt://x\"]]", "each must be a URL or a table" },
	{ "\"tables\":3", "tables must be a table" },
	{ "\"tables\":{\"cars\":1}", "table cars must be a table, like { key" },
	{ "\"tables\":{\"cars\":{}}", "table cars needs a key" },
	{ "\"tables\":{\"cars\":{\"key\":1}}", "table cars: key must be text" },
	{ "\"tables\":{\"cars\":{\"kye\":\"id\"}}", "unknown name 'kye': did you mean 'key'?" },
	{ "\"tables\":{\"a b\":{\"key\":\"id\"}}", "table \"a b\": 1 to 64 letters" },
	{ "\"tables\":{\"cars\":{\"key\":\"id\",\"sort\":\"id\"}}", "the same attribute" },
	{ "\"tables\":{\"cars\":{\"key\":\"id\",\"index\":\"x\"}}", "index must be a table" },
	{ "\"tables\":{\"cars\":{\"key\":\"id\",\"index\":{\"x\":1}}}", "index x must be text" },
	{ "\"tables\":{\"cars\":{\"key\":\"id\",\"index\":{\"x\":\"a,b,c\"}}}",
	    "more than two attributes" },
	{ "\"tables\":{\"cars\":{\"key\":\"id\",\"index\":{\"x\":\"\"}}}",
	    "the key of an index is the name of an attribute" },
	{ "\"secrets\":\"x\"", "secrets must be a table" },
	{ "\"files\":{\"in\":5}", "files: in must be the path of a folder" },
	{ "\"files\":{\"in\":\"/a,b=/c\"}", "files: in must be the path of a folder" },
	{ "\"files\":{\"a/b\":\"/srv\"}", "files must call a folder by" },
	{ "\"files\":\"/a,/b\"", "files must give each of several folders a name" },
	{ "\"secrets\":{\"a\":5}", "secret 'a' must be text, { file = PATH } or { env = NAME }" },
	{ "\"secrets\":{\"a\":{}}", "secret 'a' must be text" },
	{ "\"secrets\":{\"a\":{\"file\":\"/x\",\"env\":\"Y\"}}", "secret 'a' must be text" },
	{ "\"secrets\":{\"a\":{\"file\":\"/nowhere/x\"}}", "secret 'a': /nowhere/x: No such file" },
	{ "\"secrets\":{\"a\":{\"env\":\"NOT_THERE_AT_ALL\"}}", "has no NOT_THERE_AT_ALL" },
	{ "\"allow\":5", "allow must be a table" },
	{ "\"allow\":{\"publsh\":\"x\"}",
	    "unknown name in allow 'publsh': did you mean 'publish'?" },
	{ "\"allow\":{\"http\":5}", "http must be text or a list of texts" },
	{ "\"allow\":{\"publish\":[5]}", "publish must be text or a list of texts" },
	{ "\"allow\":{\"shadow\":\"\"}", "shadow must be text or a list of texts" },
	{ "\"allow\":{\"http\":\"ftp://x\"}", "allow: " },
	{ "\"allow\":{\"invoke\":{\"a\":1}}", "invoke must be text or a list of texts" },
};

static void
refused(const char *settings, const char *says)
{
	struct options options;
	struct err err;

	options_init(&options);
	if (apply(&options, settings, &err) == 0)
		fail_msg("%s was accepted", settings);
	if (strstr(err.text, says) == NULL)
		fail_msg("%s: expected \"%s\", got \"%s\"", settings, says, err.text);
	options_clear(&options);
}

static void
a_wrong_configuration_says_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused(wrong[i].settings, wrong[i].says);
}

/* Each number, size and duration: too low, too high, of another type, no number, without a unit. */
static void
every_limit_refuses_what_is_out_of_its_range(void **state)
{
	static const char *const values[] = { "\"-1\"", "999999999999999", "true", "{}", "\"\"",
		"\"x\"", "1.25", "\"3 parsecs\"" };

	(void)state;
	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		/* What a text may say, who uses it knows. */
		if (!option_table[id].limit || option_table[id].type == OPTION_TEXT)
			continue;
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			char settings[128];

			snprintf(settings, sizeof(settings), "\"limits\":{\"%s\":%s}",
			    option_table[id].name, values[i]);
			refused(settings, option_table[id].name);
		}
	}
}

static void
all_problems_of_a_file_are_told_with_their_lines(void **state)
{
	struct options options;
	struct config_source source = { .path = "moonlet.lua" };
	struct err err;

	(void)state;
	options_init(&options);
	source.loaded = bytes_of_string("{\"settings\":{\"mqt\":1,\"log\":\"x\"},"
					"\"lines\":{\"mqt\":3,\"log\":7}}");
	assert_int_equal(config_apply(&options, &source, &err), -1);
	assert_string_equal(err.text, "moonlet.lua:3: unknown setting 'mqt': did you mean 'mqtt'?");
	source.loaded = bytes_of_string("not json");
	assert_int_equal(config_apply(&options, &source, &err), -1);
	options_clear(&options);
}

static void
a_wrong_variable_of_the_environment_is_named(void **state)
{
	char *const wrong_value[] = { "MOONLET_WORKERS=lots", NULL };
	char *const wrong_name[] = { "MOONLET_WORKER=1", NULL };
	struct options options;
	struct err err;

	(void)state;
	options_init(&options);
	assert_int_equal(options_from_environment(&options, wrong_value, &err), -1);
	assert_string_equal(
	    err.text, "environment: MOONLET_WORKERS: must be a whole number from 0 to 256");
	assert_int_equal(options_from_environment(&options, wrong_name, &err), -1);
	assert_non_null(strstr(err.text, "MOONLET_WORKER names no option; did you mean "
					 "MOONLET_WORKERS?"));
	options_clear(&options);
}

static void
nearest_names_are_found_within_a_third_of_their_length(void **state)
{
	static const char *const names[] = { "publish", "topic", "timeout", NULL };

	(void)state;
	assert_int_equal(name_distance("abcd", "abdc"), 1);
	assert_int_equal(name_distance("", "abc"), 3);
	assert_string_equal(name_nearest("timout", names), "timeout");
	assert_string_equal(name_nearest("topics", names), "topic");
	assert_null(name_nearest("elephant", names));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_whole_and_its_default_and_bounds_are_accepted),
		cmocka_unit_test(a_flag_wins_over_the_environment_over_the_file),
		cmocka_unit_test(sizes_and_durations_have_units),
		cmocka_unit_test(everything_that_a_file_may_say_is_understood),
		cmocka_unit_test(a_wrong_configuration_says_what_is_wrong),
		cmocka_unit_test(every_limit_refuses_what_is_out_of_its_range),
		cmocka_unit_test(all_problems_of_a_file_are_told_with_their_lines),
		cmocka_unit_test(a_wrong_variable_of_the_environment_is_named),
		cmocka_unit_test(nearest_names_are_found_within_a_third_of_their_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
