/* SPDX-License-Identifier: MIT
 * Patterns for names: "*" stands for any number of any bytes, everything else for itself.
 */
#ifndef LIB_GLOB_H
#define LIB_GLOB_H

#include <stdbool.h>

#include "lib/bytes.h"

bool glob_match(struct bytes pattern, struct bytes name);

#endif
