/* SPDX-License-Identifier: MIT
 * mbedtls 3.6, which has TLS 1.3 and does its arithmetic by PSA.
 */
#include <mbedtls/build_info.h>
#include <psa/crypto.h>
#include <stdlib.h>

#include "net/certificate_mbed.h"
#include "net/mbed.h"

void
mbed_start(void)
{
	if (psa_crypto_init() != PSA_SUCCESS)
		abort();
}

int
mbed_key_parse(mbedtls_pk_context *key, struct bytes pem)
{
	return mbedtls_pk_parse_key(key, pem.data, pem.len, NULL, 0, mbed_random, NULL);
}

int
mbed_key_fits(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key)
{
	return mbedtls_pk_check_pair(public_key, key, mbed_random, NULL);
}

int
mbed_serial_set(mbedtls_x509write_cert *certificate, const uint8_t *serial, size_t len)
{
	return mbedtls_x509write_crt_set_serial_raw(
	    certificate, (unsigned char *)(uintptr_t)serial, len);
}

int
mbed_sign(mbedtls_x509write_cert *certificate, unsigned char *out, size_t size)
{
	return mbedtls_x509write_crt_pem(certificate, out, size, mbed_random, NULL);
}

int
mbed_key_prepare(mbedtls_pk_context *key)
{
	(void)key; /* the tables of its curves are part of the library */
	return 0;
}

void
mbed_choices(mbedtls_ssl_config *config)
{
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
		MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
		MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE };
	static const int suites[] = { MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
		MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 0 };

	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_groups(config, groups);
	mbedtls_ssl_conf_ciphersuites(config, suites);
}

/* A ticket comes behind the handshake in TLS 1.3. */
bool
mbed_is_notice(int code)
{
	return code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE ||
	       code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

bool
mbed_is_authority(const mbedtls_x509_crt *certificate)
{
	return mbedtls_x509_crt_get_ca_istrue(certificate) > 0;
}

mbedtls_md_type_t
mbed_request_md(const mbedtls_x509_csr *request)
{
	return request->MBEDTLS_PRIVATE(sig_md);
}

int
mbed_request_verify(mbedtls_x509_csr *request, const uint8_t *digest, size_t len)
{
	return mbedtls_pk_verify_ext(request->MBEDTLS_PRIVATE(sig_pk),
	    request->MBEDTLS_PRIVATE(sig_opts), &request->pk, request->MBEDTLS_PRIVATE(sig_md),
	    digest, len, request->MBEDTLS_PRIVATE(sig).p, request->MBEDTLS_PRIVATE(sig).len);
}
