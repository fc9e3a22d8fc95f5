/* SPDX-License-Identifier: MIT
 * What policies ask about a connection.
 */
#include "runtime/facts.h"

#include <string.h>
#include <strings.h>

#include "net/certificate.h"
#include "runtime/host.h"
#include "runtime/identity.h"

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
common_name(const struct identity *identity, struct buf *value)
{
	const struct certificate *certificate = identity->peer->certificate;

	return certificate != NULL && give(certificate->common_name, value);
}

static bool
certificate_id(const struct identity *identity, struct buf *value)
{
	const struct certificate *certificate = identity->peer->certificate;

	return certificate != NULL && give(certificate->id, value);
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
	{ "iot:Certificate.Subject.CommonName", common_name },
	{ "iot:Certificate.Id", certificate_id },
	{ "iot:DomainName", domain_name },
	{ "aws:CurrentTime", epoch_time },
	{ "aws:EpochTime", epoch_time },
	{ "aws:SourceIp", source_ip },
	{ "aws:SecureTransport", secure_transport },
	{ "moonlet:Principal", principal },
};

bool
facts_get(void *arg, struct bytes name, struct buf *value)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].name) == name.len &&
		    strncasecmp(rows[i].name, (const char *)name.data, name.len) == 0)
			return rows[i].get(arg, value);
	}
	return false;
}
