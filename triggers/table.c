/* SPDX-License-Identifier: MIT
 * on = { table = "cars", changes = { "insert", "modify" }, where = function(change) ... end,
 * batch = 100, window = "5s", start = "oldest" }: changes of a table's items, from the change log.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/table_def.h"
#include "runtime/changes/change_follower.h"
#include "runtime/function.h"
#include "triggers/spec.h"
#include "triggers/triggers.h"

static const char *const members[] = { "table", "changes", "where", "start", "batch", "window",
	NULL };

enum { BATCH_DEFAULT = 100, WINDOW_MS_MAX = 300000 };

static const struct spec_word kinds[] = {
	{ "insert", CHANGE_INSERT },
	{ "modify", CHANGE_MODIFY },
	{ "delete", CHANGE_DELETE },
	{ NULL, 0 },
};

static int
read_kinds(const cJSON *value, unsigned *out, struct err *err)
{
	*out =
	    value == NULL ? CHANGE_INSERT | CHANGE_MODIFY | CHANGE_DELETE : spec_bits(value, kinds);
	return *out != 0 ? 0
			 : err_set(err,
			       "table: changes is a list of \"insert\", \"modify\" and \"delete\"");
}

static int
read_batch(const cJSON *spec, struct change_wish *wish, struct err *err)
{
	const cJSON *batch = spec_member(spec, "batch"), *window = spec_member(spec, "window");
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
	const cJSON *start = spec_member(spec, "start"), *where = spec_member(spec, "where");
	const char *from = start != NULL ? cJSON_GetStringValue(start) : "now";

	wish->table = spec_text(spec, "table");
	if (wish->table == NULL || !table_name_is_valid(bytes_of_string(wish->table)))
		return err_set(err, "table is the name of a table: { table = \"cars\" }");
	if (where != NULL && !cJSON_IsTrue(where))
		return err_set(err, "table: where is a function: function(change) ... end");
	if (from == NULL || (strcmp(from, "now") != 0 && strcmp(from, "oldest") != 0))
		return err_set(err, "table: start is \"now\" or \"oldest\"");
	wish->from_oldest = strcmp(from, "oldest") == 0;
	if (spec_check_members(spec, members, err) < 0 || read_batch(spec, wish, err) < 0)
		return -1;
	return read_kinds(spec_member(spec, "changes"), &wish->kinds, err);
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
	buf_append_string(out, spec_text(spec, "table"));
}

const struct trigger trigger_table_changes = { "table", "changes of a table's items", check,
	bind_table, unbind_table, describe };
