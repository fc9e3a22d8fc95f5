/* SPDX-License-Identifier: MIT
 * Certificates, by mbedtls.
 */
#include "net/certificate.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base64.h"
#include "lib/sha.h"
#include "net/certificate_mbed.h"
#include "net/mbed.h"

enum {
	NAME_HOST = 2,
	NAME_ADDRESS = 7,
	NAME_BYTES = 1024,
	PEM_LINE_BYTES = 64,
	SECONDS_A_DAY = 86400
};

static void
hex(const uint8_t *data, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		(void)sprintf(out + 2 * i, "%02x", data[i]);
	out[2 * len] = '\0';
}

/* Days since 1970 of a date of the Gregorian calendar; years begin in March here. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

static int64_t
seconds_of(const mbedtls_x509_time *time)
{
	return days_of(time->year, time->mon, time->day) * SECONDS_A_DAY + time->hour * 3600 +
	       time->min * 60 + time->sec;
}

static char *
printable(const uint8_t *text, size_t len)
{
	char *copy = bytes_to_string(bytes_of(text, len));

	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = '?';
	}
	return copy;
}

static char *
common_name(const mbedtls_x509_name *name)
{
	for (; name != NULL; name = name->next) {
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0)
			return printable(name->val.p, name->val.len);
	}
	return xstrdup("");
}

static char *
whole_name(const mbedtls_x509_name *name)
{
	char text[NAME_BYTES] = "";

	if (mbedtls_x509_dn_gets(text, sizeof(text), name) < 0)
		(void)snprintf(text, sizeof(text), "(a name that is too long)");
	return printable((const uint8_t *)text, strlen(text));
}

struct certificate *
certificate_of_mbed(const mbedtls_x509_crt *parsed)
{
	struct certificate *certificate = xcalloc(1, sizeof(*certificate));
	uint8_t digest[SHA_256_BYTES];
	size_t serial_len = parsed->serial.len < 32 ? parsed->serial.len : 32;

	buf_append(&certificate->der, parsed->raw.p, parsed->raw.len);
	sha_digest(SHA_256, buf_bytes(&certificate->der), digest);
	hex(digest, sizeof(digest), certificate->id);
	hex(parsed->serial.p, serial_len, certificate->serial);
	certificate->common_name = common_name(&parsed->subject);
	certificate->subject = whole_name(&parsed->subject);
	certificate->issuer = whole_name(&parsed->issuer);
	certificate->not_before_s = seconds_of(&parsed->valid_from);
	certificate->not_after_s = seconds_of(&parsed->valid_to);
	certificate->is_authority = mbed_is_authority(parsed);
	return certificate;
}

/* As mbedtls says it: 0, a code, or how many could not be read. */
static int
parse_chain(mbedtls_x509_crt *chain, struct bytes text)
{
	char *terminated = bytes_to_string(text);
	bool is_pem = strstr(terminated, "-----BEGIN CERTIFICATE-----") != NULL;
	int code = mbedtls_x509_crt_parse(
	    chain, (const uint8_t *)terminated, is_pem ? text.len + 1 : text.len);

	free(terminated);
	return code;
}

int
certificate_authorities_parse(mbedtls_x509_crt *chain, struct bytes text, struct err *err)
{
	int code = parse_chain(chain, text);

	if (code >= 0 && chain->version != 0)
		return 0;
	return err_set(err, "no certificate in PEM form is in it");
}

int
certificate_chain_parse(mbedtls_x509_crt *chain, struct bytes text, struct err *err)
{
	int code = parse_chain(chain, text);

	if (code == 0)
		return 0;
	if (code > 0)
		return err_set(err, "%d of its certificates cannot be read", code);
	(void)mbed_err(err, code);
	return err_prefix(err, "not a certificate in PEM or DER form");
}

struct certificate *
certificate_parse(struct bytes text, struct err *err)
{
	struct certificate *certificate = NULL;
	mbedtls_x509_crt chain;

	mbedtls_x509_crt_init(&chain);
	if (certificate_chain_parse(&chain, text, err) == 0)
		certificate = certificate_of_mbed(&chain);
	mbedtls_x509_crt_free(&chain);
	return certificate;
}

struct certificate *
certificate_copy(const struct certificate *from)
{
	struct certificate *certificate = xcalloc(1, sizeof(*certificate));

	*certificate = *from;
	certificate->common_name = xstrdup(from->common_name);
	certificate->subject = xstrdup(from->subject);
	certificate->issuer = xstrdup(from->issuer);
	certificate->der = (struct buf){ 0 };
	buf_append_bytes(&certificate->der, buf_bytes(&from->der));
	return certificate;
}

void
certificate_free(struct certificate *certificate)
{
	if (certificate == NULL)
		return;
	free(certificate->common_name);
	free(certificate->subject);
	free(certificate->issuer);
	buf_clear(&certificate->der);
	free(certificate);
}

void
certificate_pem(const struct certificate *certificate, struct buf *out)
{
	struct buf text = { 0 };

	base64_encode(buf_bytes(&certificate->der), &text);
	buf_append_string(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t at = 0; at < text.len; at += PEM_LINE_BYTES) {
		size_t left = text.len - at;

		buf_append(out, text.data + at, left < PEM_LINE_BYTES ? left : PEM_LINE_BYTES);
		buf_append_u8(out, '\n');
	}
	buf_append_string(out, "-----END CERTIFICATE-----\n");
	buf_clear(&text);
}

bool
certificate_has_address(const mbedtls_x509_crt *certificate, const char *text)
{
	const mbedtls_x509_sequence *name = &certificate->subject_alt_names;
	unsigned char address[16];
	size_t len = inet_pton(AF_INET, text, address) == 1 ? 4 : 16;

	if (len == 16 && inet_pton(AF_INET6, text, address) != 1)
		return false;
	for (; name != NULL; name = name->next) {
		if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == NAME_ADDRESS &&
		    name->buf.len == len && memcmp(name->buf.p, address, len) == 0)
			return true;
	}
	return false;
}

static bool
host_fits(struct bytes pattern, const char *name)
{
	if (pattern.len > 2 && pattern.data[0] == '*' && pattern.data[1] == '.') {
		name = strchr(name, '.');
		if (name == NULL)
			return false;
		pattern = bytes_of(pattern.data + 1, pattern.len - 1);
	}
	return pattern.len == strlen(name) &&
	       strncasecmp((const char *)pattern.data, name, pattern.len) == 0;
}

bool
certificate_has_host(const mbedtls_x509_crt *certificate, const char *name)
{
	const mbedtls_x509_sequence *at = &certificate->subject_alt_names;
	const mbedtls_x509_name *part = &certificate->subject;
	bool has_names = false;

	for (; at != NULL; at = at->next) {
		if ((at->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) != NAME_HOST || at->buf.len == 0)
			continue;
		has_names = true;
		if (host_fits(bytes_of(at->buf.p, at->buf.len), name))
			return true;
	}
	for (; !has_names && part != NULL; part = part->next) {
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0 &&
		    host_fits(bytes_of(part->val.p, part->val.len), name))
			return true;
	}
	return false;
}

int
certificate_flags_err(uint32_t flags, struct err *err)
{
	char text[400] = "";

	if (mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags) < 0)
		(void)snprintf(text, sizeof(text), "not valid");
	for (char *at = text; *at != '\0'; at++) {
		if (*at == '\n')
			*at = at[1] != '\0' ? ';' : '\0';
	}
	return err_set(err, "%s", text);
}

int
certificate_verify(struct bytes certificate, struct bytes authorities, struct err *err)
{
	mbedtls_x509_crt chain, roots;
	uint32_t flags = 0;
	int result;

	mbedtls_x509_crt_init(&chain);
	mbedtls_x509_crt_init(&roots);
	result = certificate_chain_parse(&chain, certificate, err);
	if (result == 0)
		result = certificate_chain_parse(&roots, authorities, err);
	if (result == 0 &&
	    mbedtls_x509_crt_verify(&chain, &roots, NULL, NULL, &flags, NULL, NULL) != 0)
		result = certificate_flags_err(flags, err);
	mbedtls_x509_crt_free(&chain);
	mbedtls_x509_crt_free(&roots);
	return result;
}
