/* SPDX-License-Identifier: MIT
 * Identities: bound to the policies that hold now, and asked.
 */
#include "runtime/access/identity.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "net/certificate.h"
#include "runtime/access/access.h"
#include "runtime/access/facts.h"
#include "runtime/host.h"
#include "runtime/registry/registry.h"

enum { TIMED_US = 1000000 }; /* how long what depends on the time is believed */

void
policy_list_add(struct policy_list *list, struct policy *policy, const char *name)
{
	size_t count = list->count + 1;

	list->policies = xrealloc(list->policies, count * sizeof(*list->policies));
	list->names = xrealloc(list->names, count * sizeof(*list->names));
	list->policies[list->count] = policy_ref(policy);
	list->names[list->count] = bytes_to_string(bytes_of_string(name));
	list->count = count;
}

void
policy_list_clear(struct policy_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		policy_unref(list->policies[i]);
		free(list->names[i]);
	}
	free(list->policies);
	free(list->names);
	*list = (struct policy_list){ 0 };
}

struct identity *
identity_new(struct host *host, const struct identity_kind *kind, struct peer *peer,
    const char *principal, const char *thing)
{
	struct identity *identity = xcalloc(1, sizeof(*identity));

	identity->refs = 1;
	identity->host = host;
	identity->kind = kind;
	identity->peer = peer_ref(peer);
	identity->principal = bytes_to_string(bytes_of_string(principal));
	identity->thing = thing != NULL ? bytes_to_string(bytes_of_string(thing)) : NULL;
	identity->client_id = bytes_to_string(bytes_of_string(""));
	return identity;
}

void
identity_set_client_id(struct identity *identity, struct bytes client_id)
{
	free(identity->client_id);
	identity->client_id = bytes_to_string(client_id);
	identity->generation = 0;
}

void
identity_collect(struct identity *identity, struct bytes target, struct policy_list *policies)
{
	const struct registry *registry = identity->host->registry;
	const struct thing *thing =
	    registry_thing_of(registry, target, bytes_of_string(identity->client_id));

	free(identity->thing);
	identity->thing = thing != NULL ? xstrdup(thing->name) : NULL;
	registry_policies_of(registry, target, thing, policies);
}

bool
identity_collect_named(struct identity *identity, struct policy_list *policies)
{
	const struct registry *registry = identity->host->registry;
	const struct thing *thing = identity->thing != NULL
					? registry_thing(registry, bytes_of_string(identity->thing))
					: NULL;
	const char *at = identity->policy_names;

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, ",");
		const struct registry_policy *policy = registry_policy(registry, bytes_of(at, len));

		if (policy == NULL) {
			identity->missing = bytes_to_string(bytes_of(at, len));
			return false;
		}
		policy_list_add(policies, policy->compiled, policy->name);
		at += len + (at[len] == ',');
	}
	if (identity->thing != NULL && thing == NULL)
		return false;
	registry_policies_of(registry, bytes_of_string(""), thing, policies);
	return true;
}

struct identity *
identity_ref(struct identity *identity)
{
	identity->refs++;
	return identity;
}

void
identity_unref(struct identity *identity)
{
	if (identity == NULL || --identity->refs > 0)
		return;
	if (identity->extra != NULL)
		identity->extra_free(identity->extra);
	policy_set_free(identity->set);
	policy_list_clear(&identity->own);
	peer_unref(identity->peer);
	free(identity->principal);
	free(identity->thing);
	free(identity->policy_names);
	free(identity->missing);
	free(identity->client_id);
	free(identity);
}

static void
rebind(struct identity *identity)
{
	const struct policy_facts facts = { .get = facts_get, .arg = identity };
	struct policy_list policies = { 0 };

	policy_set_free(identity->set);
	identity->set = NULL;
	free(identity->missing);
	identity->missing = NULL;
	memset(identity->decisions, 0, sizeof(identity->decisions));
	identity->generation = identity->host->access->generation;
	identity->is_nobody = !identity->kind->collect(identity->host, identity, &policies);
	for (size_t i = 0; i < identity->own.count; i++)
		policy_list_add(&policies, identity->own.policies[i], identity->own.names[i]);
	if (!identity->is_nobody)
		identity->set = policy_set_new(
		    policies.policies, (const char *const *)policies.names, policies.count, &facts);
	policy_list_clear(&policies);
	if (identity->set != NULL && policy_set_is_timed(identity->set))
		access_note_timed(identity->host);
}

/* Bound to what holds now. */
static bool
refresh(struct identity *identity)
{
	struct loop *loop = identity->host->loop;
	bool is_stale = identity->set != NULL && policy_set_is_timed(identity->set) &&
			loop_now_us(loop) - identity->bound_us > TIMED_US;

	if (is_stale || identity->generation != identity->host->access->generation) {
		rebind(identity);
		identity->bound_us = loop_now_us(loop);
	}
	if (identity->ends_ms != 0 && loop_wall_ms(loop) >= identity->ends_ms)
		identity->is_nobody = true;
	return !identity->is_nobody;
}

bool
identity_is_valid(struct identity *identity)
{
	return refresh(identity);
}

struct policy_verdict
identity_explain(struct identity *identity, const char *action, const char *kind, struct bytes name)
{
	struct policy_verdict verdict = { .effect = POLICY_NOTHING_ALLOWS };
	struct buf resource = { 0 };

	if (!refresh(identity))
		return verdict;
	buf_append_string(&resource, kind);
	buf_append_bytes(&resource, name);
	verdict = policy_decide(identity->set, bytes_of_string(action), buf_bytes(&resource));
	buf_clear(&resource);
	return verdict;
}

/* The hash is keyed: nobody outside can find two resources with the same. */
static uint64_t
hash_of(const char *action, const char *kind, struct bytes name)
{
	return (hash_bytes(name) ^ (uint64_t)(uintptr_t)action ^ (uint64_t)(uintptr_t)kind << 32) |
	       1;
}

bool
identity_may(struct identity *identity, const char *action, const char *kind, struct bytes name)
{
	uint64_t hash, *slot;
	bool allowed;

	if (identity == NULL)
		return true;
	if (!refresh(identity))
		return false;
	hash = hash_of(action, kind, name);
	slot = &identity->decisions[(hash >> 1) % IDENTITY_DECISIONS];
	if ((*slot | 1) == hash && *slot != 0)
		return (*slot & 1) != 0;
	allowed = identity_explain(identity, action, kind, name).effect == POLICY_ALLOWED;
	*slot = allowed ? hash : hash & ~(uint64_t)1;
	return allowed;
}
