/* SPDX-License-Identifier: MIT
 * Time zones out of the system's compiled files (TZif, RFC 9636): how far local time is ahead of
 * UTC at a moment.
 */
#ifndef LIB_ZONE_H
#define LIB_ZONE_H

#include "lib/bytes.h"

struct zone;

/* What a zone file holds. NULL: it is none, or damaged. */
struct zone *zone_parse(struct bytes file);
void zone_free(struct zone *zone); /* takes NULL */

/* Seconds east of UTC at this moment (seconds since 1970). NULL is UTC. */
int32_t zone_offset(const struct zone *zone, int64_t utc_s);

/* A zone's name as a path below the system's zone folder: "Europe/Berlin"; no "..", no "/" in
 * front.
 */
bool zone_name_is_valid(const char *name);

#endif
