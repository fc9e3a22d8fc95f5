/* SPDX-License-Identifier: MIT
 * What an attacker would try against policies: names that would be wildcards, filters that ask for
 * more than they may, odd spellings, and facts that are missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/policy.h"
#include "tests/unit.h"

/* Each line "name value"; a name that is not there is not known. */
static bool
get_fact(void *arg, struct bytes name, struct buf *value)
{
	for (const char *at = arg; *at != '\0'; at = strchr(at, '\n') + 1) {
		const char *space = strchr(at, ' '), *end = strchr(at, '\n');

		if ((size_t)(space - at) != name.len || memcmp(at, name.data, name.len) != 0)
			continue;
		buf_append(value, space + 1, (size_t)(end - space) - 1);
		return true;
	}
	return false;
}

static enum policy_effect
decide(const char *statements, const char *facts, const char *action, struct bytes resource)
{
	const struct policy_facts got = { get_fact, (void *)(uintptr_t)facts };
	const char *name = "p";
	struct buf json = { 0 };
	struct err err;
	struct policy *policy;
	struct policy_set *set;
	enum policy_effect effect;

	buf_printf(&json, "{\"Version\":\"2012-10-17\",\"Statement\":[%s]}", statements);
	policy = policy_parse(buf_bytes(&json), &err);
	if (policy == NULL) {
		(void)fprintf(stderr, "%s: %s\n", statements, err.text);
		fail();
	}
	set = policy_set_new(&policy, &name, 1, &got);
	effect = policy_decide(set, bytes_of_string(action), resource).effect;
	policy_set_free(set);
	policy_unref(policy);
	buf_clear(&json);
	return effect;
}

#define ALLOW(action, resource) \
	"{\"Effect\":\"Allow\",\"Action\":\"" action "\",\"Resource\":\"" resource "\"}"
#define DENY(action, resource) \
	"{\"Effect\":\"Deny\",\"Action\":\"" action "\",\"Resource\":\"" resource "\"}"
#define IF(effect, condition)                                                                      \
	"{\"Effect\":\"" effect "\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{" condition \
	"}}"
#define OWN_TOPICS ALLOW("iot:Publish", "topic/cars/${iot:ClientId}/*")
#define OWN_FILTERS ALLOW("iot:Subscribe", "topicfilter/cars/${iot:ClientId}/*")

struct attack {
	const char *statements;
	const char *facts;
	const char *action;
	const char *resource;
};

static const struct attack nothing_allows[] = {
	/* A client id that would be a wildcard, of policies or of MQTT, or more than a level. */
	{ OWN_TOPICS, "iot:ClientId *\n", "iot:Publish", "topic/cars/bmw1/speed" },
	{ OWN_TOPICS, "iot:ClientId ?mw1\n", "iot:Publish", "topic/cars/bmw1/speed" },
	{ OWN_TOPICS, "iot:ClientId ${*}\n", "iot:Publish", "topic/cars/bmw1/speed" },
	{ OWN_TOPICS, "iot:ClientId \001\n", "iot:Publish", "topic/cars/bmw1/speed" },
	{ OWN_TOPICS, "iot:ClientId \002mw1\n", "iot:Publish", "topic/cars/bmw1/speed" },
	{ OWN_TOPICS, "iot:ClientId bmw1/speed\n", "iot:Publish", "topic/cars/bmw1/speed/x" },
	{ OWN_TOPICS, "iot:ClientId \n", "iot:Publish", "topic/cars//speed" },
	{ OWN_TOPICS, "", "iot:Publish", "topic/cars//speed" },
	{ OWN_TOPICS, "iot:ClientId ${iot:Thing}\niot:Thing bmw1\n", "iot:Publish",
	    "topic/cars/bmw1/speed" },
	{ OWN_FILTERS, "iot:ClientId +\n", "iot:Subscribe", "topicfilter/cars/+/speed" },
	{ OWN_FILTERS, "iot:ClientId #\n", "iot:Subscribe", "topicfilter/cars/#/speed" },
	{ OWN_FILTERS, "iot:ClientId audi22/+\n", "iot:Subscribe", "topicfilter/cars/audi22/+/x" },
	/* One that would be the host's own topics. */
	{ ALLOW("iot:Publish", "topic/${iot:ClientId}/*"), "iot:ClientId $aws\n", "iot:Publish",
	    "topic/$aws/things/bmw1/shadow/update" },
	{ ALLOW("iot:Subscribe", "topicfilter/${iot:ClientId}/*"), "iot:ClientId $share\n",
	    "iot:Subscribe", "topicfilter/$share/g/#" },
	/* Filters that ask for more. */
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe", "topicfilter/#" },
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe", "topicfilter/+/audi22/#" },
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe", "topicfilter/cars/#" },
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe", "topicfilter/cars/+/speed" },
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe", "topicfilter/cars/audi22" },
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe", "topicfilter/cars/audi22#" },
	{ OWN_FILTERS, "iot:ClientId audi22\n", "iot:Subscribe",
	    "topicfilter/$share/g/cars/audi22/x" },
	{ ALLOW("iot:Subscribe", "topicfilter/iot/+/audi22"), "", "iot:Subscribe",
	    "topicfilter/iot/x/audi22" },
	{ ALLOW("iot:Subscribe", "topicfilter/iot/ccar/audi22"), "", "iot:Subscribe",
	    "topicfilter/iot/+/audi22" },
	/* A right on one kind of thing is none on another. */
	{ ALLOW("*", "topic/a"), "", "iot:Subscribe", "topicfilter/a" },
	{ ALLOW("*", "topicfilter/a"), "", "iot:Receive", "topic/a" },
	{ ALLOW("*", "client/a"), "", "iot:GetThingShadow", "thing/a" },
	{ ALLOW("iot:Publish", "*"), "", "iot:RetainPublish", "topic/a" },
	{ ALLOW("iot:Publish", "*"), "", "iot:Publis", "topic/a" },
	{ ALLOW("iot:Publish", "*"), "", "iot:PublishX", "topic/a" },
	{ ALLOW("iot:Publish", "*"), "", "", "topic/a" },
	/* Spellings: nothing is decoded or folded. */
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic/Cars/a" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "TOPIC/cars/a" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic/cars%2Fa" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic/cars//a" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic//cars/a" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic/cars/a/" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic/x/../cars/a" },
	{ ALLOW("*", "topic/cars/a"), "", "iot:Publish", "topic/cars/a " },
	{ ALLOW("*", "topic/cars/*"), "", "iot:Publish", "topic/cars" },
	{ ALLOW("*", "topic/cars/*"), "", "iot:Publish", "topic/" },
	{ ALLOW("*", "topic/cars/*"), "", "iot:Publish", "" },
	/* The same letter, composed and not; one that looks like it. */
	{ ALLOW("*", "topic/caf\xc3\xa9"), "", "iot:Publish", "topic/cafe\xcc\x81" },
	{ ALLOW("*", "topic/cars"), "", "iot:Publish", "topic/c\xd0\xb0rs" },
	/* `?` is one character, not two and not half of one. */
	{ ALLOW("*", "topic/a?b"), "", "iot:Publish", "topic/ab" },
	{ ALLOW("*", "topic/a?b"), "", "iot:Publish", "topic/axxb" },
	{ ALLOW("*", "topic/a??b"), "", "iot:Publish",
	    "topic/a\xc3\xa9"
	    "b" },
	/* Conditions on what is not there, and on variables that are not. */
	{ IF("Allow", "\"StringLike\":{\"iot:ClientId\":\"*\"}"), "", "iot:Publish", "topic/a" },
	{ IF("Allow", "\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}"), "", "iot:Publish",
	    "topic/a" },
	{ IF("Allow", "\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}"), "aws:SourceIp local\n",
	    "iot:Publish", "topic/a" },
	{ IF("Allow", "\"IpAddress\":{\"aws:SourceIp\":\"0.0.0.0/0\"}"),
	    "aws:SourceIp 2001:db8::1\n", "iot:Publish", "topic/a" },
	{ IF("Allow", "\"ForAnyValue:StringNotEquals\":{\"iot:ClientId\":\"x\"}"), "",
	    "iot:Publish", "topic/a" },
	{ IF("Allow", "\"StringNotEquals\":{\"iot:ClientId\":\"${iot:Thing}\"}"),
	    "iot:ClientId a\n", "iot:Publish", "topic/a" },
	{ IF("Allow", "\"StringLike\":{\"iot:ClientId\":\"${iot:Thing}*\"}"), "iot:ClientId a\n",
	    "iot:Publish", "topic/a" },
	{ IF("Allow", "\"StringLike\":{\"iot:ClientId\":\"${iot:Thing}\"}"),
	    "iot:ClientId a\niot:Thing *\n", "iot:Publish", "topic/a" },
	{ IF("Allow", "\"NumericLessThan\":{\"a:n\":\"5\"}"), "a:n 4x\n", "iot:Publish",
	    "topic/a" },
	{ IF("Allow", "\"NumericLessThan\":{\"a:n\":\"5\"}"), "a:n -inf\n", "iot:Publish",
	    "topic/a" },
	{ IF("Allow", "\"Bool\":{\"aws:SecureTransport\":\"true\"}"), "aws:SecureTransport yes\n",
	    "iot:Publish", "topic/a" },
	{ IF("Allow", "\"StringEquals\":{\"iot:ClientId\":\"*\"}"), "iot:ClientId a\n",
	    "iot:Publish", "topic/a" },
};

/* Beside an Allow of everything: the Deny must hold. */
static const struct attack denied[] = {
	{ DENY("iot:Publish", "topic/admin*"), "", "iot:Publish", "topic/admin/x" },
	{ DENY("iot:publish", "topic/admin*"), "", "iot:Publish", "topic/admin" },
	{ DENY("iot:*", "arn:aws:iot:elsewhere:1:topic/admin"), "", "iot:Publish", "topic/admin" },
	/* With a variable that is not there, or that would reach beyond its place. */
	{ DENY("*", "topic/${iot:Thing}/secret"), "", "iot:Publish", "topic/x/secret" },
	{ DENY("*", "topic/${iot:Thing}/secret"), "iot:Thing a/b\n", "iot:Publish",
	    "topic/a/b/secret" },
	{ DENY("*", "topic/${iot:Thing}/secret"), "iot:Thing +\n", "iot:Publish",
	    "topic/x/secret" },
	{ "{\"Effect\":\"Deny\",\"Action\":\"*\",\"NotResource\":\"topic/${iot:Thing}/*\"}", "",
	    "iot:Publish", "topic/x/y" },
	{ "{\"Effect\":\"Deny\",\"Action\":\"*\",\"NotResource\":\"topic/${iot:Thing}/*\"}",
	    "iot:Thing *\n", "iot:Publish", "topic/x/y" },
	{ IF("Deny", "\"StringNotEquals\":{\"iot:ClientId\":\"${iot:Thing}\"}"), "iot:ClientId a\n",
	    "iot:Publish", "topic/x" },
	{ IF("Deny", "\"StringEquals\":{\"iot:ClientId\":\"${iot:Thing}\"}"), "iot:ClientId a\n",
	    "iot:Publish", "topic/x" },
	{ IF("Deny", "\"NotIpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}"), "", "iot:Publish",
	    "topic/x" },
	/* An IPv4 address in IPv6's clothes is the same. */
	{ IF("Deny", "\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/8\"}"),
	    "aws:SourceIp ::ffff:10.1.2.3\n", "iot:Publish", "topic/x" },
	{ IF("Deny", "\"Null\":{\"iot:Thing\":\"true\"}"), "", "iot:Publish", "topic/x" },
	{ IF("Deny", "\"StringLike\":{\"iot:ClientId\":\"b?d*\"}"),
	    "iot:ClientId b\xc3\xa4"
	    "dly\n",
	    "iot:Publish", "topic/x" },
};

static void
check(const struct attack *row, const char *more, enum policy_effect wanted)
{
	struct buf statements = { 0 };
	enum policy_effect effect;

	buf_printf(&statements, "%s%s", row->statements, more);
	effect = decide(
	    buf_string(&statements), row->facts, row->action, bytes_of_string(row->resource));
	if (effect != wanted)
		(void)fprintf(stderr, "%s with %s: %s on %s\n", row->statements, row->facts,
		    row->action, row->resource);
	assert_int_equal(effect, wanted);
	buf_clear(&statements);
}

static void
nothing_is_allowed_by_a_trick(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(nothing_allows) / sizeof(nothing_allows[0]); i++)
		check(&nothing_allows[i], "", POLICY_NOTHING_ALLOWS);
}

static void
a_deny_is_not_evaded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		check(&denied[i], "," ALLOW("*", "*"), POLICY_DENIED);
}

static void
an_empty_resource_and_no_policy_allow_nothing(void **state)
{
	const struct policy_facts facts = { get_fact, "" };
	struct policy_set *set = policy_set_new(NULL, NULL, 0, &facts);

	(void)state;
	assert_int_equal(
	    policy_decide(set, bytes_of_string("iot:Publish"), bytes_of_string("topic/a")).effect,
	    POLICY_NOTHING_ALLOWS);
	policy_set_free(set);
	assert_int_equal(decide(ALLOW("*", "topic/*"), "", "iot:Publish", bytes_of(NULL, 0)),
	    POLICY_NOTHING_ALLOWS);
	assert_int_equal(
	    decide(ALLOW("*", "*"), "", "iot:Publish", bytes_of(NULL, 0)), POLICY_ALLOWED);
}

/* A topic of 65,535 bytes; one with zeros, which no C string would show. */
static void
long_topics_and_zeros_hide_nothing(void **state)
{
	static const uint8_t cut[] = "topic/public\0/../secret";
	struct buf topic = { 0 };

	(void)state;
	buf_append_string(&topic, "topic/");
	for (int i = 0; i < 65535; i++)
		buf_append_u8(&topic, 'a');
	assert_int_equal(decide(ALLOW("*", "topic/a*b"), "", "iot:Publish", buf_bytes(&topic)),
	    POLICY_NOTHING_ALLOWS);
	buf_append_u8(&topic, 'b');
	assert_int_equal(
	    decide(ALLOW("*", "*") "," DENY("*", "topic/*b"), "", "iot:Publish", buf_bytes(&topic)),
	    POLICY_DENIED);
	assert_int_equal(
	    decide(ALLOW("*", "topic/public"), "", "iot:Publish", bytes_of(cut, sizeof(cut) - 1)),
	    POLICY_NOTHING_ALLOWS);
	assert_int_equal(decide(ALLOW("*", "*") "," DENY("*", "*secret"), "", "iot:Publish",
			     bytes_of(cut, sizeof(cut) - 1)),
	    POLICY_DENIED);
	buf_clear(&topic);
}

/* 1,000 resources, each with the longest client id there is: the id is not filled in. */
static void
a_long_client_id_takes_no_memory(void **state)
{
	struct buf statements = { 0 }, facts = { 0 };

	(void)state;
	buf_append_string(&statements, "{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":[");
	for (int i = 0; i < 800; i++)
		buf_printf(&statements, "%s\"client/${a:B}\"", i > 0 ? "," : "");
	buf_append_string(&statements, "]}");
	buf_append_string(&facts, "a:B ");
	for (int i = 0; i < 65535; i++)
		buf_append_u8(&facts, 'a');
	buf_append_string(&facts, "\n");
	assert_int_equal(decide(buf_string(&statements), buf_string(&facts), "iot:Connect",
			     bytes_of_string("client/a")),
	    POLICY_NOTHING_ALLOWS);
	buf_clear(&statements);
	buf_clear(&facts);
}

/* A set remembers some actions; those beyond must be decided the same. */
static void
many_actions_are_decided_alike(void **state)
{
	const struct policy_facts facts = { get_fact, "" };
	const char *name = "p";
	struct err err;
	struct policy *policy = policy_parse(
	    bytes_of_string("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
			    "\"Action\":\"iot:Action1*\",\"Resource\":\"topic/a\"}}"),
	    &err);
	struct policy_set *set = policy_set_new(&policy, &name, 1, &facts);
	char action[128];

	(void)state;
	for (int i = 0; i < 200; i++) {
		(void)snprintf(action, sizeof(action), "iot:Action%d%0*d", i % 100, i % 90, 0);
		assert_int_equal(
		    policy_decide(set, bytes_of_string(action), bytes_of_string("topic/a")).effect,
		    action[10] == '1' ? POLICY_ALLOWED : POLICY_NOTHING_ALLOWS);
	}
	policy_set_free(set);
	policy_unref(policy);
}

/* What asks for the time, in whatever place, holds for a moment only. */
static void
a_set_that_asked_for_the_time_says_so(void **state)
{
	static const struct {
		const char *statement;
		bool is_timed;
	} rows[] = {
		{ ALLOW("*", "*"), false },
		{ IF("Allow", "\"DateLessThan\":{\"AWS:currenttime\":\"2030-01-01\"}"), true },
		{ IF("Allow", "\"NumericLessThan\":{\"aws:EpochTime\":\"5\"}"), true },
		{ IF("Allow", "\"StringEquals\":{\"a:B\":\"${aws:CurrentTime}\"}"), true },
		{ ALLOW("*", "topic/${aws:EpochTime}"), true },
	};
	const struct policy_facts facts = { get_fact, "a:B x\n" };
	const char *name = "p";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf json = { 0 };
		struct policy *policy;
		struct policy_set *set;
		struct err err;

		buf_printf(
		    &json, "{\"Version\":\"2012-10-17\",\"Statement\":%s}", rows[i].statement);
		policy = policy_parse(buf_bytes(&json), &err);
		set = policy_set_new(&policy, &name, 1, &facts);
		assert_int_equal(policy_set_is_timed(set), rows[i].is_timed);
		policy_set_free(set);
		policy_unref(policy);
		buf_clear(&json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allowed_by_a_trick),
		cmocka_unit_test(a_deny_is_not_evaded),
		cmocka_unit_test(an_empty_resource_and_no_policy_allow_nothing),
		cmocka_unit_test(long_topics_and_zeros_hide_nothing),
		cmocka_unit_test(a_long_client_id_takes_no_memory),
		cmocka_unit_test(many_actions_are_decided_alike),
		cmocka_unit_test(a_set_that_asked_for_the_time_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
