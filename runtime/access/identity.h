/* SPDX-License-Identifier: MIT
 * Who is at the other side of a connection, once it has been let in, and what it may do.
 *
 * An identity belongs to one connection, or to one HTTP request: its policies are bound to the
 * client id, thing, certificate and address of that. When rights change (access_changed) it is
 * bound anew at its next question; decisions are remembered until then.
 */
#ifndef RUNTIME_ACCESS_IDENTITY_H
#define RUNTIME_ACCESS_IDENTITY_H

#include "lib/policy.h"
#include "net/peer.h"

struct host;
struct identity;

/* Policies that are being collected: a reference to each, and the name by which a verdict calls
 * it. All zero is a valid empty list. */
struct policy_list {
	struct policy **policies;
	char **names;
	size_t count;
};

void policy_list_add(struct policy_list *list, struct policy *policy, const char *name);
void policy_list_clear(struct policy_list *list);

/* How an identity was checked. */
struct identity_kind {
	const char *name; /* "certificate", "user" */
	/* Appends the policies that hold for the identity now, beside its own; may set its thing.
	 * False: it is nobody any more, for its certificate is revoked, its user deleted. */
	bool (*collect)(struct host *host, struct identity *identity, struct policy_list *policies);
};

enum { IDENTITY_DECISIONS = 16 };

struct identity {
	uint32_t refs;
	struct host *host;
	const struct identity_kind *kind;
	struct peer *peer;
	char *principal;    /* fingerprint, user's name, token's name, subject */
	char *thing;	    /* NULL: none */
	char *client_id;    /* "": not known (HTTP) */
	bool is_persistent; /* its session outlasts the connection */
	bool has_will;
	int64_t since_ms; /* when what it showed was made: a new one of the same name is another */
	int64_t ends_ms;  /* since 1970: it is nobody from then on; 0: never */
	char *policy_names;	/* "a,b": that it has beside what is attached; NULL: none */
	struct policy_list own; /* policies that came with it, from an authorizer for one */
	void *extra;		/* the kind's own; NULL: nothing */
	void (*extra_free)(void *extra);
	/* What follows is identity.c's. */
	char *missing;	     /* a policy of those names that there is not; NULL: all are there */
	uint64_t generation; /* of the rights it is bound to; 0: not yet */
	int64_t bound_us;
	bool is_nobody;
	struct policy_set *set;
	/* By a keyed hash of action and resource; 0: free. The lowest bit says whether it is
	 * allowed. */
	uint64_t decisions[IDENTITY_DECISIONS];
};

/* With one reference; `peer` gets one, texts are copied. `thing` may be NULL. The kind stays. */
struct identity *identity_new(struct host *host, const struct identity_kind *kind,
    struct peer *peer, const char *principal, const char *thing);
void identity_set_client_id(struct identity *identity, struct bytes client_id);
/* For identity_kind.collect: appends what the registry has for a target ("user:fritz"), and sets
 * the identity's thing to the one that the target speaks for. */
void identity_collect(struct identity *identity, struct bytes target, struct policy_list *policies);
/* The same: appends the policies that `policy_names` names and those of its thing's groups. False:
 * there is no such thing or policy; one that is left out could be the one that denies. */
bool identity_collect_named(struct identity *identity, struct policy_list *policies);
struct identity *identity_ref(struct identity *identity); /* returns its argument */
void identity_unref(struct identity *identity);		  /* takes NULL */

/* Whether it may do `action` ("iot:Publish") on the resource `kind` + `name` ("topic/", "a/b").
 * NULL: it may do everything. */
bool identity_may(
    struct identity *identity, const char *action, const char *kind, struct bytes name);
/* The same, not from memory, with what decided. Of a policy's name and Sid in it: borrowed until
 * the identity is asked again. */
struct policy_verdict identity_explain(
    struct identity *identity, const char *action, const char *kind, struct bytes name);
/* False: it is nobody any more. */
bool identity_is_valid(struct identity *identity);

/* identity_record.c: what is left to be done in its name when its connection has gone */

/* Appends what identity_recall makes it again of; nothing where only its connection knew what it
 * may do, as with an authorizer's answer. */
void identity_describe(const struct identity *identity, struct buf *out);
/* With one reference, bound to what holds now. NULL: that cannot be read. */
struct identity *identity_recall(struct host *host, struct bytes described, struct bytes client_id);

#endif
