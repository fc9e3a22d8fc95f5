/* SPDX-License-Identifier: MIT
 * The broker itself: accepting, the way from bytes to packet handlers, keep-alive, the end.
 */
#include "net/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "net/broker_private.h"

/* Beside clients_max there may be so many of whom nothing is known yet: they are told why. */
enum { SWEEP_US = 250000, US = 1000000, CLIENTS_BESIDE = 256, SWEEP_CLIENTS_MIN = 256 };

enum { PACKETS_UNLOOKED = 4 }; /* between two looks at the time that a client's input takes */

const struct broker_config broker_defaults = {
	.packet_bytes_max = 262144 + 65535 + 8192,
	.clients_max = 20000,
	.queued_messages_max = 10000,
	.queued_bytes_max = 64 << 20,
	.retained_max = 100000,
	.retained_bytes_max = 256 << 20,
	.out_bytes_max = 1048576,
	.session_expiry_s_max = UINT32_MAX,
	.connect_timeout_ms = 10000,
	.packet_timeout_ms = 60000,
	.receive_maximum = 100,
	.topic_alias_maximum = 100,
	.inflight_maximum = 1000,
	.patience_ms = 60000,
	.stuck_ms_max = 60000,
	.subscriptions_max = 10000,
	.subscriptions_total_max = 1000000,
	.sessions_max = 1000000,
	.topic_bytes_max = 65535,
	.topic_levels_max = 200,
	.connect_bytes_max = 131072,
	.kept_bytes_max = (uint64_t)1 << 30,
	.input_bytes_max = 256 << 20,
	.output_bytes_max = (uint64_t)1 << 30,
};

struct handler {
	bool (*handle)(struct client *client, const struct mqtt_header *header, struct bytes rest);
};

static bool
on_pingreq(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	(void)header;
	if (rest.len > 0) {
		broker_client_end(client, MQTT_MALFORMED, "a PINGREQ has no body");
		return false;
	}
	mqtt_ping_encode(conn_out(client->conn), MQTT_PINGRESP);
	conn_wrote(client->conn);
	return true;
}

static bool
on_auth(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	(void)header;
	(void)rest;
	broker_client_end(client, MQTT_PROTOCOL_ERROR, "AUTH without an authentication method");
	return false;
}

static const struct handler handlers[16] = {
	[MQTT_CONNECT] = { broker_on_connect },
	[MQTT_PUBLISH] = { broker_on_publish },
	[MQTT_PUBACK] = { broker_on_ack },
	[MQTT_PUBREC] = { broker_on_ack },
	[MQTT_PUBREL] = { broker_on_ack },
	[MQTT_PUBCOMP] = { broker_on_ack },
	[MQTT_SUBSCRIBE] = { broker_on_subscribe },
	[MQTT_UNSUBSCRIBE] = { broker_on_unsubscribe },
	[MQTT_PINGREQ] = { on_pingreq },
	[MQTT_DISCONNECT] = { broker_on_disconnect },
	[MQTT_AUTH] = { on_auth },
};

void
broker_persist(struct broker *broker, const struct writes *writes,
    void (*done)(void *done_arg, int status), void *done_arg)
{
	if (broker->hooks.persist != NULL)
		broker->hooks.persist(broker->hooks.arg, writes, done, done_arg);
	else if (done != NULL)
		done(done_arg, 0);
}

static bool
begins_with(struct bytes topic, const char *prefix)
{
	size_t len = prefix != NULL ? strlen(prefix) : 0;

	return len > 0 && topic.len >= len && memcmp(topic.data, prefix, len) == 0;
}

bool
broker_keeps_topic(const struct broker *broker, struct bytes topic)
{
	return begins_with(topic, broker->config.host_topics);
}

bool
broker_is_direct(const struct broker *broker, struct bytes topic)
{
	return begins_with(topic, broker->config.direct_topics);
}

bool
broker_authorized(struct client *client, enum broker_action action, struct bytes topic)
{
	const struct broker_hooks *hooks = &client->broker->hooks;
	const struct broker_question question = { client->identity, client->session->link.key,
		action, topic };

	if (action == BROKER_ACTION_PUBLISH && broker_keeps_topic(client->broker, topic))
		return false;
	return client->identity == NULL || hooks->authorize(hooks->arg, &question);
}

bool
client_may_receive(struct client *client, struct bytes topic)
{
	if (client->identity == NULL || broker_authorized(client, BROKER_ACTION_RECEIVE, topic))
		return true;
	client->broker->metrics.refused_receive++;
	return false;
}

/* What no client does that knows the protocol and has read its CONNACK. */
static bool
is_fault(uint8_t reason)
{
	return reason == MQTT_MALFORMED || reason == MQTT_PROTOCOL_ERROR ||
	       reason == MQTT_RECEIVE_MAXIMUM_EXCEEDED || reason == MQTT_TOPIC_ALIAS_INVALID ||
	       reason == MQTT_PACKET_TOO_LARGE;
}

/* Ends a connection for the server's reason. A version 5 client is told, where it is far enough. */
void
broker_client_end(struct client *client, uint8_t reason, const char *text)
{
	struct mqtt_disconnect disconnect = { .reason = reason };

	if (conn_is_ending(client->conn))
		return;
	if (is_fault(reason))
		client_tell_fault(client, text);
	if (client->state == CLIENT_CONNECTED && client->version >= MQTT_VERSION_5) {
		if (client->problem_info) {
			disconnect.props.present = (uint64_t)1 << MQTT_REASON_STRING;
			disconnect.props.reason_string = bytes_of_string(text);
		}
		mqtt_disconnect_encode(conn_out(client->conn), &disconnect);
		conn_wrote(client->conn);
	}
	log_debug("gateway", "client %s (%s): %s",
	    client->session != NULL ? client->session->id : "?", client->peer->address, text);
	client->state = CLIENT_ENDING;
	client->end_reason = reason;
	conn_end(client->conn, true, text);
}

void
client_update_reading(struct client *client)
{
	const struct broker *broker = client->broker;

	/* 3.1.1 has no receive maximum, and there are clients of 5.0 that do not heed it: they are
	 * not read while we owe them as many answers. What they owe us is checked apart. */
	client->window_closed = client->unacknowledged >= broker->config.receive_maximum;
	conn_read(client->conn, !client->paused && !client->choked && !client->window_closed &&
				    !broker->held && client->login == NULL &&
				    !client_is_held_back(client) &&
				    (client->session == NULL || client->state == CLIENT_CONNECTED));
}

static bool
may_go_on(const struct client *client)
{
	return !conn_is_ending(client->conn) && conn_is_reading(client->conn);
}

static bool
handle(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	if (client->session == NULL && header->type != MQTT_CONNECT) {
		client_tell_fault(client, "the first packet is not a CONNECT");
		client->state = CLIENT_ENDING;
		conn_end(client->conn, false, "the first packet is not a CONNECT");
		return false;
	}
	if (handlers[header->type].handle == NULL) {
		broker_client_end(client, MQTT_PROTOCOL_ERROR, "a packet that only servers send");
		return false;
	}
	return handlers[header->type].handle(client, header, rest);
}

/* Acknowledgements answer what we have sent: they are free. */
static bool
is_ack(const struct mqtt_header *header)
{
	return header->type >= MQTT_PUBACK && header->type <= MQTT_PUBCOMP;
}

/* Before a client is let in, its packet may not be large. */
static uint32_t
packet_bytes_max(const struct client *client)
{
	const struct broker_config *config = &client->broker->config;

	return client->session == NULL && config->connect_bytes_max < config->packet_bytes_max
		   ? config->connect_bytes_max
		   : config->packet_bytes_max;
}

static size_t
client_input(void *arg, struct bytes in)
{
	struct client *client = arg;
	struct broker *broker = client->broker;
	struct mqtt_header header;
	struct mqtt_defect defect;
	size_t used = 0;
	uint32_t packets = 0;

	client->last_input_us = loop_now_us(broker->loop);
	while (may_go_on(client)) {
		struct bytes rest = bytes_of(in.data + used, in.len - used);
		enum mqtt_result result =
		    mqtt_header_decode(rest, packet_bytes_max(client), &header, &defect);

		if (result == MQTT_MORE)
			break;
		if (result == MQTT_BAD) {
			broker_client_end(client, defect.reason, defect.text);
			break;
		}
		used += header.head_bytes + header.rest_bytes;
		broker->metrics.bytes_in += header.head_bytes + header.rest_bytes;
		if (!handle(client, &header,
			bytes_of(rest.data + header.head_bytes, header.rest_bytes)))
			break;
		client_wait_if_full(client);
		client_choke(client);
		if (!is_ack(&header))
			client_spend(client, header.head_bytes + header.rest_bytes);
		if (++packets % PACKETS_UNLOOKED == 0 && used < in.len && conn_yields(client->conn))
			break;
	}
	if (used == in.len || !conn_is_reading(client->conn))
		client->packet_since_us = 0;
	else if (used > 0 || client->packet_since_us == 0)
		client->packet_since_us = client->last_input_us;
	(void)client_may_keep_input(client, in.len - used);
	return conn_is_ending(client->conn) ? in.len : used;
}

static void
leave_session(struct client *client, const char *reason)
{
	struct session *session = client->session;
	struct broker *broker = client->broker;
	struct writes writes = { 0 };

	if (session == NULL)
		return;
	presence_end(client, reason);
	will_recheck(client);
	if (!client->keep_will && !broker->shutting)
		will_clear(session);
	session_detach(session);
	if (session->durable && !broker->shutting) {
		persist_session(&writes, session);
		if (!client->keep_will)
			persist_will(&writes, session);
		broker_persist(broker, &writes, NULL, NULL);
		writes_clear(&writes);
	}
	session_settle(session);
}

static void
client_ended(void *arg, const char *reason)
{
	struct client *client = arg;
	struct broker *broker = client->broker;

	log_debug("gateway", "client %s (%s) is gone: %s",
	    client->session != NULL ? client->session->id : "?", client->peer->address, reason);
	broker_login_leave(client);
	client_uncount(client);
	leave_session(client, reason);
	if (client->identity != NULL)
		broker->hooks.identity_unref(broker->hooks.arg, client->identity);
	if (client->paused)
		TAILQ_REMOVE(&broker->paused, client, pause_link);
	TAILQ_REMOVE(&broker->clients, client, link);
	broker->metrics.clients--;
	alias_clear(client);
	client_forget_meter(client);
	free(client->principal);
	peer_unref(client->peer);
	loop_free_later(broker->loop, client);
}

static void
client_drained(void *arg)
{
	struct client *client = arg;

	if (client->choked) {
		client->choked = false;
		client_update_reading(client);
	}
	if (client->session != NULL && client->session->next_to_send != NULL)
		session_pump(client->session);
}

static const struct conn_events client_events = {
	.input = client_input, .ended = client_ended, .drained = client_drained
};

void
broker_accept_stream(struct broker *broker, struct stream *stream)
{
	struct client *client;

	if (broker->metrics.clients >= broker->config.clients_max + CLIENTS_BESIDE ||
	    broker->shutting) {
		struct log_more more;

		broker->metrics.refused_connections++;
		if (broker_may_tell(broker, BROKER_LIMIT_CLIENTS, &more))
			log_warn("gateway", "no more than clients_max, %u clients: %s is cut%s",
			    broker->config.clients_max, stream->peer->address, more.text);
		stream_close(stream, loop_sys(broker->loop));
		return;
	}
	client = xcalloc(1, sizeof(*client));
	client->broker = broker;
	client->accepted_us = client->last_input_us = loop_now_us(broker->loop);
	client->peer = stream->peer;
	client->conn = conn_open(broker->group, stream, &client_events, client);
	TAILQ_INSERT_TAIL(&broker->clients, client, link);
	broker->metrics.clients++;
	broker->metrics.connections_total++;
}

void
broker_accept(struct broker *broker, int fd, const char *peer)
{
	struct stream stream = stream_plain(fd, peer_new(peer));

	broker_accept_stream(broker, &stream);
}

static void
end_silent(struct client *client, const char *text)
{
	client->broker->metrics.ended_silent++;
	client_tell_cut(client, BROKER_LIMIT_SILENT, text);
	if (client->session == NULL)
		conn_end(client->conn, false, text);
	else
		broker_client_end(client, MQTT_KEEP_ALIVE_TIMEOUT, text);
}

/* Silence that is too long: one and a half keep-alives (MQTT 5.0 §3.1.2.10), or the time that a
 * CONNECT or any other packet may take. A client that we do not read cannot be blamed. */
static void
check_silence(struct client *client, int64_t now_us)
{
	const struct broker_config *config = &client->broker->config;
	int64_t silent_us = now_us - client->last_input_us;

	if (client->paused || client->choked || client->window_closed ||
	    client_is_held_back(client))
		client->last_input_us = now_us;
	else if (client->session == NULL &&
		 now_us - client->accepted_us > (int64_t)config->connect_timeout_ms * 1000)
		end_silent(client, client->login != NULL
				       ? "its credentials could not be checked in time"
				       : "no CONNECT in time");
	else if (client->packet_since_us != 0 &&
		 now_us - client->packet_since_us > (int64_t)config->packet_timeout_ms * 1000)
		end_silent(client, "a packet that does not end");
	else if (client->keep_alive_s > 0 && silent_us > (int64_t)client->keep_alive_s * US * 3 / 2)
		end_silent(client, "keep-alive timeout");
}

static void
sweep(void *arg)
{
	struct broker *broker = arg;
	uint32_t slice = broker->metrics.clients / 4 + SWEEP_CLIENTS_MIN;
	int64_t now_us = loop_now_us(broker->loop);

	if (slice > broker->metrics.clients)
		slice = broker->metrics.clients;
	while (slice-- > 0 && !TAILQ_EMPTY(&broker->clients)) {
		struct client *client = TAILQ_FIRST(&broker->clients);

		TAILQ_REMOVE(&broker->clients, client, link);
		TAILQ_INSERT_TAIL(&broker->clients, client, link);
		if (!conn_is_ending(client->conn))
			client_check_progress(client, now_us);
		if (!conn_is_ending(client->conn))
			check_silence(client, now_us);
		client_check_rights(client);
	}
	session_sweep(broker);
	timer_set(&broker->sweep, SWEEP_US);
}

struct broker *
broker_new(struct loop *loop, const struct broker_config *config, const struct broker_hooks *hooks)
{
	struct broker *broker = xcalloc(1, sizeof(*broker));

	broker->loop = loop;
	broker->config = *config;
	broker->hooks = *hooks;
	broker->group = conn_group_new(loop);
	TAILQ_INIT(&broker->clients);
	TAILQ_INIT(&broker->paused);
	TAILQ_INIT(&broker->away);
	TAILQ_INIT(&broker->spare_routes);
	TAILQ_INIT(&broker->all_retained);
	recheck_init(broker);
	limits_init(broker);
	timer_init(&broker->sweep, loop, sweep, broker);
	timer_set(&broker->sweep, SWEEP_US);
	return broker;
}

void
broker_restored(struct broker *broker)
{
	broker->restored = true;
	session_sweep(broker);
}

void
broker_resume(struct broker *broker)
{
	struct client *client;

	while ((client = TAILQ_FIRST(&broker->paused)) != NULL) {
		TAILQ_REMOVE(&broker->paused, client, pause_link);
		client->paused = false;
		if (!conn_is_ending(client->conn))
			client_update_reading(client);
	}
}

void
broker_hold(struct broker *broker)
{
	struct client *client;

	broker->held = true;
	TAILQ_FOREACH (client, &broker->clients, link) {
		if (!conn_is_ending(client->conn))
			client_update_reading(client);
	}
}

void
broker_shut(struct broker *broker)
{
	struct client *client;

	broker->shutting = true;
	TAILQ_FOREACH (client, &broker->clients, link)
		broker_client_end(client, MQTT_SERVER_SHUTTING_DOWN, "the server is shutting down");
}

uint32_t
broker_client_count(const struct broker *broker)
{
	return broker->metrics.clients;
}

const struct broker_metrics *
broker_metrics(const struct broker *broker)
{
	return &broker->metrics;
}

static void
free_routes(struct broker *broker)
{
	struct route *route;

	while ((route = TAILQ_FIRST(&broker->spare_routes)) != NULL) {
		TAILQ_REMOVE(&broker->spare_routes, route, link);
		free(route->targets);
		free(route->ids);
		free(route->taps);
		free(route);
	}
}

static void
cut_clients(struct broker *broker)
{
	struct client *client;
	struct err err;

	broker->shutting = true;
	TAILQ_FOREACH (client, &broker->clients, link)
		conn_end(client->conn, false, "the server is gone");
	while (broker->metrics.clients > 0 && loop_turn(broker->loop, false, &err) == 0)
		continue;
}

void
broker_configure(struct broker *broker, const struct broker_config *config)
{
	uint16_t receive_maximum = broker->config.receive_maximum;
	uint16_t topic_alias_maximum = broker->config.topic_alias_maximum;

	broker->config = *config;
	broker->config.receive_maximum = receive_maximum;
	broker->config.topic_alias_maximum = topic_alias_maximum;
}

void
broker_free(struct broker *broker)
{
	struct hash_node *node;

	if (broker == NULL)
		return;
	cut_clients(broker);
	while ((node = hash_next(&broker->sessions, NULL)) != NULL)
		session_destroy(HASH_OWNER(node, struct session, link), NULL);
	hash_clear(&broker->sessions);
	hash_clear(&broker->shares);
	hash_clear(&broker->owners);
	retained_clear(broker);
	trie_clear(&broker->subscriptions);
	free_routes(broker);
	timer_clear(&broker->sweep);
	timer_clear(&broker->recheck);
	timer_clear(&broker->look);
	conn_group_free(broker->group);
	buf_clear(&broker->scratch);
	buf_clear(&broker->image);
	free(broker);
}
