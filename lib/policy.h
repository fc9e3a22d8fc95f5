/* SPDX-License-Identifier: MIT
 * Policies in AWS IoT's language (AWS IoT Core Developer Guide, "AWS IoT Core policies"; IAM JSON
 * policy elements reference): parsed and checked once, bound to a connection's facts, then asked
 * in well under a microsecond. Pure.
 *
 * A policy is { "Version": "2012-10-17", "Statement": [ { "Sid", "Effect": "Allow" | "Deny",
 * "Action" | "NotAction", "Resource" | "NotResource", "Condition" } ] }. An explicit deny wins,
 * what no statement allows is denied.
 *
 * Resources are ARNs ("arn:aws:iot:eu-central-1:123456789012:topic/a/b"; partition, region and
 * account are accepted as they are, for there is one of each here) or what follows in them
 * ("topic/a/b"). `*` stands for any bytes, `?` for one character; MQTT's `+` and `#` are plain
 * characters: a right on topicfilter/a/+ is one to subscribe to just that filter. Action names and
 * condition keys match in any case, the rest exactly.
 *
 * Variables "${iot:ClientId}" are filled in when a policy is bound; their values are never
 * wildcards. "${*}", "${?}" and "${$}" are the characters themselves. A value is missing where it
 * is not known, is empty or longer than 1024 bytes, or could reach too far: one with `+` or
 * `#`, one with `/` elsewhere than in client/ and thing/, one with `$` in front as the start of a
 * topic. In the resource of an Allow a missing value matches nothing, in that of a Deny anything
 * (AWS IoT leaves such a Deny out; here it must not fall away with what a client says of itself).
 * NotResource is the other way round.
 *
 * A condition on a key that is not known is false, as AWS has it: such a Deny does not hold either.
 * Negated operators, IfExists and ForAllValues make it true, ForAnyValue false. A missing value
 * among the wanted ones makes the condition of a Deny true, and lets no Allow through. Of a key
 * with several values all must hold with ForAllValues and negated operators, else any.
 */
#ifndef LIB_POLICY_H
#define LIB_POLICY_H

#include "lib/bytes.h"
#include "lib/err.h"

enum { POLICY_BYTES_MAX = 20480, POLICY_STATEMENTS_MAX = 256, POLICY_VALUES_MAX = 1024 };

struct policy;	   /* a document, checked; counted */
struct policy_set; /* the policies of one connection, bound to its facts */

/* With one reference. NULL: `err` names the element: "Statement[2].Action[0]: ...". */
struct policy *policy_parse(struct bytes json, struct err *err) __attribute__((warn_unused_result));
struct policy *policy_ref(struct policy *policy); /* returns its argument */
void policy_unref(struct policy *policy);	  /* takes NULL */

/* What variables and conditions ask for, by name: "iot:ClientId", "aws:SourceIp". Appends the value
 * and returns true; false: it is not known. Several values, with a zero between them, are for
 * conditions: a variable with such counts as missing. */
struct policy_facts {
	bool (*get)(void *arg, struct bytes name, struct buf *value);
	void *arg;
};

/* `names` are how verdicts call the policies; both are copied or referenced. */
struct policy_set *policy_set_new(struct policy *const *policies, const char *const *names,
    size_t count, const struct policy_facts *facts);
void policy_set_free(struct policy_set *set); /* takes NULL */
/* Whether a condition asks for the time: then what was bound holds for that moment only. */
bool policy_set_is_timed(const struct policy_set *set);

enum policy_effect { POLICY_NOTHING_ALLOWS, POLICY_ALLOWED, POLICY_DENIED };

struct policy_verdict {
	enum policy_effect effect;
	/* Of the statement that decided; borrowed from the set. NULL where nothing allows. */
	const char *policy;
	size_t statement; /* its place, from 0 */
	const char *sid;  /* NULL: it has none */
};

/* `action` "iot:Publish", `resource` "topic/a/b". Not thread-safe: a set remembers which statements
 * speak of which action. */
struct policy_verdict policy_decide(
    struct policy_set *set, struct bytes action, struct bytes resource);

#endif
