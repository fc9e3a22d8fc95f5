/* SPDX-License-Identifier: MIT
 * Targets: finding one by the beginning of a certificate's id, and all of a policy.
 */
#include "runtime/access/policy_target.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX_MIN = 6 };

static const char cert[] = "cert:";

/* NULL: none, or more than one. */
static const struct registry_certificate *
find_certificate(const struct registry *registry, const char *start, struct err *err)
{
	const struct registry_certificate *found =
	    registry_certificate(registry, bytes_of_string(start));
	struct registry_certificate *at = NULL;
	size_t len = strlen(start);

	if (found != NULL)
		return found;
	while (len >= PREFIX_MIN && (at = registry_certificate_next(registry, at)) != NULL) {
		if (strncmp(at->id, start, len) != 0)
			continue;
		if (found != NULL) {
			(void)err_set(err,
			    "more than one certificate begins with %s: give more of it", start);
			return NULL;
		}
		found = at;
	}
	if (found == NULL)
		(void)err_set(err, "there is no certificate %.80s", start);
	return found;
}

char *
policy_target_resolve(const struct registry *registry, const char *text, struct err *err)
{
	const struct registry_certificate *certificate;
	struct buf whole = { 0 };
	char *copy;

	if (strncmp(text, cert, sizeof(cert) - 1) != 0)
		return xstrdup(text);
	certificate = find_certificate(registry, text + sizeof(cert) - 1, err);
	if (certificate == NULL)
		return NULL;
	buf_printf(&whole, "%s%s", cert, certificate->id);
	copy = xstrdup(buf_string(&whole));
	buf_clear(&whole);
	return copy;
}

static bool
has(const struct registry_target *target, const struct registry_policy *policy)
{
	for (size_t i = 0; i < target->policy_count; i++) {
		if (target->policies[i] == policy)
			return true;
	}
	return false;
}

/* Looks at targets until it has met as many as the policy knows it has. */
size_t
policy_targets(const struct registry *registry, const struct registry_policy *policy,
    const char **texts, size_t max)
{
	struct registry_target *at = NULL;
	size_t count = 0;

	if (max > policy->target_count)
		max = policy->target_count;
	while (count < max && (at = registry_target_next(registry, at)) != NULL) {
		if (has(at, policy))
			texts[count++] = at->text;
	}
	return count;
}
