/* SPDX-License-Identifier: MIT
 * Wills (MQTT 5.0 §3.1.2.5): published when a connection ends without a proper goodbye.
 */
#include <stdlib.h>

#include "net/broker_private.h"

void
will_clear(struct session *session)
{
	if (session->will == NULL)
		return;
	kept_unref(session->will->kept);
	free(session->will);
	session->will = NULL;
}

void
will_set(struct session *session, const struct will *will)
{
	will_clear(session);
	session->will = xmalloc(sizeof(*will));
	*session->will = *will;
}

void
will_take(struct session *session, const struct mqtt_connect *connect)
{
	struct broker *broker = session->broker;
	struct buf forward = { 0 };
	struct will will;
	struct message message = { .topic = connect->will_topic,
		.payload = connect->will_payload,
		.has_expiry = mqtt_props_has(&connect->will_props, MQTT_MESSAGE_EXPIRY),
		.expiry_s = connect->will_props.message_expiry_s };

	will_clear(session);
	if (!connect->has_will)
		return;
	mqtt_props_forward(&forward, connect->will_props.raw);
	message.properties = buf_bytes(&forward);
	will = (struct will){ .qos = connect->will_qos,
		.retain = connect->will_retain,
		.delay_s = connect->will_props.will_delay_s,
		.expiry_s = message.expiry_s,
		.kept = kept_new(broker, &message) };
	will_set(session, &will);
	buf_clear(&forward);
}

void
will_publish(struct session *session)
{
	struct broker *broker = session->broker;
	struct will *will = session->will;
	struct message message;

	session->will = NULL;
	if (session->durable) {
		struct writes writes = { 0 };

		persist_will(&writes, session);
		broker_persist(broker, &writes, NULL, NULL);
		writes_clear(&writes);
	}
	kept_message(will->kept, broker, &message);
	/* Its expiry interval counts from its publication. */
	message.expiry_s = will->expiry_s;
	message.publisher = session->link.key;
	message.qos = will->qos;
	message.retain = will->retain;
	(void)broker_publish(broker, &message, NULL);
	kept_unref(will->kept);
	free(will);
}

void
will_recheck(struct client *client)
{
	const struct will *will = client->session->will;

	if (will != NULL && (!broker_authorized(client, BROKER_ACTION_PUBLISH, will->kept->topic) ||
				(will->retain && !broker_authorized(client, BROKER_ACTION_RETAIN,
						     will->kept->topic))))
		client->keep_will = false;
}
