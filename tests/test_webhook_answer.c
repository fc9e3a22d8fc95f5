/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "lib/frame.h"
#include "runtime/webhook_answer.h"

/* 2026-01-31 12:00:00 UTC */
enum { NOW_S = 1769860800 };

static void
statuses_are_taken_refused_or_tried_again(void **state)
{
	static const struct {
		unsigned status;
		enum webhook_verdict verdict;
	} cases[] = { { 200, WEBHOOK_TAKEN }, { 204, WEBHOOK_TAKEN }, { 299, WEBHOOK_TAKEN },
		{ 304, WEBHOOK_REFUSED }, { 400, WEBHOOK_REFUSED }, { 404, WEBHOOK_REFUSED },
		{ 408, WEBHOOK_AGAIN }, { 409, WEBHOOK_REFUSED }, { 425, WEBHOOK_AGAIN },
		{ 429, WEBHOOK_AGAIN }, { 500, WEBHOOK_AGAIN }, { 503, WEBHOOK_AGAIN },
		{ 599, WEBHOOK_AGAIN }, { 600, WEBHOOK_REFUSED } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct webhook_answer answer;
		struct buf fields = { 0 };

		frame_u16(&fields, (uint16_t)cases[i].status);
		frame_u16(&fields, 1);
		frame_string(&fields, "retry-after");
		frame_string(&fields, "7");
		frame_string(&fields, "body");
		webhook_answer_read(&answer, true, buf_bytes(&fields), NOW_S * 1000LL);
		assert_int_equal(answer.verdict, cases[i].verdict);
		assert_int_equal(answer.pause_ms, 7000);
		assert_int_equal(answer.text[0] == '\0', cases[i].verdict == WEBHOOK_TAKEN);
		buf_clear(&fields);
	}
}

static void
a_failure_of_the_network_is_tried_again_and_says_why(void **state)
{
	struct webhook_answer answer;
	struct buf fields = { 0 };

	(void)state;
	frame_string(&fields, "connection refused");
	webhook_answer_read(&answer, false, buf_bytes(&fields), 0);
	assert_int_equal(answer.verdict, WEBHOOK_AGAIN);
	assert_string_equal(answer.text, "connection refused");
	buf_clear(&fields);
}

static void
retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *value;
		int64_t ms;
	} cases[] = { { "0", 0 }, { "120", 120000 }, { "-5", 0 }, { "99999999999", 86400000 },
		{ "9999999999999999999999", 86400000 }, { "", 0 }, { "soon", 0 }, { "5s", 0 },
		{ "Sat, 31 Jan 2026 12:00:30 GMT", 30000 }, { "Sat, 31 Jan 2026 11:00:00 GMT", 0 },
		{ "Sat, 31 Jan 2026 12:00:30", 0 }, { "Wed, 31 Jan 2029 12:00:30 GMT", 86400000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    webhook_retry_after_ms(bytes_of_string(cases[i].value), NOW_S * 1000LL),
		    cases[i].ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_are_taken_refused_or_tried_again),
		cmocka_unit_test(a_failure_of_the_network_is_tried_again_and_says_why),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
