/* SPDX-License-Identifier: MIT
 * Shadow documents: lines are requests on one shadow, by their first byte an update ("u"), a delete
 * ("d") or a get ("g") with the rest as payload. What is stored must read back and stay within its
 * bounds; what is refused must change nothing.
 */
#include <assert.h>
#include <string.h>

#include "lib/shadow_doc.h"
#include "lib/shadow_topic.h"

enum { REQUESTS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
play(struct shadow_doc *doc, uint8_t kind, const struct shadow_request *request,
    struct shadow_reply *reply)
{
	if (kind == 'd')
		return shadow_doc_delete(doc, request, reply);
	if (kind == 'g')
		return shadow_doc_get(doc, request, reply);
	return shadow_doc_update(doc, request, reply);
}

static void
check_request(struct shadow_doc *doc, uint8_t kind, const struct shadow_request *request)
{
	struct buf before = { 0 }, after = { 0 }, copy = { 0 };
	struct shadow_reply reply = { 0 };
	struct shadow_doc again;
	int code;

	shadow_doc_write(doc, &before);
	code = play(doc, kind, request, &reply);
	shadow_doc_write(doc, &after);
	assert(code == 0 || (code >= 400 && code < 600));
	assert(reply.answer.len > 0);
	if (code != 0 || kind == 'g')
		assert(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
	assert(shadow_doc_read(&again, buf_bytes(&after)) == 0);
	shadow_doc_write(&again, &copy);
	assert(bytes_equal(buf_bytes(&copy), buf_bytes(&after)));
	shadow_doc_clear(&again);
	shadow_reply_clear(&reply);
	buf_clear(&before);
	buf_clear(&after);
	buf_clear(&copy);
}

/* Whatever the store holds, reading it does no harm. */
static void
check_stored(struct bytes stored)
{
	struct shadow_doc doc;

	if (shadow_doc_read(&doc, stored) == 0)
		shadow_doc_clear(&doc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct shadow_doc doc = { 0 };
	struct bytes left = bytes_of(data, len);
	struct shadow_topic topic;

	(void)shadow_topic_parse(left, &topic);
	check_stored(left);
	for (int i = 0; i < REQUESTS_MAX && left.len > 0; i++) {
		const uint8_t *end = memchr(left.data, '\n', left.len);
		size_t line = end != NULL ? (size_t)(end - left.data) : left.len;
		struct shadow_request request = { .thing = bytes_of_string("car"),
			.payload = bytes_of(left.data + (line > 0), line > 0 ? line - 1 : 0),
			.now_s = 1700000000 + i };

		check_request(&doc, left.data[0], &request);
		line += end != NULL;
		left = bytes_of(left.data + line, left.len - line);
	}
	shadow_doc_clear(&doc);
	return 0;
}
