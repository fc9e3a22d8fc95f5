/* SPDX-License-Identifier: MIT
 * Topic names and topic filters (MQTT 5.0 §4.7, shared subscriptions §4.8.2).
 */
#ifndef LIB_TOPIC_H
#define LIB_TOPIC_H

#include "lib/bytes.h"

enum {
	TOPIC_BYTES_MAX = 65535,
	TOPIC_LEVELS_MAX = 200, /* ours: matching recurses by levels */
};

enum topic_defect {
	TOPIC_OK,
	TOPIC_EMPTY,
	TOPIC_TOO_LONG,
	TOPIC_TOO_DEEP,
	TOPIC_NOT_UTF8,	      /* or holds U+0000 */
	TOPIC_HAS_WILDCARD,   /* in a name */
	TOPIC_HASH_NOT_LAST,  /* "#" that is not the whole last level */
	TOPIC_PLUS_NOT_ALONE, /* "+" that is not a whole level */
	TOPIC_BAD_SHARE,      /* $share without a group or a filter, or wildcards in the group */
};

const char *topic_defect_text(enum topic_defect defect); /* "the topic is empty", ... */

enum topic_defect topic_name_check(struct bytes name);
enum topic_defect topic_filter_check(struct bytes filter); /* also "$share/<group>/<filter>" */

/* Splits a valid filter: `*group` is empty for one that is not shared. */
void topic_share_split(struct bytes filter, struct bytes *group, struct bytes *rest);

/* Whether a valid filter (not shared) takes a valid name. "#" and "+" at the start do not take
 * names that start with "$" (§4.7.2). */
bool topic_match(struct bytes filter, struct bytes name);

/* Whether every name that `narrow` takes is taken by `wide` too (both valid filters). */
bool topic_covers(struct bytes wide, struct bytes narrow);

/* The first level of `*rest`, which then starts behind its "/"; `*more` is false when that was the
 * last level. */
struct bytes topic_level(struct bytes *rest, bool *more);

#endif
