/* SPDX-License-Identifier: MIT
 * Shadow documents, case by case: what is stored, what is requested, what is answered and what is
 * stored then. The clock stands at 100; stored leaves are of 50.
 */
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/shadow_doc.h"
#include "lib/shadow_topic.h"

#define STORED(state, metadata) \
	"{\"state\":" state ",\"metadata\":" metadata ",\"version\":7,\"timestamp\":50}"
#define T50 "{\"timestamp\":50}"
#define T100 "{\"timestamp\":100}"
#define ONE_DESIRED STORED("{\"desired\":{\"a\":1}}", "{\"desired\":{\"a\":" T50 "}}")
#define BOTH                                                                                    \
	STORED("{\"desired\":{\"a\":1,\"b\":2},\"reported\":{\"a\":1,\"b\":3}}",                \
	    "{\"desired\":{\"a\":" T50 ",\"b\":" T50 "},\"reported\":{\"a\":" T50 ",\"b\":" T50 \
	    "}}")
#define DELETED "{\"deleted\":true,\"version\":7,\"timestamp\":50}"
#define NONE ""

#define REFUSED(code, text) "{\"code\":" #code ",\"message\":\"" text "\",\"timestamp\":100}"
#define REFUSED_TOKEN(code, text) \
	"{\"code\":" #code ",\"message\":\"" text "\",\"timestamp\":100,\"clientToken\":\"t\"}"

enum operation { UPDATE, GET, DELETE };

struct shadow_case {
	const char *what;
	enum operation operation;
	const char *stored;
	const char *payload;
	int code;
	const char *answer; /* NULL: not looked at, as below */
	const char *delta;
	const char *documents;
	const char *then; /* what is stored afterwards */
};

static const struct shadow_case cases[] = {
	/* --- accepted updates --- */
	{ "numbers keep their digits, and are compared by them", UPDATE,
	    STORED("{\"reported\":{\"a\":9007199254740993,\"b\":9223372036854775806}}",
		"{\"reported\":{\"a\":" T50 ",\"b\":" T50 "}}"),
	    "{\"state\":{\"desired\":{\"a\":9007199254740993,\"b\":9223372036854775807,"
	    "\"c\":0.30000000000000004}}}",
	    0, NULL,
	    "{\"state\":{\"b\":9223372036854775807,\"c\":0.30000000000000004},\"metadata\":{\"b\":" T100
	    ",\"c\":" T100 "},\"version\":8,\"timestamp\":100}",
	    NULL,
	    "{\"state\":{\"reported\":{\"a\":9007199254740993,\"b\":9223372036854775806},"
	    "\"desired\":{\"a\":9007199254740993,\"b\":9223372036854775807,\"c\":0.30000000000000004}},"
	    "\"metadata\":{\"reported\":{\"a\":" T50 ",\"b\":" T50 "},\"desired\":{\"a\":" T100
	    ",\"b\":" T100 ",\"c\":" T100 "}},\"version\":8,\"timestamp\":100}" },
	{ "first update makes the shadow", UPDATE, NONE, "{\"state\":{\"desired\":{\"a\":1}}}", 0,
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":1,\"timestamp\":100}",
	    "{\"state\":{\"a\":1},\"metadata\":{\"a\":" T100 "},\"version\":1,\"timestamp\":100}",
	    "{\"previous\":{\"state\":{},\"metadata\":{},\"version\":0},"
	    "\"current\":{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":1},\"timestamp\":100}",
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":1,\"timestamp\":100}" },
	{ "client token is echoed everywhere", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"a\":1}},\"clientToken\":\"t\"}", 0,
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":1,\"timestamp\":100,\"clientToken\":\"t\"}",
	    "{\"state\":{\"a\":1},\"metadata\":{\"a\":" T100
	    "},\"version\":1,\"timestamp\":100,\"clientToken\":\"t\"}",
	    "{\"previous\":{\"state\":{},\"metadata\":{},\"version\":0},"
	    "\"current\":{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":1},\"timestamp\":100,\"clientToken\":\"t\"}",
	    NULL },
	{ "answer holds only what was asked for", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"reported\":{\"a\":1}}}", 0,
	    "{\"state\":{\"reported\":{\"a\":1}},\"metadata\":{\"reported\":{\"a\":" T100
	    "}},\"version\":8,\"timestamp\":100}",
	    "",
	    "{\"previous\":{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T50
	    "}},\"version\":7},\"current\":{\"state\":{\"desired\":{\"a\":1},\"reported\":{\"a\":1}"
	    "},"
	    "\"metadata\":{\"desired\":{\"a\":" T50 "},\"reported\":{\"a\":" T100
	    "}},\"version\":8},\"timestamp\":100}",
	    NULL },
	{ "delta keeps the time of the wish", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"reported\":{\"a\":2}}}", 0, NULL,
	    "{\"state\":{\"a\":1},\"metadata\":{\"a\":" T50 "},\"version\":8,\"timestamp\":100}",
	    NULL, NULL },
	{ "null deletes one", UPDATE, BOTH, "{\"state\":{\"desired\":{\"b\":null}}}", 0,
	    "{\"state\":{\"desired\":{\"b\":null}},\"metadata\":{\"desired\":{}},\"version\":8,"
	    "\"timestamp\":100}",
	    "", NULL,
	    "{\"state\":{\"desired\":{\"a\":1},\"reported\":{\"a\":1,\"b\":3}},\"metadata\":"
	    "{\"desired\":{\"a\":" T50 "},\"reported\":{\"a\":" T50 ",\"b\":" T50
	    "}},\"version\":8,\"timestamp\":100}" },
	{ "null deletes a section", UPDATE, BOTH, "{\"state\":{\"desired\":null}}", 0,
	    "{\"state\":{\"desired\":null},\"metadata\":{\"desired\":null},\"version\":8,"
	    "\"timestamp\":100}",
	    "", NULL,
	    "{\"state\":{\"reported\":{\"a\":1,\"b\":3}},\"metadata\":{\"reported\":{\"a\":" T50
	    ",\"b\":" T50 "}},\"version\":8,\"timestamp\":100}" },
	{ "section without members goes", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"desired\":{\"a\":null}}}", 0, NULL, "", NULL,
	    "{\"state\":{},\"metadata\":{},\"version\":8,\"timestamp\":100}" },
	{ "null for what is not there changes nothing", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"desired\":{\"x\":null},\"reported\":null}}", 0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T50
	    "}},\"version\":8,\"timestamp\":100}" },
	{ "objects merge", UPDATE,
	    STORED("{\"desired\":{\"o\":{\"x\":1,\"y\":2}}}",
		"{\"desired\":{\"o\":{\"x\":" T50 ",\"y\":" T50 "}}}"),
	    "{\"state\":{\"desired\":{\"o\":{\"y\":3,\"z\":null}}}}", 0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"o\":{\"x\":1,\"y\":3}}},\"metadata\":{\"desired\":{\"o\":"
	    "{\"x\":" T50 ",\"y\":" T100 "}}},\"version\":8,\"timestamp\":100}" },
	{ "arrays are replaced whole", UPDATE,
	    STORED(
		"{\"desired\":{\"l\":[1,2,3]}}", "{\"desired\":{\"l\":[" T50 "," T50 "," T50 "]}}"),
	    "{\"state\":{\"desired\":{\"l\":[4,{\"k\":5}]}}}", 0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"l\":[4,{\"k\":5}]}},\"metadata\":{\"desired\":{\"l\":[" T100
	    ",{\"k\":" T100 "}]}},\"version\":8,\"timestamp\":100}" },
	{ "leaf becomes an object", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"desired\":{\"a\":{\"b\":1}}}}", 0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"a\":{\"b\":1}}},\"metadata\":{\"desired\":{\"a\":{"
	    "\"b\":" T100 "}}},\"version\":8,\"timestamp\":100}" },
	{ "object becomes a leaf", UPDATE,
	    STORED("{\"desired\":{\"o\":{\"x\":1}}}", "{\"desired\":{\"o\":{\"x\":" T50 "}}}"),
	    "{\"state\":{\"desired\":{\"o\":true}}}", 0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"o\":true}},\"metadata\":{\"desired\":{\"o\":" T100
	    "}},\"version\":8,\"timestamp\":100}" },
	{ "same value gets a new time", UPDATE, ONE_DESIRED, "{\"state\":{\"desired\":{\"a\":1}}}",
	    0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":8,\"timestamp\":100}" },
	{ "names tell capitals apart", UPDATE, ONE_DESIRED, "{\"state\":{\"reported\":{\"A\":1}}}",
	    0, NULL,
	    "{\"state\":{\"a\":1},\"metadata\":{\"a\":" T50 "},\"version\":8,\"timestamp\":100}",
	    NULL, NULL },
	{ "difference inside an object", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"o\":{\"x\":1,\"y\":2}},\"reported\":{\"o\":{\"x\":1,\"y\":"
	    "3},"
	    "\"other\":1}}}",
	    0, NULL,
	    "{\"state\":{\"o\":{\"y\":2}},\"metadata\":{\"o\":{\"y\":" T100
	    "}},\"version\":1,\"timestamp\":100}",
	    NULL, NULL },
	{ "array that differs stands whole in the delta", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"l\":[1,2]},\"reported\":{\"l\":[1,3]}}}", 0, NULL,
	    "{\"state\":{\"l\":[1,2]},\"metadata\":{\"l\":[" T100 "," T100
	    "]},\"version\":1,\"timestamp\":100}",
	    NULL, NULL },
	{ "equal arrays are no difference", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"l\":[1,{\"a\":2}]},\"reported\":{\"l\":[1,{\"a\":2}]}}}", 0,
	    NULL, "", NULL, NULL },
	{ "number and text of it differ", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"a\":1},\"reported\":{\"a\":\"1\"}}}", 0, NULL,
	    "{\"state\":{\"a\":1},\"metadata\":{\"a\":" T100 "},\"version\":1,\"timestamp\":100}",
	    NULL, NULL },
	{ "empty state counts as an update", UPDATE, ONE_DESIRED, "{\"state\":{}}", 0,
	    "{\"state\":{},\"metadata\":{},\"version\":8,\"timestamp\":100}", NULL, NULL, NULL },
	{ "right version is taken", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"desired\":{\"a\":2}},\"version\":7}", 0, NULL, NULL, NULL, NULL },
	{ "version goes on after a delete", UPDATE, DELETED, "{\"state\":{\"desired\":{\"a\":1}}}",
	    0,
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":8,\"timestamp\":100}",
	    NULL, NULL, NULL },
	{ "tombstone ends after two days", UPDATE,
	    "{\"deleted\":true,\"version\":7,\"timestamp\":-172801}",
	    "{\"state\":{\"desired\":{\"a\":1}}}", 0, NULL, NULL, NULL,
	    "{\"state\":{\"desired\":{\"a\":1}},\"metadata\":{\"desired\":{\"a\":" T100
	    "}},\"version\":1,\"timestamp\":100}" },
	{ "eight levels are taken", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":{}}}}}"
	    "}}}}}}",
	    0, NULL, NULL, NULL, NULL },
	{ "text beyond ASCII", UPDATE, NONE,
	    "{\"state\":{\"reported\":{\"ort\":\"K\xc3\xb6ln\"}}} ", 0, NULL, "", NULL,
	    "{\"state\":{\"reported\":{\"ort\":\"K\xc3\xb6ln\"}},\"metadata\":{\"reported\":{"
	    "\"ort\":" T100 "}},\"version\":1,\"timestamp\":100}" },
	/* --- refused updates --- */
	{ "no JSON", UPDATE, NONE, "{\"state\":", 400, REFUSED(400, "Invalid JSON"), "", "", NULL },
	{ "nothing", UPDATE, NONE, "", 400, REFUSED(400, "Invalid JSON"), "", "", NULL },
	{ "no object", UPDATE, NONE, "[1]", 400, REFUSED(400, "Invalid JSON"), "", "", NULL },
	{ "something behind it", UPDATE, NONE, "{\"state\":{}} x", 400,
	    REFUSED(400, "Invalid JSON"), "", "", NULL },
	{ "no state", UPDATE, NONE, "{\"clientToken\":\"t\"}", 400,
	    REFUSED_TOKEN(400, "Missing required node: state"), "", "", NULL },
	{ "state is no object", UPDATE, NONE, "{\"state\":1,\"clientToken\":\"t\"}", 400,
	    REFUSED_TOKEN(400, "State node must be an object"), "", "", NULL },
	{ "desired is no object", UPDATE, NONE, "{\"state\":{\"desired\":[]}}", 400,
	    REFUSED(400, "Desired node must be an object"), "", "", NULL },
	{ "reported is no object", UPDATE, NONE, "{\"state\":{\"reported\":\"x\"}}", 400,
	    REFUSED(400, "Reported node must be an object"), "", "", NULL },
	{ "foreign node", UPDATE, NONE, "{\"state\":{\"wanted\":{}}}", 400,
	    REFUSED(400, "State contains an invalid node"), "", "", NULL },
	{ "nine levels", UPDATE, NONE,
	    "{\"state\":{\"desired\":{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":[{}]}}"
	    "}}}}}}}}",
	    400, REFUSED(400, "JSON contains too many levels of nesting; maximum is 8"), "", "",
	    NULL },
	{ "version is text", UPDATE, NONE, "{\"state\":{},\"version\":\"7\"}", 400,
	    REFUSED(400, "Invalid version"), "", "", NULL },
	{ "version is broken", UPDATE, NONE, "{\"state\":{},\"version\":1.5}", 400,
	    REFUSED(400, "Invalid version"), "", "", NULL },
	{ "version is negative", UPDATE, NONE, "{\"state\":{},\"version\":-1}", 400,
	    REFUSED(400, "Invalid version"), "", "", NULL },
	{ "token is a number", UPDATE, NONE, "{\"state\":{},\"clientToken\":7}", 400,
	    REFUSED(400, "Invalid clientToken"), "", "", NULL },
	{ "token is too long", UPDATE, NONE,
	    "{\"state\":{},\"clientToken\":\"12345678901234567890123456789012345678901234567890"
	    "123456789012345\"}",
	    400, REFUSED(400, "Invalid clientToken"), "", "", NULL },
	{ "old version", UPDATE, ONE_DESIRED,
	    "{\"state\":{\"desired\":{\"a\":2}},\"version\":6,\"clientToken\":\"t\"}", 409,
	    REFUSED_TOKEN(409, "Version conflict"), "", "", ONE_DESIRED },
	{ "version of what never was", UPDATE, NONE, "{\"state\":{},\"version\":3}", 409,
	    REFUSED(409, "Version conflict"), "", "", NULL },
	{ "bytes that are no text", UPDATE, NONE, "{\"state\":{\"desired\":{\"a\":\"\xff\"}}}", 415,
	    REFUSED(415, "Unsupported documented encoding; supported encoding is UTF-8"), "", "",
	    NULL },
	/* --- get --- */
	{ "get tells the difference", GET, BOTH, "{\"clientToken\":\"t\"}", 0,
	    "{\"state\":{\"desired\":{\"a\":1,\"b\":2},\"reported\":{\"a\":1,\"b\":3},\"delta\":{"
	    "\"b\":2}},\"metadata\":{\"desired\":{\"a\":" T50 ",\"b\":" T50
	    "},\"reported\":{\"a\":" T50 ",\"b\":" T50
	    "}},\"version\":7,\"timestamp\":100,\"clientToken\":\"t\"}",
	    "", "", BOTH },
	{ "get with nothing", GET, ONE_DESIRED, "", 0,
	    "{\"state\":{\"desired\":{\"a\":1},\"delta\":{\"a\":1}},\"metadata\":{\"desired\":{"
	    "\"a\":" T50 "}},\"version\":7,\"timestamp\":100}",
	    "", "", NULL },
	{ "get of what is not there", GET, NONE, "", 404,
	    REFUSED(404, "No shadow exists with name: 'car~lights'"), "", "", NULL },
	{ "get of what was deleted", GET, DELETED, "{\"clientToken\":\"t\"}", 404,
	    REFUSED_TOKEN(404, "No shadow exists with name: 'car~lights'"), "", "", NULL },
	{ "get with no JSON", GET, ONE_DESIRED, "x", 400, REFUSED(400, "Invalid JSON"), "", "",
	    NULL },
	/* --- delete --- */
	{ "delete tells the version", DELETE, ONE_DESIRED, "{\"clientToken\":\"t\"}", 0,
	    "{\"version\":7,\"timestamp\":100,\"clientToken\":\"t\"}", "", "",
	    "{\"deleted\":true,\"version\":7,\"timestamp\":100}" },
	{ "delete of another version", DELETE, ONE_DESIRED, "{\"version\":3}", 409,
	    REFUSED(409, "Version conflict"), "", "", ONE_DESIRED },
	{ "delete of what is not there", DELETE, NONE, "", 404,
	    REFUSED(404, "No shadow exists with name: 'car~lights'"), "", "", NULL },
	{ "second delete", DELETE, DELETED, "", 404,
	    REFUSED(404, "No shadow exists with name: 'car~lights'"), "", "", NULL },
};

static int
request(enum operation operation, struct shadow_doc *doc, struct bytes payload,
    struct shadow_reply *reply)
{
	const struct shadow_request request = {
		.thing = bytes_of_string("car"),
		.name = bytes_of_string("lights"),
		.payload = payload,
		.now_s = 100,
	};

	if (operation == UPDATE)
		return shadow_doc_update(doc, &request, reply);
	if (operation == GET)
		return shadow_doc_get(doc, &request, reply);
	return shadow_doc_delete(doc, &request, reply);
}

static void
expect(const char *what, const char *part, const char *expected, struct buf *got)
{
	if (expected != NULL && strcmp(expected, buf_string(got)) != 0)
		fail_msg("%s: %s\nexpected %s\ngot      %s", what, part, expected, buf_string(got));
}

static void
run_case(const struct shadow_case *c)
{
	struct shadow_doc doc = { 0 };
	struct shadow_reply reply = { 0 };
	struct buf then = { 0 };
	int code;

	if (*c->stored != '\0')
		assert_int_equal(shadow_doc_read(&doc, bytes_of_string(c->stored)), 0);
	code = request(c->operation, &doc, bytes_of_string(c->payload), &reply);
	if (code != c->code || reply.code != code)
		fail_msg("%s: code %d: %s", c->what, code, buf_string(&reply.answer));
	expect(c->what, "answer", c->answer, &reply.answer);
	expect(c->what, "delta", c->delta, &reply.delta);
	expect(c->what, "documents", c->documents, &reply.documents);
	shadow_doc_write(&doc, &then);
	expect(c->what, "stored", c->then, &then);
	buf_clear(&then);
	shadow_reply_clear(&reply);
	shadow_doc_clear(&doc);
}

static void
every_case_is_answered_as_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run_case(&cases[i]);
}

static void
fill(struct buf *out, size_t len)
{
	buf_append_string(out, "{\"state\":{\"reported\":{\"a\":\"");
	for (size_t i = 0; i < len; i++)
		buf_append_u8(out, 'x');
	buf_append_string(out, "\"}}}");
}

static void
document_of_more_than_8_kb_is_refused_alone_or_merged(void **state)
{
	struct shadow_doc doc = { 0 };
	struct shadow_reply reply = { 0 };
	struct buf payload = { 0 };

	(void)state;
	fill(&payload, 8192);
	assert_int_equal(request(UPDATE, &doc, buf_bytes(&payload), &reply), 413);
	shadow_reply_clear(&reply);
	buf_reset(&payload);
	fill(&payload, 8000);
	assert_int_equal(request(UPDATE, &doc, buf_bytes(&payload), &reply), 0);
	shadow_reply_clear(&reply);
	buf_reset(&payload);
	buf_append_string(&payload, "{\"state\":{\"desired\":{\"a\":\"");
	for (int i = 0; i < 200; i++)
		buf_append_u8(&payload, 'x');
	buf_append_string(&payload, "\"}}}");
	assert_int_equal(request(UPDATE, &doc, buf_bytes(&payload), &reply), 413);
	assert_string_equal(buf_string(&reply.answer),
	    REFUSED(413, "The payload exceeds the maximum size allowed"));
	assert_int_equal(doc.version, 1);
	shadow_reply_clear(&reply);
	shadow_doc_clear(&doc);
	buf_clear(&payload);
}

static void
request_that_was_not_tried_is_refused_with_its_token(void **state)
{
	const struct shadow_request request = {
		.payload = bytes_of_string("{\"clientToken\":\"t\"}"), .now_s = 100
	};
	struct shadow_reply reply = { 0 };

	(void)state;
	shadow_reply_refuse(&reply, &request, 500, NULL);
	assert_string_equal(
	    buf_string(&reply.answer), REFUSED_TOKEN(500, "Internal service failure"));
	assert_int_equal(reply.code, 500);
	shadow_reply_clear(&reply);
}

static void
stored_document_of_another_form_is_noticed(void **state)
{
	static const char *const texts[] = { "", "x", "{}", "[]", "{\"version\":1}",
		"{\"version\":1,\"timestamp\":2}", "{\"version\":1,\"timestamp\":2,\"state\":{}}" };
	struct shadow_doc doc;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(shadow_doc_read(&doc, bytes_of_string(texts[i])), -1);
}

static const struct topic_case {
	const char *topic;
	bool is_request;
	enum shadow_request_kind kind;
	const char *thing, *name;
} topic_cases[] = {
	{ "$aws/things/car/shadow/get", true, SHADOW_REQUEST_GET, "car", "" },
	{ "$aws/things/car/shadow/update", true, SHADOW_REQUEST_UPDATE, "car", "" },
	{ "$aws/things/car/shadow/name/l/delete", true, SHADOW_REQUEST_DELETE, "car", "l" },
	{ "$aws/things/car/shadow/update/accepted", false, 0, "", "" },
	{ "$aws/things/car/shadow/name/get", false, 0, "", "" },
	{ "$aws/things/car/shadow/name//get", false, 0, "", "" },
	{ "$aws/things//shadow/get", false, 0, "", "" },
	{ "$aws/things/car/shadow", false, 0, "", "" },
	{ "$aws/things/car/shadow/name/l/update/delta", false, 0, "", "" },
	{ "$aws/things/car/shadows/get", false, 0, "", "" },
	{ "$AWS/things/car/shadow/get", false, 0, "", "" },
	{ "aws", false, 0, "", "" },
};

static void
topics_of_requests_are_told_from_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(topic_cases) / sizeof(*topic_cases); i++) {
		const struct topic_case *c = &topic_cases[i];
		struct shadow_topic topic;

		assert_int_equal(
		    shadow_topic_parse(bytes_of_string(c->topic), &topic), c->is_request);
		if (!c->is_request)
			continue;
		assert_int_equal(topic.kind, c->kind);
		assert_true(bytes_equal_string(topic.thing, c->thing));
		assert_true(bytes_equal_string(topic.name, c->name));
	}
}

static void
names_are_of_letters_digits_and_few_marks(void **state)
{
	char longest[130];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(shadow_thing_is_valid(bytes_of(longest, 128)));
	assert_false(shadow_thing_is_valid(bytes_of(longest, 129)));
	assert_true(shadow_name_is_valid(bytes_of(longest, 64)));
	assert_false(shadow_name_is_valid(bytes_of(longest, 65)));
	assert_true(shadow_thing_is_valid(bytes_of_string("Car_1:a-b")));
	assert_false(shadow_thing_is_valid(bytes_of_string("")));
	assert_false(shadow_thing_is_valid(bytes_of_string("a b")));
	assert_false(shadow_thing_is_valid(bytes_of_string("a\xc3\xb6")));
	assert_false(shadow_thing_is_valid(bytes_of("a\0b", 3)));
	assert_true(shadow_name_is_valid(bytes_of_string("")));
}

static void
topic_is_written_for_classic_and_named_shadows(void **state)
{
	struct buf topic = { 0 };

	(void)state;
	shadow_topic_write(&topic, bytes_of_string("car"), bytes_of_string(""), "get/accepted");
	assert_string_equal(buf_string(&topic), "$aws/things/car/shadow/get/accepted");
	buf_reset(&topic);
	shadow_topic_write(&topic, bytes_of_string("car"), bytes_of_string("l"), "update/delta");
	assert_string_equal(buf_string(&topic), "$aws/things/car/shadow/name/l/update/delta");
	buf_clear(&topic);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_answered_as_expected),
		cmocka_unit_test(document_of_more_than_8_kb_is_refused_alone_or_merged),
		cmocka_unit_test(request_that_was_not_tried_is_refused_with_its_token),
		cmocka_unit_test(stored_document_of_another_form_is_noticed),
		cmocka_unit_test(topics_of_requests_are_told_from_others),
		cmocka_unit_test(names_are_of_letters_digits_and_few_marks),
		cmocka_unit_test(topic_is_written_for_classic_and_named_shadows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
