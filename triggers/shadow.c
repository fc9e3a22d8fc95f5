/* SPDX-License-Identifier: MIT
 * on = { shadow = "car-*", name = "trip", changes = { "update", "delta", "delete" } }: changes of
 * device shadows, whoever makes them.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "runtime/shadow_follow.h"
#include "triggers/triggers.h"

static const char *const members[] = { "shadow", "name", "changes" };

static const struct {
	const char *name;
	enum shadow_change change;
} changes[] = {
	{ "update", SHADOW_CHANGE_UPDATE },
	{ "delta", SHADOW_CHANGE_DELTA },
	{ "delete", SHADOW_CHANGE_DELETE },
};

static const cJSON *
member(const cJSON *spec, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(spec, name);
}

/* 0: there is no change of that name. */
static unsigned
change_of(const cJSON *item)
{
	const char *text = cJSON_GetStringValue(item);

	for (size_t i = 0; text != NULL && i < sizeof(changes) / sizeof(*changes); i++) {
		if (strcmp(text, changes[i].name) == 0)
			return changes[i].change;
	}
	return 0;
}

static int
read_changes(const cJSON *value, unsigned *out, struct err *err)
{
	static const char bad[] =
	    "shadow: changes is a list of \"update\", \"delta\" and \"delete\"";
	const cJSON *item;

	*out = 0;
	if (value == NULL) {
		*out = SHADOW_CHANGE_UPDATE | SHADOW_CHANGE_DELETE;
		return 0;
	}
	if (cJSON_IsString(value))
		*out = change_of(value);
	cJSON_ArrayForEach(item, value)
	{
		unsigned change = change_of(item);

		if (change == 0)
			return err_set(err, "%s", bad);
		*out |= change;
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
			    "a shadow trigger has no key \"%s\"; it has shadow, name and changes",
			    item->string);
	}
	return 0;
}

static int
check(const cJSON *spec, struct err *err)
{
	const char *thing = cJSON_GetStringValue(member(spec, "shadow"));
	const cJSON *name = member(spec, "name");
	unsigned mask;

	if (thing == NULL || thing[0] == '\0')
		return err_set(err,
		    "shadow is the name of a thing, with * for any characters: { shadow = "
		    "\"car-*\" }");
	if (name != NULL && !cJSON_IsString(name))
		return err_set(err,
		    "shadow: name is a shadow's name, with * for any characters; leave it away "
		    "for the classic shadow");
	if (check_members(spec, err) < 0)
		return -1;
	return read_changes(member(spec, "changes"), &mask, err);
}

static void *
bind_shadow(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct shadow_watch *watch = xcalloc(1, sizeof(*watch));
	const char *name = cJSON_GetStringValue(member(spec, "name"));

	if (read_changes(member(spec, "changes"), &watch->changes, err) < 0) {
		free(watch);
		return NULL;
	}
	watch->function = function;
	watch->thing = xstrdup(cJSON_GetStringValue(member(spec, "shadow")));
	watch->name = xstrdup(name != NULL ? name : "");
	shadow_watches_add(host->shadow_watches, watch);
	return watch;
}

static void
unbind_shadow(struct host *host, void *arg)
{
	struct shadow_watch *watch = arg;

	shadow_watches_remove(host->shadow_watches, watch);
	free(watch->thing);
	free(watch->name);
	free(watch);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	const char *name = cJSON_GetStringValue(member(spec, "name"));

	buf_append_string(out, cJSON_GetStringValue(member(spec, "shadow")));
	if (name != NULL && name[0] != '\0')
		buf_printf(out, "/%s", name);
}

const struct trigger trigger_shadow = { "shadow",
	"changes of device shadows: on = { shadow = \"car-*\", changes = { \"delta\" } }", check,
	bind_shadow, unbind_shadow, describe };
