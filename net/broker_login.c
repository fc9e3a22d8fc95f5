/* SPDX-License-Identifier: MIT
 * Between a CONNECT and its answer: somebody decides whether the client is let in, at once or later
 * (a slow hash, a key that must be fetched, a function). Until then the client is not read. And
 * afterwards: whether those who are in may stay when rights have changed.
 */
#include <stdlib.h>
#include <string.h>

#include "net/broker_private.h"

enum { SLICE = 256 };

static void
go_on(struct client *client, const struct mqtt_connect *connect,
    const struct broker_decision *decision)
{
	if (decision->reason == MQTT_SUCCESS)
		broker_admit(client, connect, decision);
	else
		broker_refuse(client, decision->reason,
		    decision->text != NULL ? decision->text : mqtt_reason_text(decision->reason));
}

static void
free_login(struct broker_login *login)
{
	if (login->packet.len > 0) /* it may hold a password */
		explicit_bzero(login->packet.data, login->packet.len);
	buf_clear(&login->packet);
	free(login);
}

/* The packet was decoded before: it decodes. */
static void
keep_packet(struct broker_login *login, struct bytes packet)
{
	struct mqtt_defect defect;

	buf_append_bytes(&login->packet, packet);
	if (!mqtt_connect_decode(buf_bytes(&login->packet), &login->connect, &defect))
		abort();
}

bool
broker_login_ask(struct client *client, struct bytes packet, const struct mqtt_connect *connect)
{
	struct broker *broker = client->broker;
	const struct broker_decision everybody = { .reason = MQTT_SUCCESS };
	struct broker_login *login;

	if (broker->hooks.authenticate == NULL) {
		go_on(client, connect, &everybody);
		return !conn_is_ending(client->conn);
	}
	login = xcalloc(1, sizeof(*login));
	login->client = client;
	login->connect = *connect;
	login->identity_unref = broker->hooks.identity_unref;
	login->arg = broker->hooks.arg;
	login->asking = true;
	client->login = login;
	broker->hooks.authenticate(broker->hooks.arg, login, connect, client->peer);
	login->asking = false;
	if (login->done) {
		free_login(login);
		return !conn_is_ending(client->conn);
	}
	keep_packet(login, packet);
	client_update_reading(client);
	return false;
}

void
broker_login_done(struct broker_login *login, const struct broker_decision *decision)
{
	struct client *client = login->client;

	login->done = true;
	if (client != NULL)
		client->login = NULL;
	if (client != NULL && !conn_is_ending(client->conn))
		go_on(client, &login->connect, decision);
	else if (decision->identity != NULL)
		login->identity_unref(login->arg, decision->identity);
	if (!login->asking)
		free_login(login);
}

void
broker_login_leave(struct client *client)
{
	if (client->login != NULL)
		client->login->client = NULL;
	client->login = NULL;
}

void
client_check_rights(struct client *client)
{
	struct broker *broker = client->broker;

	if (client->session == NULL || conn_is_ending(client->conn))
		return;
	if (client->ends_us != 0 && loop_now_us(broker->loop) >= client->ends_us) {
		broker_client_end(client, MQTT_NOT_AUTHORIZED, "its credentials have expired");
		return;
	}
	if (client->rights_serial == broker->rights_serial)
		return;
	client->rights_serial = broker->rights_serial;
	if (!broker_authorized(client, BROKER_ACTION_CONNECT, client->session->link.key))
		broker_client_end(client, MQTT_NOT_AUTHORIZED, "it may not be connected any more");
}

/* The clients stand in a ring whose head the sweep moves on as well: both check. */
static void
recheck(void *arg)
{
	struct broker *broker = arg;

	for (unsigned i = 0; i < SLICE && broker->recheck_left > 0; i++, broker->recheck_left--) {
		struct client *client = TAILQ_FIRST(&broker->clients);

		if (client == NULL)
			break;
		TAILQ_REMOVE(&broker->clients, client, link);
		TAILQ_INSERT_TAIL(&broker->clients, client, link);
		client_check_rights(client);
	}
	if (broker->recheck_left > 0)
		timer_set(&broker->recheck, 0);
}

void
recheck_init(struct broker *broker)
{
	timer_init(&broker->recheck, broker->loop, recheck, broker);
}

void
broker_recheck(struct broker *broker)
{
	broker->rights_serial++;
	broker->recheck_left = broker->metrics.clients;
	timer_set(&broker->recheck, 0);
}
