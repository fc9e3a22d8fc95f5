/* SPDX-License-Identifier: MIT
 * A saved trace as somebody hands it over: it is refused, or told and masked without harm.
 */
#include <assert.h>

#include "runtime/traces/replay.h"
#include "runtime/traces/trace_story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
redact(struct bytes record)
{
	struct trace_record read;
	struct buf copy = { 0 };

	buf_append_bytes(&copy, record);
	trace_redact(&copy);
	assert(copy.len == record.len);
	(void)trace_record_read(buf_bytes(&copy), &read);
	buf_clear(&copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cursor cursor = cursor_of(bytes_of(data, len));
	struct replay_case given;
	struct err err;

	if (replay_case_read(bytes_of(data, len), &given, &err) == 0) {
		cJSON_Delete(trace_story(&given.record, 1));
		redact(cursor_bytes(&cursor));
	}
	return 0;
}
