/* SPDX-License-Identifier: MIT
 * Policies bound to a connection, and decisions by them.
 *
 * Binding keeps the statements whose conditions hold, denies in front, with variables filled in.
 * For each action that is asked about, the set remembers which statements speak of it. Of those a
 * pattern is compared only if every pair of neighbours in its literals stands in the resource too:
 * the pairs of both are marked in a few words, so that most patterns that do not match are passed
 * by at the cost of an AND; then the literal start, and wildcards behind.
 */
#include "lib/policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/policy_private.h"

enum { ACTIONS_MAX = 16, ACTION_BYTES_MAX = 64, PAIR_WORDS = 4 };

/* Which pairs of bytes stand beside each other, by a hash. */
struct pairs {
	uint64_t words[PAIR_WORDS];
};

struct resource {
	struct pairs pairs;
	uint32_t at, len; /* of the pattern, in the set's text */
	uint32_t literal; /* bytes of it before the first wildcard */
};

struct bound {
	const struct policy_statement *statement;
	struct policy *policy;
	const char *name;
	size_t place;	/* in its policy */
	uint32_t first; /* of its resources */
	uint32_t count;
	bool not_resources; /* the statement's */
};

/* What speaks of an action. */
struct action {
	char name[ACTION_BYTES_MAX];
	size_t len;
	uint32_t *bound;
	size_t count;
};

struct policy_set {
	struct policy **policies;
	char **names;
	size_t policy_count;
	struct bound *bound;
	size_t bound_count;
	struct resource *resources;
	size_t resource_count;
	struct buf text; /* all patterns */
	struct action *actions;
	size_t action_count;
	bool is_timed;
};

/* Facts that are watched while a set is bound: who asks for the time is timed. */
struct watch {
	const struct policy_facts *facts;
	struct policy_set *set;
};

static bool
get_watched(void *arg, struct bytes name, struct buf *value)
{
	static const char *const times[] = { "aws:CurrentTime", "aws:EpochTime" };
	struct watch *watch = arg;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		watch->set->is_timed |=
		    name.len == strlen(times[i]) &&
		    strncasecmp(times[i], (const char *)name.data, name.len) == 0;
	return watch->facts->get(watch->facts->arg, name, value);
}

static bool
conditions_hold(const struct policy_statement *statement, const struct policy_facts *facts)
{
	for (size_t i = 0; i < statement->condition_count; i++) {
		if (!policy_condition_holds(&statement->conditions[i], facts, statement->denies))
			return false;
	}
	return true;
}

/* A value with a slash in it would reach into other levels of a topic. */
static enum policy_room
room_in(const struct policy_text *text)
{
	static const char *const kinds[] = { "client/", "thing/" };
	struct bytes start = buf_bytes(&text->literals[0]);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (start.len >= strlen(kinds[i]) &&
		    memcmp(start.data, kinds[i], strlen(kinds[i])) == 0)
			return POLICY_ROOM_NAME;
	}
	return POLICY_ROOM_LEVEL;
}

static void
mark_pairs(struct pairs *pairs, struct bytes text)
{
	*pairs = (struct pairs){ 0 };
	for (size_t i = 0; i + 1 < text.len; i++) {
		uint32_t one = text.data[i], two = text.data[i + 1];
		uint32_t mark = (one * 67 + two * 13) % (PAIR_WORDS * 64);

		if (one > PATTERN_ONE && two > PATTERN_ONE)
			pairs->words[mark / 64] |= (uint64_t)1 << mark % 64;
	}
}

static bool
are_within(const struct pairs *pairs, const struct pairs *all)
{
	uint64_t missing = 0;

	for (size_t i = 0; i < PAIR_WORDS; i++)
		missing |= pairs->words[i] & ~all->words[i];
	return missing == 0;
}

static size_t
literal_len(struct bytes pattern)
{
	size_t len = 0;

	while (len < pattern.len && pattern.data[len] > PATTERN_ONE)
		len++;
	return len;
}

static void
add_resource(struct policy_set *set, struct bytes pattern)
{
	size_t literal = literal_len(pattern);
	struct resource *resource;

	set->resources =
	    xrealloc(set->resources, (set->resource_count + 1) * sizeof(*set->resources));
	resource = &set->resources[set->resource_count++];
	resource->at = (uint32_t)(pattern.data - set->text.data);
	resource->len = (uint32_t)pattern.len;
	resource->literal = (uint32_t)literal;
	mark_pairs(&resource->pairs, pattern);
}

static void
bind_resources(struct policy_set *set, struct bound *bound, const struct policy_facts *facts)
{
	const struct policy_statement *statement = bound->statement;
	/* What cannot be filled in shall deny rather more, and allow rather less. */
	bool any = statement->denies != statement->not_resources;

	bound->not_resources = statement->not_resources;
	bound->first = (uint32_t)set->resource_count;
	for (size_t i = 0; i < statement->resources.count; i++) {
		const struct policy_text *text = &statement->resources.list[i];
		const struct policy_filling filling = { facts, room_in(text), any };
		size_t start = set->text.len;

		if (!policy_text_fill(text, &filling, &set->text)) {
			set->text.len = start;
			continue;
		}
		add_resource(set, bytes_of(set->text.data + start, set->text.len - start));
		bound->count++;
	}
}

static void
bind_policy(struct policy_set *set, size_t at, bool denies, const struct policy_facts *facts)
{
	struct policy *policy = set->policies[at];

	for (size_t i = 0; i < policy->count; i++) {
		const struct policy_statement *statement = &policy->statements[i];

		if (statement->denies != denies || !conditions_hold(statement, facts))
			continue;
		set->bound = xrealloc(set->bound, (set->bound_count + 1) * sizeof(*set->bound));
		set->bound[set->bound_count] = (struct bound){
			.statement = statement, .policy = policy, .name = set->names[at], .place = i
		};
		bind_resources(set, &set->bound[set->bound_count], facts);
		set->bound_count++;
	}
}

struct policy_set *
policy_set_new(struct policy *const *policies, const char *const *names, size_t count,
    const struct policy_facts *facts)
{
	struct policy_set *set = xcalloc(1, sizeof(*set));
	struct watch watch = { facts, set };
	const struct policy_facts watched = { get_watched, &watch };

	set->policies = xcalloc(count + 1, sizeof(*set->policies));
	set->names = xcalloc(count + 1, sizeof(*set->names));
	set->policy_count = count;
	for (size_t i = 0; i < count; i++) {
		set->policies[i] = policy_ref(policies[i]);
		set->names[i] = bytes_to_string(bytes_of_string(names[i]));
	}
	for (size_t i = 0; i < count; i++)
		bind_policy(set, i, true, &watched);
	for (size_t i = 0; i < count; i++)
		bind_policy(set, i, false, &watched);
	if (set->text.len > 0) {
		set->text.data = xrealloc(set->text.data, set->text.len);
		set->text.cap = set->text.len;
	}
	return set;
}

void
policy_set_free(struct policy_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->policy_count; i++) {
		policy_unref(set->policies[i]);
		free(set->names[i]);
	}
	for (size_t i = 0; i < set->action_count; i++)
		free(set->actions[i].bound);
	free(set->actions);
	free(set->policies);
	free(set->names);
	free(set->bound);
	free(set->resources);
	buf_clear(&set->text);
	free(set);
}

bool
policy_set_is_timed(const struct policy_set *set)
{
	return set->is_timed;
}

/* --- deciding --- */

static bool
speaks_of(const struct policy_statement *statement, struct bytes action)
{
	bool found = false;

	for (size_t i = 0; !found && i < statement->actions.count; i++)
		found =
		    policy_match_folded(buf_bytes(&statement->actions.list[i].literals[0]), action);
	return found != statement->not_actions;
}

static void
index_action(const struct policy_set *set, struct action *entry, struct bytes action)
{
	*entry = (struct action){ .len = action.len };
	entry->bound = xcalloc(set->bound_count + 1, sizeof(*entry->bound));
	for (size_t i = 0; i < set->bound_count; i++) {
		if (speaks_of(set->bound[i].statement, action))
			entry->bound[entry->count++] = (uint32_t)i;
	}
	memcpy(entry->name, action.data, action.len);
}

/* NULL: so many or such long actions are not indexed. */
static const struct action *
find_action(struct policy_set *set, struct bytes action)
{
	for (size_t i = 0; i < set->action_count; i++) {
		const struct action *entry = &set->actions[i];

		if (entry->len == action.len && memcmp(entry->name, action.data, action.len) == 0)
			return entry;
	}
	if (set->action_count == ACTIONS_MAX || action.len > ACTION_BYTES_MAX)
		return NULL;
	set->actions = xrealloc(set->actions, (set->action_count + 1) * sizeof(*set->actions));
	index_action(set, &set->actions[set->action_count], action);
	return &set->actions[set->action_count++];
}

static bool
matches(const struct policy_set *set, const struct resource *resource, struct bytes text)
{
	struct bytes pattern = bytes_of(set->text.data + resource->at, resource->len);
	size_t literal = resource->literal;

	if (text.len < literal || (literal > 0 && memcmp(text.data, pattern.data, literal) != 0))
		return false;
	if (pattern.len == literal)
		return text.len == literal;
	return policy_match(bytes_of(pattern.data + literal, pattern.len - literal),
	    bytes_of(text.data + literal, text.len - literal));
}

static bool
covers(const struct policy_set *set, const struct bound *bound, struct bytes resource,
    const struct pairs *pairs)
{
	const struct resource *at = &set->resources[bound->first], *end = at + bound->count;

	for (; at < end; at++) {
		if (are_within(&at->pairs, pairs) && matches(set, at, resource))
			return !bound->not_resources;
	}
	return bound->not_resources;
}

static struct policy_verdict
verdict_of(const struct bound *bound)
{
	return (struct policy_verdict){
		.effect = bound->statement->denies ? POLICY_DENIED : POLICY_ALLOWED,
		.policy = bound->name,
		.statement = bound->place,
		.sid = bound->statement->sid,
	};
}

/* Denies stand in front: the first statement that covers the resource decides. */
struct policy_verdict
policy_decide(struct policy_set *set, struct bytes action, struct bytes resource)
{
	const struct action *entry = find_action(set, action);
	size_t count = entry != NULL ? entry->count : set->bound_count;
	struct pairs pairs;

	mark_pairs(&pairs, resource);
	for (size_t i = 0; i < count; i++) {
		const struct bound *bound = &set->bound[entry != NULL ? entry->bound[i] : i];

		if ((entry != NULL || speaks_of(bound->statement, action)) &&
		    covers(set, bound, resource, &pairs))
			return verdict_of(bound);
	}
	return (struct policy_verdict){ .effect = POLICY_NOTHING_ALLOWS };
}
