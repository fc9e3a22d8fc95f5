/* SPDX-License-Identifier: MIT
 * The registry's life: read at start, changed by steps that are stored together, and set right
 * where the store failed.
 */
#include "runtime/registry/registry_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"

enum { AGAIN_US = 1000000, RESTORE_ROWS = 4096 };

static const char mark[] = "registry";

/* In the order in which rows can be taken: attachments join what stands before them. */
static const struct registry_rows *const kinds[] = {
	&registry_type_rows,
	&registry_group_rows,
	&registry_authority_rows,
	&registry_certificate_rows,
	&registry_policy_rows,
	&registry_thing_rows,
	&registry_attachment_rows,
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct registry_change {
	struct store_job job;
	struct registry *registry;
	struct writes writes;
	struct writes before; /* what undoes the steps, in their order */
	enum registry_refusal refusal;
	bool has_effect;		  /* on the rights of somebody who may be connected */
	char fresh[CERTIFICATE_ID_BYTES]; /* the last certificate that came with it */
	void (*done)(void *arg, int status, const struct err *err);
	void *arg;
};

static void read_again(void *arg);

struct registry *
registry_new(const struct registry_parts *parts)
{
	struct registry *registry = xcalloc(1, sizeof(*registry));

	registry->parts = *parts;
	timer_init(&registry->again, parts->loop, read_again, registry);
	return registry;
}

static void
tell_changed(struct registry *registry)
{
	if (registry->parts.changed != NULL)
		registry->parts.changed(registry->parts.arg);
}

int64_t
registry_now_ms(const struct registry *registry)
{
	return loop_sys(registry->parts.loop)->wall_ms();
}

/* NULL: the space is not the registry's. */
static const struct registry_rows *
rows_of(enum space space)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (kinds[i]->space == space)
			return kinds[i];
	}
	return NULL;
}

/* --- start --- */

/* Some rows of a kind; a job holds the store up no longer than a change of a device does. */
struct restore_job {
	struct store_job job;
	struct registry *registry;
	const struct registry_rows *rows;
	struct buf from; /* where it begins, and then where the next one does */
	size_t count;
	size_t unreadable;
	bool is_whole; /* there are no more */
};

static bool
take_row(void *arg, const struct txn_row *row)
{
	struct restore_job *job = arg;

	if (!job->rows->take(job->registry, row->key, row->value))
		job->unreadable++;
	if (++job->count < RESTORE_ROWS)
		return true;
	job->is_whole = false;
	buf_append_bytes(&job->from, row->key);
	buf_append_u8(&job->from, 0);
	return false;
}

/* The loop thread waits meanwhile, so that its memory may be used here. */
static int
restore_run(struct txn *txn, struct store_job *store_job, struct err *err)
{
	struct restore_job *job = (struct restore_job *)store_job;
	struct buf from = job->from;
	const struct txn_range range = { .space = job->rows->space, .from = buf_bytes(&from) };
	int status;

	job->from = (struct buf){ 0 };
	job->is_whole = true;
	job->count = 0;
	status = txn_scan(txn, &range, take_row, job, err);
	buf_clear(&from);
	if (status < 0)
		return -1;
	return txn_get(txn, SPACE_META, bytes_of_string(mark), NULL, &job->registry->version, err) <
		       0
		   ? -1
		   : 0;
}

static void
restore_done(struct store_job *job)
{
	(void)job;
}

int
registry_restore(struct registry *registry, struct err *err)
{
	struct restore_job job = { .registry = registry };

	for (size_t i = 0; i < KINDS; i++) {
		job.rows = kinds[i];
		do {
			job.job = (struct store_job){ .run = restore_run, .done = restore_done };
			if (store_run(registry->parts.store, &job.job, err) < 0) {
				buf_clear(&job.from);
				return err_prefix(err, "read the registry");
			}
		} while (!job.is_whole);
	}
	registry->is_restored = true;
	if (job.unreadable > 0)
		log_warn("registry",
		    "%zu rows of the registry do not decode and are left as they are",
		    job.unreadable);
	if (registry->dangling > 0)
		log_warn("registry", "%zu attachments of what is not there are left as they are",
		    registry->dangling);
	return 0;
}

void
registry_stop(struct registry *registry)
{
	if (registry == NULL)
		return;
	registry->stopped = true;
	timer_cancel(&registry->again);
}

static void
free_all(struct registry *registry)
{
	struct hash_node *at, *next;

#define FREE_MAP(map, type, free_one)                                       \
	for (at = hash_next(&registry->map, NULL); at != NULL; at = next) { \
		next = hash_next(&registry->map, at);                       \
		free_one(HASH_OWNER(at, type, link));                       \
	}                                                                   \
	hash_clear(&registry->map)

	FREE_MAP(things, struct thing, thing_free);
	FREE_MAP(types, struct thing_type, thing_type_free);
	FREE_MAP(groups, struct thing_group, thing_group_free);
	FREE_MAP(certificates, struct registry_certificate, registry_certificate_free);
	FREE_MAP(authorities, struct registry_authority, registry_authority_free);
	FREE_MAP(policies, struct registry_policy, registry_policy_free);
	FREE_MAP(targets, struct registry_target, registry_target_free);
#undef FREE_MAP
}

void
registry_free(struct registry *registry)
{
	if (registry == NULL)
		return;
	free_all(registry);
	timer_clear(&registry->again);
	writes_clear(&registry->unsure);
	free(registry->thing_order.places);
	free(registry->certificate_order.places);
	free(registry);
}

/* --- changes --- */

struct registry_change *
registry_change_new(struct registry *registry)
{
	struct registry_change *change = xcalloc(1, sizeof(*change));

	assert(registry->open == NULL);
	registry->open = change;
	change->registry = registry;
	return change;
}

struct registry *
registry_of(struct registry_change *change)
{
	return change->registry;
}

enum registry_refusal
registry_change_refusal(const struct registry_change *change)
{
	return change->refusal;
}

int
registry_refuse(struct registry_change *change, enum registry_refusal refusal, struct err *err,
    const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	change->refusal = refusal;
	return err_set(err, "%s", text);
}

int
registry_check_room(struct registry_change *change, const struct hash_map *map, struct err *err)
{
	const struct registry *registry = change->registry;

	if (registry->failed || registry->stopped)
		return registry_refuse(change, REGISTRY_BUSY, err,
		    "the store fails: nothing can be changed until it is well again");
	if (registry->under_way >= REGISTRY_CHANGES_MAX)
		return registry_refuse(change, REGISTRY_BUSY, err,
		    "more than %d changes are on their way to the disk: try again",
		    REGISTRY_CHANGES_MAX);
	if (map != NULL && map->count >= REGISTRY_ROWS_MAX)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "there are %d already: no more are taken", REGISTRY_ROWS_MAX);
	return 0;
}

static void
remember(struct registry_change *change, const struct registry_rows *rows, struct bytes key)
{
	struct buf value = { 0 };

	if (rows->write(change->registry, key, &value))
		writes_put(&change->before, rows->space, key, buf_bytes(&value));
	else
		writes_delete(&change->before, rows->space, key);
	buf_clear(&value);
}

/* Whether the rights of somebody who may be connected hang on this row. Asked before it is put or
 * dropped: thousands of things may come in a second, and each change of rights makes all who are
 * connected decide anew. */
static bool
matters(const struct registry_change *change, enum space space, struct bytes key)
{
	const struct registry *registry = change->registry;
	const struct registry_policy *policy;
	const struct thing *thing;

	switch ((int)space) {
	case SPACE_THING:
		thing = registry_thing(registry, key);
		return thing != NULL && thing->target_count > 0;
	case SPACE_CERTIFICATE:
		return registry_certificate(registry, key) != NULL &&
		       !bytes_equal_string(key, change->fresh);
	case SPACE_POLICY:
		policy = registry_policy(registry, key);
		return policy != NULL && policy->target_count > 0;
	case SPACE_ATTACHMENT:
		return registry_attachment_matters(registry, key, change->fresh);
	default:
		return false;
	}
}

static void
note_fresh(struct registry_change *change, enum space space, struct bytes key)
{
	if (space == SPACE_CERTIFICATE && key.len == sizeof(change->fresh) - 1 &&
	    registry_certificate(change->registry, key) == NULL)
		memcpy(change->fresh, key.data, key.len);
}

void
registry_put_row(
    struct registry_change *change, enum space space, struct bytes key, struct bytes value)
{
	const struct registry_rows *rows = rows_of(space);
	bool taken;

	note_fresh(change, space, key);
	change->has_effect = change->has_effect || matters(change, space, key);
	remember(change, rows, key);
	taken = rows->take(change->registry, key, value);
	assert(taken);
	writes_put(&change->writes, space, key, value);
}

void
registry_put_json(struct registry_change *change, enum space space, const char *key, cJSON *value)
{
	struct buf text = { 0 };

	row_print(value, &text);
	registry_put_row(change, space, bytes_of_string(key), buf_bytes(&text));
	buf_clear(&text);
}

void
registry_delete_row(struct registry_change *change, enum space space, struct bytes key)
{
	const struct registry_rows *rows = rows_of(space);

	change->has_effect = change->has_effect || matters(change, space, key);
	remember(change, rows, key);
	writes_delete(&change->writes, space, key); /* first: the key may be what is dropped */
	rows->drop(change->registry, key);
}

static void
apply(struct registry *registry, const struct write *write)
{
	const struct registry_rows *rows = rows_of(write->space);

	if (write->kind == WRITE_DELETE)
		rows->drop(registry, write->key);
	else if (!rows->take(registry, write->key, write->value))
		log_warn("registry", "a row of the registry does not decode");
}

static void
change_free(struct registry_change *change)
{
	writes_clear(&change->writes);
	writes_clear(&change->before);
	free(change);
}

void
registry_change_cancel(struct registry_change *change)
{
	struct registry *registry = change->registry;
	struct write *steps = xcalloc(change->before.count + 1, sizeof(*steps));
	size_t count = 0, at = 0;

	while (writes_next(&change->before, &at, &steps[count]))
		count++;
	while (count > 0)
		apply(registry, &steps[--count]);
	free(steps);
	registry->open = NULL;
	if (change->has_effect)
		tell_changed(registry);
	change_free(change);
}

void
registry_change_add(struct registry_change *change, const struct writes *writes)
{
	writes_append(&change->writes, writes);
}

static int
change_run(struct txn *txn, struct store_job *job, struct err *err)
{
	return store_apply_writes(txn, &((struct registry_change *)job)->writes, err);
}

static void
change_done(struct store_job *job)
{
	struct registry_change *change = (struct registry_change *)job;
	struct registry *registry = change->registry;

	registry->under_way--;
	if (job->status < 0) {
		registry->failed = true;
		writes_append(&registry->unsure, &change->writes);
	}
	if (registry->failed && registry->under_way == 0)
		timer_set(&registry->again, 0);
	if (change->done != NULL)
		change->done(change->arg, job->status, job->status < 0 ? &job->err : NULL);
	change_free(change);
}

void
registry_change_commit(struct registry_change *change,
    void (*done)(void *arg, int status, const struct err *err), void *arg)
{
	struct registry *registry = change->registry;
	struct writes writes = { 0 };

	writes_expect(&writes, SPACE_META, bytes_of_string(mark), registry->version);
	writes_put(&writes, SPACE_META, bytes_of_string(mark), bytes_of(NULL, 0));
	writes_append(&writes, &change->writes);
	writes_clear(&change->writes);
	change->writes = writes;
	change->done = done;
	change->arg = arg;
	change->job.run = change_run;
	change->job.done = change_done;
	change->job.bytes = sizeof(*change) + writes.encoded.cap + change->before.encoded.cap;
	registry->open = NULL;
	registry->under_way++;
	store_submit(registry->parts.store, &change->job);
	registry->version = change->job.version;
	if (change->has_effect)
		tell_changed(registry);
}

/* --- after a failure of the store --- */

struct again_job {
	struct store_job job;
	struct registry *registry;
	struct writes unsure;
	struct writes rows; /* as they are */
	uint64_t version;
};

static int
again_run(struct txn *txn, struct store_job *store_job, struct err *err)
{
	struct again_job *job = (struct again_job *)store_job;
	struct buf value = { 0 };
	struct write write;
	int found = txn_get(txn, SPACE_META, bytes_of_string(mark), NULL, &job->version, err);

	for (size_t at = 0; found >= 0 && writes_next(&job->unsure, &at, &write);) {
		if (rows_of(write.space) == NULL)
			continue;
		found = txn_get(txn, write.space, write.key, &value, NULL, err);
		if (found == 1)
			writes_put(&job->rows, write.space, write.key, buf_bytes(&value));
		else if (found == 0)
			writes_delete(&job->rows, write.space, write.key);
	}
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static void
set_right(struct registry *registry, const struct again_job *job)
{
	struct write write;

	for (size_t i = 0; i < KINDS; i++) {
		for (size_t at = 0; writes_next(&job->rows, &at, &write);) {
			if (write.space == kinds[i]->space)
				apply(registry, &write);
		}
	}
	registry->version = job->version;
	registry->failed = false;
	log_warn("registry", "changes that could not be stored have been taken back");
	tell_changed(registry);
}

static void
again_done(struct store_job *store_job)
{
	struct again_job *job = (struct again_job *)store_job;
	struct registry *registry = job->registry;

	if (store_job->status == 0) {
		set_right(registry, job);
	} else {
		registry->unsure = job->unsure;
		job->unsure = (struct writes){ 0 };
		if (!registry->stopped)
			timer_set(&registry->again, AGAIN_US);
	}
	writes_clear(&job->unsure);
	writes_clear(&job->rows);
	free(job);
}

/* Nothing is on its way: what is stored now is the truth. */
static void
read_again(void *arg)
{
	struct registry *registry = arg;
	struct again_job *job;

	if (registry->stopped)
		return;
	job = xcalloc(1, sizeof(*job));
	job->job.run = again_run;
	job->job.done = again_done;
	job->registry = registry;
	job->unsure = registry->unsure;
	registry->unsure = (struct writes){ 0 };
	store_submit(registry->parts.store, &job->job);
}
