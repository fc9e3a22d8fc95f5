/* SPDX-License-Identifier: MIT
 * Policies: what is parsed and refused, and what is decided.
 */
#include "lib/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

/* "name=value;name=value" */
static bool
get_fact(void *arg, struct bytes name, struct buf *value)
{
	const char *at = arg;

	if (bytes_equal_string(name, "a:Many")) {
		buf_append(value, "a\0b", 3);
		return true;
	}

	while (at != NULL && *at != '\0') {
		const char *equals = strchr(at, '='), *end = strchr(at, ';');
		size_t len = end != NULL ? (size_t)(end - at) : strlen(at);

		if ((size_t)(equals - at) == name.len && memcmp(at, name.data, name.len) == 0) {
			buf_append_bytes(
			    value, bytes_of(equals + 1, len - (size_t)(equals - at) - 1));
			return true;
		}
		at = end != NULL ? end + 1 : NULL;
	}
	return false;
}

static char facts_text[] = "iot:ClientId=audi22;iot:Connection.Thing.ThingName=audi22;"
			   "iot:Connection.Thing.Attributes[model]=audi;aws:SourceIp=10.1.2.3;"
			   "aws:SecureTransport=true;aws:EpochTime=1700000000;n=5;"
			   "bad:Slash=a/b;bad:Plus=+;bad:Hash=#;bad:Star=*";

static struct policy_verdict
decide(const char *json, const char *action, const char *resource)
{
	const struct policy_facts facts = { get_fact, facts_text };
	const char *name = "p";
	struct err err;
	struct policy *policy = policy_parse(bytes_of_string(json), &err);
	struct policy_set *set;
	struct policy_verdict verdict;

	if (policy == NULL) {
		(void)fprintf(stderr, "%s: %s\n", json, err.text);
		fail();
	}
	set = policy_set_new(&policy, &name, 1, &facts);
	verdict = policy_decide(set, bytes_of_string(action), bytes_of_string(resource));
	verdict.sid = NULL; /* it goes with the set */
	verdict.policy = NULL;
	policy_set_free(set);
	policy_unref(policy);
	return verdict;
}

static const struct decision {
	const char *statement; /* what stands between { and } */
	const char *action;
	const char *resource;
	enum policy_effect effect;
} decisions[] = {
#define ALLOW(rest) "{\"Effect\":\"Allow\"," rest "}"
#define DENY(rest) "{\"Effect\":\"Deny\"," rest "}"
#define ON(action, resource) "\"Action\":\"" action "\",\"Resource\":\"" resource "\""
	{ ALLOW(ON("iot:Publish", "topic/a")), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/a")), "iot:Publish", "topic/b", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/a")), "iot:Publish", "topic/a/b", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/a")), "iot:Publish", "topic/A", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/a")), "iot:Receive", "topic/a", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("IOT:publish", "topic/a")), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ ALLOW(ON("iot:*", "*")), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ ALLOW(ON("*", "*")), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ ALLOW(ON("iot:Pub*", "topic/*")), "iot:Publish", "topic/a/b/c", POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/a/?/c")), "iot:Publish", "topic/a/b/c", POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/a/?/c")), "iot:Publish", "topic/a/bb/c",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/a/?/c")), "iot:Publish", "topic/a/\xc3\xa9/c",
	    POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "top*/a")), "iot:Publish", "topic/x/a", POLICY_ALLOWED },
	{ ALLOW(ON("greengrass:*", "*")), "iot:Publish", "topic/a", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "arn:aws:iot:eu-central-1:123456789012:topic/a")), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "arn:aws:iot:*:*:topic/a")), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	/* A filter is a plain text: what it would match is not asked. */
	{ ALLOW(ON("iot:Subscribe", "topicfilter/a/+")), "iot:Subscribe", "topicfilter/a/+",
	    POLICY_ALLOWED },
	{ ALLOW(ON("iot:Subscribe", "topicfilter/a/+")), "iot:Subscribe", "topicfilter/a/b",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Subscribe", "topicfilter/a/b")), "iot:Subscribe", "topicfilter/#",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Subscribe", "topicfilter/a/b")), "iot:Subscribe", "topicfilter/+/b",
	    POLICY_NOTHING_ALLOWS },
	/* Deny wins, wherever it stands. */
	{ ALLOW(ON("*", "*")) "," DENY(ON("iot:Publish", "topic/a")), "iot:Publish", "topic/a",
	    POLICY_DENIED },
	{ DENY(ON("iot:Publish", "topic/a")) "," ALLOW(ON("*", "*")), "iot:Publish", "topic/a",
	    POLICY_DENIED },
	{ DENY(ON("iot:Publish", "topic/a")) "," ALLOW(ON("*", "*")), "iot:Publish", "topic/b",
	    POLICY_ALLOWED },
	/* Not... */
	{ ALLOW("\"NotAction\":\"iot:Publish\",\"Resource\":\"*\""), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW("\"NotAction\":\"iot:Publish\",\"Resource\":\"*\""), "iot:Receive", "topic/a",
	    POLICY_ALLOWED },
	{ ALLOW("\"Action\":\"*\",\"NotResource\":[\"topic/a\",\"topic/b*\"]"), "iot:Publish",
	    "topic/bc", POLICY_NOTHING_ALLOWS },
	{ ALLOW("\"Action\":\"*\",\"NotResource\":[\"topic/a\",\"topic/b*\"]"), "iot:Publish",
	    "topic/c", POLICY_ALLOWED },
	/* Variables */
	{ ALLOW(ON("iot:Publish", "topic/x/${iot:ClientId}")), "iot:Publish", "topic/x/audi22",
	    POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/x/${iot:ClientId}")), "iot:Publish", "topic/x/audi23",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/${iot:Connection.Thing.Attributes[model]}/*")),
	    "iot:Publish", "topic/audi/1", POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/x/${no:Such}")), "iot:Publish", "topic/x/",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("*", "*")) "," DENY(ON("*", "topic/x/${no:Such}")), "iot:Publish",
	    "topic/x/anything", POLICY_DENIED },
	{ ALLOW("\"Action\":\"*\",\"NotResource\":\"topic/${no:Such}\""), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("*", "*")) "," DENY("\"Action\":\"*\",\"NotResource\":\"topic/${no:Such}\""),
	    "iot:Publish", "topic/a", POLICY_DENIED },
	{ ALLOW(ON("iot:Subscribe", "topicfilter/x/${bad:Hash}")), "iot:Subscribe",
	    "topicfilter/x/#", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Subscribe", "topicfilter/x/${bad:Plus}")), "iot:Subscribe",
	    "topicfilter/x/+", POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/x/${bad:Slash}")), "iot:Publish", "topic/x/a/b",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Connect", "client/${bad:Slash}")), "iot:Connect", "client/a/b",
	    POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/x/${bad:Star}")), "iot:Publish", "topic/x/anything",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("iot:Publish", "topic/x/${*}${?}${$}")), "iot:Publish", "topic/x/*?$",
	    POLICY_ALLOWED },
	{ ALLOW(ON("iot:Publish", "topic/x/${*}")), "iot:Publish", "topic/x/y",
	    POLICY_NOTHING_ALLOWS },
/* Conditions */
#define IF(condition) ALLOW(ON("*", "*") ",\"Condition\":{" condition "}")
	{ IF("\"StringEquals\":{\"iot:ClientId\":[\"b\",\"audi22\"]}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"StringEquals\":{\"iot:ClientId\":\"Audi22\"}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"StringEqualsIgnoreCase\":{\"iot:ClientId\":\"Audi22\"}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"StringNotEquals\":{\"iot:ClientId\":[\"b\",\"audi22\"]}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"StringLike\":{\"iot:ClientId\":\"audi??\"}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"StringEquals\":{\"iot:ClientId\":\"${iot:Connection.Thing.ThingName}\"}"),
	    "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ IF("\"StringEquals\":{\"no:Such\":\"a\"}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"StringEqualsIfExists\":{\"no:Such\":\"a\"}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"ForAllValues:StringEquals\":{\"no:Such\":\"a\"}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"ForAnyValue:StringEquals\":{\"iot:ClientId\":\"audi22\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"Null\":{\"no:Such\":\"true\"}"), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ IF("\"Null\":{\"iot:ClientId\":\"true\"}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"Bool\":{\"aws:SecureTransport\":\"true\"}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"IpAddress\":{\"aws:SourceIp\":[\"192.0.2.0/24\",\"10.1.0.0/16\"]}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"IpAddress\":{\"aws:SourceIp\":\"10.1.2.0/31\"}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"NotIpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"DateLessThan\":{\"aws:EpochTime\":\"2026-01-01T00:00:00Z\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"DateGreaterThan\":{\"aws:EpochTime\":\"2026-01-01\"}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"Null\":{\"no:Such\":[\"false\",\"true\"]}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	/* Numbers, true and false need no quotes. */
	{ IF("\"Bool\":{\"aws:SecureTransport\":true}"), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ IF("\"Bool\":{\"aws:SecureTransport\":[false]}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"Null\":{\"no:Such\":true}"), "iot:Publish", "topic/a", POLICY_ALLOWED },
	{ IF("\"NumericLessThan\":{\"aws:EpochTime\":1.5e9}"), "iot:Publish", "topic/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"NumericEquals\":{\"aws:EpochTime\":[1,1700000000]}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"StringEquals\":{\"aws:EpochTime\":1700000000}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	{ IF("\"DateEquals\":{\"aws:EpochTime\":1700000000}"), "iot:Publish", "topic/a",
	    POLICY_ALLOWED },
	/* 1700000000 is 2023-11-14T22:13:20Z. */
	{ IF("\"DateEquals\":{\"aws:EpochTime\":\"2023-11-14T22:13:20.000Z\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"DateLessThan\":{\"aws:EpochTime\":\"2023-11-14T22:13:20.5Z\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"DateEquals\":{\"aws:EpochTime\":\"2023-11-14T23:43:20+01:30\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"DateEquals\":{\"aws:EpochTime\":\"2023-11-14T17:13:20-05:00\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	{ IF("\"DateGreaterThan\":{\"aws:EpochTime\":\"2023-11-14T22:13Z\"}"), "iot:Publish",
	    "topic/a", POLICY_ALLOWED },
	/* A key of several values */
	{ IF("\"ForAllValues:StringEquals\":{\"a:Many\":[\"a\",\"b\",\"c\"]}"), "iot:Connect",
	    "client/a", POLICY_ALLOWED },
	{ IF("\"ForAllValues:StringEquals\":{\"a:Many\":\"a\"}"), "iot:Connect", "client/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"ForAllValues:StringNotEquals\":{\"a:Many\":\"b\"}"), "iot:Connect", "client/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"ForAllValues:StringNotEquals\":{\"a:Many\":\"c\"}"), "iot:Connect", "client/a",
	    POLICY_ALLOWED },
	{ IF("\"ForAnyValue:StringEquals\":{\"a:Many\":\"b\"}"), "iot:Connect", "client/a",
	    POLICY_ALLOWED },
	{ IF("\"ForAnyValue:StringEquals\":{\"a:Many\":\"c\"}"), "iot:Connect", "client/a",
	    POLICY_NOTHING_ALLOWS },
	{ IF("\"StringNotEquals\":{\"a:Many\":\"b\"}"), "iot:Connect", "client/a",
	    POLICY_NOTHING_ALLOWS },
	{ ALLOW(ON("*", "client/${a:Many}")), "iot:Connect", "client/a", POLICY_NOTHING_ALLOWS },
	/* All conditions must hold. */
	{ IF("\"StringEquals\":{\"iot:ClientId\":\"audi22\"},"
	     "\"Bool\":{\"aws:SecureTransport\":\"false\"}"),
	    "iot:Publish", "topic/a", POLICY_NOTHING_ALLOWS },
};

static void
decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		const struct decision *row = &decisions[i];
		struct buf json = { 0 };
		struct policy_verdict verdict;

		buf_printf(
		    &json, "{\"Version\":\"2012-10-17\",\"Statement\":[%s]}", row->statement);
		verdict = decide(buf_string(&json), row->action, row->resource);
		if (verdict.effect != row->effect)
			(void)fprintf(
			    stderr, "%s: %s on %s\n", row->statement, row->action, row->resource);
		assert_int_equal(verdict.effect, row->effect);
		buf_clear(&json);
	}
}

static const struct {
	const char *json;
	const char *error; /* how it begins */
} refusals[] = {
#define DOC(statement) "{\"Version\":\"2012-10-17\",\"Statement\":[" statement "]}"
	{ "", "not JSON" },
	{ "{\n \"Version\" 1}", "not JSON, from line 2, byte 12 on" },
	{ "[]", "a policy is a JSON object" },
	{ "{}", "Version: " },
	{ "{\"Version\":\"2008-10-17\",\"Statement\":[]}", "Version: " },
	{ "{\"Version\":\"2012-10-17\"}", "Statement: it is missing" },
	{ "{\"Version\":\"2012-10-17\",\"Statement\":[]}", "Statement: it is missing" },
	{ "{\"Version\":\"2012-10-17\",\"Statements\":[]}",
	    "Statements: there is no such element" },
	{ DOC("1"), "Statement[0]: a statement is an object" },
	{ DOC("{\"Effect\":\"allow\"," ON("iot:Publish", "*") "}"), "Statement[0].Effect: " },
	{ DOC(ALLOW("\"Resource\":\"*\"")), "Statement[0].Action: it is missing" },
	{ DOC(ALLOW("\"Action\":\"*\"")), "Statement[0].Resource: it is missing" },
	{ DOC(ALLOW("\"Action\":\"*\",\"NotAction\":\"*\",\"Resource\":\"*\"")),
	    "Statement[0].Action and NotAction" },
	{ DOC(ALLOW(ON("s3:Get", "*"))), "Statement[0].Action: an action is" },
	{ DOC(ALLOW("\"Action\":[\"iot:A\",\"s3:B\"],\"Resource\":\"*\"")),
	    "Statement[0].Action[1]: an action is" },
	{ DOC(ALLOW(ON("*", "arn:aws:s3:::bucket/x"))), "Statement[0].Resource: the ARN's" },
	{ DOC(ALLOW(ON("*", "arn:aws:iot:x"))), "Statement[0].Resource: an ARN is" },
	{ DOC(ALLOW(ON("*", "queue/x"))), "Statement[0].Resource: a resource begins" },
	{ DOC(ALLOW(ON("*", "que*"))), "Statement[0].Resource: a resource begins" },
	{ DOC(ALLOW(ON("*", "topics/*"))), "Statement[0].Resource: a resource begins" },
	{ DOC(ALLOW(ON("*", "${iot:ClientId}"))), "Statement[0].Resource: a resource begins" },
	{ DOC(ALLOW(ON("*", "topic/${iot"))), "Statement[0].Resource: \"${\" without" },
	{ DOC(ALLOW(ON("*", "topic/${}"))), "Statement[0].Resource: \"${}\" is no" },
	{ DOC(ALLOW(ON("*", "topic/\\u0001"))), "Statement[0].Resource: the characters" },
	{ DOC(ALLOW(ON("*", "topic/\\u0000*"))), "nested too deep, or with" },
	{ DOC("{\"Principal\":\"*\"}"), "Statement[0].Principal: " },
	{ DOC(IF("\"StringEquls\":{\"a:b\":\"c\"}")),
	    "Statement[0].Condition.StringEquls.a:b: there is no such operator" },
	{ DOC(IF("\"NumericEquals\":{\"a:b\":\"c\"}")),
	    "Statement[0].Condition.NumericEquals.a:b: \"c\" is no value" },
	{ DOC(IF("\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}")),
	    "Statement[0].Condition.IpAddress.aws:SourceIp: \"10.0.0.0/33\" is no value" },
	{ DOC(IF("\"NullIfExists\":{\"a:b\":\"true\"}")),
	    "Statement[0].Condition.NullIfExists.a:b: Null stands alone" },
	{ DOC(IF("\"Null\":{\"a:b\":[\"true\",\"${a:b}\"]}")),
	    "Statement[0].Condition.Null.a:b: it has no variables" },
	{ DOC(IF("\"StringEquals\":{\"a:b\":[\"\",null]}")),
	    "Statement[0].Condition.StringEquals.a:b[1]: a string" },
	{ DOC(IF("\"StringEquals\":{\"a:b\":{}}")),
	    "Statement[0].Condition.StringEquals.a:b: a string, a number" },
	{ DOC(IF("\"DateEquals\":{\"a:b\":\"2023-11-14T22:13:20.Z\"}")),
	    "Statement[0].Condition.DateEquals.a:b: \"2023" },
	{ DOC(IF("\"DateEquals\":{\"a:b\":\"2023-11-14T22:13:20+1\"}")),
	    "Statement[0].Condition.DateEquals.a:b: \"2023" },
	{ DOC(IF("\"DateEquals\":{\"a:b\":\"2023-11-14T22:13:20+01:00Z\"}")),
	    "Statement[0].Condition.DateEquals.a:b: \"2023" },
};

static void
refuses_and_says_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct err err = { "" };
		struct policy *policy = policy_parse(bytes_of_string(refusals[i].json), &err);

		if (policy != NULL ||
		    strncmp(err.text, refusals[i].error, strlen(refusals[i].error)) != 0)
			(void)fprintf(stderr, "%s: %s\n", refusals[i].json, err.text);
		assert_null(policy);
		assert_memory_equal(err.text, refusals[i].error, strlen(refusals[i].error));
	}
}

/* As they stand in devices' policies at AWS. */
static const char *const taken[] = {
	"{\"Version\":\"2012-10-17\",\"Statement\":" ALLOW(ON("iot:*", "*")) "}",
	DOC(ALLOW(
	    ON("iot:Connect", "arn:aws:iot:us-east-1:123456789012:client/"
			      "${iot:Connection.Thing.ThingName}") ",\"Condition\":{\"Bool\":{"
								   "\"iot:Connection.Thing."
								   "IsAttached\":[\"true\"]}}")),
	DOC(ALLOW(ON("iot:Publish", "arn:aws-cn:iot:cn-north-1:1:topic/$aws/things/*/jobs/*"))),
	DOC(ALLOW(ON("iot:Publish", "arn:aws:iot:eu-west-1:1:topic/${iot:ClientId}/${*}/a"))),
	DOC(ALLOW(ON("iot:*", "arn:aws:iot:eu-west-1:123456789012:*"))),
	DOC(ALLOW(ON("iot:AssumeRoleWithCertificate",
	    "arn:aws:iot:us-east-1:1:rolealias/GreengrassV2TokenExchangeRoleAlias"))),
	DOC(ALLOW(ON("greengrass:*", "*"))),
	DOC(ALLOW("\"Action\":[\"iot:GetThingShadow\",\"iotjobsdata:*\"],\"Resource\":"
		  "[\"arn:aws:iot:us-east-1:1:thing/${iot:Connection.Thing.ThingName}\"]")),
	DOC(ALLOW(ON("iot:Connect",
	    "arn:aws:iot:us-east-1:1:client/client1") ",\"Condition\":{\"ForAllValues:"
						      "StringEquals\":{\"iot:ConnectAttributes\":"
						      "[\"PersistentConnect\",\"LastWill\"]}}")),
	DOC(ALLOW(ON("iot:Connect",
	    "arn:aws:iot:us-east-1:1:client/${cognito-identity.amazonaws.com:sub}"))),
	DOC(ALLOW(ON("iot:Publish",
	    "arn:aws:iot:us-east-1:1:topic/my/${iot:Connection.Thing.Attributes[envType]}"))),
	DOC(ALLOW(ON("iot:Publish",
	    "arn:aws:iot:us-east-1:1:topic/${iot:Certificate.Subject.CommonName.1}"))),
};

static void
takes_what_devices_have_at_aws(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct err err = { "" };
		struct policy *policy = policy_parse(bytes_of_string(taken[i]), &err);

		if (policy == NULL)
			(void)fprintf(stderr, "%s: %s\n", taken[i], err.text);
		assert_non_null(policy);
		policy_unref(policy);
	}
}

static void
many_stars_cost_no_more_than_their_number_times_the_text(void **state)
{
	struct buf json = { 0 }, topic = { 0 };

	(void)state;
	buf_append_string(&json, "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
				 "\"Action\":\"*\",\"Resource\":\"topic/");
	for (int i = 0; i < 500; i++)
		buf_append_string(&json, "a*");
	buf_append_string(&json, "b\"}}");
	buf_append_string(&topic, "topic/");
	for (int i = 0; i < 60000; i++)
		buf_append_string(&topic, "a");
	assert_int_equal(decide(buf_string(&json), "iot:Publish", buf_string(&topic)).effect,
	    POLICY_NOTHING_ALLOWS);
	buf_clear(&json);
	buf_clear(&topic);
}

static void
a_verdict_names_its_statement(void **state)
{
	struct policy_verdict verdict =
	    decide(DOC(ALLOW(ON("iot:Connect", "*")) "," ALLOW(ON("iot:Publish", "*")) "," DENY(
		       ON("iot:Publish", "topic/x"))),
		"iot:Publish", "topic/x");

	(void)state;
	assert_int_equal(verdict.effect, POLICY_DENIED);
	assert_int_equal(verdict.statement, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides),
		cmocka_unit_test(refuses_and_says_where),
		cmocka_unit_test(takes_what_devices_have_at_aws),
		cmocka_unit_test(many_stars_cost_no_more_than_their_number_times_the_text),
		cmocka_unit_test(a_verdict_names_its_statement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
