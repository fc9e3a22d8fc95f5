/* SPDX-License-Identifier: MIT
 * on = { table = "cars", changes = { "insert", "modify" }, where = function(change) ... end,
 * batch = 100, window = "5s", start = "oldest" }: changes of a table's items, from the change log.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/table_def.h"
#include "runtime/change_follower.h"
#include "runtime/function.h"
#include "triggers/triggers.h"

static const char *const members[] = { "table", "changes", "where", "start", "batch", "window" };

enum { BATCH_DEFAULT = 100, WINDOW_MS_MAX = 300000 };

static const struct {
	const char *name;
	enum change_kind kind;
} kinds[] = { { "insert", CHANGE_INSERT }, { "modify", CHANGE_MODIFY },
	{ "delete", CHANGE_DELETE } };

static const cJSON *
member(const cJSON *spec, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(spec, name);
}

/* 0: there is no kind of that name. */
static unsigned
kind_of(const cJSON *item)
{
	const char *text = cJSON_GetStringValue(item);

	for (size_t i = 0; text != NULL && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(text, kinds[i].name) == 0)
			return kinds[i].kind;
	}
	return 0;
}

static int
read_kinds(const cJSON *value, unsigned *out, struct err *err)
{
	static const char bad[] =
	    "table: changes is a list of \"insert\", \"modify\" and \"delete\"";
	const cJSON *item;

	*out = value == NULL ? CHANGE_INSERT | CHANGE_MODIFY | CHANGE_DELETE : kind_of(value);
	cJSON_ArrayForEach(item, value)
	{
		if (kind_of(item) == 0)
			return err_set(err, "%s", bad);
		*out |= kind_of(item);
	}
	return *out != 0 ? 0 : err_set(err, "%s", bad);
}

static int
check_members(const cJSON *spec, struct err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, spec)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
			known = known || strcmp(item->string, members[i]) == 0;
		if (!known)
			return err_set(err,
			    "a table trigger has no key \"%s\"; it has table, changes, where, "
			    "start, batch and window",
			    item->string);
	}
	return 0;
}

static int
read_batch(const cJSON *spec, struct change_wish *wish, struct err *err)
{
	const cJSON *batch = member(spec, "batch"), *window = member(spec, "window");
	const char *text = cJSON_GetStringValue(window);

	wish->batch = window != NULL ? BATCH_DEFAULT : 0;
	wish->window_ms = 0;
	if (batch != NULL) {
		double number = cJSON_IsNumber(batch) ? batch->valuedouble : 0;

		if (number < 1 || number > CHANGE_BATCH_MAX || number != (double)(uint32_t)number)
			return err_set(
			    err, "table: batch is a whole number from 1 to %d", CHANGE_BATCH_MAX);
		wish->batch = (uint32_t)number;
	}
	if (window != NULL && (text == NULL || duration_parse(text, &wish->window_ms) < 0 ||
				  wish->window_ms < 1 || wish->window_ms > WINDOW_MS_MAX))
		return err_set(err, "table: window is a duration up to 5min, as \"5s\"");
	return 0;
}

static int
read_wish(const cJSON *spec, struct change_wish *wish, struct err *err)
{
	const cJSON *start = member(spec, "start"), *where = member(spec, "where");
	const char *from = start != NULL ? cJSON_GetStringValue(start) : "now";

	wish->table = cJSON_GetStringValue(member(spec, "table"));
	if (wish->table == NULL || !table_name_is_valid(bytes_of_string(wish->table)))
		return err_set(err, "table is the name of a table: { table = \"cars\" }");
	if (where != NULL && !cJSON_IsTrue(where))
		return err_set(err, "table: where is a function: function(change) ... end");
	if (from == NULL || (strcmp(from, "now") != 0 && strcmp(from, "oldest") != 0))
		return err_set(err, "table: start is \"now\" or \"oldest\"");
	wish->from_oldest = strcmp(from, "oldest") == 0;
	if (check_members(spec, err) < 0 || read_batch(spec, wish, err) < 0)
		return -1;
	return read_kinds(member(spec, "changes"), &wish->kinds, err);
}

static int
check(const cJSON *spec, struct err *err)
{
	struct change_wish wish;

	return read_wish(spec, &wish, err);
}

static void *
bind_table(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct change_follower *follower;
	struct change_wish wish;

	if (read_wish(spec, &wish, err) < 0)
		return NULL;
	follower = change_follower_attach(host->change_followers, function, &wish);
	if (follower == NULL)
		(void)err_set(err,
		    "table: a function has one trigger for each table; there are "
		    "two for %s",
		    wish.table);
	return follower;
}

static void
unbind_table(struct host *host, void *binding)
{
	(void)host;
	change_follower_detach(binding);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	buf_append_string(out, cJSON_GetStringValue(member(spec, "table")));
}

const struct trigger trigger_table_changes = { "table", "changes of a table's items", check,
	bind_table, unbind_table, describe };
