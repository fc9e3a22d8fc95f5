/* SPDX-License-Identifier: MIT
 * When messages that came are acknowledged.
 *
 * PUBACKs leave in the order of the messages (MQTT 5.0 §4.6), but an event that takes long shall
 * not hold the others back: behind one that is older than OVERTAKE_US they leave as they are done.
 */
#include <stdlib.h>

#include "lib/hash.h"
#include "net/mqtt_client_private.h"

enum { OVERTAKE_US = 1000000 };

static void
receipt_free(struct mqtt_client *client, struct receipt *receipt)
{
	TAILQ_REMOVE(&client->receipts, receipt, link);
	if (receipt->connection == client->connection && client->window > 0)
		client->window--;
	free(receipt);
}

static bool
is_current(const struct mqtt_client *client, const struct receipt *receipt)
{
	return receipt->connection == client->connection;
}

static void
send_ack(struct mqtt_client *client, struct receipt *receipt)
{
	const struct mqtt_ack ack = { .packet_id = receipt->packet_id };

	mqtt_ack_encode(conn_out(client->conn), MQTT_PUBACK, client->version, &ack);
	conn_wrote(client->conn);
	receipt_free(client, receipt);
}

/* Sends what may be sent; says in `*again_us` when the next may overtake (0: nothing waits). */
static void
send_done(struct mqtt_client *client, int64_t *again_us)
{
	int64_t now_us = loop_now_us(client->loop);
	struct receipt *receipt, *next;
	int64_t held_us = 0;

	*again_us = 0;
	TAILQ_FOREACH_SAFE (receipt, &client->receipts, link, next) {
		if (!is_current(client, receipt))
			continue;
		if (!receipt->done) {
			held_us = receipt->came_us + OVERTAKE_US - now_us;
			if (held_us > 0)
				break;
		} else {
			send_ack(client, receipt);
		}
	}
	while (receipt != NULL && !receipt->done)
		receipt = TAILQ_NEXT(receipt, link);
	if (receipt != NULL)
		*again_us = held_us > 0 ? held_us : 1;
}

void
receipts_overtake(void *arg)
{
	struct mqtt_client *client = arg;
	int64_t again_us;

	if (!mqtt_client_is_live(client))
		return;
	send_done(client, &again_us);
	if (again_us > 0)
		timer_set(&client->overtake, again_us);
	mqtt_client_update_reading(client);
}

/* What this host could not take (its store fails) must come again. A PUBACK with a failure would
 * end it for the broker, so there is none: the next connection gets the message anew. */
static void
refuse(struct mqtt_client *client, struct receipt *receipt)
{
	bool current = is_current(client, receipt) && mqtt_client_is_live(client);

	receipt_free(client, receipt);
	if (current)
		mqtt_client_fail(
		    client, MQTT_IMPLEMENTATION_ERROR, "this host could not take a message");
}

/* Whether nothing in front of it holds it for longer. */
static bool
may_leave(const struct mqtt_client *client, const struct receipt *receipt)
{
	const struct receipt *before = TAILQ_PREV(receipt, receipts, link);

	return before == NULL || !is_current(client, before) ||
	       loop_now_us(client->loop) - before->came_us >= OVERTAKE_US;
}

static void
receipt_settled(struct ack *ack)
{
	struct receipt *receipt =
	    (struct receipt *)(void *)((char *)ack - offsetof(struct receipt, ack));
	struct mqtt_client *client = receipt->client;

	if (client == NULL) {
		free(receipt);
		return;
	}
	if (ack->code != MQTT_SUCCESS) {
		refuse(client, receipt);
		return;
	}
	receipt->done = true;
	if (!is_current(client, receipt) || !mqtt_client_is_live(client))
		return;
	if (may_leave(client, receipt) || !timer_is_set(&client->overtake))
		receipts_overtake(client);
}

/* Cheap: a retransmission has the identifier and these. */
static uint64_t
mark_of(const struct mqtt_publish *publish)
{
	return hash_bytes(publish->topic) ^ publish->payload.len;
}

static struct receipt *
find_adrift(struct mqtt_client *client, const struct mqtt_publish *publish)
{
	struct receipt *receipt;

	TAILQ_FOREACH (receipt, &client->receipts, link) {
		if (!is_current(client, receipt) && receipt->packet_id == publish->packet_id &&
		    receipt->mark == mark_of(publish))
			return receipt;
	}
	return NULL;
}

/* From here on it belongs to this connection, behind what has come on it. */
static void
take_up(struct mqtt_client *client, struct receipt *receipt)
{
	TAILQ_REMOVE(&client->receipts, receipt, link);
	TAILQ_INSERT_TAIL(&client->receipts, receipt, link);
	receipt->connection = client->connection;
	client->window++;
	if (receipt->done)
		receipts_overtake(client);
}

struct receipt *
receipt_new(struct mqtt_client *client, const struct mqtt_publish *publish)
{
	struct receipt *receipt = publish->dup ? find_adrift(client, publish) : NULL;

	if (receipt != NULL) {
		take_up(client, receipt);
		return NULL;
	}
	receipt = xcalloc(1, sizeof(*receipt));
	ack_init(&receipt->ack, receipt_settled);
	receipt->client = client;
	receipt->connection = client->connection;
	receipt->mark = mark_of(publish);
	receipt->came_us = loop_now_us(client->loop);
	receipt->packet_id = publish->packet_id;
	TAILQ_INSERT_TAIL(&client->receipts, receipt, link);
	client->window++;
	return receipt;
}

/* Nobody will ask for it again. */
static void
let_go(struct mqtt_client *client, struct receipt *receipt)
{
	TAILQ_REMOVE(&client->receipts, receipt, link);
	receipt->client = NULL;
	if (receipt->done)
		free(receipt);
}

/* Called after the connection was counted. What is done and was adrift for a whole connection
 * already does not come again. */
void
receipts_connected(struct mqtt_client *client, bool session_present)
{
	struct receipt *receipt, *next;

	client->window = 0;
	TAILQ_FOREACH_SAFE (receipt, &client->receipts, link, next) {
		if (!session_present ||
		    (receipt->done && receipt->connection + 1 < client->connection))
			let_go(client, receipt);
	}
}

void
receipts_abandon(struct mqtt_client *client)
{
	while (!TAILQ_EMPTY(&client->receipts))
		let_go(client, TAILQ_FIRST(&client->receipts));
	client->window = 0;
}
