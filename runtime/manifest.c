/* SPDX-License-Identifier: MIT
 * Checking a function's table, key by key.
 */
#include "runtime/manifest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nearest.h"
#include "lib/table_def.h"
#include "lib/topic.h"
#include "runtime/function_folder.h"

enum {
	MEMORY_BYTES_MIN = 65536,
	RETRIES_MAX = 100,
	BACKOFF_FIRST_MS = 100,
	BACKOFF_LONGEST_MS = 60000,
	BACKOFF_MS_MAX = 24 * 3600 * 1000,
};

/* What is being read: where errors point to. */
struct reading {
	const struct manifest_source *source;
	struct manifest *manifest;
};

struct key_row {
	const char *name;
	int (*read)(struct reading *reading, const cJSON *value, struct err *err);
};

unsigned
manifest_line(struct bytes source, const char *key)
{
	size_t len = strlen(key);
	unsigned line = 1;

	for (size_t i = 0; i + len <= source.len; i++) {
		size_t behind = i + len;

		if (source.data[i] == '\n')
			line++;
		if (memcmp(source.data + i, key, len) != 0 ||
		    (i > 0 && (isalnum(source.data[i - 1]) || source.data[i - 1] == '_')))
			continue;
		while (behind < source.len && strchr(" \t\"']", source.data[behind]) != NULL)
			behind++;
		if (behind < source.len && source.data[behind] == '=')
			return line;
	}
	return 0;
}

static int
fail_at(const struct reading *reading, const char *key, const char *text, struct err *err)
{
	unsigned line = manifest_line(reading->source->source, key);

	if (line == 0)
		return err_set(err, "%s: %s", reading->source->file, text);
	return err_set(err, "%s:%u: %s", reading->source->file, line, text);
}

static int
fail_value(const struct reading *reading, const char *key, const char *what, struct err *err)
{
	struct err text;

	(void)err_set(&text, "%s %s", key, what);
	return fail_at(reading, key, text.text, err);
}

static int
fail_unknown(const struct reading *reading, const char *key, const char *const *known,
    const char *what, struct err *err)
{
	const char *near = name_nearest(key, known);
	struct err text;

	if (near != NULL)
		(void)err_set(&text, "unknown %s '%s': did you mean '%s'?", what, key, near);
	else
		(void)err_set(&text, "unknown %s '%s'", what, key);
	return fail_at(reading, key, text.text, err);
}

static const struct trigger *
find_trigger(const struct manifest_source *source, const char *name)
{
	for (size_t i = 0; i < source->trigger_count; i++) {
		if (strcmp(source->triggers[i]->name, name) == 0)
			return source->triggers[i];
	}
	return NULL;
}

/* One trigger: { topic = "..." }, with the trigger's name as one of its keys. */
static int
read_trigger(struct reading *reading, const cJSON *spec, struct err *err)
{
	struct manifest *manifest = reading->manifest;
	const char *names[32] = { NULL };
	const struct trigger *trigger = NULL;
	const cJSON *member;
	struct err why;

	if (!cJSON_IsObject(spec))
		return fail_at(
		    reading, "on", "on is a table that names a trigger: { topic = \"...\" }", err);
	for (size_t i = 0; i < reading->source->trigger_count && i < 31; i++)
		names[i] = reading->source->triggers[i]->name;
	cJSON_ArrayForEach(member, spec)
	{
		if (trigger == NULL)
			trigger = find_trigger(reading->source, member->string);
	}
	if (trigger == NULL)
		return fail_unknown(
		    reading, spec->child != NULL ? spec->child->string : "", names, "trigger", err);
	if (trigger->check(spec, &why) < 0)
		return fail_at(reading, trigger->name, why.text, err);
	if (manifest->trigger_count == MANIFEST_TRIGGERS_MAX)
		return fail_at(reading, "on", "a function has at most 64 triggers", err);
	manifest->triggers[manifest->trigger_count].trigger = trigger;
	manifest->triggers[manifest->trigger_count++].spec = spec;
	return 0;
}

static int
read_on(struct reading *reading, const cJSON *value, struct err *err)
{
	const cJSON *spec;

	if (!cJSON_IsArray(value))
		return read_trigger(reading, value, err);
	cJSON_ArrayForEach(spec, value)
	{
		if (read_trigger(reading, spec, err) < 0)
			return -1;
	}
	return 0;
}

static int
check_pattern(enum allow_kind kind, const char *pattern, struct err *err)
{
	enum topic_defect defect;

	if (kind == ALLOW_HTTP)
		return egress_pattern_check(bytes_of_string(pattern), err);
	if (kind != ALLOW_PUBLISH || strcmp(pattern, "*") == 0)
		return 0;
	defect = topic_filter_check(bytes_of_string(pattern));
	return defect == TOPIC_OK ? 0 : err_set(err, "%s", topic_defect_text(defect));
}

static int
add_pattern(struct reading *reading, enum allow_kind kind, const cJSON *value, struct err *err)
{
	struct pattern_list *list = &reading->manifest->allow[kind];
	const char *pattern = cJSON_GetStringValue(value);
	struct err why;

	if (pattern == NULL)
		return fail_value(
		    reading, allow_kind_names[kind], "is a pattern or a list of patterns", err);
	if (check_pattern(kind, pattern, &why) < 0)
		return fail_value(reading, allow_kind_names[kind], why.text, err);
	list->patterns = xrealloc(list->patterns, (list->count + 1) * sizeof(*list->patterns));
	list->patterns[list->count++] = xstrdup(pattern);
	return 0;
}

static int
read_allow_kind(struct reading *reading, enum allow_kind kind, const cJSON *value, struct err *err)
{
	const cJSON *item;

	if (!cJSON_IsArray(value))
		return add_pattern(reading, kind, value, err);
	cJSON_ArrayForEach(item, value)
	{
		if (add_pattern(reading, kind, item, err) < 0)
			return -1;
	}
	return 0;
}

static int
read_allow(struct reading *reading, const cJSON *value, struct err *err)
{
	const char *names[ALLOW_KINDS + 1] = { NULL };
	const cJSON *member;

	for (size_t i = 0; i < ALLOW_KINDS; i++)
		names[i] = allow_kind_names[i];
	if (!cJSON_IsObject(value))
		return fail_at(reading, "allow",
		    "allow is a table: { publish = \"alerts/+\", http = \"https://...\" }", err);
	cJSON_ArrayForEach(member, value)
	{
		size_t kind = 0;

		while (kind < ALLOW_KINDS && strcmp(names[kind], member->string) != 0)
			kind++;
		if (kind == ALLOW_KINDS)
			return fail_unknown(reading, member->string, names, "kind of access", err);
		if (read_allow_kind(reading, (enum allow_kind)kind, member, err) < 0)
			return -1;
	}
	return 0;
}

/* 0 for what is negative or beyond every bound. */
static int64_t
whole_number(double value)
{
	return value >= 0 && value < 1e15 ? (int64_t)value : 0;
}

static int
read_timeout(struct reading *reading, const cJSON *value, struct err *err)
{
	int64_t most = options_number(reading->source->options, OPTION_TIMEOUT_MS_MAX), ms;
	const char *text = cJSON_GetStringValue(value);

	if (cJSON_IsNumber(value))
		ms = whole_number(value->valuedouble * 1000);
	else if (text == NULL || duration_parse(text, &ms) < 0)
		return fail_value(reading, "timeout", "is a duration as \"3s\" or \"500ms\"", err);
	if (ms < 1 || ms > most)
		return fail_value(
		    reading, "timeout", "is longer than the operator's timeout_max, or 0", err);
	reading->manifest->timeout_ms = (uint32_t)ms;
	return 0;
}

static int
read_memory(struct reading *reading, const cJSON *value, struct err *err)
{
	int64_t most = options_number(reading->source->options, OPTION_MEMORY_BYTES_MAX), bytes;
	const char *text = cJSON_GetStringValue(value);

	if (cJSON_IsNumber(value))
		bytes = whole_number(value->valuedouble);
	else if (text == NULL || size_parse(text, &bytes) < 0)
		return fail_value(reading, "memory", "is a size as \"8MB\"", err);
	if (bytes < MEMORY_BYTES_MIN || bytes > most)
		return fail_value(
		    reading, "memory", "is below 64 KiB or above the operator's memory_max", err);
	reading->manifest->memory_bytes_max = (uint32_t)bytes;
	return 0;
}

static int
read_count(
    struct reading *reading, const cJSON *value, uint32_t most, uint32_t *out, struct err *err)
{
	double number = cJSON_IsNumber(value) ? value->valuedouble : -1;

	if (number < 0 || number > most || number != (double)(uint32_t)number) {
		struct err text;

		(void)err_set(&text, "is a whole number from 0 to %u", most);
		return fail_value(reading, value->string, text.text, err);
	}
	*out = (uint32_t)number;
	return 0;
}

static int
read_retries(struct reading *reading, const cJSON *value, struct err *err)
{
	return read_count(reading, value, RETRIES_MAX, &reading->manifest->retries, err);
}

/* A duration as "3s", or seconds as a number. -1: neither. */
static int
duration_of(const cJSON *value, int64_t *ms)
{
	const char *text = cJSON_GetStringValue(value);

	if (cJSON_IsNumber(value)) {
		*ms = whole_number(value->valuedouble * 1000);
		return value->valuedouble >= 0 ? 0 : -1;
	}
	return text != NULL ? duration_parse(text, ms) : -1;
}

static int
read_backoff(struct reading *reading, const cJSON *value, struct err *err)
{
	static const char *const names[] = { "first", "max", NULL };
	struct manifest *manifest = reading->manifest;
	int64_t *const places[] = { &manifest->backoff_first_ms, &manifest->backoff_max_ms };
	const cJSON *member;

	if (!cJSON_IsObject(value))
		return fail_value(
		    reading, "backoff", "is a table: { first = \"100ms\", max = \"1min\" }", err);
	cJSON_ArrayForEach(member, value)
	{
		size_t i = strcmp(member->string, names[0]) == 0 ? 0 : 1;

		if (strcmp(member->string, names[i]) != 0)
			return fail_unknown(reading, member->string, names, "key of backoff", err);
		if (duration_of(member, places[i]) < 0 || *places[i] < 1 ||
		    *places[i] > BACKOFF_MS_MAX)
			return fail_value(reading, names[i], "is a duration from 1ms to 1d", err);
	}
	if (manifest->backoff_first_ms > manifest->backoff_max_ms &&
	    cJSON_GetObjectItemCaseSensitive(value, "max") != NULL)
		return fail_value(reading, "backoff", "has a first pause above its longest", err);
	if (manifest->backoff_first_ms > manifest->backoff_max_ms)
		manifest->backoff_max_ms = manifest->backoff_first_ms;
	return 0;
}

static int
read_max_age(struct reading *reading, const cJSON *value, struct err *err)
{
	int64_t most = options_number(reading->source->options, OPTION_EVENT_AGE_MS_MAX), ms;

	if (duration_of(value, &ms) < 0)
		return fail_value(reading, "max_age", "is a duration as \"1h\"", err);
	if (ms < 1 || ms > most)
		return fail_value(
		    reading, "max_age", "is longer than the operator's event_age_max, or 0", err);
	reading->manifest->age_ms_max = ms;
	return 0;
}

static int
check_destination(const struct reading *reading, const char *key,
    const struct destination *destination, struct err *err)
{
	struct bytes name = bytes_of_string(destination->name);
	struct err why;

	if (destination->kind == DESTINATION_TOPIC && topic_name_check(name) != TOPIC_OK)
		return fail_value(reading, key, topic_defect_text(topic_name_check(name)), err);
	if (destination->kind == DESTINATION_TOPIC && name.data[0] == '$')
		return fail_value(reading, key, "may not be a topic that begins with $", err);
	if (destination->kind == DESTINATION_FUNCTION &&
	    !function_name_check(destination->name, &why))
		return fail_value(reading, key, why.text, err);
	if (destination->kind == DESTINATION_TABLE && !table_name_is_valid(name))
		return fail_value(reading, key, "does not name a table", err);
	return 0;
}

static int
read_destination(
    struct reading *reading, const cJSON *value, struct destination *destination, struct err *err)
{
	static const char *const names[] = { "topic", "invoke", "table", NULL };
	const cJSON *member = cJSON_IsObject(value) ? value->child : NULL;
	size_t i = 0;

	if (member == NULL || member->next != NULL || cJSON_GetStringValue(member) == NULL)
		return fail_value(reading, value->string,
		    "is one of { topic = \"errors/x\" }, { invoke = \"name\" }, { table = "
		    "\"name\" }",
		    err);
	while (names[i] != NULL && strcmp(names[i], member->string) != 0)
		i++;
	if (names[i] == NULL)
		return fail_unknown(reading, member->string, names, "destination", err);
	destination->kind = (enum destination_kind)(DESTINATION_TOPIC + i);
	destination->name = xstrdup(cJSON_GetStringValue(member));
	return check_destination(reading, value->string, destination, err);
}

static int
read_on_failure(struct reading *reading, const cJSON *value, struct err *err)
{
	return read_destination(reading, value, &reading->manifest->on_failure, err);
}

static int
read_on_success(struct reading *reading, const cJSON *value, struct err *err)
{
	return read_destination(reading, value, &reading->manifest->on_success, err);
}

static int
read_concurrency(struct reading *reading, const cJSON *value, struct err *err)
{
	return read_count(reading, value, 1000000, &reading->manifest->concurrency, err);
}

static int
read_order(struct reading *reading, const cJSON *value, struct err *err)
{
	static const char *const names[] = {
		[ORDER_KEY] = "key", [ORDER_NONE] = "none", [ORDER_FUNCTION] = "function"
	};
	const char *text = cJSON_GetStringValue(value);

	for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			reading->manifest->order = (enum function_order)i;
			return 0;
		}
	}
	return fail_value(reading, "order", "is \"key\", \"none\" or \"function\"", err);
}

static int
read_description(struct reading *reading, const cJSON *value, struct err *err)
{
	const char *text = cJSON_GetStringValue(value);

	if (text == NULL)
		return fail_value(reading, "description", "is a text", err);
	reading->manifest->description = xstrdup(text);
	return 0;
}

static int
read_handler(struct reading *reading, const cJSON *value, struct err *err)
{
	(void)reading;
	(void)value;
	(void)err;
	return 0;
}

static const struct key_row keys[] = {
	{ "on", read_on },
	{ "allow", read_allow },
	{ "handler", read_handler },
	{ "timeout", read_timeout },
	{ "memory", read_memory },
	{ "retries", read_retries },
	{ "backoff", read_backoff },
	{ "max_age", read_max_age },
	{ "on_failure", read_on_failure },
	{ "on_success", read_on_success },
	{ "concurrency", read_concurrency },
	{ "order", read_order },
	{ "description", read_description },
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static int
read_keys(struct reading *reading, struct err *err)
{
	const char *names[KEYS + 1] = { NULL };
	const cJSON *member;

	for (size_t i = 0; i < KEYS; i++)
		names[i] = keys[i].name;
	cJSON_ArrayForEach(member, reading->manifest->json)
	{
		size_t i = 0;

		while (i < KEYS && strcmp(keys[i].name, member->string) != 0)
			i++;
		if (i == KEYS)
			return fail_unknown(reading, member->string, names, "key", err);
		if (keys[i].read(reading, member, err) < 0)
			return -1;
	}
	return 0;
}

struct manifest *
manifest_new(const struct manifest_source *source, struct err *err)
{
	struct manifest *manifest = xcalloc(1, sizeof(*manifest));
	struct reading reading = { source, manifest };

	manifest->json = cJSON_ParseWithLength((const char *)source->json.data, source->json.len);
	manifest->timeout_ms = (uint32_t)options_number(source->options, OPTION_TIMEOUT_MS);
	manifest->memory_bytes_max = (uint32_t)options_number(source->options, OPTION_MEMORY_BYTES);
	manifest->retries = (uint32_t)options_number(source->options, OPTION_RETRIES);
	manifest->backoff_first_ms = BACKOFF_FIRST_MS;
	manifest->backoff_max_ms = BACKOFF_LONGEST_MS;
	manifest->age_ms_max = options_number(source->options, OPTION_EVENT_AGE_MS_MAX);
	if (!cJSON_IsObject(manifest->json)) {
		(void)err_set(err,
		    "%s: the file must return a table with names: { on = ..., handler = ... }",
		    source->file);
	} else if (read_keys(&reading, err) == 0) {
		return manifest;
	}
	manifest_free(manifest);
	return NULL;
}

void
manifest_free(struct manifest *manifest)
{
	if (manifest == NULL)
		return;
	for (size_t kind = 0; kind < ALLOW_KINDS; kind++) {
		for (size_t i = 0; i < manifest->allow[kind].count; i++)
			free(manifest->allow[kind].patterns[i]);
		free(manifest->allow[kind].patterns);
	}
	cJSON_Delete(manifest->json);
	free(manifest->description);
	free(manifest->on_failure.name);
	free(manifest->on_success.name);
	free(manifest);
}

/* For topics a filter, or "*" for all that "#" takes; for names one with "*" at its end for any
 * rest. */
static bool
pattern_takes(enum allow_kind kind, const char *pattern, struct bytes subject)
{
	size_t len = strlen(pattern);

	if (kind == ALLOW_PUBLISH && strcmp(pattern, "*") != 0)
		return topic_match(bytes_of(pattern, len), subject);
	if (kind == ALLOW_PUBLISH)
		return subject.len > 0 && subject.data[0] != '$';
	if (len > 0 && pattern[len - 1] == '*')
		return subject.len >= len - 1 &&
		       (len == 1 || memcmp(subject.data, pattern, len - 1) == 0);
	return bytes_equal_string(subject, pattern);
}

bool
manifest_grants(const struct options *options, enum allow_kind kind, struct bytes subject)
{
	bool granted = (options->allow_kinds >> kind & 1) == 0;

	for (size_t i = 0; !granted && i < options->allow_count; i++)
		granted = options->allows[i].kind == kind &&
			  pattern_takes(kind, options->allows[i].pattern, subject);
	return granted;
}

bool
manifest_allows(const struct manifest *manifest, const struct options *options,
    enum allow_kind kind, struct bytes subject)
{
	const struct pattern_list *list = &manifest->allow[kind];
	bool declared = false;

	for (size_t i = 0; !declared && i < list->count; i++)
		declared = pattern_takes(kind, list->patterns[i], subject);
	return declared && manifest_grants(options, kind, subject);
}

enum egress_grant
manifest_allows_http(const struct manifest *manifest, const struct options *options,
    const struct egress_target *target)
{
	const struct pattern_list *list = &manifest->allow[ALLOW_HTTP];
	enum egress_grant declared = EGRESS_REFUSED, granted = EGRESS_REFUSED, grant;

	if ((options->allow_kinds >> ALLOW_HTTP & 1) == 0)
		granted = EGRESS_ADDRESS;
	for (size_t i = 0; i < list->count; i++) {
		grant = egress_pattern_match(bytes_of_string(list->patterns[i]), target);
		declared = grant > declared ? grant : declared;
	}
	for (size_t i = 0; i < options->allow_count; i++) {
		if (options->allows[i].kind != ALLOW_HTTP)
			continue;
		grant = egress_pattern_match(bytes_of_string(options->allows[i].pattern), target);
		granted = grant > granted ? grant : granted;
	}
	return declared < granted ? declared : granted;
}
