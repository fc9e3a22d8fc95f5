/* SPDX-License-Identifier: MIT
 * What policies ask about a connection.
 */
#include "runtime/access/facts.h"

#include <string.h>
#include <strings.h>

#include "lib/civil.h"
#include "net/certificate.h"
#include "runtime/access/identity.h"
#include "runtime/host.h"
#include "runtime/registry/registry.h"

static bool
give(const char *text, struct buf *value)
{
	if (text == NULL || text[0] == '\0')
		return false;
	buf_append_string(value, text);
	return true;
}

static bool
client_id(const struct identity *identity, struct buf *value)
{
	return give(identity->client_id, value);
}

static bool
thing_name(const struct identity *identity, struct buf *value)
{
	return give(identity->thing, value);
}

static bool
is_attached(const struct identity *identity, struct buf *value)
{
	return give(identity->thing != NULL ? "true" : "false", value);
}

static bool
certificate_id(const struct identity *identity, struct buf *value)
{
	const struct certificate *certificate = identity->peer->certificate;

	return certificate != NULL && give(certificate->id, value);
}

static const struct thing *
thing_of(const struct identity *identity)
{
	return identity->thing != NULL
		   ? registry_thing(identity->host->registry, bytes_of_string(identity->thing))
		   : NULL;
}

static bool
thing_type(const struct identity *identity, struct buf *value)
{
	const struct thing *thing = thing_of(identity);

	return thing != NULL && give(thing->type, value);
}

/* "[2001:db8::1]:8883" -> "2001:db8::1" */
static bool
source_ip(const struct identity *identity, struct buf *value)
{
	const char *address = identity->peer->address, *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;

	if (len > 2 && address[0] == '[')
		buf_append_bytes(value, bytes_of(address + 1, len - 2));
	else
		buf_append_bytes(value, bytes_of(address, len));
	return len > 0;
}

static bool
domain_name(const struct identity *identity, struct buf *value)
{
	return give(identity->peer->server_name, value);
}

static bool
secure_transport(const struct identity *identity, struct buf *value)
{
	return give(identity->peer->is_tls ? "true" : "false", value);
}

static bool
epoch_time(const struct identity *identity, struct buf *value)
{
	buf_printf(value, "%lld", (long long)(loop_wall_ms(identity->host->loop) / 1000));
	return true;
}

static bool
current_time(const struct identity *identity, struct buf *value)
{
	const struct civil now = civil_of(loop_wall_ms(identity->host->loop) / 1000);

	buf_printf(value, "%04d-%02d-%02dT%02d:%02d:%02dZ", now.year, now.month, now.day, now.hour,
	    now.minute, now.second);
	return true;
}

/* What a client wants of its connection beside being there. */
static bool
connect_attributes(const struct identity *identity, struct buf *value)
{
	if (identity->is_persistent)
		buf_append_string(value, "PersistentConnect");
	if (identity->is_persistent && identity->has_will)
		buf_append_u8(value, 0);
	if (identity->has_will)
		buf_append_string(value, "LastWill");
	return value->len > 0;
}

static bool
principal(const struct identity *identity, struct buf *value)
{
	return give(identity->principal, value);
}

static const struct {
	const char *name;
	bool (*get)(const struct identity *identity, struct buf *value);
} rows[] = {
	{ "iot:ClientId", client_id },
	{ "iot:Connection.Thing.ThingName", thing_name },
	{ "iot:Connection.Thing.IsAttached", is_attached },
	{ "iot:Connection.Thing.ThingTypeName", thing_type },
	{ "iot:CertificateId", certificate_id },
	{ "iot:Certificate.Id", certificate_id },
	{ "iot:ConnectAttributes", connect_attributes },
	{ "iot:DomainName", domain_name },
	{ "aws:CurrentTime", current_time },
	{ "aws:EpochTime", epoch_time },
	{ "aws:SourceIp", source_ip },
	{ "aws:SecureTransport", secure_transport },
	{ "moonlet:Principal", principal },
};

/* What remains of the name behind `prefix`. */
static bool
begins(struct bytes name, const char *prefix, struct bytes *rest)
{
	size_t len = strlen(prefix);

	if (name.len < len || strncasecmp(prefix, (const char *)name.data, len) != 0)
		return false;
	*rest = bytes_of(name.data + len, name.len - len);
	return true;
}

/* "model]" of "iot:Connection.Thing.Attributes[model]" */
static bool
attribute(const struct identity *identity, struct bytes name, struct buf *value)
{
	const struct thing *thing = thing_of(identity);

	if (thing == NULL || name.len == 0 || name.data[name.len - 1] != ']')
		return false;
	return give(attributes_find(&thing->attributes, bytes_of(name.data, name.len - 1)), value);
}

bool
facts_get(void *arg, struct bytes name, struct buf *value)
{
	const struct identity *identity = arg;
	const struct certificate *certificate = identity->peer->certificate;
	struct bytes rest;

	if (begins(name, "iot:Connection.Thing.Attributes[", &rest))
		return attribute(identity, rest, value);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].name) == name.len &&
		    strncasecmp(rows[i].name, (const char *)name.data, name.len) == 0)
			return rows[i].get(arg, value);
	}
	return certificate != NULL && begins(name, "iot:Certificate.", &rest) &&
	       certificate_attribute(certificate, rest, value);
}
