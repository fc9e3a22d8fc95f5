/* SPDX-License-Identifier: MIT
 * Base64 (RFC 4648 §4).
 */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include "lib/bytes.h"

void base64_encode(struct bytes bytes, struct buf *out); /* appends, padded */
/* Appends. Strict: padded, no white space, no stray bits. -1 where it is not; `out` is unchanged.
 */
int base64_decode(struct bytes text, struct buf *out) __attribute__((warn_unused_result));

#endif
