/* SPDX-License-Identifier: MIT
 * Signatures of other makers' tokens, verified by mbedtls: RS256 and ES256 (RFC 7518 §3.3, §3.4).
 */
#ifndef NET_SIGNATURE_H
#define NET_SIGNATURE_H

#include "lib/jwt.h"

/* Whether `signature` is that of `text` under the key. Takes up to a few milliseconds: for a
 * thread. A key that is none (a point off its curve) verifies nothing. */
bool signature_verify(const struct jwk *key, struct bytes text, struct bytes signature);

#endif
