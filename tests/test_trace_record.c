/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "runtime/traces/trace_record.h"
#include "runtime/traces/trace_story.h"

static void
put_entry(struct buf *entries, enum trace_entry_kind kind, struct buf *fields)
{
	trace_entry_write(&(struct trace_entry){ kind, 7, buf_bytes(fields) }, entries);
	buf_clear(fields);
}

static void
put_call(struct buf *entries, uint32_t number, enum call_kind kind, const char *text)
{
	struct buf fields = { 0 };

	frame_u32(&fields, number);
	frame_i64(&fields, 100);
	frame_u8(&fields, (uint8_t)kind);
	frame_string(&fields, text);
	put_entry(entries, TRACE_CALL, &fields);
}

static void
put_reply(struct buf *entries, uint32_t number, const char *text)
{
	struct buf fields = { 0 };

	frame_u32(&fields, number);
	frame_i64(&fields, 200);
	frame_u8(&fields, 1);
	frame_string(&fields, text);
	put_entry(entries, TRACE_REPLY, &fields);
}

static void
put_log(struct buf *entries, const char *text)
{
	struct buf fields = { 0 };

	frame_u8(&fields, 1);
	frame_string(&fields, text);
	put_entry(entries, TRACE_LOG, &fields);
}

static void
write_with(struct buf *entries, const char *message, struct buf *out)
{
	const struct trace_record record = { .end = TRACE_REFUSED,
		.hops = 3,
		.version = 9,
		.conflicts = 2,
		.begun_ms = 1000,
		.took_us = 2000,
		.seed = { 5, 6 },
		.program = bytes_of_string("moonlet"),
		.function_name = bytes_of_string("f"),
		.file = bytes_of_string("f.lua"),
		.key = bytes_of_string("key"),
		.invoke = bytes_of_string("invoke"),
		.message = bytes_of_string(message),
		.entries = buf_bytes(entries) };

	trace_record_write(&record, out);
	buf_clear(entries);
}

static void
a_record_reads_as_it_was_written(void **state)
{
	struct buf entries = { 0 }, out = { 0 };
	struct trace_record read;
	struct trace_entry entry;
	struct cursor cursor;

	(void)state;
	put_log(&entries, "hello");
	write_with(&entries, "no", &out);
	assert_true(trace_record_read(buf_bytes(&out), &read));
	assert_int_equal(read.end, TRACE_REFUSED);
	assert_true(read.hops == 3 && read.version == 9 && read.conflicts == 2);
	assert_true(read.begun_ms == 1000 && read.took_us == 2000 && read.seed[1] == 6);
	assert_true(bytes_equal_string(read.message, "no") && !read.cut && !read.redacted);
	cursor = cursor_of(read.entries);
	assert_true(trace_entry_read(&cursor, &entry));
	assert_true(entry.kind == TRACE_LOG && entry.at_us == 7);
	assert_false(trace_entry_read(&cursor, &entry));
	buf_clear(&out);
}

static void
a_record_that_is_cut_short_or_changed_is_refused_or_read_safely(void **state)
{
	struct buf entries = { 0 }, out = { 0 };
	struct trace_record read;

	(void)state;
	put_call(&entries, 1, CALL_SECRET, "key");
	put_reply(&entries, 1, "a secret that is long");
	write_with(&entries, "no", &out);
	for (size_t len = 0; len < out.len; len++)
		assert_false(trace_record_read(bytes_of(out.data, len), &read));
	for (size_t at = 0; at < out.len; at++) {
		struct buf copy = { 0 };

		buf_append_bytes(&copy, buf_bytes(&out));
		copy.data[at] ^= 0xff;
		trace_redact(&copy);
		if (trace_record_read(buf_bytes(&copy), &read))
			cJSON_Delete(trace_story(&read, 1));
		buf_clear(&copy);
	}
	buf_clear(&out);
}

static bool
holds(const struct buf *record, const char *text)
{
	return memmem(record->data, record->len, text, strlen(text)) != NULL;
}

static void
a_secret_is_masked_wherever_it_stands(void **state)
{
	struct buf entries = { 0 }, out = { 0 };
	struct trace_record read;
	size_t len;

	(void)state;
	put_call(&entries, 1, CALL_SECRET, "key");
	put_reply(&entries, 1, "hush-hush");
	put_log(&entries, "it is hush-hush, you know");
	put_call(&entries, 2, CALL_HTTP, "Bearer hush-hush");
	put_reply(&entries, 2, "welcome");
	write_with(&entries, "refused: hush-hush", &out);
	len = out.len;
	trace_redact(&out);
	assert_int_equal(out.len, len);
	assert_false(holds(&out, "hush-hush"));
	assert_true(holds(&out, "it is *********, you know") && holds(&out, "welcome"));
	assert_true(trace_record_read(buf_bytes(&out), &read) && read.redacted);
	buf_clear(&out);
}

static void
a_short_secret_is_masked_in_the_answer_alone(void **state)
{
	struct buf entries = { 0 }, out = { 0 };
	struct trace_record read;

	(void)state;
	put_call(&entries, 1, CALL_SECRET, "key");
	put_reply(&entries, 1, "ab");
	put_log(&entries, "cabbage");
	write_with(&entries, "no", &out);
	trace_redact(&out);
	assert_true(holds(&out, "cabbage") && holds(&out, "**"));
	assert_true(trace_record_read(buf_bytes(&out), &read) && read.redacted);
	buf_clear(&out);
}

static void
every_kind_of_call_has_words(void **state)
{
	struct trace_call call = { .number = 1, .fields = bytes_of_string("") };
	struct trace_reply reply = { .number = 1, .ok = true, .fields = bytes_of_string("") };
	struct buf text = { 0 };

	(void)state;
	for (int kind = CALL_HTTP; kind <= CALL_FILES_READ; kind++) {
		call.kind = (enum call_kind)kind;
		buf_reset(&text);
		trace_call_text(&call, &text);
		assert_null(strstr(buf_string(&text), "call of kind"));
		trace_reply_text(call.kind, &reply, &text);
	}
	buf_clear(&text);
}

static void
what_is_no_text_is_told_all_the_same(void **state)
{
	struct buf entries = { 0 }, out = { 0 };
	struct trace_record read;
	const char *words;
	cJSON *story;

	(void)state;
	put_log(&entries, "caf\xc3\xa9 \xff");
	write_with(&entries, "caf\xc3\xa9", &out);
	assert_true(trace_record_read(buf_bytes(&out), &read));
	story = trace_story(&read, 1);
	words = cJSON_GetStringValue(cJSON_GetObjectItem(story, "error"));
	assert_string_equal(words, "caf\xc3\xa9");
	words = cJSON_GetStringValue(
	    cJSON_GetObjectItem(cJSON_GetObjectItem(story, "steps")->child, "text"));
	assert_string_equal(words, "caf?? ?");
	cJSON_Delete(story);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_reads_as_it_was_written),
		cmocka_unit_test(a_record_that_is_cut_short_or_changed_is_refused_or_read_safely),
		cmocka_unit_test(a_secret_is_masked_wherever_it_stands),
		cmocka_unit_test(a_short_secret_is_masked_in_the_answer_alone),
		cmocka_unit_test(every_kind_of_call_has_words),
		cmocka_unit_test(what_is_no_text_is_told_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
