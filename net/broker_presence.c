/* SPDX-License-Identifier: MIT
 * Who is connected, told to the hooks.
 */
#include <stdlib.h>

#include "lib/log.h"
#include "net/broker_private.h"
#include "net/certificate.h"

static struct presence
presence_of(const struct client *client)
{
	const struct certificate *certificate = client->peer->certificate;

	return (struct presence){ .client_id = client->session->link.key,
		.principal = bytes_of_string(client->principal != NULL ? client->principal
					     : certificate != NULL     ? certificate->id
								       : NULL),
		.peer = client->peer->address,
		.connection = client->number };
}

/* Connections are numbered by the clock, so that they go on from one run to the next. */
static int64_t
next_connection(struct broker *broker)
{
	int64_t now_ms = loop_wall_ms(broker->loop);

	if (now_ms <= broker->last_connection)
		now_ms = broker->last_connection + 1;
	return broker->last_connection = now_ms;
}

void
presence_begin(struct client *client)
{
	struct broker *broker = client->broker;
	struct presence presence;

	log_debug(
	    "gateway", "client %s connected from %s", client->session->id, client->peer->address);
	client->number = next_connection(broker);
	if (broker->hooks.presence == NULL)
		return;
	presence = presence_of(client);
	presence.connected = true;
	broker->hooks.presence(broker->hooks.arg, &presence);
}

void
presence_end(struct client *client, const char *text)
{
	const struct broker_hooks *hooks = &client->broker->hooks;
	struct presence presence;

	if (hooks->presence == NULL)
		return;
	presence = presence_of(client);
	presence.by_client = client->left;
	presence.reason = client->end_reason;
	presence.text = text;
	hooks->presence(hooks->arg, &presence);
}

void
presence_subscribed(struct client *client, bool subscribed, struct bytes filters)
{
	const struct broker_hooks *hooks = &client->broker->hooks;
	struct presence presence;

	if (hooks->subscribed == NULL || filters.len == 0 || client->session == NULL)
		return;
	presence = presence_of(client);
	presence.connected = true;
	hooks->subscribed(hooks->arg, &presence, subscribed, filters);
}

void
broker_each_client(
    struct broker *broker, void (*each)(void *arg, const struct presence *presence), void *arg)
{
	const struct client *client;

	TAILQ_FOREACH (client, &broker->clients, link) {
		struct presence presence;

		if (client->session == NULL)
			continue;
		presence = presence_of(client);
		presence.connected = true;
		each(arg, &presence);
	}
}
