/* SPDX-License-Identifier: MIT
 * Certificates, by fingerprint: {"state", "authority", "common_name", "subject", "issuer",
 * "serial", "not_before", "not_after", "created"}. The certificate itself is not kept: who connects
 * shows it.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/registry/registry_private.h"

struct registry_certificate *
registry_certificate(const struct registry *registry, struct bytes id)
{
	struct hash_node *node = hash_find(&registry->certificates, id);

	return node != NULL ? HASH_OWNER(node, struct registry_certificate, link) : NULL;
}

struct registry_certificate *
registry_certificate_next(const struct registry *registry, struct registry_certificate *at)
{
	struct hash_node *node = hash_next(&registry->certificates, at != NULL ? &at->link : NULL);

	return node != NULL ? HASH_OWNER(node, struct registry_certificate, link) : NULL;
}

struct registry_certificate *
registry_certificate_after(const struct registry *registry, uint64_t serial)
{
	return registry_order_after(&registry->certificate_order, serial);
}

static void
clear(struct registry_certificate *certificate)
{
	free(certificate->authority);
	free(certificate->common_name);
	free(certificate->subject);
	free(certificate->issuer);
	free(certificate->serial);
}

void
registry_certificate_free(struct registry_certificate *certificate)
{
	clear(certificate);
	free(certificate);
}

static bool
take(struct registry *registry, struct bytes key, struct bytes value)
{
	struct registry_certificate *certificate = registry_certificate(registry, key);
	cJSON *row = row_object(value);
	enum registry_state state;

	if (row == NULL || key.len != CERTIFICATE_ID_BYTES - 1 ||
	    !registry_state_parse(row_text(row, "state"), &state)) {
		cJSON_Delete(row);
		return false;
	}
	if (certificate == NULL) {
		certificate = xcalloc(1, sizeof(*certificate));
		memcpy(certificate->id, key.data, key.len);
		certificate->place = registry_order_add(&registry->certificate_order, certificate);
		hash_insert(&registry->certificates, &certificate->link,
		    bytes_of(certificate->id, key.len));
	}
	clear(certificate);
	certificate->state = state;
	certificate->authority = row_copy(row, "authority");
	certificate->common_name = xstrdup(row_text(row, "common_name"));
	certificate->subject = xstrdup(row_text(row, "subject"));
	certificate->issuer = xstrdup(row_text(row, "issuer"));
	certificate->serial = xstrdup(row_text(row, "serial"));
	certificate->not_before_s = row_number(row, "not_before");
	certificate->not_after_s = row_number(row, "not_after");
	certificate->created_ms = row_number(row, "created");
	cJSON_Delete(row);
	return true;
}

static void
drop(struct registry *registry, struct bytes key)
{
	struct registry_certificate *certificate = registry_certificate(registry, key);

	if (certificate == NULL)
		return;
	registry_drop_target(registry, "cert:", certificate->id);
	registry_order_remove(&registry->certificate_order, certificate->place);
	hash_remove(&registry->certificates, &certificate->link);
	registry_certificate_free(certificate);
}

static cJSON *
row_of(const struct certificate_facts *facts, int64_t created_ms)
{
	cJSON *row = cJSON_CreateObject();

	row_add_text(row, "state", registry_state_text(facts->state));
	row_add_text(row, "authority", facts->authority);
	row_add_text(row, "common_name", facts->common_name);
	row_add_text(row, "subject", facts->subject);
	row_add_text(row, "issuer", facts->issuer);
	row_add_text(row, "serial", facts->serial);
	row_add_number(row, "not_before", facts->not_before_s);
	row_add_number(row, "not_after", facts->not_after_s);
	row_add_number(row, "created", created_ms);
	return row;
}

static struct certificate_facts
facts_of(const struct registry_certificate *certificate)
{
	return (struct certificate_facts){
		.id = certificate->id,
		.authority = certificate->authority,
		.common_name = certificate->common_name,
		.subject = certificate->subject,
		.issuer = certificate->issuer,
		.serial = certificate->serial,
		.not_before_s = certificate->not_before_s,
		.not_after_s = certificate->not_after_s,
		.state = certificate->state,
	};
}

static bool
write(const struct registry *registry, struct bytes key, struct buf *value)
{
	const struct registry_certificate *certificate = registry_certificate(registry, key);
	struct certificate_facts facts;

	if (certificate == NULL)
		return false;
	facts = facts_of(certificate);
	row_print(row_of(&facts, certificate->created_ms), value);
	return true;
}

const struct registry_rows registry_certificate_rows = { SPACE_CERTIFICATE, take, drop, write };

/* --- steps --- */

static bool
id_is_valid(const char *id)
{
	return strlen(id) == CERTIFICATE_ID_BYTES - 1 &&
	       strspn(id, "0123456789abcdef") == CERTIFICATE_ID_BYTES - 1;
}

int
registry_put_certificate(
    struct registry_change *change, const struct certificate_facts *facts, struct err *err)
{
	struct registry *registry = registry_of(change);

	if (registry_check_room(change, &registry->certificates, err) < 0)
		return -1;
	if (!id_is_valid(facts->id))
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "certificate \"%.80s\": not the 64 hexadecimal digits of a SHA-256", facts->id);
	if (registry_certificate(registry, bytes_of_string(facts->id)) != NULL)
		return registry_refuse(
		    change, REGISTRY_CONFLICT, err, "certificate %s is there already", facts->id);
	registry_put_json(
	    change, SPACE_CERTIFICATE, facts->id, row_of(facts, registry_now_ms(registry)));
	return 0;
}

int
registry_register_certificate(struct registry_change *change, const struct certificate *certificate,
    const char *authority, enum registry_state state, struct err *err)
{
	const struct certificate_facts facts = {
		.id = certificate->id,
		.authority = authority,
		.common_name = certificate->common_name,
		.subject = certificate->subject,
		.issuer = certificate->issuer,
		.serial = certificate->serial,
		.not_before_s = certificate->not_before_s,
		.not_after_s = certificate->not_after_s,
		.state = state,
	};

	return registry_put_certificate(change, &facts, err);
}

static const struct registry_certificate *
need(struct registry_change *change, const char *id, struct err *err)
{
	const struct registry_certificate *certificate;

	if (registry_check_room(change, NULL, err) < 0)
		return NULL;
	certificate = registry_certificate(registry_of(change), bytes_of_string(id));
	if (certificate == NULL)
		(void)registry_refuse(
		    change, REGISTRY_NOT_FOUND, err, "there is no certificate %.80s", id);
	return certificate;
}

int
registry_set_certificate_state(
    struct registry_change *change, const char *id, enum registry_state state, struct err *err)
{
	const struct registry_certificate *certificate = need(change, id, err);
	struct certificate_facts facts;

	if (certificate == NULL)
		return -1;
	if (state == REGISTRY_PENDING)
		return registry_refuse(change, REGISTRY_INVALID, err,
		    "state: PENDING_ACTIVATION is given by just-in-time registration only");
	if (certificate->state == REGISTRY_REVOKED && state != REGISTRY_REVOKED)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "certificate %s is revoked, and stays so: make another one", id);
	facts = facts_of(certificate);
	facts.state = state;
	registry_put_json(change, SPACE_CERTIFICATE, id, row_of(&facts, certificate->created_ms));
	return 0;
}

/* Whether it would be registered anew when it is shown again. */
static bool
would_return(const struct registry *registry, const struct registry_certificate *certificate)
{
	const struct registry_authority *at = registry_authority_next(registry, NULL);

	if (certificate->not_after_s * 1000 <= registry_now_ms(registry))
		return false;
	for (; at != NULL;
	     at = registry_authority_next(registry, (struct registry_authority *)(uintptr_t)at)) {
		if (at->registration != REGISTRATION_OFF &&
		    strcmp(at->subject, certificate->issuer) == 0)
			return true;
	}
	return false;
}

int
registry_delete_certificate(struct registry_change *change, const char *id, struct err *err)
{
	const struct registry_certificate *certificate = need(change, id, err);
	struct buf target = { 0 };

	if (certificate == NULL)
		return -1;
	if (certificate->state == REGISTRY_ACTIVE)
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "certificate %s is ACTIVE: deactivate or revoke it first", id);
	if (would_return(registry_of(change), certificate))
		return registry_refuse(change, REGISTRY_CONFLICT, err,
		    "certificate %s would be registered anew when it is shown again, for its "
		    "authority registers what it has signed: keep it as it is until it ends, or "
		    "set that authority's registration to off",
		    id);
	buf_printf(&target, "cert:%s", id);
	registry_detach_all(change, buf_string(&target));
	buf_clear(&target);
	registry_delete_row(change, SPACE_CERTIFICATE, bytes_of_string(id));
	return 0;
}
