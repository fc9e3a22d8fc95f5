/* SPDX-License-Identifier: MIT
 * Between net/certificate and the other files that see mbedtls.
 */
#ifndef NET_CERTIFICATE_MBED_H
#define NET_CERTIFICATE_MBED_H

#include <mbedtls/x509_crt.h>

#include "net/certificate.h"

struct certificate *certificate_of_mbed(const mbedtls_x509_crt *parsed);
/* Adds to `chain`. PEM (several) or DER. All must parse; of authorities, which a system collects,
 * one must. */
int certificate_chain_parse(mbedtls_x509_crt *chain, struct bytes text, struct err *err)
    __attribute__((warn_unused_result));
int certificate_authorities_parse(mbedtls_x509_crt *chain, struct bytes text, struct err *err)
    __attribute__((warn_unused_result));
/* Whether an address is among the names that it is for (RFC 5280 §4.2.1.6). */
bool certificate_has_address(const mbedtls_x509_crt *certificate, const char *address);
/* Whether a host's name (lower case) is among them, or fits one with a wildcard for its first level
 * (RFC 6125 §6.4.3). Where a certificate has no names of hosts, its common name counts. */
bool certificate_has_host(const mbedtls_x509_crt *certificate, const char *name);
/* What mbedtls' verification found, in words. -1. */
int certificate_flags_err(uint32_t flags, struct err *err);

/* Of the version: net/mbed_2.c, net/mbed_3.c. */
bool mbed_is_authority(const mbedtls_x509_crt *certificate);

#endif
