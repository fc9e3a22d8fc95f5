/* SPDX-License-Identifier: MIT
 * The registry: things, their types and groups, certificates, the authorities that sign them,
 * policies, and what is attached to what.
 *
 * Memory is the authority and is made of the store's rows: at start, and with each change, by the
 * same functions. A change takes effect in memory at once, for revoking must not wait for a disk,
 * and is answered when it is durable. Where the store fails, memory goes back to what is stored,
 * and every change that was made upon the failed one fails with it.
 *
 * Who may do things is called a target, a text: "cert:<certificate's id>", "group:<name>",
 * "user:<name>", "token:<name>". Policies are attached to targets; things to all but groups. Only
 * certificates and groups must exist for it.
 */
#ifndef RUNTIME_REGISTRY_REGISTRY_H
#define RUNTIME_REGISTRY_REGISTRY_H

#include "lib/hash.h"
#include "lib/policy.h"
#include "net/certificate.h"
#include "net/loop.h"
#include "runtime/registry/attributes.h"
#include "store/store.h"

struct policy_list;
struct registry;
struct thing_group;
struct registry_target;

/* AWS IoT's where it has one. */
enum {
	REGISTRY_NAME_BYTES_MAX = 128,
	REGISTRY_TARGET_BYTES_MAX = 300,
	REGISTRY_TEXT_BYTES_MAX = 2028, /* descriptions */
	REGISTRY_TYPE_SEARCHABLE_MAX = 3,
	REGISTRY_GROUPS_MAX = 10, /* that a thing is in */
	REGISTRY_GROUP_DEPTH_MAX = 7,
	REGISTRY_TARGETS_MAX = 10,   /* that a thing is attached to */
	REGISTRY_THINGS_MAX = 100,   /* that a target is attached to */
	REGISTRY_POLICIES_MAX = 10,  /* of a target */
	REGISTRY_ROWS_MAX = 2000000, /* of each kind */
	REGISTRY_AUTHORITIES_MAX = 100,
	REGISTRY_CHANGES_MAX = 10000, /* on their way to the disk */
};

/* What lookups return is borrowed and lasts until the next change or turn of the loop. Whoever
 * calls may read it, and changes it by a change only. */

struct thing {
	struct hash_node link; /* by name */
	char *name;
	uint64_t serial; /* of its place in the order of things; see registry_thing_after */
	uint64_t version;
	int64_t created_ms;
	char *type; /* NULL: none */
	struct attributes attributes;
	struct thing_group **groups;
	struct registry_target **targets;
	uint8_t group_count;
	uint8_t target_count;
	/* Since this start: clients that are connected as NAME or NAME/..., when one came or went
	 * last (0: never), and why it went (NULL: it is there, or never was). */
	uint32_t connections;
	int64_t connectivity_ms;
	const char *disconnect_reason;
};

struct thing_type {
	struct hash_node link;
	char *name;
	char *description; /* "": none */
	char *searchable[REGISTRY_TYPE_SEARCHABLE_MAX];
	size_t searchable_count;
	bool deprecated; /* takes no new things */
	int64_t created_ms;
};

struct thing_group {
	struct hash_node link;
	char *name;
	char *parent; /* NULL: none; never changes */
	char *description;
	struct attributes attributes;
	uint64_t version;
	int64_t created_ms;
	size_t thing_count; /* directly in it */
};

enum registry_state {
	REGISTRY_ACTIVE,
	REGISTRY_INACTIVE,
	REGISTRY_REVOKED,
	REGISTRY_PENDING, /* "PENDING_ACTIVATION": it came by just-in-time registration */
	REGISTRY_STATES
};

struct registry_certificate {
	struct hash_node link;
	uint64_t place; /* as a thing's serial; see registry_certificate_after */
	char id[CERTIFICATE_ID_BYTES];
	enum registry_state state;
	char *authority; /* whose signature let it in: id of an authority; NULL: none */
	char *common_name, *subject, *issuer, *serial;
	int64_t not_before_s, not_after_s;
	int64_t created_ms;
};

/* What becomes of certificates that an authority signed and that nobody has registered. */
enum registration {
	REGISTRATION_OFF,	/* refused */
	REGISTRATION_PENDING,	/* registered, refused until they are activated */
	REGISTRATION_PROVISION, /* registered with a thing of their common name, and let in */
	REGISTRATIONS
};

struct registry_authority {
	struct hash_node link;
	char id[CERTIFICATE_ID_BYTES];
	char *pem;
	char *subject;
	enum registration registration;
	bool
	    is_owners; /* the host's own, or of the option tls_ca; see registry_adopt_authorities */
	int64_t not_after_s;
	int64_t created_ms;
};

struct registry_policy {
	struct hash_node link;
	char *name;
	char *document; /* as it was given */
	struct policy *compiled;
	size_t target_count;
};

/* A target that has something attached. */
struct registry_target {
	struct hash_node link;
	char *text;
	struct registry_policy **policies;
	struct thing **things;
	size_t policy_count;
	size_t thing_count;
};

/* All borrowed. */
struct registry_parts {
	struct loop *loop;
	struct store *store;
	/* The rights of somebody who may be connected may be others now. */
	void (*changed)(void *arg);
	/* The authorities are others: what they say is in registry_authorities. NULL: nobody asks.
	 */
	void (*authorities_changed)(void *arg);
	void *arg;
};

struct registry *registry_new(const struct registry_parts *parts);
/* At start, before anybody connects: waits for the store. */
int registry_restore(struct registry *registry, struct err *err)
    __attribute__((warn_unused_result));
/* Before the store is closed: changes are refused from now on, for the store's failures are not
 * made good any more. Takes NULL. */
void registry_stop(struct registry *registry);
void registry_free(struct registry *registry); /* after the store was closed; takes NULL */

/* The authorities that the machine's owner has named by files, as PEM, one behind another: they
 * provision, unless a row says otherwise, and take the place of those adopted before. */
void registry_adopt_authorities(struct registry *registry, struct bytes pems);

/* --- lookups; NULL: not there --- */

struct thing *registry_thing(const struct registry *registry, struct bytes name);
struct thing_type *registry_type(const struct registry *registry, struct bytes name);
struct thing_group *registry_group(const struct registry *registry, struct bytes name);
struct registry_certificate *registry_certificate(const struct registry *registry, struct bytes id);
struct registry_authority *registry_authority(const struct registry *registry, struct bytes id);
struct registry_policy *registry_policy(const struct registry *registry, struct bytes name);
struct registry_target *registry_target(const struct registry *registry, struct bytes text);

/* The thing that a target speaks for under this client id: of those attached the one that the
 * client id names, as "THING" or "THING/...", else the first one. */
struct thing *registry_thing_of(
    const struct registry *registry, struct bytes target, struct bytes client_id);
/* Appends what is attached to the target, and to the thing's groups (NULL: no thing) and all groups
 * above them, each policy once. */
void registry_policies_of(const struct registry *registry, struct bytes target,
    const struct thing *thing, struct policy_list *list);

/* The first thing whose serial is above this; NULL: no more. Things that are there all the while
 * are met once each, whatever comes and goes meanwhile. */
struct thing *registry_thing_after(const struct registry *registry, uint64_t serial);
struct registry_certificate *registry_certificate_after(
    const struct registry *registry, uint64_t serial); /* likewise */
size_t registry_thing_count(const struct registry *registry);
/* By kind, in no order; NULL begins and ends. */
struct thing_type *registry_type_next(const struct registry *registry, struct thing_type *at);
struct thing_group *registry_group_next(const struct registry *registry, struct thing_group *at);
struct registry_certificate *registry_certificate_next(
    const struct registry *registry, struct registry_certificate *at);
struct registry_authority *registry_authority_next(
    const struct registry *registry, struct registry_authority *at);
struct registry_policy *registry_policy_next(
    const struct registry *registry, struct registry_policy *at);
struct registry_target *registry_target_next(
    const struct registry *registry, struct registry_target *at);

/* A client has come, or has gone, for that reason (a constant text). */
void registry_note_presence(
    struct registry *registry, struct bytes client_id, bool connected, const char *reason);

/* Whether the thing is in the group, or in one below it. */
bool registry_is_member(
    const struct registry *registry, const struct thing *thing, const struct thing_group *group);

const char *registry_state_text(enum registry_state state); /* "ACTIVE" */
bool registry_state_parse(const char *text, enum registry_state *state);
const char *registration_text(enum registration registration); /* "off" */
bool registration_parse(const char *text, enum registration *registration);
bool registry_name_is_valid(struct bytes name); /* of things, types, groups */
bool registry_policy_name_is_valid(struct bytes name);

/* --- changes --- */

/* Why a change was refused. */
enum registry_refusal {
	REGISTRY_INVALID,
	REGISTRY_NOT_FOUND,
	REGISTRY_CONFLICT, /* there already, in use, another version */
	REGISTRY_BUSY,	   /* too many on their way, or the store fails */
};

/* Some steps that take effect together. One at a time: begun and ended within one call. */
struct registry_change;

struct registry_change *registry_change_new(struct registry *registry);
/* Everything is as it was before. */
void registry_change_cancel(struct registry_change *change);
/* `done` (NULL: nobody waits) is called once, later: 0: it is durable, -1: nothing of it is there
 * and `err` says why. A change without steps is answered too. */
void registry_change_commit(struct registry_change *change,
    void (*done)(void *arg, int status, const struct err *err), void *arg);
/* Of the step that gave -1. */
enum registry_refusal registry_change_refusal(const struct registry_change *change);

/* Stored together with the change: rows that are not the registry's. */
void registry_change_add(struct registry_change *change, const struct writes *writes);

/* Steps: 0, or -1 with `err` set and nothing done by this step. */

struct thing_wish {
	const char *name;
	/* NULL: as it is; "": none. */
	const char *type;
	/* An object of strings; NULL: as it is. */
	const cJSON *attributes;
	/* Adds to the attributes that there are; a value of "" takes one away (AWS' merge). */
	bool merge;
	bool is_new;	  /* it must not be there; else it must */
	uint64_t version; /* it must have; 0: any */
	/* Of an import. */
	bool skips_same;	/* nothing happens where it is all that already */
	uint64_t first_version; /* of a new one; 0: 1 */
	int64_t created_ms;	/* the same; 0: now */
};
int registry_put_thing(
    struct registry_change *change, const struct thing_wish *wish, struct err *err);
/* With its memberships and attachments. */
int registry_delete_thing(struct registry_change *change, const char *name, struct err *err);

struct type_wish {
	const char *name;
	const char *description;
	const cJSON *searchable; /* array of attributes' names; NULL: none */
};
int registry_create_type(
    struct registry_change *change, const struct type_wish *wish, struct err *err);
int registry_deprecate_type(
    struct registry_change *change, const char *name, bool deprecated, struct err *err);
/* Only where no thing has it. */
int registry_delete_type(struct registry_change *change, const char *name, struct err *err);

struct group_wish {
	const char *name;
	const char *parent; /* NULL: none. Of a group that is there it cannot change. */
	const char *description;
	const cJSON *attributes;
	bool is_new;
	bool skips_same;	/* as in struct thing_wish */
	uint64_t first_version; /* the same */
};
int registry_put_group(
    struct registry_change *change, const struct group_wish *wish, struct err *err);
/* Only where it has no groups below it. Its things are out of it, its policies detached. */
int registry_delete_group(struct registry_change *change, const char *name, struct err *err);
int registry_add_member(
    struct registry_change *change, const char *group, const char *thing, struct err *err);
int registry_remove_member(
    struct registry_change *change, const char *group, const char *thing, struct err *err);

struct certificate_facts {
	const char *id;
	const char *authority; /* NULL: none */
	const char *common_name, *subject, *issuer, *serial;
	int64_t not_before_s, not_after_s;
	enum registry_state state;
};
/* It must not be there yet. */
int registry_put_certificate(
    struct registry_change *change, const struct certificate_facts *facts, struct err *err);
int registry_register_certificate(struct registry_change *change,
    const struct certificate *certificate, const char *authority, enum registry_state state,
    struct err *err);
/* Any state but PENDING; a revoked one stays revoked. */
int registry_set_certificate_state(
    struct registry_change *change, const char *id, enum registry_state state, struct err *err);
/* With its attachments. Not an ACTIVE one, and not one that its authority would let in again. */
int registry_delete_certificate(struct registry_change *change, const char *id, struct err *err);

/* `pem`: one certificate that may sign others. One that is there gets the setting. */
int registry_put_authority(struct registry_change *change, struct bytes pem,
    enum registration registration, struct err *err);
int registry_set_registration(struct registry_change *change, const char *id,
    enum registration registration, struct err *err);
int registry_delete_authority(struct registry_change *change, const char *id, struct err *err);

int registry_put_policy(
    struct registry_change *change, const char *name, struct bytes document, struct err *err);
/* Only where it is attached to nothing. */
int registry_delete_policy(struct registry_change *change, const char *name, struct err *err);
/* Makes the policy `default` where there is none. */
int registry_need_default_policy(struct registry_change *change, struct err *err);
extern const char registry_default_policy[]; /* its name */

/* What is attached already stays so: 0. */
int registry_attach_policy(
    struct registry_change *change, const char *policy, const char *target, struct err *err);
int registry_detach_policy(
    struct registry_change *change, const char *policy, const char *target, struct err *err);
int registry_attach_thing(
    struct registry_change *change, const char *thing, const char *target, struct err *err);
int registry_detach_thing(
    struct registry_change *change, const char *thing, const char *target, struct err *err);

#endif
