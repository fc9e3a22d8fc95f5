/* SPDX-License-Identifier: MIT
 * Records put into the registry: a function for each kind.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/registry/registry_private.h"
#include "runtime/registry/registry_record.h"

/* What a kind's function works on. */
struct applying {
	struct registry_change *change;
	const cJSON *record;
	enum record_mode mode;
};

static const cJSON *
field(const struct applying *applying, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(applying->record, name);
}

/* A text, or NULL where it is not there. -1: it is something else, or is needed. */
static int
text_field(const struct applying *applying, const char *name, const char **text, struct err *err)
{
	const cJSON *item = field(applying, name);

	*text = cJSON_GetStringValue(item);
	if (item != NULL && !cJSON_IsNull(item) && *text == NULL)
		return registry_refuse(
		    applying->change, REGISTRY_INVALID, err, "%s: not a string", name);
	return 0;
}

static int
need_text(const struct applying *applying, const char *name, const char **text, struct err *err)
{
	if (text_field(applying, name, text, err) < 0)
		return -1;
	if (*text == NULL)
		return registry_refuse(
		    applying->change, REGISTRY_INVALID, err, "%s: missing", name);
	return 0;
}

static int
check_list(const struct applying *applying, const char *name, struct err *err)
{
	const cJSON *list = field(applying, name), *item;
	bool good = list == NULL || cJSON_IsArray(list);

	cJSON_ArrayForEach(item, list) good = good && cJSON_IsString(item);
	if (good)
		return 0;
	return registry_refuse(
	    applying->change, REGISTRY_INVALID, err, "%s: not an array of strings", name);
}

static int
attach_policies(const struct applying *applying, const char *target, struct err *err)
{
	const cJSON *item;

	if (check_list(applying, "policies", err) < 0)
		return -1;
	cJSON_ArrayForEach(item, field(applying, "policies"))
	{
		if (strcmp(item->valuestring, registry_default_policy) == 0 &&
		    registry_need_default_policy(applying->change, err) < 0)
			return -1;
		if (registry_attach_policy(applying->change, item->valuestring, target, err) < 0)
			return -1;
	}
	return 0;
}

static int
attach_policies_of(
    const struct applying *applying, const char *kind, const char *name, struct err *err)
{
	struct buf target = { 0 };
	int status;

	buf_printf(&target, "%s:%s", kind, name);
	status = attach_policies(applying, buf_string(&target), err);
	buf_clear(&target);
	return status;
}

/* --- certificates --- */

static int
read_state(const struct applying *applying, enum registry_state *state, struct err *err)
{
	const char *text;

	if (text_field(applying, "status", &text, err) < 0)
		return -1;
	if (text != NULL && !registry_state_parse(text, state))
		return registry_refuse(applying->change, REGISTRY_INVALID, err,
		    "status: %.40s is none of ACTIVE, INACTIVE, REVOKED, PENDING_ACTIVATION", text);
	return 0;
}

static bool
is_known(const struct applying *applying, const char *id)
{
	return applying->mode == RECORD_PUT &&
	       registry_certificate(registry_of(applying->change), bytes_of_string(id)) != NULL;
}

static int
put_state(
    const struct applying *applying, const char *id, enum registry_state state, struct err *err)
{
	const struct registry_certificate *certificate =
	    registry_certificate(registry_of(applying->change), bytes_of_string(id));

	if (field(applying, "status") == NULL || certificate->state == state)
		return 0;
	return registry_set_certificate_state(applying->change, id, state, err);
}

/* Registers what stands in the record as PEM; its id goes to `id`. */
static int
register_pem(const struct applying *applying, const char *pem, char id[CERTIFICATE_ID_BYTES],
    struct err *err)
{
	enum registry_state state = REGISTRY_ACTIVE;
	struct certificate *certificate = certificate_parse(bytes_of_string(pem), err);
	const struct registry_authority *issuer;
	int status;

	if (certificate == NULL)
		return registry_refuse(
		    applying->change, REGISTRY_INVALID, err, "certificatePem: %s", err->text);
	memcpy(id, certificate->id, CERTIFICATE_ID_BYTES);
	issuer = registry_issuer(registry_of(applying->change), certificate);
	status = read_state(applying, &state, err);
	if (status == 0 && is_known(applying, id))
		status = put_state(applying, id, state, err);
	else if (status == 0)
		status = registry_register_certificate(
		    applying->change, certificate, issuer != NULL ? issuer->id : NULL, state, err);
	certificate_free(certificate);
	return status;
}

static int
put_facts(const struct applying *applying, const char *id, struct err *err)
{
	struct certificate_facts facts = {
		.id = id,
		.authority = row_text(applying->record, "caCertificateId"),
		.common_name = row_text(applying->record, "commonName"),
		.subject = row_text(applying->record, "subject"),
		.issuer = row_text(applying->record, "issuer"),
		.serial = row_text(applying->record, "serial"),
		.not_before_s = row_number(applying->record, "notBefore"),
		.not_after_s = row_number(applying->record, "notAfter"),
		.state = REGISTRY_INACTIVE,
	};

	if (read_state(applying, &facts.state, err) < 0)
		return -1;
	if (is_known(applying, id))
		return put_state(applying, id, facts.state, err);
	return registry_put_certificate(applying->change, &facts, err);
}

static int
apply_certificate(const struct applying *applying, struct err *err)
{
	char id[CERTIFICATE_ID_BYTES];
	const char *pem, *name = id;

	if (text_field(applying, "certificatePem", &pem, err) < 0)
		return -1;
	if (pem != NULL && register_pem(applying, pem, id, err) < 0)
		return -1;
	if (pem == NULL && (need_text(applying, "certificateId", &name, err) < 0 ||
			       put_facts(applying, name, err) < 0))
		return -1;
	return attach_policies_of(applying, "cert", name, err);
}

static int
apply_authority(const struct applying *applying, struct err *err)
{
	const char *pem, *text;
	enum registration registration = REGISTRATION_OFF;

	if (need_text(applying, "certificatePem", &pem, err) < 0 ||
	    text_field(applying, "registration", &text, err) < 0)
		return -1;
	if (text != NULL && !registration_parse(text, &registration))
		return registry_refuse(applying->change, REGISTRY_INVALID, err,
		    "registration: %.40s is none of off, pending, provision", text);
	return registry_put_authority(applying->change, bytes_of_string(pem), registration, err);
}

/* --- things --- */

static int
join_groups(const struct applying *applying, const char *thing, struct err *err)
{
	const cJSON *item;

	if (check_list(applying, "thingGroupNames", err) < 0)
		return -1;
	cJSON_ArrayForEach(item, field(applying, "thingGroupNames"))
	{
		if (registry_add_member(applying->change, item->valuestring, thing, err) < 0)
			return -1;
	}
	return 0;
}

static int
join_principals(const struct applying *applying, const char *thing, struct err *err)
{
	const cJSON *item;

	if (check_list(applying, "principals", err) < 0)
		return -1;
	cJSON_ArrayForEach(item, field(applying, "principals"))
	{
		if (registry_attach_thing(applying->change, thing, item->valuestring, err) < 0)
			return -1;
	}
	return 0;
}

static int
join_certificate(const struct applying *applying, const char *thing, struct err *err)
{
	char target[CERTIFICATE_ID_BYTES + 5] = "cert:";
	const char *pem;

	if (text_field(applying, "certificatePem", &pem, err) < 0)
		return -1;
	if (pem == NULL)
		return 0;
	if (register_pem(applying, pem, target + 5, err) < 0 ||
	    attach_policies(applying, target, err) < 0)
		return -1;
	return registry_attach_thing(applying->change, thing, target, err);
}

/* 0: not there, or no such number. */
static int64_t
count_field(const struct applying *applying, const char *name)
{
	const cJSON *number = field(applying, name);

	return cJSON_IsNumber(number) && number->valuedouble >= 1 && number->valuedouble < 1e15
		   ? (int64_t)number->valuedouble
		   : 0;
}

static int
apply_thing(const struct applying *applying, struct err *err)
{
	struct thing_wish wish = { .attributes = field(applying, "attributes") };

	if (need_text(applying, "thingName", &wish.name, err) < 0 ||
	    text_field(applying, "thingTypeName", &wish.type, err) < 0)
		return -1;
	wish.is_new = applying->mode == RECORD_NEW || registry_thing(registry_of(applying->change),
							  bytes_of_string(wish.name)) == NULL;
	if (applying->mode != RECORD_NEW) {
		wish.skips_same = true;
		wish.first_version = (uint64_t)count_field(applying, "version");
		wish.created_ms = count_field(applying, "creationDate") * 1000;
	}
	if (registry_put_thing(applying->change, &wish, err) < 0 ||
	    join_groups(applying, wish.name, err) < 0 ||
	    join_principals(applying, wish.name, err) < 0)
		return -1;
	return join_certificate(applying, wish.name, err);
}

static int
apply_type(const struct applying *applying, struct err *err)
{
	struct type_wish wish = { .searchable = field(applying, "searchableAttributes") };
	const cJSON *deprecated = field(applying, "deprecated");
	const struct thing_type *old;

	if (need_text(applying, "thingTypeName", &wish.name, err) < 0 ||
	    text_field(applying, "description", &wish.description, err) < 0)
		return -1;
	old = registry_type(registry_of(applying->change), bytes_of_string(wish.name));
	if ((old == NULL || applying->mode == RECORD_NEW) &&
	    registry_create_type(applying->change, &wish, err) < 0)
		return -1;
	if (deprecated == NULL || (old == NULL && !cJSON_IsTrue(deprecated)))
		return 0;
	return registry_deprecate_type(applying->change, wish.name, cJSON_IsTrue(deprecated), err);
}

static int
apply_group(const struct applying *applying, struct err *err)
{
	struct group_wish wish = { .attributes = field(applying, "attributes") };

	if (need_text(applying, "thingGroupName", &wish.name, err) < 0 ||
	    text_field(applying, "parentGroupName", &wish.parent, err) < 0 ||
	    text_field(applying, "description", &wish.description, err) < 0)
		return -1;
	wish.is_new = applying->mode == RECORD_NEW || registry_group(registry_of(applying->change),
							  bytes_of_string(wish.name)) == NULL;
	if (applying->mode != RECORD_NEW) {
		wish.skips_same = true;
		wish.first_version = (uint64_t)count_field(applying, "version");
	}
	if (registry_put_group(applying->change, &wish, err) < 0)
		return -1;
	return attach_policies_of(applying, "group", wish.name, err);
}

static int
apply_policy(const struct applying *applying, struct err *err)
{
	const cJSON *document = field(applying, "policyDocument");
	struct registry *registry = registry_of(applying->change);
	const char *name;
	char *text;
	int status;

	if (need_text(applying, "policyName", &name, err) < 0)
		return -1;
	if (applying->mode == RECORD_NEW &&
	    registry_policy(registry, bytes_of_string(name)) != NULL)
		return registry_refuse(applying->change, REGISTRY_CONFLICT, err,
		    "policy %.140s is there already", name);
	if (cJSON_IsString(document))
		return registry_put_policy(
		    applying->change, name, bytes_of_string(document->valuestring), err);
	text = document != NULL ? cJSON_PrintUnformatted(document) : NULL;
	if (text == NULL)
		return registry_refuse(
		    applying->change, REGISTRY_INVALID, err, "policyDocument: missing");
	status = registry_put_policy(applying->change, name, bytes_of_string(text), err);
	cJSON_free(text);
	return status;
}

static int
apply_target(const struct applying *applying, struct err *err)
{
	const char *target;

	if (need_text(applying, "target", &target, err) < 0)
		return -1;
	return attach_policies(applying, target, err);
}

static const struct {
	const char *kind;
	int (*apply)(const struct applying *applying, struct err *err);
} kinds[] = {
	{ "thing", apply_thing },
	{ "thingType", apply_type },
	{ "thingGroup", apply_group },
	{ "certificate", apply_certificate },
	{ "caCertificate", apply_authority },
	{ "policy", apply_policy },
	{ "target", apply_target },
};

int
record_apply(
    struct registry_change *change, const cJSON *record, enum record_mode mode, struct err *err)
{
	const struct applying applying = { .change = change, .record = record, .mode = mode };
	const char *kind;

	if (!cJSON_IsObject(record))
		return registry_refuse(change, REGISTRY_INVALID, err, "not a JSON object");
	if (need_text(&applying, "kind", &kind, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].apply(&applying, err);
	}
	return registry_refuse(change, REGISTRY_INVALID, err,
	    "kind: %.40s is none of thing, thingType, thingGroup, certificate, caCertificate, "
	    "policy, target",
	    kind);
}
