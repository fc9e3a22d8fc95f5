/* SPDX-License-Identifier: MIT
 * What client and broker say to each other, packet by packet.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "net/mqtt_client_private.h"

enum { RETAINED_NEVER = 2 };

void
mqtt_client_greet(struct mqtt_client *client)
{
	const struct mqtt_client_config *config = &client->config;
	struct mqtt_connect connect = { .version = client->version,
		.keep_alive_s = config->keep_alive_s,
		.client_id = bytes_of_string(config->client_id),
		.has_user = config->user != NULL,
		.user = bytes_of_string(config->user),
		.has_password = config->password != NULL,
		.password = bytes_of_string(config->password) };

	connect.props.present = (uint64_t)1 << MQTT_SESSION_EXPIRY |
				(uint64_t)1 << MQTT_RECEIVE_MAXIMUM |
				(uint64_t)1 << MQTT_MAXIMUM_PACKET_SIZE;
	connect.props.session_expiry_s = config->session_expiry_s;
	connect.props.receive_maximum = config->receive_maximum;
	connect.props.maximum_packet_size = config->packet_bytes_max;
	mqtt_connect_encode(conn_out(client->conn), &connect);
	conn_wrote(client->conn);
}

static uint16_t
next_subscribe_id(struct mqtt_client *client)
{
	if (client->last_subscribe_id == SUBSCRIBE_ID_MAX)
		client->last_subscribe_id = 0;
	return ++client->last_subscribe_id;
}

/* The filter as the broker gets it. Borrowed until the next call. */
static struct bytes
wire_filter(struct mqtt_client *client, const struct filter *filter)
{
	buf_reset(&client->scratch);
	if (client->shared)
		buf_printf(&client->scratch, "$share/%s/", client->config.share);
	buf_append_bytes(&client->scratch, filter->by_text.key);
	return buf_bytes(&client->scratch);
}

/* Events are what happens from now on: retained messages are not asked for. */
static void
send_subscribe(struct mqtt_client *client, struct filter *filter)
{
	const struct mqtt_filter wire = { .filter = wire_filter(client, filter),
		.qos = 1,
		.retain_as_published = true,
		.retain_handling = RETAINED_NEVER };
	const struct mqtt_props props = { .present = (uint64_t)1 << MQTT_SUBSCRIPTION_ID,
		.subscription_id = filter->number };
	const struct mqtt_props none = { 0 };

	filter->packet_id = next_subscribe_id(client);
	mqtt_subscribe_encode(conn_out(client->conn), client->version, filter->packet_id,
	    client->numbers ? &props : &none, &wire);
	conn_wrote(client->conn);
}

void
mqtt_client_subscribe_all(struct mqtt_client *client)
{
	struct filter *filter;

	client->filters_refused = 0;
	client->suback_next = TAILQ_FIRST(&client->filters);
	TAILQ_FOREACH (filter, &client->filters, link) {
		filter->refused = false;
		send_subscribe(client, filter);
	}
}

void
mqtt_client_subscribe(struct mqtt_client *client, struct bytes text, uint32_t number)
{
	struct filter *filter = xcalloc(1, sizeof(*filter) + text.len);

	assert(number >= 1 && number <= MQTT_CLIENT_NUMBER_MAX);
	filter->number = number;
	memcpy(filter->text, text.data, text.len);
	hash_insert(&client->filter_map, &filter->by_text, bytes_of(filter->text, text.len));
	TAILQ_INSERT_TAIL(&client->filters, filter, link);
	if (mqtt_client_is_live(client))
		send_subscribe(client, filter);
}

static void
filter_free(struct mqtt_client *client, struct filter *filter)
{
	if (client->suback_next == filter)
		client->suback_next = NULL;
	if (filter->refused)
		client->filters_refused--;
	TAILQ_REMOVE(&client->filters, filter, link);
	hash_remove(&client->filter_map, &filter->by_text);
	free(filter);
}

void
mqtt_client_unsubscribe(struct mqtt_client *client, struct bytes text)
{
	struct hash_node *found = hash_find(&client->filter_map, text);
	struct filter *filter;

	if (found == NULL)
		return;
	filter = HASH_OWNER(found, struct filter, by_text);
	if (mqtt_client_is_live(client)) {
		mqtt_unsubscribe_encode(conn_out(client->conn), client->version,
		    next_subscribe_id(client), wire_filter(client, filter));
		conn_wrote(client->conn);
	}
	filter_free(client, filter);
}

void
filters_free(struct mqtt_client *client)
{
	while (!TAILQ_EMPTY(&client->filters))
		filter_free(client, TAILQ_FIRST(&client->filters));
	hash_clear(&client->filter_map);
}

/* Without shared subscriptions this host gets every message, also where others get it too. */
static void
share_no_more(struct mqtt_client *client, const char *why)
{
	client->shared = false;
	log_warn("broker", "%s: no shared subscriptions (%s): let only one host take from it",
	    client->config.name, why);
}

static bool
is_refused_version(const struct mqtt_client *client, uint8_t reason)
{
	return client->version == MQTT_VERSION_5 &&
	       (reason == MQTT_UNSUPPORTED_VERSION || reason == 1);
}

/* What the broker says about itself (MQTT 5.0 §3.2.2.3). */
static void
take_limits(struct mqtt_client *client, const struct mqtt_props *props)
{
	client->keep_alive_s = client->config.keep_alive_s;
	if (mqtt_props_has(props, MQTT_SERVER_KEEP_ALIVE))
		client->keep_alive_s = props->server_keep_alive_s;
	client->send_maximum =
	    mqtt_props_has(props, MQTT_RECEIVE_MAXIMUM) ? props->receive_maximum : UINT16_MAX;
	client->packet_bytes_max = mqtt_props_has(props, MQTT_MAXIMUM_PACKET_SIZE)
				       ? props->maximum_packet_size
				       : client->config.packet_bytes_max;
	client->qos_max = mqtt_props_has(props, MQTT_MAXIMUM_QOS) ? props->maximum_qos : 1;
	client->numbers = client->version == MQTT_VERSION_5 &&
			  !(mqtt_props_has(props, MQTT_SUBSCRIPTION_ID_AVAILABLE) &&
			      props->subscription_id_available == 0);
	client->shared = client->config.share != NULL;
	if (!client->shared)
		return;
	if (client->version < MQTT_VERSION_5)
		share_no_more(client, "the broker speaks MQTT 3.1.1");
	else if (mqtt_props_has(props, MQTT_SHARED_AVAILABLE) && props->shared_available == 0)
		share_no_more(client, "the broker has none");
}

static bool
on_connack(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_connack connack;
	struct mqtt_defect defect;

	(void)header;
	if (client->state != MQTT_CLIENT_GREETING) {
		mqtt_client_fail(client, MQTT_PROTOCOL_ERROR, "a second CONNACK");
		return false;
	}
	if (!mqtt_connack_decode(rest, client->version, &connack, &defect)) {
		mqtt_client_fail(client, defect.reason, defect.text);
		return false;
	}
	if (is_refused_version(client, connack.reason)) {
		client->version = MQTT_VERSION_3_1_1;
		client->try_at_once = true;
		mqtt_client_fail(client, 0, "the broker does not speak MQTT 5");
		return false;
	}
	if (connack.reason != MQTT_SUCCESS) {
		mqtt_client_fail(client, 0, mqtt_reason_text(connack.reason));
		return false;
	}
	take_limits(client, &connack.props);
	mqtt_client_established(client);
	receipts_connected(client, connack.session_present);
	mqtt_client_subscribe_all(client);
	parcels_connected(client, connack.session_present);
	return true;
}

static void
describe(struct mqtt_client *client, const struct mqtt_publish *publish, struct message *message)
{
	*message = (struct message){ .topic = publish->topic,
		.payload = publish->payload,
		.qos = publish->qos,
		.retain = publish->retain,
		.has_expiry = mqtt_props_has(&publish->props, MQTT_MESSAGE_EXPIRY),
		.expiry_s = publish->props.message_expiry_s };
	buf_reset(&client->properties);
	if (publish->props.raw.len > 0)
		mqtt_props_forward(&client->properties, publish->props.raw);
	message->properties = buf_bytes(&client->properties);
}

static bool
check_publish(struct mqtt_client *client, const struct mqtt_publish *publish)
{
	enum topic_defect defect = topic_name_check(publish->topic);

	if (publish->qos > 1)
		mqtt_client_fail(client, MQTT_PROTOCOL_ERROR, "a QoS 2 message was not asked for");
	else if (publish->props.topic_alias != 0)
		mqtt_client_fail(
		    client, MQTT_TOPIC_ALIAS_INVALID, "a topic alias was not asked for");
	else if (defect == TOPIC_TOO_DEEP)
		return true;
	else if (defect != TOPIC_OK)
		mqtt_client_fail(client, MQTT_TOPIC_INVALID, topic_defect_text(defect));
	else
		return true;
	return false;
}

/* A 3.1.1 broker sends retained messages for every subscription: those are no events. So is what
 * no function can match. They are acknowledged as done. */
static bool
is_event(const struct mqtt_client *client, const struct mqtt_publish *publish)
{
	return !(publish->retain && client->version < MQTT_VERSION_5) &&
	       topic_name_check(publish->topic) == TOPIC_OK;
}

/* Gives an event to the owner. */
static void
hand_over(struct mqtt_client *client, const struct mqtt_publish *publish, struct ack *ack)
{
	uint32_t numbers[MQTT_CLIENT_NUMBERS_MAX];
	struct message message;
	struct mqtt_client_delivery delivery = {
		.message = &message, .subscriptions = numbers, .duplicate = publish->dup
	};
	size_t at = 0;

	describe(client, publish, &message);
	while (delivery.subscription_count < MQTT_CLIENT_NUMBERS_MAX &&
	       mqtt_subscription_id_next(
		   publish->props.raw, &at, &numbers[delivery.subscription_count]))
		delivery.subscription_count++;
	if (client->events.message(client->events.arg, &delivery, ack) == BROKER_PAUSE)
		client->paused = true;
}

static bool
on_publish(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct receipt *receipt = NULL;
	struct mqtt_publish publish;
	struct mqtt_defect defect;

	if (!mqtt_publish_decode(rest, header, client->version, &publish, &defect)) {
		mqtt_client_fail(client, defect.reason, defect.text);
		return false;
	}
	if (!check_publish(client, &publish))
		return false;
	client->messages_in++;
	client->duplicates_in += publish.dup;
	if (publish.qos > 0 && (receipt = receipt_new(client, &publish)) == NULL)
		return true;
	if (is_event(client, &publish))
		hand_over(client, &publish, receipt != NULL ? &receipt->ack : NULL);
	if (receipt != NULL)
		ack_release(&receipt->ack, MQTT_SUCCESS);
	mqtt_client_update_reading(client);
	return true;
}

static bool
on_puback(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_defect defect;
	struct mqtt_ack ack;

	if (!mqtt_ack_decode(rest, header, client->version, &ack, &defect)) {
		mqtt_client_fail(client, defect.reason, defect.text);
		return false;
	}
	parcel_acknowledged(client, &ack);
	return true;
}

static struct filter *
find_pending(struct mqtt_client *client, uint16_t packet_id)
{
	struct filter *filter = client->suback_next;

	if (filter == NULL || filter->packet_id != packet_id) {
		TAILQ_FOREACH (filter, &client->filters, link) {
			if (filter->packet_id == packet_id)
				break;
		}
	}
	client->suback_next = filter != NULL ? TAILQ_NEXT(filter, link) : NULL;
	return filter;
}

static void
filter_answered(struct mqtt_client *client, struct filter *filter, uint8_t code)
{
	filter->packet_id = 0;
	if (code < MQTT_UNSPECIFIED)
		return;
	if (code == MQTT_SHARED_NOT_SUPPORTED && client->shared) {
		share_no_more(client, mqtt_reason_text(code));
		mqtt_client_subscribe_all(client);
		return;
	}
	filter->refused = true;
	client->filters_refused++;
	log_warn("broker", "%s: refuses the subscription to %.*s: %s", client->config.name,
	    (int)filter->by_text.key.len, filter->text, mqtt_reason_text(code));
}

static bool
on_suback(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_suback suback;
	struct mqtt_defect defect;
	struct filter *filter;

	if (!mqtt_suback_decode(rest, header, client->version, &suback, &defect)) {
		mqtt_client_fail(client, defect.reason, defect.text);
		return false;
	}
	filter = find_pending(client, suback.packet_id);
	if (filter != NULL && suback.codes.len == 1)
		filter_answered(client, filter, suback.codes.data[0]);
	return true;
}

static bool
on_disconnect(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_disconnect disconnect;
	struct mqtt_defect defect;

	if (client->version < MQTT_VERSION_5)
		mqtt_client_fail(client, 0, "a DISCONNECT from a 3.1.1 broker");
	else if (!mqtt_disconnect_decode(rest, header, client->version, &disconnect, &defect))
		mqtt_client_fail(client, defect.reason, defect.text);
	else {
		client->taken_over = disconnect.reason == MQTT_SESSION_TAKEN_OVER;
		mqtt_client_fail(client, 0, mqtt_reason_text(disconnect.reason));
	}
	return false;
}

static bool
on_nothing(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	(void)client;
	(void)header;
	(void)rest;
	return true;
}

static bool (*const handlers[16])(
    struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest) = {
	[MQTT_CONNACK] = on_connack,
	[MQTT_PUBLISH] = on_publish,
	[MQTT_PUBACK] = on_puback,
	[MQTT_SUBACK] = on_suback,
	[MQTT_UNSUBACK] = on_nothing,
	[MQTT_PINGRESP] = on_nothing,
	[MQTT_DISCONNECT] = on_disconnect,
};

bool
mqtt_client_packet(struct mqtt_client *client, const struct mqtt_header *header, struct bytes rest)
{
	if (handlers[header->type] == NULL) {
		mqtt_client_fail(client, MQTT_PROTOCOL_ERROR, "a packet that brokers do not send");
		return false;
	}
	if (client->state != MQTT_CLIENT_CONNECTED && header->type != MQTT_CONNACK) {
		mqtt_client_fail(client, MQTT_PROTOCOL_ERROR, "a packet before the CONNACK");
		return false;
	}
	return handlers[header->type](client, header, rest);
}
