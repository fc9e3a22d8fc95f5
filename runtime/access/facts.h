/* SPDX-License-Identifier: MIT
 * What policies ask about a connection: AWS IoT's policy variables and condition keys.
 */
#ifndef RUNTIME_ACCESS_FACTS_H
#define RUNTIME_ACCESS_FACTS_H

#include "lib/bytes.h"

/* Appends the fact of that name ("iot:ClientId"), for `arg`, a struct identity. False: it is not
 * known; then nothing is appended. */
bool facts_get(void *arg, struct bytes name, struct buf *value);

#endif
