/* SPDX-License-Identifier: MIT
 * Answers of custom authorizers: what is understood, and what lets nobody in.
 */
#include "runtime/access/authorizer_answer.h"

#include <string.h>

#include "tests/unit.h"

#define ALL                                            \
	"{\"Version\":\"2012-10-17\",\"Statement\":[{" \
	"\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}"
#define WHO "\"isAuthenticated\":true,\"principalId\":\"fritz\""

static struct authorizer_answer *
parse(const char *json, struct err *err)
{
	return authorizer_answer_parse(bytes_of_string(json), err);
}

static void
an_answer_in_aws_shape_is_understood(void **state)
{
	struct err err;
	struct authorizer_answer *answer =
	    parse("{" WHO ",\"policyDocuments\":[" ALL ",\"{\\\"Version\\\":\\\"2012-10-17\\\","
		  "\\\"Statement\\\":[{\\\"Effect\\\":\\\"Deny\\\","
		  "\\\"Action\\\":\\\"*\\\",\\\"Resource\\\":\\\"*\\\"}]}\"],"
		  "\"disconnectAfterInSeconds\":3600,\"refreshAfterInSeconds\":300,\"context\":{}}",
		&err);

	(void)state;
	assert_non_null(answer);
	assert_true(answer->is_authenticated);
	assert_string_equal("fritz", answer->principal);
	assert_int_equal(2, answer->document_count);
	assert_int_equal(3600, answer->disconnect_s);
	assert_int_equal(300, answer->refresh_s);
	assert_null(answer->thing);
	authorizer_answer_unref(answer);
}

static void
what_is_left_out_has_a_meaning(void **state)
{
	struct err err;
	struct authorizer_answer *answer = parse(
	    "{" WHO ",\"policyDocuments\":{},\"policies\":[\"a\",\"b\"],\"thing\":\"car\"}", &err);

	(void)state;
	assert_non_null(answer);
	assert_int_equal(AUTHORIZER_SECONDS_MAX, answer->disconnect_s);
	assert_int_equal(0, answer->refresh_s);
	assert_string_equal("a,b", answer->policy_names);
	assert_string_equal("car", answer->thing);
	authorizer_answer_unref(answer);
	answer = parse("{" WHO ",\"policyDocuments\":" ALL "}", &err);
	assert_non_null(answer);
	assert_int_equal(1, answer->document_count);
	authorizer_answer_unref(answer);
	answer = parse("{\"isAuthenticated\":false}", &err);
	assert_non_null(answer);
	assert_false(answer->is_authenticated);
	authorizer_answer_unref(answer);
}

static void
what_is_not_understood_lets_nobody_in_and_names_the_member(void **state)
{
	static const struct {
		const char *json;
		const char *wanted;
	} cases[] = {
		{ "", "isAuthenticated" },
		{ "true", "isAuthenticated" },
		{ "[true]", "isAuthenticated" },
		{ "{}", "isAuthenticated" },
		{ "{\"isAuthenticated\":\"true\"}", "isAuthenticated" },
		{ "{\"isAuthenticated\":1}", "isAuthenticated" },
		{ "{\"IsAuthenticated\":true}", "isAuthenticated" },
		{ "{\"isAuthenticated\":true}", "principalId" },
		{ "{\"isAuthenticated\":true,\"principalId\":\"\"}", "principalId" },
		{ "{\"isAuthenticated\":true,\"principalId\":7}", "principalId" },
		{ "{\"isAuthenticated\":true,\"principalId\":\"a b\"}", "principalId" },
		{ "{\"isAuthenticated\":true,\"principalId\":\"a\\nb\"}", "principalId" },
		{ "{" WHO "}", "policyDocuments" },
		{ "{" WHO ",\"policyDocuments\":[]}", "policyDocuments" },
		{ "{" WHO ",\"policyDocuments\":[7]}", "policyDocuments[0]" },
		{ "{" WHO ",\"policyDocuments\":\"x\"}", "policyDocuments[0]" },
		{ "{" WHO ",\"policyDocuments\":[" ALL ",{\"Statement\":[]}]}",
		    "policyDocuments[1]" },
		{ "{" WHO ",\"policyDocuments\":[" ALL "," ALL "," ALL "," ALL "," ALL "," ALL
		  "," ALL "," ALL "," ALL "," ALL "," ALL "]}",
		    "at most 10" },
		{ "{" WHO ",\"policies\":[\"a,b\"]}", "policies" },
		{ "{" WHO ",\"policies\":[7]}", "policies" },
		{ "{" WHO ",\"policies\":{\"a\":\"b c\"}}", "policies" },
		{ "{" WHO ",\"policies\":\"a\",\"thing\":\"a/b\"}", "thing" },
		{ "{" WHO ",\"policies\":\"a\",\"refreshAfterInSeconds\":0}", "refresh" },
		{ "{" WHO ",\"policies\":\"a\",\"refreshAfterInSeconds\":-1}", "refresh" },
		{ "{" WHO ",\"policies\":\"a\",\"refreshAfterInSeconds\":1.5}", "refresh" },
		{ "{" WHO ",\"policies\":\"a\",\"refreshAfterInSeconds\":\"300\"}", "refresh" },
		{ "{" WHO ",\"policies\":\"a\",\"disconnectAfterInSeconds\":1e300}", "disconnect" },
		{ "{" WHO ",\"policies\":\"a\",\"disconnectAfterInSeconds\":86401}", "disconnect" },
		{ "{\"isAuthenticated\":false," WHO ",\"policies\":\"a\"}", "twice" },
		{ "{" WHO ",\"principalId\":\"anna\",\"policies\":\"a\"}", "twice" },
		{ "{" WHO ",\"policies\":\"a\"} x", "isAuthenticated" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { .text = "" };

		if (parse(cases[i].json, &err) != NULL)
			fail_msg("%s: taken", cases[i].json);
		if (strstr(err.text, cases[i].wanted) == NULL)
			fail_msg("%s: %s", cases[i].json, err.text);
	}
}

static void
an_answer_with_thousands_of_members_is_refused_quickly(void **state)
{
	struct buf json = { 0 };
	struct err err;

	(void)state;
	buf_append_string(&json, "{" WHO);
	for (int i = 0; i < 20000; i++)
		buf_printf(&json, ",\"m%d\":0", i);
	buf_append_string(&json, "}");
	assert_null(authorizer_answer_parse(buf_bytes(&json), &err));
	buf_clear(&json);
}

static void
answers_are_equal_where_their_texts_are(void **state)
{
	struct err err;
	struct authorizer_answer *one = parse("{" WHO ",\"policies\":\"a\"}", &err),
				 *same = parse("{" WHO ",\"policies\":\"a\"}", &err),
				 *other = parse("{" WHO ",\"policies\":\"b\"}", &err);

	(void)state;
	assert_memory_equal(one->digest, same->digest, sizeof(one->digest));
	assert_memory_not_equal(one->digest, other->digest, sizeof(one->digest));
	authorizer_answer_unref(one);
	authorizer_answer_unref(same);
	authorizer_answer_unref(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_in_aws_shape_is_understood),
		cmocka_unit_test(what_is_left_out_has_a_meaning),
		cmocka_unit_test(what_is_not_understood_lets_nobody_in_and_names_the_member),
		cmocka_unit_test(an_answer_with_thousands_of_members_is_refused_quickly),
		cmocka_unit_test(answers_are_equal_where_their_texts_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
