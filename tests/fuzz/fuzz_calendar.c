/* SPDX-License-Identifier: MIT
 * Schedules, zone files, patterns of paths and JSON as text. The first byte says which.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/path_glob.h"
#include "lib/schedule.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The next time is later, and the one behind it later still. */
static void
try_schedule(struct bytes input)
{
	static const int64_t now_ms = 1795420800000;
	char *text = bytes_to_string(input);
	struct schedule schedule;
	struct err err;
	int64_t next_ms;

	if (schedule_parse(text, &schedule, &err) == 0) {
		next_ms = schedule_next(&schedule, NULL, now_ms);
		assert(next_ms > now_ms);
		if (next_ms != INT64_MAX)
			assert(schedule_next(&schedule, NULL, next_ms) > next_ms);
	}
	free(text);
}

static void
try_zone(struct bytes input)
{
	static const char rule[] = "30 2 * * *";
	struct zone *zone = zone_parse(input);
	struct schedule schedule;
	struct err err;

	if (schedule_parse(rule, &schedule, &err) < 0)
		abort();
	for (int64_t at_s = -4000000000; zone != NULL && at_s < 8000000000; at_s += 99999999)
		(void)zone_offset(zone, at_s);
	if (zone != NULL)
		assert(schedule_next(&schedule, zone, 1795420800000) > 1795420800000);
	zone_free(zone);
}

/* A pattern and a path, a line each. */
static void
try_glob(struct bytes input)
{
	char *text = bytes_to_string(input), *path = strchr(text, '\n');
	struct err err;

	if (path != NULL) {
		*path++ = '\0';
		if (path_glob_check(text, &err) == 0)
			(void)path_glob_match(text, path);
	}
	free(text);
}

static bool
try_member(void *arg, struct bytes name, struct bytes value)
{
	struct buf plain = { 0 }, again = { 0 };
	size_t at;

	(void)name;
	assert(json_text_is_valid(value, &at) && at == value.len);
	if (json_text_kind(value) == JSON_TEXT_STRING) {
		json_text_unescape(value, &plain);
		assert(utf8_is_valid(buf_bytes(&plain)));
		json_text_quote(buf_bytes(&plain), &again);
		assert(json_text_is_valid(buf_bytes(&again), &at));
	}
	buf_clear(&plain);
	buf_clear(&again);
	++*(size_t *)arg;
	return true;
}

static void
try_json(struct bytes input)
{
	size_t count = 0, at;
	bool is_object = json_text_members(input, try_member, &count, &at);

	assert(at <= input.len);
	if (is_object)
		assert(json_text_is_valid(input, &at));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const tries[])(struct bytes) = { try_schedule, try_zone, try_glob, try_json };

	if (len > 0)
		tries[data[0] % 4](bytes_of(data + 1, len - 1));
	return 0;
}
