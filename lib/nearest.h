/* SPDX-License-Identifier: MIT
 * "Did you mean": which of the known names is nearest to a wrong one. Pure.
 */
#ifndef LIB_NEAREST_H
#define LIB_NEAREST_H

#include <stddef.h>

/* How many letters must be changed, added, removed or swapped with their neighbour. Names longer
 * than 63 bytes are far from everything. */
size_t name_distance(const char *a, const char *b);

/* The nearest of a list that ends with NULL; NULL where none is within a third of its length. */
const char *name_nearest(const char *wrong, const char *const *names);

#endif
