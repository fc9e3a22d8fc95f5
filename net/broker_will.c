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
	buf_clear(&session->will->author);
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
will_describe_author(const struct session *session, struct buf *out)
{
	const struct broker_hooks *hooks = &session->broker->hooks;
	const struct client *client = session->client;

	if (client == NULL)
		buf_append_bytes(out, buf_bytes(&session->will->author));
	else if (client->identity != NULL && hooks->describe != NULL)
		hooks->describe(hooks->arg, client->identity, out);
}

/* One that is due at once was asked for by its connection. */
void
will_sign(struct session *session)
{
	struct will *will = session->will;

	if (will == NULL || will->delay_s == 0 || session->client == NULL)
		return;
	buf_reset(&will->author);
	will_describe_author(session, &will->author);
}

static bool
author_may(const struct session *session, const struct will *will)
{
	const struct broker_hooks *hooks = &session->broker->hooks;
	struct broker_question question = { NULL, session->link.key, BROKER_ACTION_PUBLISH,
		will->kept->topic };
	bool may;

	if (will->author.len == 0 || hooks->recall == NULL)
		return true;
	question.identity = hooks->recall(hooks->arg, buf_bytes(&will->author), session->link.key);
	if (question.identity == NULL)
		return false;
	may = hooks->authorize(hooks->arg, &question);
	question.action = BROKER_ACTION_RETAIN;
	may = may && (!will->retain || hooks->authorize(hooks->arg, &question));
	hooks->identity_unref(hooks->arg, question.identity);
	return may;
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
	if (author_may(session, will)) {
		kept_message(will->kept, broker, &message);
		/* Its expiry interval counts from its publication. */
		message.expiry_s = will->expiry_s;
		message.publisher = session->link.key;
		message.qos = will->qos;
		message.retain = will->retain;
		(void)broker_publish(broker, &message, NULL);
	} else {
		broker->metrics.refused_publish++;
	}
	kept_unref(will->kept);
	buf_clear(&will->author);
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
