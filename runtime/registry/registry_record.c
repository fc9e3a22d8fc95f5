/* SPDX-License-Identifier: MIT
 * What entries of the registry look like as JSON.
 */
#include "runtime/registry/registry_record.h"

#include <stdlib.h>

#include "runtime/registry/registry_private.h"

static cJSON *
record_new(const char *kind)
{
	cJSON *record = cJSON_CreateObject();

	row_add_text(record, "kind", kind);
	return record;
}

static void
add_to(cJSON *list, const char *text)
{
	if (!cJSON_AddItemToArray(list, cJSON_CreateString(text)))
		abort();
}

static cJSON *
policy_names(const struct registry_target *target)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; target != NULL && i < target->policy_count; i++)
		add_to(list, target->policies[i]->name);
	return list;
}

static const struct registry_target *
target_of(const struct registry *registry, const char *kind, const char *name)
{
	struct buf text = { 0 };
	const struct registry_target *target;

	buf_printf(&text, "%s:%s", kind, name);
	target = registry_target(registry, buf_bytes(&text));
	buf_clear(&text);
	return target;
}

cJSON *
record_of_thing(const struct thing *thing)
{
	cJSON *record = record_new("thing"), *groups = cJSON_CreateArray(),
	      *principals = cJSON_CreateArray();

	for (uint8_t i = 0; i < thing->group_count; i++)
		add_to(groups, thing->groups[i]->name);
	for (uint8_t i = 0; i < thing->target_count; i++)
		add_to(principals, thing->targets[i]->text);
	row_add_text(record, "thingName", thing->name);
	row_add_text(record, "thingTypeName", thing->type);
	row_add(record, "attributes", attributes_json(&thing->attributes));
	row_add(record, "thingGroupNames", groups);
	row_add(record, "principals", principals);
	row_add_number(record, "version", (int64_t)thing->version);
	row_add_number(record, "creationDate", thing->created_ms / 1000);
	return record;
}

void
record_add_connectivity(cJSON *record, const struct thing *thing)
{
	cJSON *connectivity = cJSON_CreateObject();

	row_add(connectivity, "connected", cJSON_CreateBool(thing->connections > 0));
	row_add_number(connectivity, "timestamp", thing->connectivity_ms);
	row_add_text(connectivity, "disconnectReason", thing->disconnect_reason);
	row_add(record, "connectivity", connectivity);
}

cJSON *
record_of_type(const struct thing_type *type)
{
	cJSON *record = record_new("thingType"), *searchable = cJSON_CreateArray();

	for (size_t i = 0; i < type->searchable_count; i++)
		add_to(searchable, type->searchable[i]);
	row_add_text(record, "thingTypeName", type->name);
	row_add_text(record, "description", type->description);
	row_add(record, "searchableAttributes", searchable);
	row_add(record, "deprecated", cJSON_CreateBool(type->deprecated));
	return record;
}

cJSON *
record_of_group(const struct registry *registry, const struct thing_group *group)
{
	cJSON *record = record_new("thingGroup");

	row_add_text(record, "thingGroupName", group->name);
	row_add_text(record, "parentGroupName", group->parent);
	row_add_text(record, "description", group->description);
	row_add(record, "attributes", attributes_json(&group->attributes));
	row_add(record, "policies", policy_names(target_of(registry, "group", group->name)));
	row_add_number(record, "things", (int64_t)group->thing_count);
	row_add_number(record, "version", (int64_t)group->version);
	return record;
}

cJSON *
record_of_certificate(
    const struct registry *registry, const struct registry_certificate *certificate)
{
	const struct registry_target *target = target_of(registry, "cert", certificate->id);
	cJSON *record = record_new("certificate"), *things = cJSON_CreateArray();

	for (size_t i = 0; target != NULL && i < target->thing_count; i++)
		add_to(things, target->things[i]->name);
	row_add_text(record, "certificateId", certificate->id);
	row_add_text(record, "status", registry_state_text(certificate->state));
	row_add_text(record, "caCertificateId", certificate->authority);
	row_add_text(record, "commonName", certificate->common_name);
	row_add_text(record, "subject", certificate->subject);
	row_add_text(record, "issuer", certificate->issuer);
	row_add_text(record, "serial", certificate->serial);
	row_add_number(record, "notBefore", certificate->not_before_s);
	row_add_number(record, "notAfter", certificate->not_after_s);
	row_add(record, "policies", policy_names(target));
	row_add(record, "things", things);
	return record;
}

cJSON *
record_of_authority(const struct registry_authority *authority)
{
	cJSON *record = record_new("caCertificate");

	row_add_text(record, "certificateId", authority->id);
	row_add_text(record, "subject", authority->subject);
	row_add_text(record, "registration", registration_text(authority->registration));
	row_add(record, "ofOwner", cJSON_CreateBool(authority->is_owners));
	row_add_number(record, "notAfter", authority->not_after_s);
	row_add_text(record, "certificatePem", authority->pem);
	return record;
}

cJSON *
record_of_policy(const struct registry_policy *policy)
{
	cJSON *record = record_new("policy"), *document = cJSON_Parse(policy->document);

	row_add_text(record, "policyName", policy->name);
	row_add(record, "policyDocument",
	    document != NULL ? document : cJSON_CreateString(policy->document));
	row_add_number(record, "targets", (int64_t)policy->target_count);
	return record;
}

cJSON *
record_of_target(const struct registry_target *target)
{
	cJSON *record = record_new("target");

	row_add_text(record, "target", target->text);
	row_add(record, "policies", policy_names(target));
	return record;
}

struct registry_authority *
registry_issuer(const struct registry *registry, const struct certificate *certificate)
{
	struct registry_authority *at = registry_authority_next(registry, NULL);
	struct err err;

	for (; at != NULL; at = registry_authority_next(registry, at)) {
		if (strcmp(at->subject, certificate->issuer) == 0 &&
		    certificate_verify(
			buf_bytes(&certificate->der), bytes_of_string(at->pem), &err) == 0)
			return at;
	}
	return NULL;
}
