/* SPDX-License-Identifier: MIT
 * What stands in a certificate, by the names that policies call it: read from the certificate
 * itself each time, for few policies ask.
 */
#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/certificate.h"

enum { INDEX_MAX = 99 };

/* Of a distinguished name (RFC 5280 §4.1.2.4). */
static const struct {
	const char *name;
	const char *oid;
	size_t oid_len;
} fields[] = {
#define FIELD(name, oid)                   \
	{                                  \
		name, oid, sizeof(oid) - 1 \
	}
	FIELD("CommonName", MBEDTLS_OID_AT_CN),
	FIELD("Country", MBEDTLS_OID_AT_COUNTRY),
	FIELD("Organization", MBEDTLS_OID_AT_ORGANIZATION),
	FIELD("OrganizationalUnit", MBEDTLS_OID_AT_ORG_UNIT),
	FIELD("State", MBEDTLS_OID_AT_STATE),
	FIELD("SerialNumber", MBEDTLS_OID_AT_SERIAL_NUMBER),
	FIELD("DistinguishedNameQualifier", MBEDTLS_OID_AT_DN_QUALIFIER),
	FIELD("Title", MBEDTLS_OID_AT_TITLE),
	FIELD("Surname", MBEDTLS_OID_AT_SUR_NAME),
	FIELD("GivenName", MBEDTLS_OID_AT_GIVEN_NAME),
	FIELD("Initials", MBEDTLS_OID_AT_INITIALS),
	FIELD("Pseudonym", MBEDTLS_OID_AT_PSEUDONYM),
	FIELD("GenerationQualifier", MBEDTLS_OID_AT_GENERATION_QUALIFIER),
};

/* Of the alternative names (RFC 5280 §4.2.1.6): the choice's tag. */
static const struct {
	const char *name;
	int tag;
} alternatives[] = {
	{ "AlternativeName.RFC822Name", 1 },
	{ "AlternativeName.DNSName", 2 },
	{ "AlternativeName.UniformResourceIdentifier", 6 },
	{ "AlternativeName.IPAddress", 7 },
};

static bool
is(struct bytes name, const char *text)
{
	return name.len == strlen(text) &&
	       strncasecmp((const char *)name.data, text, name.len) == 0;
}

/* Takes `prefix` from the front. */
static bool
skip(struct bytes *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (name->len < len || strncasecmp((const char *)name->data, prefix, len) != 0)
		return false;
	*name = bytes_of(name->data + len, name->len - len);
	return true;
}

/* ".1" at the end means the second one: takes it off. No number: the first. */
static unsigned
take_index(struct bytes *name)
{
	size_t len = name->len;
	unsigned index = 0, unit = 1;

	while (len > 0 && name->data[len - 1] >= '0' && name->data[len - 1] <= '9' &&
	       index <= INDEX_MAX) {
		index += (unsigned)(name->data[--len] - '0') * unit;
		unit *= 10;
	}
	if (len == 0 || len == name->len || name->data[len - 1] != '.')
		return 0;
	name->len = len - 1;
	return index;
}

/* Characters that are no text become "?", as in the other names of a certificate. */
static bool
give(const mbedtls_x509_buf *text, struct buf *value)
{
	for (size_t i = 0; i < text->len; i++) {
		uint8_t byte = text->p[i];

		buf_append_u8(value, byte < 0x20 || byte == 0x7f ? '?' : byte);
	}
	return text->len > 0;
}

static bool
find_field(const mbedtls_x509_name *names, struct bytes name, unsigned index, struct buf *value)
{
	size_t i = 0;

	while (i < sizeof(fields) / sizeof(fields[0]) && !is(name, fields[i].name))
		i++;
	if (i == sizeof(fields) / sizeof(fields[0]))
		return false;
	for (; names != NULL; names = names->next) {
		if (names->oid.len == fields[i].oid_len &&
		    memcmp(names->oid.p, fields[i].oid, fields[i].oid_len) == 0 && index-- == 0)
			return give(&names->val, value);
	}
	return false;
}

static bool
give_alternative(const mbedtls_x509_buf *text, int tag, struct buf *value)
{
	char address[INET6_ADDRSTRLEN];

	if (tag != 7)
		return give(text, value);
	if (text->len != 4 && text->len != 16)
		return false;
	if (inet_ntop(text->len == 4 ? AF_INET : AF_INET6, text->p, address, sizeof(address)) ==
	    NULL)
		return false;
	buf_append_string(value, address);
	return true;
}

static bool
find_alternative(
    const mbedtls_x509_crt *certificate, struct bytes name, unsigned index, struct buf *value)
{
	const mbedtls_x509_sequence *names = &certificate->subject_alt_names;
	size_t i = 0;

	while (
	    i < sizeof(alternatives) / sizeof(alternatives[0]) && !is(name, alternatives[i].name))
		i++;
	if (i == sizeof(alternatives) / sizeof(alternatives[0]))
		return false;
	for (; names != NULL && names->buf.p != NULL; names = names->next) {
		if ((names->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == alternatives[i].tag &&
		    index-- == 0)
			return give_alternative(&names->buf, alternatives[i].tag, value);
	}
	return false;
}

static bool
find(const mbedtls_x509_crt *parsed, struct bytes name, struct buf *value)
{
	unsigned index = take_index(&name);

	if (skip(&name, "Issuer."))
		return find_field(&parsed->issuer, name, index, value);
	return skip(&name, "Subject.") && (find_field(&parsed->subject, name, index, value) ||
					      find_alternative(parsed, name, index, value));
}

bool
certificate_attribute(const struct certificate *certificate, struct bytes name, struct buf *value)
{
	mbedtls_x509_crt parsed;
	bool found;

	if (is(name, "SerialNumber")) {
		buf_append_string(value, certificate->serial);
		return certificate->serial[0] != '\0';
	}
	if (certificate->der.len == 0 && is(name, "Subject.CommonName")) {
		buf_append_string(value, certificate->common_name);
		return certificate->common_name[0] != '\0';
	}
	mbedtls_x509_crt_init(&parsed);
	found =
	    mbedtls_x509_crt_parse_der(&parsed, certificate->der.data, certificate->der.len) == 0 &&
	    find(&parsed, name, value);
	mbedtls_x509_crt_free(&parsed);
	return found;
}
