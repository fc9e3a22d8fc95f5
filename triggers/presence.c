/* SPDX-License-Identifier: MIT
 * on = { presence = "connected", client = "car-*" }: MQTT clients that come and go.
 */
#include "runtime/presence.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "triggers/spec.h"
#include "triggers/triggers.h"

static const char *const members[] = { "presence", "client", NULL };

static const struct spec_word changes[] = {
	{ "connected", PRESENCE_CONNECTED },
	{ "disconnected", PRESENCE_DISCONNECTED },
	{ "*", PRESENCE_CONNECTED | PRESENCE_DISCONNECTED },
	{ NULL, 0 },
};

/* 0: there is no such change. */
static unsigned
changes_of(const cJSON *spec)
{
	const cJSON *value = spec_member(spec, "presence");

	return cJSON_IsString(value) ? spec_bits(value, changes) : 0;
}

static int
check(const cJSON *spec, struct err *err)
{
	const cJSON *client = spec_member(spec, "client");

	if (changes_of(spec) == 0)
		return err_set(err, "presence is \"connected\", \"disconnected\" or \"*\"");
	if (client != NULL && (!cJSON_IsString(client) || client->valuestring[0] == '\0'))
		return err_set(
		    err, "presence: client is a client's identifier, with * for any characters");
	return spec_check_members(spec, members, err);
}

static void *
bind_presence(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct presence_watch *watch = xcalloc(1, sizeof(*watch));
	const char *client = spec_text(spec, "client");

	(void)err;
	watch->function = function;
	watch->client = xstrdup(client != NULL ? client : "*");
	watch->changes = changes_of(spec);
	presences_watch(host->presences, watch);
	return watch;
}

static void
unbind_presence(struct host *host, void *arg)
{
	struct presence_watch *watch = arg;

	presences_unwatch(host->presences, watch);
	free(watch->client);
	free(watch);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	const char *client = spec_text(spec, "client");

	buf_append_string(out, spec_text(spec, "presence"));
	if (client != NULL)
		buf_printf(out, " of %s", client);
}

const struct trigger trigger_presence = { "presence",
	"MQTT clients that come and go: on = { presence = \"connected\", client = \"car-*\" }",
	check, bind_presence, unbind_presence, describe };
