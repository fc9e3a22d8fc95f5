/* SPDX-License-Identifier: MIT
 * What one client, and all together, may ask of the broker.
 *
 * A client that sends faster than it may is not read for a moment: it waits, nothing is lost. Who
 * pushes on like that for longer than `patience_ms`, without a pause in which its bucket fills up
 * again, is ended. A client that does not take what it is sent loses QoS 0 messages at once (see
 * client_is_slow) and its connection when nothing at all has left for `stuck_ms_max`.
 */
#include <stdlib.h>

#include "lib/log.h"
#include "net/broker_private.h"

enum { LOOK_US_MIN = 10000 };

/* Only clients of a broker that limits rates have one. */
struct meter {
	TAILQ_ENTRY(meter) link; /* in broker->held_back */
	struct client *client;
	struct rate messages;
	struct rate bytes;
	int64_t pushes_since_us; /* its buckets were not full since; 0: they are */
	bool waits;
};

bool
broker_may_tell(struct broker *broker, enum broker_limit limit, struct log_more *more)
{
	return log_limit_take(&broker->told[limit], loop_now_us(broker->loop), more);
}

void
client_tell_cut(struct client *client, enum broker_limit limit, const char *text)
{
	struct log_more more;

	if (broker_may_tell(client->broker, limit, &more))
		log_warn("gateway", "client %s (%s) is cut: %s%s",
		    client->session != NULL ? client->session->id : "?", client->peer->address,
		    text, more.text);
}

void
client_tell_fault(struct client *client, const char *text)
{
	client->broker->metrics.protocol_errors++;
	client_tell_cut(client, BROKER_LIMIT_FAULT, text);
}

void
client_tell_dropped(struct client *client)
{
	struct broker *broker = client->broker;
	struct log_more more;

	broker->metrics.dropped_slow++;
	if (broker_may_tell(broker, BROKER_LIMIT_SLOW, &more))
		log_warn("gateway",
		    "client %s (%s) does not read %zu bytes that wait for it: QoS 0 is dropped%s",
		    client->session->id, client->peer->address, conn_pending(client->conn),
		    more.text);
}

void
broker_tell_retained_full(struct broker *broker, struct bytes topic)
{
	struct log_more more;

	broker->metrics.refused_retained++;
	if (broker_may_tell(broker, BROKER_LIMIT_RETAINED, &more))
		log_warn("gateway",
		    "a retained message on %.*s is refused: retained_max, retained_bytes_max or "
		    "messages_bytes_max is reached%s",
		    (int)topic.len, (const char *)topic.data, more.text);
}

static int64_t
wait_us(const struct meter *meter, int64_t now_us)
{
	int64_t messages_us = rate_wait_us(&meter->messages, now_us);
	int64_t bytes_us = rate_wait_us(&meter->bytes, now_us);

	return messages_us > bytes_us ? messages_us : bytes_us;
}

static void
let_go(struct meter *meter)
{
	TAILQ_REMOVE(&meter->client->broker->held_back, meter, link);
	meter->waits = false;
}

/* The clients whose buckets have something again are read again. */
static void
look(void *arg)
{
	struct broker *broker = arg;
	int64_t now_us = loop_now_us(broker->loop), soonest_us = INT64_MAX;
	struct meter *meter, *next;

	TAILQ_FOREACH_SAFE (meter, &broker->held_back, link, next) {
		int64_t left_us = wait_us(meter, now_us);

		if (left_us > 0) {
			soonest_us = left_us < soonest_us ? left_us : soonest_us;
			continue;
		}
		let_go(meter);
		if (!conn_is_ending(meter->client->conn))
			client_update_reading(meter->client);
	}
	if (!TAILQ_EMPTY(&broker->held_back))
		timer_set(&broker->look, soonest_us > LOOK_US_MIN ? soonest_us : LOOK_US_MIN);
}

static void
end_pushing(struct client *client, const struct meter *meter, int64_t now_us)
{
	struct broker *broker = client->broker;
	bool messages = rate_wait_us(&meter->messages, now_us) > 0;
	const char *what = messages ? "messages" : "bytes";
	struct log_more more;

	broker->metrics.ended_rate++;
	if (broker_may_tell(broker, BROKER_LIMIT_RATE, &more))
		log_warn("gateway",
		    "client %s (%s) is cut: more %s a second than it may send, for longer than "
		    "%u s%s",
		    client->session->id, client->peer->address, what,
		    broker->config.patience_ms / 1000, more.text);
	broker_client_end(client, messages ? MQTT_MESSAGE_RATE_TOO_HIGH : MQTT_QUOTA_EXCEEDED,
	    messages ? "too many messages a second" : "too many bytes a second");
}

static void
hold_back(struct client *client, struct meter *meter, int64_t now_us)
{
	struct broker *broker = client->broker;
	int64_t patience_us = (int64_t)broker->config.patience_ms * 1000;

	if (meter->waits)
		return;
	if (patience_us > 0 && now_us - meter->pushes_since_us > patience_us) {
		end_pushing(client, meter, now_us);
		return;
	}
	meter->waits = true;
	TAILQ_INSERT_TAIL(&broker->held_back, meter, link);
	broker->metrics.held_back++;
	if (!timer_is_set(&broker->look))
		timer_set(&broker->look, LOOK_US_MIN);
	client_update_reading(client);
}

static struct meter *
meter_of(struct client *client)
{
	if (client->meter == NULL) {
		client->meter = xcalloc(1, sizeof(*client->meter));
		client->meter->client = client;
	}
	return client->meter;
}

void
client_spend(struct client *client, size_t bytes)
{
	const struct broker_config *config = &client->broker->config;
	int64_t now_us = loop_now_us(client->broker->loop);
	struct meter *meter;

	if ((config->messages_per_s_max == 0 && config->bytes_per_s_max == 0) ||
	    client->state != CLIENT_CONNECTED)
		return;
	meter = meter_of(client);
	if (rate_is_full(&meter->messages, now_us) && rate_is_full(&meter->bytes, now_us))
		meter->pushes_since_us = now_us;
	rate_take(&meter->messages, now_us, config->messages_per_s_max, 1);
	rate_take(&meter->bytes, now_us, config->bytes_per_s_max, bytes);
	if (wait_us(meter, now_us) > 0)
		hold_back(client, meter, now_us);
}

void
client_wait_if_full(struct client *client)
{
	struct broker *broker = client->broker;

	if (client->paused || broker->hooks.full == NULL || conn_is_ending(client->conn) ||
	    !broker->hooks.full(broker->hooks.arg))
		return;
	client->paused = true;
	TAILQ_INSERT_TAIL(&broker->paused, client, pause_link);
	client_update_reading(client);
}

/* QoS 0 stops at out_bytes_max: only answers go beyond it. */
void
client_choke(struct client *client)
{
	const struct broker *broker = client->broker;
	size_t pending = conn_pending(client->conn);

	if (client->choked || pending <= (size_t)2 * OUTPUT_BYTES_FREE ||
	    (pending <= (size_t)broker->config.out_bytes_max + OUTPUT_BYTES_FREE &&
		conn_group_pending(broker->group) <= broker->config.output_bytes_max))
		return;
	client->choked = true;
	client_update_reading(client);
}

bool
client_is_held_back(const struct client *client)
{
	return client->meter != NULL && client->meter->waits;
}

void
client_forget_meter(struct client *client)
{
	if (client_is_held_back(client))
		let_go(client->meter);
	free(client->meter);
	client->meter = NULL;
}

/* What waits may grow, so what has arrived at the peer is looked at, not what is left. */
void
client_check_progress(struct client *client, int64_t now_us)
{
	struct broker *broker = client->broker;
	const struct broker_config *config = &broker->config;
	uint64_t arrived;
	struct log_more more;

	if (conn_pending(client->conn) == 0) {
		client->stuck_since_us = 0;
		return;
	}
	arrived = conn_arrived(client->conn);
	if (client->stuck_since_us == 0 || arrived > client->arrived) {
		client->arrived = arrived;
		client->stuck_since_us = now_us;
		return;
	}
	if (config->stuck_ms_max == 0 ||
	    now_us - client->stuck_since_us <= (int64_t)config->stuck_ms_max * 1000)
		return;
	broker->metrics.ended_stuck++;
	if (broker_may_tell(broker, BROKER_LIMIT_STUCK, &more))
		log_warn("gateway",
		    "client %s (%s) is cut: it has taken nothing of %zu bytes for %u s%s",
		    client->session != NULL ? client->session->id : "?", client->peer->address,
		    conn_pending(client->conn), config->stuck_ms_max / 1000, more.text);
	broker_client_end(client, MQTT_QUOTA_EXCEEDED, "it does not read what it is sent");
}

/* A half packet stays in memory until it is whole: many together may not take too much. */
bool
client_may_keep_input(struct client *client, size_t bytes)
{
	struct broker *broker = client->broker;
	struct log_more more;

	if (bytes <= INPUT_BYTES_FREE ||
	    conn_group_kept(broker->group) + bytes <= broker->config.input_bytes_max)
		return true;
	broker->metrics.ended_input++;
	if (broker_may_tell(broker, BROKER_LIMIT_INPUT, &more))
		log_warn("gateway",
		    "client %s (%s) is cut: clients' unfinished packets hold more than "
		    "input_total_bytes_max%s",
		    client->session != NULL ? client->session->id : "?", client->peer->address,
		    more.text);
	broker_client_end(client, MQTT_SERVER_BUSY, "too many unfinished packets");
	return false;
}

const char *
broker_topic_excess(const struct broker *broker, struct bytes topic)
{
	const struct broker_config *config = &broker->config;
	uint32_t levels = 1;

	if (config->topic_bytes_max > 0 && topic.len > config->topic_bytes_max)
		return "the topic is longer than this server takes";
	for (size_t i = 0; config->topic_levels_max > 0 && i < topic.len; i++)
		levels += topic.data[i] == '/';
	if (config->topic_levels_max > 0 && levels > config->topic_levels_max)
		return "the topic has more levels than this server takes";
	return NULL;
}

bool
broker_topic_fits(struct client *client, struct bytes topic)
{
	struct broker *broker = client->broker;
	const char *excess = broker_topic_excess(broker, topic);
	struct log_more more;

	if (excess == NULL)
		return true;
	broker->metrics.refused_topics++;
	if (broker_may_tell(broker, BROKER_LIMIT_TOPIC, &more))
		log_warn("gateway", "client %s (%s) is cut: %s%s", client->session->id,
		    client->peer->address, excess, more.text);
	broker_client_end(client, MQTT_TOPIC_INVALID, excess);
	return false;
}

bool
broker_has_subscription_room(struct session *session)
{
	struct broker *broker = session->broker;
	const struct broker_config *config = &broker->config;
	bool own = session->subscriptions.count >= config->subscriptions_max;
	struct log_more more;

	if (!own && broker->metrics.subscriptions < config->subscriptions_total_max)
		return true;
	broker->metrics.refused_subscriptions++;
	if (broker_may_tell(broker, BROKER_LIMIT_SUBSCRIPTIONS, &more))
		log_warn("gateway", "a subscription of client %s is refused: %s has %u already%s",
		    session->id, own ? "it" : "the host",
		    own ? config->subscriptions_max : broker->metrics.subscriptions, more.text);
	return false;
}

/* Who takes over a connection of its own takes nobody's place. */
bool
broker_has_client_room(struct client *client, struct bytes client_id)
{
	struct broker *broker = client->broker;
	struct session *session;
	struct log_more more;

	if (broker->metrics.connected < broker->config.clients_max)
		return true;
	session = session_find(broker, client_id);
	if (session != NULL && session->client != NULL)
		return true;
	if (broker_may_tell(broker, BROKER_LIMIT_CLIENTS, &more))
		log_warn("gateway", "no more than clients_max, %u clients: %s is refused%s",
		    broker->config.clients_max, client->peer->address, more.text);
	return false;
}

void
client_count(struct client *client)
{
	client->counted = true;
	client->broker->metrics.connected++;
}

void
client_uncount(struct client *client)
{
	client->broker->metrics.connected -= client->counted;
	client->counted = false;
}

/* What is kept for long: retained messages and wills. */
bool
broker_has_memory(const struct broker *broker)
{
	return broker->metrics.kept_bytes <= broker->config.kept_bytes_max;
}

bool
broker_has_session_room(struct broker *broker)
{
	struct log_more more;

	if (broker->metrics.sessions < broker->config.sessions_max)
		return true;
	broker->metrics.refused_sessions++;
	if (broker_may_tell(broker, BROKER_LIMIT_SESSIONS, &more))
		log_warn("gateway",
		    "no more than %u sessions: new clients are refused until others have ended or "
		    "expired%s",
		    broker->config.sessions_max, more.text);
	return false;
}

bool
session_has_queue_room(struct session *session, size_t content_bytes)
{
	struct broker *broker = session->broker;
	const struct broker_config *config = &broker->config;
	bool whole = broker_has_memory(broker), own = owner_has_queue_room(session, content_bytes);
	struct log_more more;

	if (session->queued < config->queued_messages_max &&
	    session->queued_bytes + content_bytes <= config->queued_bytes_max && whole && own)
		return true;
	broker->metrics.dropped_queue_full++;
	if (broker_may_tell(broker, BROKER_LIMIT_QUEUE, &more))
		log_warn("gateway", "%s session %s (%u messages): new ones are dropped%s",
		    !whole ? "too much is kept for all sessions, as for"
		    : own  ? "the queue is full of"
			   : "too much is kept for all sessions of one identity, as for",
		    session->id, session->queued, more.text);
	return false;
}

void
limits_init(struct broker *broker)
{
	TAILQ_INIT(&broker->held_back);
	timer_init(&broker->look, broker->loop, look, broker);
}
