/* SPDX-License-Identifier: MIT
 * From the settings that a worker collected to options. One row for each name that is a table; all
 * other names are options.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/egress.h"
#include "lib/nearest.h"
#include "runtime/config.h"
#include "runtime/config_tables.h"

struct reading {
	struct options *options;
	const struct config_source *source;
	const cJSON *lines;
	int line; /* of the assignment that is looked at; 0: not known */
	unsigned problems;
	struct err *first;
};

struct setting {
	const char *name;
	void (*apply)(struct reading *reading, const cJSON *value);
};

static void __attribute__((format(printf, 2, 3)))
complain(struct reading *reading, const char *format, ...)
{
	va_list arguments;
	char text[768];
	struct err err;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (reading->line > 0)
		err_set(&err, "%s:%d: %s", reading->source->path, reading->line, text);
	else
		err_set(&err, "%s: %s", reading->source->path, text);
	if (reading->problems++ == 0)
		*reading->first = err;
	if (reading->source->problem != NULL)
		reading->source->problem(reading->source->arg, err.text);
}

static void
complain_unknown(struct reading *reading, const char *where, const char *name, const char *nearest)
{
	if (nearest != NULL)
		complain(reading, "unknown %s '%s': did you mean '%s'?", where, name, nearest);
	else
		complain(reading, "unknown %s '%s'", where, name);
}

/* A name of the list; complains otherwise. */
static bool
is_known(struct reading *reading, const char *where, const char *name, const char *const *names)
{
	for (const char *const *at = names; *at != NULL; at++) {
		if (strcmp(*at, name) == 0)
			return true;
	}
	complain_unknown(reading, where, name, name_nearest(name, names));
	return false;
}

static void
apply_option(struct reading *reading, enum option_id id, const cJSON *value)
{
	const struct option *option = &option_table[id];
	char number[32];
	const char *text = number;
	struct err err;

	if (cJSON_IsString(value)) {
		text = value->valuestring;
	} else if (cJSON_IsNumber(value) && floor(value->valuedouble) == value->valuedouble &&
		   fabs(value->valuedouble) < 9e15 && option->type >= OPTION_NUMBER) {
		snprintf(number, sizeof(number), "%" PRId64, (int64_t)value->valuedouble);
	} else {
		complain(reading, "%s must be %s, like %s%s%s", option->name,
		    option->type == OPTION_NUMBER ? "a whole number" : "text",
		    option->type == OPTION_NUMBER ? "" : "\"", option->initial,
		    option->type == OPTION_NUMBER ? "" : "\"");
		return;
	}
	if (options_set(reading->options, id, text, SOURCE_FILE, &err) < 0)
		complain(reading, "%s %s, and is \"%s\"", option->name, err.text, text);
}

/* The names of the options of the file's top level, or of its limits. */
static const char *
nearest_option(const char *wrong, bool limits, const struct setting *more)
{
	const char *names[OPTION_COUNT + 8];
	size_t count = 0;

	for (enum option_id id = 0; id < OPTION_COUNT; id++) {
		if (option_table[id].limit == limits)
			names[count++] = option_table[id].name;
	}
	for (; more != NULL && more->name != NULL; more++)
		names[count++] = more->name;
	names[count] = NULL;
	return name_nearest(wrong, names);
}

static void
apply_limits(struct reading *reading, const cJSON *value)
{
	const cJSON *item;

	if (!cJSON_IsObject(value)) {
		complain(reading, "limits must be a table, like { timeout = \"5s\" }");
		return;
	}
	cJSON_ArrayForEach(item, value)
	{
		enum option_id id = option_find(bytes_of_string(item->string));

		if (id < OPTION_COUNT && option_table[id].limit)
			apply_option(reading, id, item);
		else if (id < OPTION_COUNT)
			complain(reading, "'%s' stands outside of limits", item->string);
		else
			complain_unknown(reading, "limit", item->string,
			    nearest_option(item->string, true, NULL));
	}
}

static void
add_broker(struct reading *reading, struct broker_setting *broker)
{
	struct err err;

	if (broker->url == NULL)
		complain(reading, "broker needs a url, like \"mqtt://host:1883\"");
	else if (options_add_broker(reading->options, broker, SOURCE_FILE, &err) < 0)
		complain(reading, "%s", err.text);
}

static void
apply_broker_table(struct reading *reading, const cJSON *table)
{
	static const char *const names[] = { "url", "name", "client_id", "share", "ca", "cert",
		"key", NULL };
	struct broker_setting broker = { 0 };
	char **fields[] = { &broker.url, &broker.name, &broker.client_id, &broker.share, &broker.ca,
		&broker.cert, &broker.key };
	const cJSON *item;

	cJSON_ArrayForEach(item, table)
	{
		if (!is_known(reading, "name in broker", item->string, names))
			continue;
		for (size_t i = 0; names[i] != NULL; i++) {
			if (strcmp(names[i], item->string) != 0)
				continue;
			*fields[i] = cJSON_GetStringValue(item);
			if (*fields[i] == NULL || **fields[i] == '\0')
				complain(reading, "broker: %s must be text", names[i]);
		}
	}
	add_broker(reading, &broker);
}

static void
apply_broker(struct reading *reading, const cJSON *value)
{
	const cJSON *item;

	if (cJSON_IsString(value)) {
		add_broker(reading, &(struct broker_setting){ .url = value->valuestring });
	} else if (cJSON_IsObject(value)) {
		apply_broker_table(reading, value);
	} else if (cJSON_IsArray(value)) {
		cJSON_ArrayForEach(item, value)
		{
			if (cJSON_IsString(item) || cJSON_IsObject(item))
				apply_broker(reading, item);
			else
				complain(reading, "broker: each must be a URL or a table");
		}
	} else {
		complain(reading, "broker must be a URL, a table or a list of them");
	}
}

static char *
read_secret_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf text = { 0 };
	ssize_t got;

	if (fd < 0) {
		(void)err_errno(err, "%s", path);
		return NULL;
	}
	while ((got = read(fd, buf_reserve(&text, 4096), 4096)) > 0 && text.len <= 65536)
		text.len += (size_t)got;
	if (got < 0)
		(void)err_errno(err, "%s", path);
	else if (got > 0)
		(void)err_set(err, "%s: longer than 64 KiB", path);
	close(fd);
	if (got != 0) {
		buf_clear(&text);
		return NULL;
	}
	while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	buf_append_u8(&text, 0);
	return (char *)text.data;
}

/* The value of { file = PATH } or { env = NAME }; an owned string, NULL with the problem told. */
static char *
secret_from(struct reading *reading, const cJSON *table)
{
	const char *file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(table, "file"));
	const char *variable = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(table, "env"));
	struct err err;
	char *value = NULL;

	if (file != NULL && variable == NULL && cJSON_GetArraySize(table) == 1) {
		value = read_secret_file(file, &err);
		if (value == NULL)
			complain(reading, "secret '%s': %s", table->string, err.text);
	} else if (variable != NULL && file == NULL && cJSON_GetArraySize(table) == 1) {
		if (getenv(variable) != NULL)
			value = xstrdup(getenv(variable));
		else
			complain(reading, "secret '%s': the environment has no %s", table->string,
			    variable);
	} else {
		complain(reading, "secret '%s' must be text, { file = PATH } or { env = NAME }",
		    table->string);
	}
	return value;
}

static void
apply_secrets(struct reading *reading, const cJSON *value)
{
	struct options *options = reading->options;
	const cJSON *item;

	if (!cJSON_IsObject(value)) {
		complain(reading, "secrets must be a table, like { api_key = { file = PATH } }");
		return;
	}
	cJSON_ArrayForEach(item, value)
	{
		char *text;

		if (options->secret_count == SECRETS_MAX) {
			complain(reading, "more than %d secrets", SECRETS_MAX);
			return;
		}
		text =
		    cJSON_IsString(item) ? xstrdup(item->valuestring) : secret_from(reading, item);
		if (text != NULL)
			options->secrets[options->secret_count++] =
			    (struct secret_setting){ xstrdup(item->string), text };
	}
}

static void
add_allow(struct reading *reading, enum allow_kind kind, const cJSON *pattern)
{
	struct options *options = reading->options;
	struct err err;

	if (!cJSON_IsString(pattern) || pattern->valuestring[0] == '\0')
		complain(
		    reading, "allow: %s must be text or a list of texts", allow_kind_names[kind]);
	else if (kind == ALLOW_HTTP &&
		 egress_pattern_check(bytes_of_string(pattern->valuestring), &err) < 0)
		complain(reading, "allow: %s", err.text);
	else if (options->allow_count == ALLOWS_MAX)
		complain(reading, "allow: more than %d patterns", ALLOWS_MAX);
	else
		options->allows[options->allow_count++] =
		    (struct allow_setting){ kind, xstrdup(pattern->valuestring) };
}

static void
apply_allow_kind(struct reading *reading, enum allow_kind kind, const cJSON *value)
{
	const cJSON *item;

	reading->options->allow_kinds |= 1U << kind;
	if (!cJSON_IsArray(value)) {
		/* an empty table has no order: it comes as an object, and allows nothing */
		if (!cJSON_IsObject(value) || value->child != NULL)
			add_allow(reading, kind, value);
		return;
	}
	cJSON_ArrayForEach(item, value)
	{
		add_allow(reading, kind, item);
	}
}

static void
apply_allow(struct reading *reading, const cJSON *value)
{
	const char *names[ALLOW_KINDS + 1] = { NULL };
	const cJSON *item;

	for (size_t i = 0; i < ALLOW_KINDS; i++)
		names[i] = allow_kind_names[i];
	if (!cJSON_IsObject(value)) {
		complain(reading, "allow must be a table, like { publish = { \"alerts/#\" } }");
		return;
	}
	cJSON_ArrayForEach(item, value)
	{
		if (!is_known(reading, "name in allow", item->string, names))
			continue;
		for (enum allow_kind kind = 0; kind < ALLOW_KINDS; kind++) {
			if (strcmp(names[kind], item->string) == 0)
				apply_allow_kind(reading, kind, item);
		}
	}
}

static void
apply_tables(struct reading *reading, const cJSON *value)
{
	struct options *options = reading->options;
	struct table_def def;
	const cJSON *item;
	struct err err;

	if (!cJSON_IsObject(value)) {
		complain(reading, "tables must be a table, like { cars = { key = \"id\" } }");
		return;
	}
	cJSON_ArrayForEach(item, value)
	{
		if (options->table_count == TABLES_MAX)
			(void)err_set(&err, "more than %d tables", TABLES_MAX);
		if (options->table_count == TABLES_MAX ||
		    table_setting_read(item->string, item, &def, &err) < 0) {
			complain(reading, "%s", err.text);
			if (options->table_count < TABLES_MAX)
				table_def_clear(&def);
			continue;
		}
		options->tables = xrealloc(
		    options->tables, (options->table_count + 1) * sizeof(*options->tables));
		options->tables[options->table_count++] = def;
	}
}

/* { inbox = "/srv/in", scans = "/mnt/scans" } is inbox=/srv/in,scans=/mnt/scans. */
static void
apply_files(struct reading *reading, const cJSON *value)
{
	struct buf text = { 0 };
	const cJSON *item;
	cJSON *joined;

	if (!cJSON_IsObject(value)) {
		apply_option(reading, OPTION_FILES, value);
		return;
	}
	cJSON_ArrayForEach(item, value)
	{
		const char *path = cJSON_GetStringValue(item);

		if (path == NULL || strpbrk(path, ",") != NULL) {
			complain(reading, "files: %s must be the path of a folder, without \",\"",
			    item->string);
			goto out;
		}
		buf_printf(&text, "%s%s=%s", text.len > 0 ? "," : "", item->string, path);
	}
	joined = cJSON_CreateString(buf_string(&text));
	apply_option(reading, OPTION_FILES, joined);
	cJSON_Delete(joined);
out:
	buf_clear(&text);
}

static const struct setting settings[] = {
	{ "limits", apply_limits },
	{ "broker", apply_broker },
	{ "secrets", apply_secrets },
	{ "allow", apply_allow },
	{ "tables", apply_tables },
	{ "files", apply_files },
	{ NULL, NULL },
};

static int
line_of(const struct reading *reading, const cJSON *item)
{
	const cJSON *line = cJSON_GetObjectItemCaseSensitive(reading->lines, item->string);

	return cJSON_IsNumber(line) ? line->valueint : 0;
}

static void
apply_setting(struct reading *reading, const cJSON *item)
{
	enum option_id id = option_find(bytes_of_string(item->string));

	reading->line = line_of(reading, item);
	for (const struct setting *row = settings; row->name != NULL; row++) {
		if (strcmp(row->name, item->string) == 0) {
			row->apply(reading, item);
			return;
		}
	}
	if (id < OPTION_COUNT && !option_table[id].limit)
		apply_option(reading, id, item);
	else if (id < OPTION_COUNT)
		complain(reading, "'%s' is a limit: write limits = { %s = ... }", item->string,
		    item->string);
	else
		complain_unknown(reading, "setting", item->string,
		    nearest_option(item->string, false, settings));
}

/* In the order of their lines, which the worker's table does not have. */
static void
apply_all(struct reading *reading, const cJSON *all)
{
	const cJSON *item, *next;
	int done = -1;

	for (;;) {
		next = NULL;
		cJSON_ArrayForEach(item, all)
		{
			if (item->string != NULL && line_of(reading, item) > done &&
			    (next == NULL || line_of(reading, item) < line_of(reading, next)))
				next = item;
		}
		if (next == NULL)
			return;
		done = line_of(reading, next);
		cJSON_ArrayForEach(item, all)
		{
			if (item->string != NULL && line_of(reading, item) == done)
				apply_setting(reading, item);
		}
	}
}

int
config_apply(struct options *options, const struct config_source *source, struct err *err)
{
	cJSON *loaded =
	    cJSON_ParseWithLength((const char *)source->loaded.data, source->loaded.len);
	const cJSON *all = cJSON_GetObjectItemCaseSensitive(loaded, "settings");
	struct reading reading = { .options = options,
		.source = source,
		.lines = cJSON_GetObjectItemCaseSensitive(loaded, "lines"),
		.first = err };

	if (loaded == NULL || !(cJSON_IsObject(all) || cJSON_IsArray(all)))
		complain(&reading, "the worker's answer cannot be read");
	apply_all(&reading, all);
	cJSON_Delete(loaded);
	return reading.problems == 0 ? 0 : -1;
}
