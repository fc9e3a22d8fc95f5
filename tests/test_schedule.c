/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/civil.h"
#include "lib/schedule.h"

static struct zone *
load(const char *name)
{
	struct buf file = { 0 };
	char path[256];
	struct zone *zone;
	FILE *from;

	(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
	from = fopen(path, "rb");
	if (from == NULL)
		skip();
	file.len = fread(buf_reserve(&file, 65536), 1, 65536, from);
	(void)fclose(from);
	zone = zone_parse(buf_bytes(&file));
	assert_non_null(zone);
	buf_clear(&file);
	return zone;
}

/* "2026-11-23 08:00" */
static int64_t
ms_of(const char *text)
{
	int year, month, day, hour, minute;

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &year, &month, &day, &hour, &minute), 5);
	return (civil_days(year, month, day) * 86400 + hour * 3600 + minute * 60) * 1000;
}

static const struct {
	const char *schedule;
	const char *after; /* UTC */
	const char *next;
	const char *zone; /* NULL: UTC */
} cases[] = {
	{ "rate(5 minutes)", "2026-11-23 08:00", "2026-11-23 08:05", NULL },
	{ "rate(1 day)", "2026-11-23 08:00", "2026-11-24 08:00", NULL },
	{ "every 1h30m", "2026-11-23 08:00", "2026-11-23 09:30", NULL },
	{ "cron(0 8 * * ? *)", "2026-11-23 08:00", "2026-11-24 08:00", NULL },
	{ "cron(0 8 * * ? *)", "2026-11-23 07:59", "2026-11-23 08:00", NULL },
	{ "cron(15 12 ? * 2-6 *)", "2026-11-20 13:00", "2026-11-23 12:15", NULL },
	{ "cron(0 18 ? * MON-FRI *)", "2026-11-20 18:00", "2026-11-23 18:00", NULL },
	{ "cron(0 8 1 * ? *)", "2026-11-23 08:00", "2026-12-01 08:00", NULL },
	{ "cron(0/15 * * * ? *)", "2026-11-23 08:50", "2026-11-23 09:00", NULL },
	{ "cron(0/10 * ? * MON-FRI *)", "2026-11-20 23:55", "2026-11-23 00:00", NULL },
	{ "cron(0 9 ? * 2#1 *)", "2026-11-23 00:00", "2026-12-07 09:00", NULL },
	{ "cron(0 9 L * ? *)", "2027-02-01 00:00", "2027-02-28 09:00", NULL },
	{ "cron(0 9 L * ? *)", "2028-02-01 00:00", "2028-02-29 09:00", NULL },
	{ "cron(0 9 L-2 * ? *)", "2026-11-01 00:00", "2026-11-28 09:00", NULL },
	{ "cron(0 9 LW * ? *)", "2027-01-01 00:00", "2027-01-29 09:00", NULL },
	{ "cron(0 9 15W * ? *)", "2026-11-01 00:00", "2026-11-16 09:00", NULL },
	{ "cron(0 9 1W * ? *)", "2026-07-31 12:00", "2026-08-03 09:00", NULL },
	{ "cron(0 9 ? * 6L *)", "2026-11-01 00:00", "2026-11-27 09:00", NULL },
	{ "cron(0 0 29 2 ? *)", "2026-11-23 00:00", "2028-02-29 00:00", NULL },
	{ "cron(0 0 1 1 ? 2030-2035)", "2026-11-23 00:00", "2030-01-01 00:00", NULL },
	{ "cron(0 0 ? * FRI-MON *)", "2026-11-24 00:00", "2026-11-27 00:00", NULL },
	/* Steps beyond the field take its first value alone. */
	{ "cron(5/2147483647 8 * * ? *)", "2026-11-23 08:00", "2026-11-23 08:05", NULL },
	{ "cron(0 1/24 * * ? *)", "2026-11-23 02:00", "2026-11-24 01:00", NULL },
	{ "cron(0 8 1 1 ? 2027/2147483647)", "2026-11-23 08:00", "2027-01-01 08:00", NULL },
	{ "0 8 * * 1/99999999999", "2026-11-23 08:00", "2026-11-30 08:00", NULL },
	/* A clock that stands at the beginning, where local time is before it. */
	{ "0 20 * * *", "1970-01-01 00:00", "1970-01-02 01:00", "America/New_York" },
	{ "0 8 * * *", "2026-11-23 08:00", "2026-11-24 08:00", NULL },
	{ "*/20 8-9 * * 1-5", "2026-11-23 09:40", "2026-11-24 08:00", NULL },
	{ "30 4 1,15 * 5", "2026-11-23 00:00", "2026-11-27 04:30", NULL },
	{ "30 4 1,15 * 5", "2026-11-28 00:00", "2026-12-01 04:30", NULL },
	{ "0 0 * * 7", "2026-11-23 00:00", "2026-11-29 00:00", NULL },
	{ "0 0 * * sun", "2026-11-23 00:00", "2026-11-29 00:00", NULL },
	{ "5 0 * aug *", "2026-11-23 00:00", "2027-08-01 00:05", NULL },
	/* Berlin: +1, from the last Sunday of March to that of October +2, at 01:00 UTC. */
	{ "0 8 * * *", "2026-11-23 06:00", "2026-11-23 07:00", "Europe/Berlin" },
	{ "0 8 * * *", "2026-07-01 05:00", "2026-07-01 06:00", "Europe/Berlin" },
	{ "30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "Europe/Berlin" },
	{ "30 2 * * *", "2026-03-29 01:00", "2026-03-30 00:30", "Europe/Berlin" },
	{ "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30", "Europe/Berlin" },
	{ "30 2 * * *", "2026-10-25 00:30", "2026-10-26 01:30", "Europe/Berlin" },
	{ "30 * * * *", "2026-10-25 00:30", "2026-10-25 01:30", "Europe/Berlin" },
	{ "0 8 * * *", "2045-07-01 05:00", "2045-07-01 06:00", "Europe/Berlin" },
	{ "0 8 * * *", "2045-12-01 05:00", "2045-12-01 07:00", "Europe/Berlin" },
	{ "0 8 * * *", "2026-01-10 00:00", "2026-01-10 13:00", "America/New_York" },
	{ "0 8 * * *", "2050-01-10 00:00", "2050-01-10 21:00", "Australia/Sydney" },
	{ "15 8 * * *", "2026-01-10 00:00", "2026-01-10 02:30", "Asia/Kathmandu" },
};

static void
next_time_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct zone *zone = cases[i].zone != NULL ? load(cases[i].zone) : NULL;
		struct schedule schedule;
		struct civil next;
		struct err err;
		char text[64];

		if (schedule_parse(cases[i].schedule, &schedule, &err) < 0)
			fail_msg("%s: %s", cases[i].schedule, err.text);
		next = civil_of(schedule_next(&schedule, zone, ms_of(cases[i].after)) / 1000);
		(void)snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d", next.year,
		    next.month, next.day, next.hour, next.minute);
		if (strcmp(text, cases[i].next) != 0)
			fail_msg("%s after %s: %s", cases[i].schedule, cases[i].after, text);
		zone_free(zone);
	}
}

static const struct {
	const char *schedule;
	const char *says;
} wrong[] = {
	{ "", "five fields" },
	{ "every day", "a number and a unit" },
	{ "every 5", "a number and a unit" },
	{ "every 10ms", "at least every second" },
	{ "rate(0 minutes)", "a number and a unit" },
	{ "rate(5 fortnights)", "a number and a unit" },
	{ "cron(0 8 * * *)", "six fields" },
	{ "cron(0 8 * * * *)", "one of day and weekday is ?" },
	{ "cron(0 8 ? * ? *)", "one of day and weekday is ?" },
	{ "cron(60 8 * * ? *)", "minute \"60\": allowed are 0 to 59" },
	{ "cron(0 24 * * ? *)", "hour \"24\"" },
	{ "cron(0 8 32 * ? *)", "day \"32\"" },
	{ "cron(0 8 * 13 ? *)", "month \"13\"" },
	{ "cron(0 8 ? * 8 *)", "weekday \"8\"" },
	{ "cron(0 8 ? * 2#6 *)", "weekday \"2#6\"" },
	{ "cron(0 8 * * ? 1960)", "year \"1960\"" },
	{ "cron(0 8 L-31 * ? *)", "day \"L-31\"" },
	{ "cron(0 8 L-3x * ? *)", "day \"L-3x\"" },
	{ "cron(0 8 * * ? *", "a bracket" },
	{ "every 5m)", "a bracket" },
	{ "0 8 * * *)", "a bracket" },
	{ "1-5/0 * * * *", "minute \"1-5/0\"" },
	{ "1/ * * * *", "minute \"1/\"" },
	{ "0 8 L * *", "day" },
	{ "0/0 8 * * *", "minute \"0/0\"" },
	{ "1, 8 * * *", "minute \"1,\"" },
	{ "0 8 * * * *", "five" },
	{ "@daily", "\"@daily\": is every 5m" },
	{ "at(2026-12-24T18:00:00)", "\"at(2026-12-24T18:00:00)\": is every 5m" },
	{ "hourly", "five fields" },
	{ "rate(0 hours)", "\"rate(0 hours)\"" },
};

static void
wrong_schedule_names_its_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct schedule schedule;
		struct err err;

		if (schedule_parse(wrong[i].schedule, &schedule, &err) == 0 &&
		    strcmp(wrong[i].schedule, "0 8 L * *") != 0)
			fail_msg("\"%s\" was taken", wrong[i].schedule);
		else if (strcmp(wrong[i].schedule, "0 8 L * *") != 0 &&
			 strstr(err.text, wrong[i].says) == NULL)
			fail_msg("\"%s\": %s", wrong[i].schedule, err.text);
	}
}

static void
what_never_comes_is_told_soon(void **state)
{
	struct schedule schedule;
	struct err err;

	(void)state;
	assert_int_equal(schedule_parse("cron(0 0 30 2 ? *)", &schedule, &err), 0);
	assert_true(schedule_next(&schedule, NULL, ms_of("2026-11-23 00:00")) == INT64_MAX);
	assert_int_equal(schedule_parse("cron(0 0 1 1 ? 1999)", &schedule, &err), 0);
	assert_true(schedule_next(&schedule, NULL, ms_of("2026-11-23 00:00")) == INT64_MAX);
}

/* Searching in pieces finds the same, however small they are, and never takes many steps. */
static void
search_in_pieces_finds_the_same(void **state)
{
	struct zone *berlin = load("Europe/Berlin");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct schedule schedule;
		struct schedule_search search;
		struct err err;
		unsigned pieces = 0, steps;

		assert_int_equal(schedule_parse(cases[i].schedule, &schedule, &err), 0);
		schedule_search_begin(&search, ms_of(cases[i].after));
		do {
			steps = 2;
		} while (
		    ++pieces < 20000 && !schedule_search_go(&search, &schedule, berlin, &steps));
		assert_true(search.is_over);
		assert_true(
		    search.next_ms == schedule_next(&schedule, berlin, ms_of(cases[i].after)));
	}
	zone_free(berlin);
}

static void
far_future_takes_few_steps(void **state)
{
	static const char *const far[] = { "cron(0 0 1 1 ? 2199)", "cron(0 0 1 1 ? 1999)",
		"cron(0 0 30 2 ? *)", "cron(0 0 29 2 ? 2196)" };

	(void)state;
	for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++) {
		struct schedule_search search;
		struct schedule schedule;
		struct err err;
		unsigned steps = 4000;

		assert_int_equal(schedule_parse(far[i], &schedule, &err), 0);
		schedule_search_begin(&search, ms_of("2026-11-23 00:00"));
		assert_true(schedule_search_go(&search, &schedule, NULL, &steps));
	}
}

static void
calendar_agrees_with_itself(void **state)
{
	(void)state;
	for (int64_t day = -200000; day < 200000; day += 7) {
		struct civil civil = civil_of(day * 86400 + 86399);

		assert_true(civil_days(civil.year, civil.month, civil.day) == day);
		assert_int_equal(civil.hour, 23);
	}
	assert_int_equal(civil_of(0).weekday, 4);
}

/* Damaged files are refused or read, never worse. */
static void
zone_file_may_be_anything(void **state)
{
	struct buf file = { 0 };
	FILE *from = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	unsigned seed = 1;

	(void)state;
	if (from == NULL)
		skip();
	file.len = fread(buf_reserve(&file, 65536), 1, 65536, from);
	(void)fclose(from);
	for (int i = 0; i < 20000; i++) {
		struct buf copy = { 0 };
		struct zone *zone;

		buf_append_bytes(&copy, buf_bytes(&file));
		seed = seed * 1103515245u + 12345u;
		copy.data[(seed >> 8) % (i % 2 == 0 ? 200 : copy.len)] = (uint8_t)(seed >> 24);
		copy.len -= (seed >> 4) % 50;
		zone = zone_parse(buf_bytes(&copy));
		(void)zone_offset(zone, (int64_t)seed * 3);
		zone_free(zone);
		buf_clear(&copy);
	}
	buf_clear(&file);
	assert_true(zone_name_is_valid("America/Argentina/Buenos_Aires"));
	assert_false(zone_name_is_valid("../../etc/passwd"));
	assert_false(zone_name_is_valid("/etc/passwd"));
	assert_false(zone_name_is_valid(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_time_is_found),
		cmocka_unit_test(wrong_schedule_names_its_field),
		cmocka_unit_test(what_never_comes_is_told_soon),
		cmocka_unit_test(search_in_pieces_finds_the_same),
		cmocka_unit_test(far_future_takes_few_steps),
		cmocka_unit_test(calendar_agrees_with_itself),
		cmocka_unit_test(zone_file_may_be_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
