/* SPDX-License-Identifier: MIT
 * Authorities whose signatures count: {"pem", "registration", "created"}. Those of the machine's
 * owner are adopted at start and have a row only where somebody has changed their setting.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/registry/registry_private.h"

struct registry_authority *
registry_authority(const struct registry *registry, struct bytes id)
{
	struct hash_node *node = hash_find(&registry->authorities, id);

	return node != NULL ? HASH_OWNER(node, struct registry_authority, link) : NULL;
}

struct registry_authority *
registry_authority_next(const struct registry *registry, struct registry_authority *at)
{
	struct hash_node *node = hash_next(&registry->authorities, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct registry_authority, link) : NULL;
}

void
registry_authority_free(struct registry_authority *authority)
{
	free(authority->pem);
	free(authority->subject);
	free(authority);
}

static void
tell(struct registry *registry)
{
	if (registry->is_restored && registry->parts.authorities_changed != NULL)
		registry->parts.authorities_changed(registry->parts.arg);
}

static struct registry_authority *
add(struct registry *registry, const struct certificate *certificate)
{
	struct registry_authority *authority = xcalloc(1, sizeof(*authority));
	struct buf pem = { 0 };

	certificate_pem(certificate, &pem);
	memcpy(authority->id, certificate->id, sizeof(authority->id));
	authority->pem = bytes_to_string(buf_bytes(&pem));
	authority->subject = xstrdup(certificate->subject);
	authority->not_after_s = certificate->not_after_s;
	authority->registration = REGISTRATION_PROVISION;
	hash_insert(&registry->authorities, &authority->link, bytes_of_string(authority->id));
	buf_clear(&pem);
	return authority;
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	struct registry_authority *authority = registry_authority(registry, key);
	cJSON *row = row_object(value);
	enum registration registration;
	struct certificate *certificate = NULL;
	struct err err;

	if (row != NULL && registration_parse(row_text(row, "registration"), &registration))
		certificate = certificate_parse(bytes_of_string(row_text(row, "pem")), &err);
	if (certificate == NULL || !bytes_equal_string(key, certificate->id)) {
		certificate_free(certificate);
		cJSON_Delete(row);
		return false;
	}
	if (authority == NULL)
		authority = add(registry, certificate);
	authority->registration = registration;
	authority->created_ms = row_number(row, "created");
	certificate_free(certificate);
	cJSON_Delete(row);
	tell(registry);
	return true;
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct registry_authority *authority = registry_authority(registry, key);

	if (authority == NULL)
		return;
	if (authority->is_owners) {
		authority->registration = REGISTRATION_PROVISION;
		authority->created_ms = 0;
		return;
	}
	hash_remove(&registry->authorities, &authority->link);
	registry_authority_free(authority);
	tell(registry);
}

static cJSON *
row_of(const struct registry_authority *authority)
{
	cJSON *row = cJSON_CreateObject();

	row_add_text(row, "pem", authority->pem);
	row_add_text(row, "registration", registration_text(authority->registration));
	row_add_number(row, "created", authority->created_ms);
	return row;
}

/* Of those that are adopted there is a row only where it was created. */
static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	const struct registry_authority *authority = registry_authority(registry, key);

	if (authority == NULL || (authority->is_owners && authority->created_ms == 0))
		return false;
	row_print(row_of(authority), value);
	return true;
}

const struct registry_rows registry_authority_rows = { SPACE_AUTHORITY, take, drop, write };

/* --- those of the owner --- */

static void
forget_adopted(struct registry *registry)
{
	struct registry_authority *at = registry_authority_next(registry, NULL), *next;

	for (; at != NULL; at = next) {
		next = registry_authority_next(registry, at);
		at->is_owners = false;
		if (at->created_ms != 0)
			continue;
		hash_remove(&registry->authorities, &at->link);
		registry_authority_free(at);
	}
}

static void
adopt(struct registry *registry, struct bytes pem)
{
	struct registry_authority *authority;
	struct err err;
	struct certificate *certificate = certificate_parse(pem, &err);

	if (certificate == NULL) {
		log_warn("registry", "an authority cannot be read: %s", err.text);
		return;
	}
	authority = registry_authority(registry, bytes_of_string(certificate->id));
	if (authority == NULL)
		authority = add(registry, certificate);
	authority->is_owners = true;
	certificate_free(certificate);
}

void
registry_adopt_authorities(struct registry *registry, struct bytes pems)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const char *at, *next;
	struct buf text = { 0 };

	buf_append_bytes(&text, pems);
	forget_adopted(registry);
	for (at = strstr(buf_string(&text), begin); at != NULL; at = next) {
		next = strstr(at + 1, begin);
		adopt(registry,
		    next != NULL ? bytes_of(at, (size_t)(next - at)) : bytes_of_string(at));
	}
	buf_clear(&text);
}

/* --- steps --- */

static void
put(struct registry_change *change, const struct registry_authority *model)
{
	registry_put_json(change, SPACE_AUTHORITY, model->id, row_of(model));
}

int
registry_put_authority(struct registry_change *change, struct bytes pem,
    enum registration registration, struct err *err)
{
	struct registry *registry = registry_of(change);
	struct registry_authority model = { .registration = registration };
	struct certificate *certificate;
	struct buf text = { 0 };
	int result = 0;

	if (registry_check_room(change, &registry->authorities, err) < 0)
		return -1;
	certificate = certificate_parse(pem, err);
	if (certificate == NULL)
		return registry_refuse(change, REGISTRY_INVALID, err, "%s", err->text);
	if (!certificate->is_authority)
		result = registry_refuse(change, REGISTRY_INVALID, err,
		    "%s is no authority's certificate: its basic constraints do not say CA",
		    certificate->subject);
	else if (registry->authorities.count >= REGISTRY_AUTHORITIES_MAX)
		result = registry_refuse(change, REGISTRY_CONFLICT, err,
		    "there are %d authorities: no more are taken", REGISTRY_AUTHORITIES_MAX);
	if (result == 0) {
		memcpy(model.id, certificate->id, sizeof(model.id));
		certificate_pem(certificate, &text);
		model.pem = (char *)(uintptr_t)buf_string(&text);
		model.created_ms = registry_now_ms(registry);
		put(change, &model);
	}
	buf_clear(&text);
	certificate_free(certificate);
	return result;
}

static const struct registry_authority *
need(struct registry_change *change, const char *id, struct err *err)
{
	const struct registry_authority *authority;

	if (registry_check_room(change, NULL, err) < 0)
		return NULL;
	authority = registry_authority(registry_of(change), bytes_of_string(id));
	if (authority == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no authority %.80s", id);
	return authority;
}

int
registry_set_registration(
    struct registry_change *change, const char *id, enum registration registration, struct err *err)
{
	const struct registry_authority *authority = need(change, id, err);
	struct registry_authority model;

	if (authority == NULL)
		return -1;
	model = *authority;
	model.registration = registration;
	if (model.created_ms == 0)
		model.created_ms = registry_now_ms(registry_of(change));
	put(change, &model);
	return 0;
}

int
registry_delete_authority(struct registry_change *change, const char *id, struct err *err)
{
	const struct registry_authority *authority = need(change, id, err);

	if (authority == NULL)
		return -1;
	if (authority->is_owners)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "authority %s is the host's own or of the option tls_ca: set its registration "
		    "to off, or take it out of that file",
		    id);
	registry_delete_row(change, SPACE_AUTHORITY, bytes_of_string(id));
	return 0;
}
