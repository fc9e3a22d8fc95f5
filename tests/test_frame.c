/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "lib/frame.h"
#include "lib/protocol.h"

static struct buf
sample(void)
{
	struct buf out = { 0 };
	size_t begun = frame_begin(&out, HOST_REPLY);

	frame_u64(&out, 0x1122334455667788u);
	frame_u32(&out, 7);
	frame_u8(&out, 1);
	frame_i64(&out, -2);
	frame_u16(&out, 65535);
	frame_string(&out, "text");
	frame_finish(&out, begun);
	return out;
}

static void
fields_come_back_as_they_were_written(void **state)
{
	struct buf out = sample();
	struct cursor cursor;
	struct frame frame;
	size_t used;

	(void)state;
	assert_int_equal(frame_next(buf_bytes(&out), &frame, &used), FRAME_OK);
	assert_int_equal(used, out.len);
	assert_int_equal(frame.type, HOST_REPLY);
	cursor = cursor_of(frame.fields);
	assert_true(cursor_u64(&cursor) == 0x1122334455667788u);
	assert_int_equal(cursor_u32(&cursor), 7);
	assert_int_equal(cursor_u8(&cursor), 1);
	assert_int_equal(cursor_i64(&cursor), -2);
	assert_int_equal(cursor_u16(&cursor), 65535);
	assert_false(cursor_end(&cursor));
	assert_true(bytes_equal_string(cursor_bytes(&cursor), "text"));
	assert_true(cursor_end(&cursor));
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_false(cursor_end(&cursor));
	buf_clear(&out);
}

static void
truncated_frame_asks_for_more_at_each_byte(void **state)
{
	struct buf out = sample();
	struct frame frame;
	size_t used;

	(void)state;
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(frame_next(bytes_of(out.data, len), &frame, &used), FRAME_MORE);
	buf_clear(&out);
}

static void
lengths_out_of_bounds_are_refused_from_the_head(void **state)
{
	const uint8_t none[] = { 0, 0, 0, 0 }, huge[] = { 0xff, 0xff, 0xff, 0xff };
	struct frame frame;
	size_t used;

	(void)state;
	assert_int_equal(frame_next(bytes_of(none, 4), &frame, &used), FRAME_BAD);
	assert_int_equal(frame_next(bytes_of(huge, 4), &frame, &used), FRAME_BAD);
}

static void
string_longer_than_its_frame_is_bad(void **state)
{
	const uint8_t fields[] = { 5, 0, 0, 0, 'a' };
	struct cursor cursor = cursor_of(bytes_of(fields, sizeof(fields)));

	(void)state;
	assert_int_equal(cursor_bytes(&cursor).len, 0);
	assert_true(cursor.bad);
	assert_false(cursor_end(&cursor));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back_as_they_were_written),
		cmocka_unit_test(truncated_frame_asks_for_more_at_each_byte),
		cmocka_unit_test(lengths_out_of_bounds_are_refused_from_the_head),
		cmocka_unit_test(string_longer_than_its_frame_is_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
