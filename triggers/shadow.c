/* SPDX-License-Identifier: MIT
 * on = { shadow = "car-*", name = "trip", changes = { "update", "delta", "delete" } }: changes of
 * device shadows, whoever makes them.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "runtime/shadow_follow.h"
#include "triggers/spec.h"
#include "triggers/triggers.h"

static const char *const members[] = { "shadow", "name", "changes", NULL };

static const struct spec_word changes[] = {
	{ "update", SHADOW_CHANGE_UPDATE },
	{ "delta", SHADOW_CHANGE_DELTA },
	{ "delete", SHADOW_CHANGE_DELETE },
	{ NULL, 0 },
};

static int
read_changes(const cJSON *value, unsigned *out, struct err *err)
{
	*out =
	    value == NULL ? SHADOW_CHANGE_UPDATE | SHADOW_CHANGE_DELETE : spec_bits(value, changes);
	return *out != 0 ? 0
			 : err_set(err,
			       "shadow: changes is a list of \"update\", \"delta\" and \"delete\"");
}

static int
check(const cJSON *spec, struct err *err)
{
	const char *thing = spec_text(spec, "shadow");
	const cJSON *name = spec_member(spec, "name");
	unsigned mask;

	if (thing == NULL || thing[0] == '\0')
		return err_set(err,
		    "shadow is the name of a thing, with * for any characters: { shadow = "
		    "\"car-*\" }");
	if (name != NULL && !cJSON_IsString(name))
		return err_set(err,
		    "shadow: name is a shadow's name, with * for any characters; leave it away "
		    "for the classic shadow");
	if (spec_check_members(spec, members, err) < 0)
		return -1;
	return read_changes(spec_member(spec, "changes"), &mask, err);
}

static void *
bind_shadow(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct shadow_watch *watch = xcalloc(1, sizeof(*watch));
	const char *name = spec_text(spec, "name");

	if (read_changes(spec_member(spec, "changes"), &watch->changes, err) < 0) {
		free(watch);
		return NULL;
	}
	watch->function = function;
	watch->thing = xstrdup(spec_text(spec, "shadow"));
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
	const char *name = spec_text(spec, "name");

	buf_append_string(out, spec_text(spec, "shadow"));
	if (name != NULL && name[0] != '\0')
		buf_printf(out, "/%s", name);
}

const struct trigger trigger_shadow = { "shadow",
	"changes of device shadows: on = { shadow = \"car-*\", changes = { \"delta\" } }", check,
	bind_shadow, unbind_shadow, describe };
