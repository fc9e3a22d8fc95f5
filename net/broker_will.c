/* SPDX-License-Identifier: MIT
 * Wills (MQTT 5.0 §3.1.2.5): published when a connection ends without a proper goodbye.
 */
#include "net/broker_private.h"

void
will_clear(struct session *session)
{
	kept_unref(session->will.kept);
	session->will = (struct will){ 0 };
}

void
will_set(struct session *session, const struct mqtt_connect *connect)
{
	struct broker *broker = session->broker;
	struct buf forward = { 0 };
	struct message message = { .topic = connect->will_topic,
		.payload = connect->will_payload,
		.has_expiry = mqtt_props_has(&connect->will_props, MQTT_MESSAGE_EXPIRY),
		.expiry_s = connect->will_props.message_expiry_s };

	will_clear(session);
	if (!connect->has_will)
		return;
	mqtt_props_forward(&forward, connect->will_props.raw);
	message.properties = buf_bytes(&forward);
	session->will = (struct will){ .set = true,
		.qos = connect->will_qos,
		.retain = connect->will_retain,
		.delay_s = connect->will_props.will_delay_s,
		.expiry_s = message.expiry_s,
		.kept = kept_new(broker, &message) };
	buf_clear(&forward);
}

void
will_publish(struct session *session)
{
	struct broker *broker = session->broker;
	struct will will = session->will;
	struct message message;

	session->will = (struct will){ 0 };
	if (session->durable) {
		struct writes writes = { 0 };

		persist_will(&writes, session);
		broker_persist(broker, &writes, NULL, NULL);
		writes_clear(&writes);
	}
	kept_message(will.kept, broker, &message);
	/* Its expiry interval counts from its publication. */
	message.expiry_s = will.expiry_s;
	message.publisher = session->link.key;
	message.qos = will.qos;
	message.retain = will.retain;
	(void)broker_publish(broker, &message, NULL);
	kept_unref(will.kept);
}

void
will_recheck(struct client *client)
{
	const struct will *will = &client->session->will;

	if (will->set && (!broker_authorized(client, BROKER_ACTION_PUBLISH, will->kept->topic) ||
			     (will->retain && !broker_authorized(client, BROKER_ACTION_RETAIN,
						  will->kept->topic))))
		client->keep_will = false;
}
