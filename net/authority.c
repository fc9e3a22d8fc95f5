/* SPDX-License-Identifier: MIT
 * Signing by mbedtls. The extensions that its older version cannot write are written here.
 */
#include "net/authority.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/asn1write.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_csr.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/certificate_mbed.h"
#include "net/mbed.h"
#include "net/pem_file.h"

enum {
	PEM_BYTES = 8192,
	EXTENSION_BYTES = 2048,
	SERIAL_BYTES = 16,
	AUTHORITY_DAYS = 10950,
	DAY_S = 86400,
	NAME_DNS = 2, /* RFC 5280 §4.2.1.6 */
	NAME_ADDRESS = 7,
};

struct authority {
	mbedtls_pk_context key;
	mbedtls_x509_crt parsed;
	struct certificate *certificate;
	struct buf pem;
	char *subject; /* as mbedtls wants an issuer's name */
};

struct signing {
	mbedtls_x509write_cert writer;
	mbedtls_pk_context *subject_key;
	char subject[COMMON_NAME_BYTES_MAX + 32];
	const char *issuer; /* NULL: itself */
	bool is_authority;
};

static int
make_key(mbedtls_pk_context *key, struct err *err)
{
	int code = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	if (code == 0)
		code = mbedtls_ecp_gen_key(
		    MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), mbed_random, NULL);
	return code == 0 ? 0 : (mbed_err(err, code), err_prefix(err, "make a key"));
}

static int
append_key(const mbedtls_pk_context *key, struct buf *out, struct err *err)
{
	unsigned char pem[PEM_BYTES];
	int code = mbedtls_pk_write_key_pem((mbedtls_pk_context *)(uintptr_t)key, pem, sizeof(pem));

	if (code == 0)
		buf_append_string(out, (const char *)pem);
	explicit_bzero(pem, sizeof(pem));
	return code == 0 ? 0 : mbed_err(err, code);
}

/* "20260131235959", as mbedtls wants it. */
static void
format_time(int64_t time_s, char out[16])
{
	time_t time = (time_t)time_s;
	struct tm parts;

	if (gmtime_r(&time, &parts) == NULL || strftime(out, 16, "%Y%m%d%H%M%S", &parts) == 0)
		abort();
}

static int
set_times(mbedtls_x509write_cert *writer, int64_t now_s, uint32_t days)
{
	char from[16], to[16];

	format_time(now_s - DAY_S, from);
	format_time(now_s + (int64_t)days * DAY_S, to);
	return mbedtls_x509write_crt_set_validity(writer, from, to);
}

/* ASN.1 is written from its end. Returns the bytes that one name takes, or mbedtls' code. */
static int
write_name(unsigned char **at, unsigned char *start, const char *name)
{
	unsigned char address[16];
	const unsigned char *value = (const unsigned char *)name;
	size_t len = strlen(name);
	unsigned char tag = NAME_ADDRESS;
	int code, total;

	if (inet_pton(AF_INET, name, address) == 1) {
		value = address;
		len = 4;
	} else if (inet_pton(AF_INET6, name, address) == 1) {
		value = address;
		len = 16;
	} else {
		tag = NAME_DNS;
	}
	total = mbedtls_asn1_write_raw_buffer(at, start, value, len);
	code = total < 0 ? total : mbedtls_asn1_write_len(at, start, len);
	total += code;
	if (code >= 0)
		code = mbedtls_asn1_write_tag(at, start, MBEDTLS_ASN1_CONTEXT_SPECIFIC | tag);
	return code < 0 ? code : total + code;
}

static int
set_names(mbedtls_x509write_cert *writer, const struct certificate_wish *wish)
{
	unsigned char text[EXTENSION_BYTES], *at = text + sizeof(text);
	int total = 0, code = 0;

	if (wish->name_count == 0)
		return 0;
	for (size_t i = wish->name_count; i-- > 0 && code >= 0; total += code)
		code = write_name(&at, text, wish->names[i]);
	if (code >= 0)
		code = mbedtls_asn1_write_len(&at, text, (size_t)total);
	if (code >= 0)
		code = mbedtls_asn1_write_tag(
		    &at, text, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
	if (code < 0)
		return code;
	return mbedtls_x509write_crt_set_extension(writer, MBEDTLS_OID_SUBJECT_ALT_NAME,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, at,
	    (size_t)(text + sizeof(text) - at));
}

/* id-kp-serverAuth and id-kp-clientAuth (RFC 5280 §4.2.1.12), each as a sequence of one. */
static int
set_purpose(mbedtls_x509write_cert *writer, enum certificate_use use)
{
	static const unsigned char purposes[][12] = {
		[CERTIFICATE_DEVICE] = { 0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 2 },
		[CERTIFICATE_SERVER] = { 0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 1 },
	};

	return mbedtls_x509write_crt_set_extension(writer, MBEDTLS_OID_EXTENDED_KEY_USAGE,
	    MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, purposes[use],
	    sizeof(purposes[use]));
}

static int
set_extensions(struct signing *signing, const struct certificate_wish *wish)
{
	mbedtls_x509write_cert *writer = &signing->writer;
	unsigned usage = signing->is_authority
			     ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN
			     : MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
	int code = mbedtls_x509write_crt_set_basic_constraints(
	    writer, signing->is_authority, signing->is_authority ? 0 : -1);

	if (code == 0)
		code = mbedtls_x509write_crt_set_subject_key_identifier(writer);
	if (code == 0)
		code = mbedtls_x509write_crt_set_authority_key_identifier(writer);
	if (code == 0)
		code = mbedtls_x509write_crt_set_key_usage(writer, usage);
	if (code == 0 && !signing->is_authority)
		code = set_purpose(writer, wish->use);
	if (code == 0)
		code = set_names(writer, wish);
	return code;
}

static int
sign(struct signing *signing, mbedtls_pk_context *issuer_key, const struct certificate_wish *wish,
    struct buf *out, struct err *err)
{
	mbedtls_x509write_cert *writer = &signing->writer;
	unsigned char serial[SERIAL_BYTES], pem[PEM_BYTES];
	uint32_t days = wish->days != 0 ? wish->days : CERTIFICATE_DAYS_DEFAULT;
	int code;

	(void)mbed_random(NULL, serial, sizeof(serial));
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and of full length */
	mbedtls_x509write_crt_init(writer);
	mbedtls_x509write_crt_set_version(writer, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(writer, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(writer, signing->subject_key);
	mbedtls_x509write_crt_set_issuer_key(writer, issuer_key);
	code = mbed_serial_set(writer, serial, sizeof(serial));
	if (code == 0)
		code = set_times(writer, wish->now_s, days);
	if (code == 0)
		code = mbedtls_x509write_crt_set_subject_name(writer, signing->subject);
	if (code == 0)
		code = mbedtls_x509write_crt_set_issuer_name(
		    writer, signing->issuer != NULL ? signing->issuer : signing->subject);
	if (code == 0)
		code = set_extensions(signing, wish);
	if (code == 0)
		code = mbed_sign(writer, pem, sizeof(pem));
	mbedtls_x509write_crt_free(writer);
	if (code != 0)
		return mbed_err(err, code), err_prefix(err, "make a certificate");
	buf_append_string(out, (const char *)pem);
	return 0;
}

static int
check_name(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > COMMON_NAME_BYTES_MAX)
		return err_set(
		    err, "a certificate's name has 1 to %d bytes", COMMON_NAME_BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		if (name[i] < 0x20 || name[i] == 0x7f || strchr(",=+\"<>#;\\", name[i]) != NULL)
			return err_set(err,
			    "\"%s\": a certificate's name has printable ASCII, "
			    "and none of ,=+\"<>#;\\",
			    name);
	}
	return 0;
}

static int
make_authority(const char *certificate_path, const char *key_path, int64_t now_s, struct err *err)
{
	struct certificate_wish wish = { .now_s = now_s, .days = AUTHORITY_DAYS };
	struct signing signing = { .is_authority = true };
	struct buf certificate = { 0 }, key_pem = { 0 };
	mbedtls_pk_context key;
	uint32_t random;
	int result;

	mbedtls_pk_init(&key);
	(void)mbed_random(NULL, (unsigned char *)&random, sizeof(random));
	(void)snprintf(
	    signing.subject, sizeof(signing.subject), "CN=Moonlet CA %08x,O=Moonlet", random);
	signing.subject_key = &key;
	result = make_key(&key, err);
	if (result == 0)
		result = sign(&signing, &key, &wish, &certificate, err);
	if (result == 0)
		result = append_key(&key, &key_pem, err);
	if (result == 0)
		result = pem_file_write(key_path, buf_bytes(&key_pem), 0600, err);
	if (result == 0)
		result = pem_file_write(certificate_path, buf_bytes(&certificate), 0644, err);
	mbedtls_pk_free(&key);
	if (key_pem.len > 0)
		explicit_bzero(key_pem.data, key_pem.len);
	buf_clear(&key_pem);
	buf_clear(&certificate);
	return result;
}

/* The subject as mbedtls reads it: without spaces behind commas. */
static char *
issuer_name(const char *subject)
{
	char *name = xstrdup(subject), *to = name;

	for (const char *at = subject; *at != '\0'; at++) {
		if (*at != ' ' || at == subject || at[-1] != ',')
			*to++ = *at;
	}
	*to = '\0';
	return name;
}

static int
load(struct authority *authority, const char *certificate_path, const char *key_path,
    struct err *err)
{
	struct buf key = { 0 };
	int code, result = -1;

	if (pem_file_read(certificate_path, &authority->pem, err) < 0)
		return -1;
	if (certificate_chain_parse(&authority->parsed, buf_bytes(&authority->pem), err) < 0)
		return err_prefix(err, "%s", certificate_path);
	if (pem_file_read(key_path, &key, err) < 0)
		goto out;
	buf_append_u8(&key, 0);
	code = mbed_key_parse(&authority->key, buf_bytes(&key));
	if (code == 0)
		code = mbed_key_fits(&authority->parsed.pk, &authority->key);
	if (code != 0) {
		(void)mbed_err(err, code);
		(void)err_prefix(err, "%s is not the key of %s", key_path, certificate_path);
		goto out;
	}
	authority->certificate = certificate_of_mbed(&authority->parsed);
	authority->subject = issuer_name(authority->certificate->subject);
	result = 0;
out:
	if (key.len > 0)
		explicit_bzero(key.data, key.len);
	buf_clear(&key);
	return result;
}

struct authority *
authority_open(const char *folder, int64_t now_s, struct err *err)
{
	struct authority *authority = xcalloc(1, sizeof(*authority));
	struct buf certificate = { 0 }, key = { 0 };
	int result = 0;

	mbed_start();
	mbedtls_pk_init(&authority->key);
	mbedtls_x509_crt_init(&authority->parsed);
	buf_printf(&certificate, "%s/ca.pem", folder);
	buf_printf(&key, "%s/ca.key", folder);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		result = err_errno(err, "make %s", folder);
	else if (access(buf_string(&certificate), F_OK) < 0)
		result = make_authority(buf_string(&certificate), buf_string(&key), now_s, err);
	if (result == 0)
		result = load(authority, buf_string(&certificate), buf_string(&key), err);
	buf_clear(&certificate);
	buf_clear(&key);
	if (result == 0)
		return authority;
	authority_free(authority);
	(void)err_prefix(err, "the certificate authority");
	return NULL;
}

void
authority_free(struct authority *authority)
{
	if (authority == NULL)
		return;
	mbedtls_pk_free(&authority->key);
	mbedtls_x509_crt_free(&authority->parsed);
	certificate_free(authority->certificate);
	buf_clear(&authority->pem);
	free(authority->subject);
	free(authority);
}

struct bytes
authority_pem(const struct authority *authority)
{
	return buf_bytes(&authority->pem);
}

const struct certificate *
authority_certificate(const struct authority *authority)
{
	return authority->certificate;
}

/* The key of a request, whose signature shows that the asker has the private one. */
static int
read_request(mbedtls_x509_csr *request, struct bytes text, struct err *err)
{
	char *terminated = bytes_to_string(text);
	bool is_pem = strstr(terminated, "-----BEGIN") != NULL;
	uint8_t digest[MBEDTLS_MD_MAX_SIZE];
	const mbedtls_md_info_t *kind;
	int code = mbedtls_x509_csr_parse(
	    request, (const uint8_t *)terminated, is_pem ? text.len + 1 : text.len);

	free(terminated);
	if (code == 0) {
		kind = mbedtls_md_info_from_type(mbed_request_md(request));
		code = kind == NULL ? MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG
				    : mbedtls_md(kind, request->cri.p, request->cri.len, digest);
	}
	if (code == 0)
		code = mbed_request_verify(request, digest, mbedtls_md_get_size(kind));
	return code == 0 ? 0 : (mbed_err(err, code), err_prefix(err, "the signing request"));
}

int
authority_issue(struct authority *authority, const struct certificate_wish *wish,
    struct buf *certificate_pem, struct buf *key_pem, struct err *err)
{
	struct signing signing = { .issuer = authority->subject };
	mbedtls_x509_csr request;
	mbedtls_pk_context key;
	int result = check_name(wish->common_name, err);

	mbedtls_pk_init(&key);
	mbedtls_x509_csr_init(&request);
	(void)snprintf(
	    signing.subject, sizeof(signing.subject), "CN=%s,O=Moonlet", wish->common_name);
	if (result == 0 && wish->request.data != NULL) {
		signing.subject_key = &request.pk;
		result = read_request(&request, wish->request, err);
	} else if (result == 0) {
		signing.subject_key = &key;
		result = make_key(&key, err);
	}
	if (result == 0)
		result = sign(&signing, &authority->key, wish, certificate_pem, err);
	if (result == 0 && wish->request.data == NULL)
		result = append_key(&key, key_pem, err);
	mbedtls_pk_free(&key);
	mbedtls_x509_csr_free(&request);
	return result;
}
