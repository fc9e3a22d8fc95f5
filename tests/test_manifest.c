/* SPDX-License-Identifier: MIT
 * Functions' tables: right ones, a table of wrong ones with what is said of each, and what
 * patterns allow.
 */
#include "tests/unit.h"

#include <string.h>

#include "runtime/manifest.h"

static int
check_topic(const cJSON *spec, struct err *err)
{
	if (!cJSON_IsString(cJSON_GetObjectItem(spec, "topic")))
		return err_set(err, "topic is a topic filter");
	return 0;
}

static const struct trigger topic = { .name = "topic", .check = check_topic };
static const struct trigger *const triggers[] = { &topic };

static struct options options;

static struct manifest *
read_manifest(const char *source, const char *json, struct err *err)
{
	const struct manifest_source what = { .file = "f.lua",
		.source = bytes_of_string(source),
		.json = bytes_of_string(json),
		.options = &options,
		.triggers = triggers,
		.trigger_count = 1 };

	return manifest_new(&what, err);
}

static struct manifest *
manifest_of(const char *json)
{
	struct err err = { "" };
	struct manifest *manifest = read_manifest("", json, &err);

	if (manifest == NULL)
		fail_msg("%s: %s", json, err.text);
	return manifest;
}

static int
set_up(void **state)
{
	(void)state;
	options_init(&options);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	options_clear(&options);
	return 0;
}

static void
a_handler_alone_gets_the_operators_defaults(void **state)
{
	struct manifest *manifest = manifest_of("{\"handler\":true}");

	(void)state;
	assert_int_equal(manifest->trigger_count, 0);
	assert_int_equal(manifest->timeout_ms, 3000);
	assert_int_equal(manifest->memory_bytes_max, 16 << 20);
	assert_int_equal(manifest->retries, 2);
	assert_int_equal(manifest->backoff_first_ms, 100);
	assert_int_equal(manifest->backoff_max_ms, 60000);
	assert_int_equal(manifest->age_ms_max, 6 * 3600 * 1000);
	assert_int_equal(manifest->on_failure.kind, DESTINATION_NONE);
	assert_int_equal(manifest->order, ORDER_KEY);
	manifest_free(manifest);
}

static void
each_key_is_read(void **state)
{
	struct manifest *manifest = manifest_of(
	    "{\"handler\":true,\"on\":[{\"topic\":\"a\"},{\"topic\":\"b\"}],\"timeout\":1.5,"
	    "\"memory\":\"1MiB\",\"retries\":0,\"concurrency\":4,\"order\":\"none\","
	    "\"description\":\"text\",\"backoff\":{\"first\":\"1s\",\"max\":60},\"max_age\":\"1h\","
	    "\"on_failure\":{\"topic\":\"errors/x\"},\"on_success\":{\"table\":\"ends\"}}");

	(void)state;
	assert_int_equal(manifest->trigger_count, 2);
	assert_ptr_equal(manifest->triggers[1].trigger, &topic);
	assert_int_equal(manifest->timeout_ms, 1500);
	assert_int_equal(manifest->memory_bytes_max, 1 << 20);
	assert_int_equal(manifest->retries, 0);
	assert_int_equal(manifest->concurrency, 4);
	assert_int_equal(manifest->order, ORDER_NONE);
	assert_string_equal(manifest->description, "text");
	assert_int_equal(manifest->backoff_first_ms, 1000);
	assert_int_equal(manifest->backoff_max_ms, 60000);
	assert_int_equal(manifest->age_ms_max, 3600000);
	assert_int_equal(manifest->on_failure.kind, DESTINATION_TOPIC);
	assert_string_equal(manifest->on_failure.name, "errors/x");
	assert_int_equal(manifest->on_success.kind, DESTINATION_TABLE);
	manifest_free(manifest);
}

static void
what_is_wrong_is_said_with_its_line(void **state)
{
	static const struct {
		const char *source, *json, *says;
	} cases[] = {
		{ "return {\n  retrys = 3,\n}", "{\"retrys\":3}",
		    "f.lua:2: unknown key 'retrys': did you mean 'retries'?" },
		{ "", "{\"backoff\":3}", "backoff is a table" },
		{ "", "{\"backoff\":{\"frist\":3}}", "did you mean 'first'?" },
		{ "", "{\"backoff\":{\"first\":0}}", "first is a duration from 1ms to 1d" },
		{ "", "{\"backoff\":{\"first\":3,\"max\":2}}", "a first pause above its longest" },
		{ "", "{\"max_age\":\"7h\"}", "max_age is longer than the operator's" },
		{ "", "{\"on_failure\":\"x\"}", "on_failure is one of { topic" },
		{ "", "{\"on_failure\":{\"topic\":\"a/#\"}}", "on_failure " },
		{ "", "{\"on_failure\":{\"topic\":\"$aws/x\"}}", "begins with $" },
		{ "", "{\"on_success\":{\"queue\":\"x\"}}", "unknown destination 'queue'" },
		{ "", "{\"on_success\":{\"table\":\"a b\"}}", "does not name a table" },
		{ "", "{\"on_success\":{\"invoke\":\"lib\"}}", "on_success " },
		{ "", "{\"zzz\":3}", "f.lua: unknown key 'zzz'" },
		{ "", "[1]", "f.lua: the file must return a table" },
		{ "on = 1", "{\"on\":1}", "f.lua:1: on is a table that names a trigger" },
		{ "", "{\"on\":{\"topc\":\"a\"}}", "did you mean 'topic'?" },
		{ "\n\n topic = 7", "{\"on\":{\"topic\":7}}", "f.lua:3: topic is a topic filter" },
		{ "", "{\"allow\":\"*\"}", "allow is a table" },
		{ "", "{\"allow\":{\"publsh\":\"a\"}}", "did you mean 'publish'?" },
		{ "", "{\"allow\":{\"publish\":\"a/#/b\"}}", "publish" },
		{ "", "{\"allow\":{\"publish\":[\"a\",7]}}", "publish is a pattern or a list" },
		{ "", "{\"allow\":{\"http\":\"ftp://a\"}}", "http" },
		{ "", "{\"timeout\":\"soon\"}", "timeout is a duration" },
		{ "", "{\"timeout\":\"1h\"}", "timeout" },
		{ "", "{\"timeout\":0}", "timeout" },
		{ "", "{\"timeout\":-1}", "timeout" },
		{ "", "{\"timeout\":1e300}", "timeout" },
		{ "", "{\"memory\":\"1KiB\"}", "memory" },
		{ "", "{\"memory\":1e300}", "memory" },
		{ "", "{\"memory\":\"much\"}", "memory is a size" },
		{ "", "{\"retries\":-1}", "retries is a whole number" },
		{ "", "{\"retries\":1.5}", "retries is a whole number" },
		{ "", "{\"retries\":\"2\"}", "retries is a whole number" },
		{ "", "{\"order\":\"fifo\"}", "order is" },
		{ "", "{\"description\":7}", "description is a text" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { "" };
		struct manifest *manifest = read_manifest(cases[i].source, cases[i].json, &err);

		if (manifest != NULL)
			fail_msg("%s is accepted", cases[i].json);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].json, err.text);
	}
}

static void
patterns_allow_what_they_say(void **state)
{
	static const struct {
		enum allow_kind kind;
		const char *subject;
		bool allowed;
	} cases[] = {
		{ ALLOW_PUBLISH, "alerts/a", true },
		{ ALLOW_PUBLISH, "alerts/a/b", false },
		{ ALLOW_PUBLISH, "other", false },
		{ ALLOW_PUBLISH, "$aws/things/x/shadow/update", false },
		{ ALLOW_SHADOW, "car-7", true },
		{ ALLOW_SHADOW, "truck", false },
		{ ALLOW_INVOKE, "report", true },
		{ ALLOW_INVOKE, "report2", false },
		{ ALLOW_SECRETS, "anything", true },
	};
	struct manifest *manifest = manifest_of(
	    "{\"handler\":true,\"allow\":{\"publish\":\"alerts/+\",\"shadow\":[\"bike\","
	    "\"car-*\"],\"invoke\":\"report\",\"secrets\":\"*\"}}");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (manifest_allows(manifest, &options, cases[i].kind,
			bytes_of_string(cases[i].subject)) != cases[i].allowed)
			fail_msg("%s", cases[i].subject);
	}
	manifest_free(manifest);
}

static void
no_wildcard_allows_topics_that_begin_with_a_dollar(void **state)
{
	static const char *const patterns[] = { "*", "#", "+/things" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf json = { 0 };
		struct manifest *manifest;

		buf_printf(&json, "{\"handler\":true,\"allow\":{\"publish\":\"%s\"}}", patterns[i]);
		manifest = manifest_of(buf_string(&json));
		assert_true(manifest_allows(
		    manifest, &options, ALLOW_PUBLISH, bytes_of_string("a/things")));
		assert_false(manifest_allows(
		    manifest, &options, ALLOW_PUBLISH, bytes_of_string("$aws/things")));
		manifest_free(manifest);
		buf_clear(&json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_alone_gets_the_operators_defaults),
		cmocka_unit_test(each_key_is_read),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(patterns_allow_what_they_say),
		cmocka_unit_test(no_wildcard_allows_topics_that_begin_with_a_dollar),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
