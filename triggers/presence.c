/* SPDX-License-Identifier: MIT
 * on = { presence = "connected", client = "car-*" }: MQTT clients that come and go.
 */
#include "runtime/presence.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "triggers/triggers.h"

static const cJSON *
member(const cJSON *spec, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(spec, name);
}

/* 0: there is no such change. */
static unsigned
changes_of(const cJSON *spec)
{
	static const struct {
		const char *name;
		unsigned changes;
	} changes[] = {
		{ "connected", PRESENCE_CONNECTED },
		{ "disconnected", PRESENCE_DISCONNECTED },
		{ "*", PRESENCE_CONNECTED | PRESENCE_DISCONNECTED },
	};
	const char *text = cJSON_GetStringValue(member(spec, "presence"));

	for (size_t i = 0; text != NULL && i < sizeof(changes) / sizeof(*changes); i++) {
		if (strcmp(text, changes[i].name) == 0)
			return changes[i].changes;
	}
	return 0;
}

static int
check(const cJSON *spec, struct err *err)
{
	const cJSON *client = member(spec, "client"), *item;

	if (changes_of(spec) == 0)
		return err_set(err, "presence is \"connected\", \"disconnected\" or \"*\"");
	if (client != NULL && (!cJSON_IsString(client) || client->valuestring[0] == '\0'))
		return err_set(
		    err, "presence: client is a client's identifier, with * for any characters");
	cJSON_ArrayForEach(item, spec)
	{
		if (strcmp(item->string, "presence") != 0 && strcmp(item->string, "client") != 0)
			return err_set(err,
			    "a presence trigger has no key \"%s\"; it has presence and client",
			    item->string);
	}
	return 0;
}

static void *
bind_presence(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct presence_watch *watch = xcalloc(1, sizeof(*watch));
	const char *client = cJSON_GetStringValue(member(spec, "client"));

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
	const char *client = cJSON_GetStringValue(member(spec, "client"));

	buf_append_string(out, cJSON_GetStringValue(member(spec, "presence")));
	if (client != NULL)
		buf_printf(out, " of %s", client);
}

const struct trigger trigger_presence = { "presence",
	"MQTT clients that come and go: on = { presence = \"connected\", client = \"car-*\" }",
	check, bind_presence, unbind_presence, describe };
