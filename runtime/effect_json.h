/* SPDX-License-Identifier: MIT
 * What a handler returned and what it did, as JSON: for the control API and the command line.
 */
#ifndef RUNTIME_EFFECT_JSON_H
#define RUNTIME_EFFECT_JSON_H

#include <cjson/cJSON.h>

#include "runtime/effect.h"

/* A key of a table (lib/item_key.h): its values as a JSON array. */
void key_text(struct bytes key, struct buf *out);
/* The same as "key". */
void key_json(cJSON *json, struct bytes key);
/* "result", where there is one. */
void result_json(cJSON *json, enum result_kind kind, struct bytes result);
cJSON *effect_json(const struct effect *effect);
/* An array of effects as they stand in a DONE frame. */
cJSON *effects_json(struct bytes effects, uint16_t count);

#endif
