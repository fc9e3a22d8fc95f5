/* SPDX-License-Identifier: MIT
 * What a function's file declares: its table, as a worker made JSON of it, checked and compiled.
 */
#ifndef RUNTIME_MANIFEST_H
#define RUNTIME_MANIFEST_H

#include <cjson/cJSON.h>

#include "lib/egress.h"
#include "runtime/options.h"
#include "runtime/trigger.h"

enum { MANIFEST_TRIGGERS_MAX = 64 };

enum function_order {
	ORDER_KEY,	/* one after another for each key (topic) */
	ORDER_NONE,	/* as they come, side by side */
	ORDER_FUNCTION, /* one after another, all of the function's */
};

struct pattern_list {
	char **patterns;
	size_t count;
};

/* Where a record of an end goes (runtime/destination.h). */
enum destination_kind {
	DESTINATION_NONE,
	DESTINATION_TOPIC,
	DESTINATION_FUNCTION,
	DESTINATION_TABLE
};

struct destination {
	enum destination_kind kind;
	char *name;
};

struct manifest {
	cJSON *json;
	struct {
		const struct trigger *trigger;
		const cJSON *spec; /* in json */
	} triggers[MANIFEST_TRIGGERS_MAX];
	size_t trigger_count;
	struct pattern_list allow[ALLOW_KINDS];
	uint32_t timeout_ms;
	uint32_t memory_bytes_max;
	uint32_t retries;
	int64_t
	    backoff_first_ms; /* the pause before the second attempt; each later one doubles it */
	int64_t backoff_max_ms;
	int64_t age_ms_max; /* an older event is not tried again */
	struct destination on_failure;
	struct destination on_success;
	uint32_t concurrency; /* running at once; 0: no bound of its own */
	enum function_order order;
	char *description; /* NULL: none */
};

/* `file` names the function's file in errors, `source` is its text, to find lines in. -1:
 * "overspeed.lua:4: unknown key 'retrys': did you mean 'retries'?" */
struct manifest_source {
	const char *file;
	struct bytes source;
	struct bytes json;
	const struct options *options;
	const struct trigger *const *triggers;
	size_t trigger_count;
};

struct manifest *manifest_new(const struct manifest_source *source, struct err *err)
    __attribute__((warn_unused_result));
void manifest_free(struct manifest *manifest); /* takes NULL */

/* The line of the source on which `key` is assigned first; 0: not found. */
unsigned manifest_line(struct bytes source, const char *key);

/* Whether the function declares it and the operator allows it. Topics by MQTT's wildcards; names
 * with "*" at their end for any rest. */
bool manifest_allows(const struct manifest *manifest, const struct options *options,
    enum allow_kind kind, struct bytes subject);
/* Whether the operator does, of what a function need not declare as access. */
bool manifest_grants(const struct options *options, enum allow_kind kind, struct bytes subject);
enum egress_grant manifest_allows_http(const struct manifest *manifest,
    const struct options *options, const struct egress_target *target);

#endif
