/* SPDX-License-Identifier: MIT
 * SHA-1 and SHA-256 (FIPS 180-4) and HMAC (RFC 2104), for the worker, which links no library that
 * has them.
 */
#ifndef LIB_SHA_H
#define LIB_SHA_H

#include "lib/bytes.h"

enum sha_kind { SHA_1, SHA_256 };

enum { SHA_1_BYTES = 20, SHA_256_BYTES = 32, SHA_BYTES_MAX = 32 };

size_t sha_size(enum sha_kind kind);
/* `out` takes sha_size(kind) bytes. */
void sha_digest(enum sha_kind kind, struct bytes data, uint8_t *out);
void sha_hmac(enum sha_kind kind, struct bytes key, struct bytes data, uint8_t *out);

#endif
