/* SPDX-License-Identifier: MIT
 * Definitions of tables out of settings.
 */
#include "runtime/config_tables.h"

#include <stdlib.h>

#include "lib/nearest.h"

static char *
copy_range(const char *from, size_t len)
{
	while (len > 0 && (*from == ' ' || from[len - 1] == ' ')) {
		from += *from == ' ';
		len--;
	}
	return bytes_to_string(bytes_of(from, len));
}

int
table_setting_index(
    struct table_def *def, const char *name, const char *attributes, struct err *err)
{
	const char *comma = strchr(attributes, ',');
	struct table_index *index;

	if (def->index_count == TABLE_INDEXES_MAX)
		return err_set(err, "table %s: more than %d indexes", def->name, TABLE_INDEXES_MAX);
	if (comma != NULL && strchr(comma + 1, ',') != NULL)
		return err_set(
		    err, "table %s: index %s has more than two attributes", def->name, name);
	index = &def->indexes[def->index_count++];
	index->name = xstrdup(name);
	index->hash = copy_range(
	    attributes, comma != NULL ? (size_t)(comma - attributes) : strlen(attributes));
	if (comma != NULL)
		index->sort = copy_range(comma + 1, strlen(comma + 1));
	return 0;
}

static int
read_indexes(const cJSON *setting, struct table_def *def, struct err *err)
{
	const cJSON *item;

	if (!cJSON_IsObject(setting))
		return err_set(err,
		    "table %s: index must be a table, like { by_place = \"place,ts\" }", def->name);
	cJSON_ArrayForEach(item, setting)
	{
		if (!cJSON_IsString(item))
			return err_set(err,
			    "table %s: index %s must be text: the attributes, like \"place,ts\"",
			    def->name, item->string);
		if (table_setting_index(def, item->string, item->valuestring, err) < 0)
			return -1;
	}
	return 0;
}

static int
read_name(const cJSON *item, char **name, const struct table_def *def, struct err *err)
{
	if (!cJSON_IsString(item))
		return err_set(err, "table %s: %s must be text: the name of an attribute",
		    def->name, item->string);
	free(*name);
	*name = xstrdup(item->valuestring);
	return 0;
}

static int
read_field(const cJSON *item, struct table_def *def, struct err *err)
{
	static const char *const names[] = { "key", "sort", "ttl", "index", NULL };
	const char *near;

	if (strcmp(item->string, "key") == 0)
		return read_name(item, &def->hash, def, err);
	if (strcmp(item->string, "sort") == 0)
		return read_name(item, &def->sort, def, err);
	if (strcmp(item->string, "ttl") == 0)
		return read_name(item, &def->ttl, def, err);
	if (strcmp(item->string, "index") == 0)
		return read_indexes(item, def, err);
	near = name_nearest(item->string, names);
	return err_set(err, "table %s: unknown name '%.100s'%s%s%s", def->name, item->string,
	    near != NULL ? ": did you mean '" : "; there are key, sort, ttl and index",
	    near != NULL ? near : "", near != NULL ? "'?" : "");
}

int
table_setting_read(const char *name, const cJSON *setting, struct table_def *def, struct err *err)
{
	const cJSON *item;

	*def = (struct table_def){ .name = xstrdup(name) };
	if (!cJSON_IsObject(setting))
		return err_set(err, "table %s must be a table, like { key = \"id\" }", name);
	cJSON_ArrayForEach(item, setting)
	{
		if (read_field(item, def, err) < 0)
			return -1;
	}
	if (def->hash == NULL)
		return err_set(err, "table %s needs a key, like key = \"id\"", name);
	if (table_def_check(def, err) < 0)
		return err_prefix(err, "table %s", name);
	return 0;
}
