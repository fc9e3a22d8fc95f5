/* SPDX-License-Identifier: MIT
 * What mbedtls 2.28 and 3.6 do not do alike: net/mbed_2.c or net/mbed_3.c is built, as configure
 * finds it.
 */
#ifndef NET_MBED_H
#define NET_MBED_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include "lib/bytes.h"
#include "lib/err.h"

/* Once for the process, before all else. */
void mbed_start(void);

/* mbedtls' type of random source, on getrandom: any thread may call it. `arg` is not used. */
int mbed_random(void *arg, unsigned char *out, size_t len);

/* These return mbedtls' codes. `pem` ends with a zero, which counts. */
int mbed_key_parse(mbedtls_pk_context *key, struct bytes pem);
int mbed_key_fits(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key);
/* Makes a key that was parsed, and fits, one that signs quickly many times. */
int mbed_key_prepare(mbedtls_pk_context *key);
int mbed_serial_set(mbedtls_x509write_cert *certificate, const uint8_t *serial, size_t len);
int mbed_sign(mbedtls_x509write_cert *certificate, unsigned char *out, size_t size);

mbedtls_md_type_t mbed_request_md(const mbedtls_x509_csr *request);
int mbed_request_verify(mbedtls_x509_csr *request, const uint8_t *digest, size_t len);

/* TLS 1.2 and all newer versions that the library knows; of curves and ciphers those with forward
 * secrecy and authenticated encryption, the cheapest good one first. */
void mbed_choices(mbedtls_ssl_config *config);
/* What a read or a handshake returns where nothing is wrong and it wants to be called again. */
bool mbed_is_notice(int code);

/* err_set(err, ...) with mbedtls' words for `code`; -1. */
int mbed_err(struct err *err, int code);

#endif
