/* SPDX-License-Identifier: MIT
 * Attributes of things and groups: names and short texts, sorted by name. Limits follow AWS IoT's
 * (AWS IoT Core quotas, "thing resource limits"); values may be any printable UTF-8 here.
 */
#ifndef RUNTIME_REGISTRY_ATTRIBUTES_H
#define RUNTIME_REGISTRY_ATTRIBUTES_H

#include <cjson/cJSON.h>

#include "lib/bytes.h"
#include "lib/err.h"

enum { ATTRIBUTES_MAX = 50, ATTRIBUTE_NAME_BYTES_MAX = 128, ATTRIBUTE_VALUE_BYTES_MAX = 800 };

struct attribute {
	const char *name;
	const char *value;
};

/* All zero is a valid empty list. The texts stand in the list's own memory. */
struct attributes {
	struct attribute *list;
	size_t count;
};

/* Replaces what is in `out` by a JSON object of strings; NULL: there are none. -1: `out` is as it
 * was, the error names the attribute. */
int attributes_read(struct attributes *out, const cJSON *json, struct err *err)
    __attribute__((warn_unused_result));
/* The object; the caller frees it. */
cJSON *attributes_json(const struct attributes *attributes);
void attributes_clear(struct attributes *attributes);
/* NULL: there is none of that name. */
const char *attributes_find(const struct attributes *attributes, struct bytes name);

#endif
