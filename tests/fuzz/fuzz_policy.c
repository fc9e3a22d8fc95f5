/* SPDX-License-Identifier: MIT
 * Policies: the first line is the client id, the second an action, the third a resource, the rest
 * a document. What is taken must decide the same however often and by whatever way it is asked, a
 * deny of everything must win, and matching must agree with its definition.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/policy_private.h"

enum { MATCH_BYTES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool
get_fact(void *arg, struct bytes name, struct buf *value)
{
	const struct bytes *client_id = arg;

	if (bytes_equal_string(name, "aws:SourceIp"))
		buf_append_string(value, "192.0.2.7");
	else if (bytes_equal_string(name, "aws:EpochTime"))
		buf_append_string(value, "1700000000");
	else if (bytes_equal_string(name, "iot:ClientId"))
		buf_append_bytes(value, *client_id);
	else
		return false;
	return true;
}

static struct bytes
take_line(struct bytes *rest)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	struct bytes line = bytes_of(rest->data, len);

	if (end != NULL)
		len++;
	*rest = bytes_of(rest->data + len, rest->len - len);
	return line;
}

/* By its definition, in any time that it takes. */
static bool
matches_slowly(struct bytes pattern, struct bytes text)
{
	struct bytes less, shorter;

	if (pattern.len == 0)
		return text.len == 0;
	less = bytes_of(pattern.data + 1, pattern.len - 1);
	if (pattern.data[0] == PATTERN_ANY && matches_slowly(less, text))
		return true;
	if (text.len == 0)
		return false;
	shorter = bytes_of(text.data + 1, text.len - 1);
	if (pattern.data[0] == PATTERN_ANY)
		return matches_slowly(pattern, shorter);
	while (
	    pattern.data[0] == PATTERN_ONE && shorter.len > 0 && (shorter.data[0] & 0xc0) == 0x80)
		shorter = bytes_of(shorter.data + 1, shorter.len - 1);
	return (pattern.data[0] == PATTERN_ONE || pattern.data[0] == text.data[0]) &&
	       matches_slowly(less, shorter);
}

static void
check_match(struct bytes pattern, struct bytes text)
{
	struct policy_text parsed;
	struct bytes compiled;
	struct err err;
	size_t stars = 0;
	char *copy = bytes_to_string(pattern);

	if (policy_text_parse(copy, true, &parsed, &err) == 0 && parsed.variable_count == 0) {
		compiled = buf_bytes(&parsed.literals[0]);
		for (size_t i = 0; i < compiled.len; i++)
			stars += compiled.data[i] == PATTERN_ANY;
		if (compiled.len <= MATCH_BYTES_MAX && text.len <= MATCH_BYTES_MAX && stars <= 4)
			assert(policy_match(compiled, text) == matches_slowly(compiled, text));
	}
	policy_text_clear(&parsed);
	free(copy);
}

static struct policy *
parse_or_die(const char *json)
{
	struct err err;
	struct policy *policy = policy_parse(bytes_of_string(json), &err);

	assert(policy != NULL);
	return policy;
}

static enum policy_effect
ask(struct policy *const *policies, size_t count, struct bytes *client_id,
    const struct bytes *question)
{
	static const char *const names[] = { "a", "b" };
	const struct policy_facts facts = { get_fact, client_id };
	struct policy_set *set = policy_set_new(policies, names, count, &facts);
	struct policy_verdict first = policy_decide(set, question[0], question[1]), again;

	for (int i = 0; i < 20; i++) { /* more than are indexed */
		const uint8_t other[] = { 'i', 'o', 't', ':', (uint8_t)('a' + i) };

		(void)policy_decide(set, bytes_of(other, sizeof(other)), question[1]);
	}
	again = policy_decide(set, question[0], question[1]);
	assert(again.effect == first.effect && again.statement == first.statement);
	assert((first.policy == NULL) == (first.effect == POLICY_NOTHING_ALLOWS));
	policy_set_free(set);
	return first.effect;
}

static void
check_decisions(struct policy *policy, struct bytes *client_id, const struct bytes *question)
{
	struct policy *everything =
	    parse_or_die("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
			 "\"Action\":\"*\",\"Resource\":\"*\"}}");
	struct policy *nothing =
	    parse_or_die("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Deny\","
			 "\"Action\":\"*\",\"Resource\":\"*\"}}");
	struct policy *both[2] = { policy, everything };
	enum policy_effect effect = ask(&policy, 1, client_id, question);

	assert((ask(both, 2, client_id, question) == POLICY_DENIED) == (effect == POLICY_DENIED));
	both[1] = nothing;
	assert(ask(both, 2, client_id, question) == POLICY_DENIED);
	policy_unref(everything);
	policy_unref(nothing);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes rest = bytes_of(data, len), client_id = take_line(&rest), question[2];
	struct policy *policy;
	struct err err;

	question[0] = take_line(&rest);
	question[1] = take_line(&rest);
	check_match(client_id, question[1]);
	policy = policy_parse(rest, &err);
	if (policy != NULL)
		check_decisions(policy, &client_id, question);
	else
		assert(err.text[0] != '\0');
	policy_unref(policy);
	return 0;
}
