/* SPDX-License-Identifier: MIT
 * What a shadow's JSON does, apart from its envelope: merging a requested section into a stored
 * one with a timestamp for each leaf, and the difference between desired and reported.
 */
#ifndef LIB_SHADOW_MERGE_H
#define LIB_SHADOW_MERGE_H

#include <stdbool.h>
#include <stdint.h>

struct cJSON;

/* Merges the members of the object `patch` into the object `section`: null deletes, objects merge,
 * everything else (arrays too) replaces. `metadata` follows with {"timestamp": now_s} at each leaf
 * that `patch` names. */
void shadow_merge(
    struct cJSON *section, struct cJSON *metadata, const struct cJSON *patch, int64_t now_s);

/* A new item: the metadata that the leaves of `value` get; null leaves have none. */
struct cJSON *shadow_stamp(const struct cJSON *value, int64_t now_s);

/* Adds to the object `out` what stands in `desired` and differs or is missing in `reported`.
 * Returns whether anything does. Either may be NULL. */
bool shadow_delta(const struct cJSON *desired, const struct cJSON *reported, struct cJSON *out);

/* Adds to the object `out` the part of `metadata` that belongs to the members of `delta`. */
void shadow_delta_metadata(
    const struct cJSON *delta, const struct cJSON *metadata, struct cJSON *out);

/* How many levels of objects and arrays stand inside `item`; 0: none, it is flat. */
int shadow_depth(const struct cJSON *item);

#endif
