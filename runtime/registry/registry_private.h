/* SPDX-License-Identifier: MIT
 * Inside of the registry: for the files runtime/registry/registry*.c.
 *
 * Each kind of row has three functions: one takes a row into memory (new, or in place of what is
 * there), one drops it from memory, one writes the row that memory stands for. Start, changes,
 * undoing a change and recovering from a failed store all go through them.
 *
 * A row of SPACE_ATTACHMENT is <kind> <from> \0 <to>, the kinds being of enum attachment.
 */
#ifndef RUNTIME_REGISTRY_REGISTRY_PRIVATE_H
#define RUNTIME_REGISTRY_REGISTRY_PRIVATE_H

#include "runtime/registry/registry.h"

/* What is walked in the order in which it came, by serial: an array, with holes where something is
 * gone; when half of it is holes it is made anew. All zero is a valid empty one. */
struct registry_place {
	uint64_t serial;
	void *item; /* NULL: a hole */
};

struct registry_order {
	struct registry_place *places; /* by serial */
	size_t count, cap, holes;
	uint64_t serial; /* of what came last */
};

uint64_t registry_order_add(struct registry_order *order, void *item); /* its serial */
void registry_order_remove(struct registry_order *order, uint64_t serial);
void *registry_order_after(const struct registry_order *order, uint64_t serial);

struct registry {
	struct registry_parts parts;
	struct hash_map things, types, groups, certificates, authorities, policies, targets;
	struct registry_order thing_order, certificate_order;

	struct registry_change *open;
	/* Each change expects the row "registry" of SPACE_META as the one before has left it, so
	 * that none is stored upon one that was not. */
	uint64_t version;
	size_t under_way;
	bool failed;	      /* a change was not stored: none is begun until memory is right */
	struct writes unsure; /* rows that must be read again, then */
	struct timer again;
	bool stopped;
	bool is_restored;
	size_t dangling; /* attachments at start whose ends are not there */
};

struct registry_rows {
	enum space space;
	/* False: the row cannot be read; memory is as it was. */
	bool (*take)(struct registry *registry, struct bytes key, struct bytes value);
	void (*drop)(struct registry *registry, struct bytes key);
	/* Appends the value. False: there is no such row. */
	bool (*write)(const struct registry *registry, struct bytes key, struct buf *value);
};

extern const struct registry_rows registry_type_rows;
extern const struct registry_rows registry_group_rows;
extern const struct registry_rows registry_authority_rows;
extern const struct registry_rows registry_certificate_rows;
extern const struct registry_rows registry_policy_rows;
extern const struct registry_rows registry_thing_rows;
extern const struct registry_rows registry_attachment_rows;

enum attachment {
	ATTACHMENT_TARGET = 'c', /* thing -> target */
	ATTACHMENT_MEMBER = 'm', /* group -> thing */
	ATTACHMENT_POLICY = 'p', /* policy -> target */
};

/* --- steps of a change --- */

struct registry *registry_of(struct registry_change *change);
int64_t registry_now_ms(const struct registry *registry);
/* Sets the error and why; returns -1. */
int registry_refuse(struct registry_change *change, enum registry_refusal refusal, struct err *err,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
void registry_put_row(
    struct registry_change *change, enum space space, struct bytes key, struct bytes value);
/* Frees the value. */
void registry_put_json(
    struct registry_change *change, enum space space, const char *key, cJSON *value);
void registry_delete_row(struct registry_change *change, enum space space, struct bytes key);
void registry_attach(
    struct registry_change *change, enum attachment kind, const char *from, const char *to);
void registry_detach(
    struct registry_change *change, enum attachment kind, const char *from, const char *to);
/* Detaches all that the target, where it is one, has attached. */
void registry_detach_all(struct registry_change *change, const char *target);
bool registry_is_attached(
    const struct registry *registry, enum attachment kind, const char *from, const char *to);
/* Whether a certificate or group of the target is there; others need not be. */
bool registry_target_exists(const struct registry *registry, struct bytes text);
/* Whether somebody who may be connected has other rights with this row than without. `fresh` is the
 * id of a certificate that nobody can be connected by yet. */
bool registry_attachment_matters(
    const struct registry *registry, struct bytes key, const char *fresh);
/* Refuses what is too much of a kind. */
int registry_check_room(
    struct registry_change *change, const struct hash_map *map, struct err *err);

/* --- rows as JSON --- */

cJSON *row_object(struct bytes value);				   /* NULL: it is none; free it */
const char *row_text(const cJSON *row, const char *name);	   /* "": not there */
char *row_copy(const cJSON *row, const char *name);		   /* NULL: not there, or empty */
int64_t row_number(const cJSON *row, const char *name);		   /* 0: not there */
void row_add_text(cJSON *row, const char *name, const char *text); /* not NULL, not "" */
void row_add_number(cJSON *row, const char *name, int64_t number);
void row_add(cJSON *row, const char *name, cJSON *item);
/* Prints and frees. */
void row_print(cJSON *row, struct buf *out);

/* --- freeing --- */

void thing_free(struct thing *thing);
void thing_type_free(struct thing_type *type);
void thing_group_free(struct thing_group *group);
void registry_certificate_free(struct registry_certificate *certificate);
void registry_authority_free(struct registry_authority *authority);
void registry_policy_free(struct registry_policy *policy);
void registry_target_free(struct registry_target *target);

/* --- attachments in memory --- */

void registry_drop_thing_links(struct registry *registry, struct thing *thing);
/* Of a group or certificate that goes, as a target. */
void registry_drop_target(struct registry *registry, const char *kind, const char *name);
void registry_drop_policy_links(struct registry *registry, struct registry_policy *policy);

#endif
