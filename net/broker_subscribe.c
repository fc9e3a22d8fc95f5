/* SPDX-License-Identifier: MIT
 * SUBSCRIBE and UNSUBSCRIBE. The answer leaves when the store knows what it says.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/topic.h"
#include "net/broker_private.h"

/* An answer that waits for the store. */
struct answer {
	struct session *session;
	uint64_t connection;
	enum mqtt_type type;
	uint16_t packet_id;
	struct buf codes;
	struct buf filters; /* of a SUBSCRIBE, as they came: their retained messages follow */
	struct buf are_new; /* a byte for each filter */
};

/* The retained messages go behind the SUBACK. */
static void
send_retained(struct answer *answer)
{
	struct hash_map *subscriptions = &answer->session->subscriptions;
	struct mqtt_filter filter;
	size_t at = 0;

	for (size_t i = 0; mqtt_filter_next(buf_bytes(&answer->filters), true, &at, &filter); i++) {
		struct hash_node *node = hash_find(subscriptions, filter.filter);

		if (node != NULL && answer->codes.data[i] < MQTT_UNSPECIFIED)
			retained_send(HASH_OWNER(node, struct subscription, link),
			    answer->are_new.data[i] != 0);
	}
}

static void
send_answer(void *arg, int status)
{
	struct answer *answer = arg;
	struct client *client = answer->session->dead ? NULL : session_client(answer->session);
	struct mqtt_suback suback = { .packet_id = answer->packet_id };

	if (status < 0)
		memset(answer->codes.data, MQTT_QUOTA_EXCEEDED, answer->codes.len);
	suback.codes = buf_bytes(&answer->codes);
	if (client != NULL && answer->session->connection == answer->connection) {
		mqtt_suback_encode(conn_out(client->conn), answer->type, client->version, &suback);
		conn_wrote(client->conn);
		send_retained(answer);
	}
	session_unref(answer->session);
	buf_clear(&answer->codes);
	buf_clear(&answer->filters);
	buf_clear(&answer->are_new);
	free(answer);
}

static struct answer *
answer_new(struct client *client, enum mqtt_type type, uint16_t packet_id)
{
	struct answer *answer = xcalloc(1, sizeof(*answer));

	answer->session = session_ref(client->session);
	answer->connection = client->session->connection;
	answer->type = type;
	answer->packet_id = packet_id;
	return answer;
}

static void
answer_after(struct broker *broker, struct answer *answer, struct writes *writes)
{
	if (writes->count > 0)
		broker_persist(broker, writes, send_answer, answer);
	else
		send_answer(answer, 0);
	writes_clear(writes);
}

static uint8_t
check_filter(struct client *client, const struct mqtt_filter *filter)
{
	struct bytes group, rest;

	if (topic_filter_check(filter->filter) != TOPIC_OK)
		return MQTT_FILTER_INVALID;
	topic_share_split(filter->filter, &group, &rest);
	if (broker_topic_excess(client->broker, filter->filter) != NULL) {
		client->broker->metrics.refused_topics++;
		return MQTT_FILTER_INVALID;
	}
	if (!broker_authorized(client, BROKER_ACTION_SUBSCRIBE, rest)) {
		client->broker->metrics.refused_subscribe++;
		return MQTT_NOT_AUTHORIZED;
	}
	return MQTT_SUCCESS;
}

static uint8_t
subscribe_one(struct client *client, const struct mqtt_filter *filter, uint32_t id,
    struct writes *writes, bool *is_new)
{
	uint8_t code = check_filter(client, filter);
	struct subscription *subscription;

	*is_new = false;
	if (code != MQTT_SUCCESS)
		return code;
	subscription = session_subscribe(client->session, filter, id, is_new);
	if (subscription == NULL)
		return MQTT_QUOTA_EXCEEDED;
	if (client->session->durable)
		persist_subscription(writes, subscription);
	return filter->qos;
}

static bool
no_local_on_share(const struct mqtt_subscribe *subscribe)
{
	struct mqtt_filter filter;
	struct bytes group, rest;
	size_t at = 0;

	while (mqtt_filter_next(subscribe->filters, true, &at, &filter)) {
		topic_share_split(filter.filter, &group, &rest);
		if (filter.no_local && group.len > 0)
			return true;
	}
	return false;
}

static void
bridge_filter(struct mqtt_filter *filter)
{
	struct bytes group, rest;

	topic_share_split(filter->filter, &group, &rest);
	filter->no_local = group.len == 0;
	filter->retain_as_published = true;
}

bool
broker_on_subscribe(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_subscribe subscribe;
	struct mqtt_defect defect;
	struct writes writes = { 0 };
	struct buf granted = { 0 };
	struct mqtt_filter filter;
	struct answer *answer;
	size_t at = 0;
	bool is_new;

	if (!mqtt_subscribe_decode(rest, header, client->version, &subscribe, &defect)) {
		broker_client_end(client, defect.reason, defect.text);
		return false;
	}
	if (no_local_on_share(&subscribe)) {
		broker_client_end(
		    client, MQTT_PROTOCOL_ERROR, "a shared subscription cannot be \"no local\"");
		return false;
	}
	answer = answer_new(client, MQTT_SUBACK, subscribe.packet_id);
	while (mqtt_filter_next(subscribe.filters, true, &at, &filter)) {
		uint8_t code;

		if (client->is_bridge)
			bridge_filter(&filter);
		code = subscribe_one(
		    client, &filter, subscribe.props.subscription_id, &writes, &is_new);
		buf_append_u8(&answer->codes, code);
		buf_append_u8(&answer->are_new, is_new);
		if (code < MQTT_UNSPECIFIED)
			frame_bytes(&granted, filter.filter);
	}
	buf_append_bytes(&answer->filters, subscribe.filters);
	answer_after(client->broker, answer, &writes);
	presence_subscribed(client, true, buf_bytes(&granted));
	buf_clear(&granted);
	return true;
}

static uint8_t
unsubscribe_one(struct client *client, struct bytes filter, struct writes *writes)
{
	if (topic_filter_check(filter) != TOPIC_OK)
		return MQTT_FILTER_INVALID;
	if (!session_unsubscribe(client->session, filter))
		return MQTT_NO_SUBSCRIPTION_EXISTED;
	if (client->session->durable)
		persist_subscription_gone(writes, client->session, filter);
	return MQTT_SUCCESS;
}

bool
broker_on_unsubscribe(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_subscribe unsubscribe;
	struct mqtt_defect defect;
	struct writes writes = { 0 };
	struct buf gone = { 0 };
	struct mqtt_filter filter;
	struct answer *answer;
	size_t at = 0;

	if (!mqtt_subscribe_decode(rest, header, client->version, &unsubscribe, &defect)) {
		broker_client_end(client, defect.reason, defect.text);
		return false;
	}
	answer = answer_new(client, MQTT_UNSUBACK, unsubscribe.packet_id);
	while (mqtt_filter_next(unsubscribe.filters, false, &at, &filter)) {
		uint8_t code = unsubscribe_one(client, filter.filter, &writes);

		buf_append_u8(&answer->codes, code);
		if (code == MQTT_SUCCESS)
			frame_bytes(&gone, filter.filter);
	}
	answer_after(client->broker, answer, &writes);
	presence_subscribed(client, false, buf_bytes(&gone));
	buf_clear(&gone);
	return true;
}
