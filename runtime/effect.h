/* SPDX-License-Identifier: MIT
 * One effect of an invocation, as it stands in a DONE frame (lib/protocol.h).
 */
#ifndef RUNTIME_EFFECT_H
#define RUNTIME_EFFECT_H

#include "lib/frame.h"
#include "lib/protocol.h"

struct effect {
	enum effect_kind kind;
	uint8_t qos;
	uint8_t retain;
	uint8_t operation; /* enum shadow_operation, enum read_kind, reverse */
	uint32_t expiry_s;
	uint32_t rows;
	int64_t value;	     /* of a metric; the version or digest of what was read */
	struct bytes first;  /* topic, thing, function name, metric name, table */
	struct bytes second; /* payload, shadow name, item, key, index */
	struct bytes third;  /* properties, document, lower bound */
	struct bytes fourth; /* upper bound */
};

/* Reads the next one; its views are borrowed. False: it does not decode. */
bool effect_read(struct cursor *cursor, struct effect *effect);

#endif
