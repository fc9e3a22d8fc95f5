/* SPDX-License-Identifier: MIT
 * CONNECT, its answer, and DISCONNECT.
 *
 * A CONNECT for a session that has a connection takes it over (MQTT 5.0 §3.1.4); with clean start
 * what there was is removed first. Where the session survives its connection, CONNACK leaves after
 * the store knows it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/topic.h"
#include "net/broker_private.h"

enum { ASSIGNED_ID_BYTES = 40 };

/* A CONNACK that waits for the store. */
struct greeting {
	struct session *session;
	uint64_t connection;
	bool session_present;
	bool assigned;
	uint16_t server_keep_alive_s; /* 0: the client's own holds */
	uint32_t session_expiry_s;
	bool expiry_changed;
};

void
broker_refuse(struct client *client, uint8_t reason, const char *text)
{
	struct mqtt_connack connack = { .reason = reason };

	client->broker->metrics.refused_connections++;
	if (client->version >= MQTT_VERSION_5) {
		connack.props.present = (uint64_t)1 << MQTT_REASON_STRING;
		connack.props.reason_string = bytes_of_string(text);
	}
	mqtt_connack_encode(conn_out(client->conn), client->version, &connack);
	conn_wrote(client->conn);
	client->state = CLIENT_ENDING;
	conn_end(client->conn, true, text);
}

static bool
decode(struct client *client, struct bytes rest, struct mqtt_connect *connect)
{
	struct mqtt_defect defect;

	if (mqtt_connect_decode(rest, connect, &defect)) {
		client->version = connect->version;
		client->is_bridge = connect->is_bridge;
		return true;
	}
	client->version = connect->version == MQTT_VERSION_5 ? MQTT_VERSION_5 : MQTT_VERSION_3_1_1;
	client_tell_fault(client, defect.text);
	/* 3.1.1 §3.1.4: what is no valid CONNECT gets no answer, but for the version. */
	if (client->version == MQTT_VERSION_5 || defect.reason == MQTT_UNSUPPORTED_VERSION) {
		broker_refuse(client, defect.reason, defect.text);
	} else {
		client->state = CLIENT_ENDING;
		conn_end(client->conn, false, defect.text);
	}
	return false;
}

static void
assign_id(struct broker *broker, char *out, size_t size)
{
	uint64_t random;

	loop_sys(broker->loop)->random(&random, sizeof(random));
	(void)snprintf(out, size, "auto-%016llx%04llx", (unsigned long long)random,
	    (unsigned long long)(broker->unique++ & 0xffff));
}

/* Reason to refuse, or MQTT_SUCCESS. */
static uint8_t
check(struct client *client, const struct mqtt_connect *connect, const char **text)
{
	struct broker *broker = client->broker;

	*text = NULL;
	if (broker->shutting || broker->held) {
		*text = "the server is shutting down";
		return client->version >= MQTT_VERSION_5 ? MQTT_SERVER_SHUTTING_DOWN
							 : MQTT_SERVER_UNAVAILABLE;
	}
	if (client->peer->verdict != GATE_OPEN) {
		*text = "too many connections from this address";
		return client->peer->verdict == GATE_TOO_QUICK ? MQTT_CONNECTION_RATE_EXCEEDED
							       : MQTT_QUOTA_EXCEEDED;
	}
	if (connect->client_id.len == 0 && !connect->clean_start &&
	    client->version < MQTT_VERSION_5) {
		*text = "a session that is kept needs a client identifier";
		return MQTT_CLIENT_ID_INVALID;
	}
	if (mqtt_props_has(&connect->props, MQTT_AUTH_METHOD)) {
		*text = "no extended authentication method is supported";
		return MQTT_BAD_AUTH_METHOD;
	}
	if (connect->has_will && topic_name_check(connect->will_topic) != TOPIC_OK) {
		*text = "the will's topic is not valid";
		return MQTT_TOPIC_INVALID;
	}
	if (connect->has_will && broker_topic_excess(broker, connect->will_topic) != NULL) {
		*text = broker_topic_excess(broker, connect->will_topic);
		broker->metrics.refused_topics++;
		return MQTT_TOPIC_INVALID;
	}
	if (connect->has_will && broker_keeps_topic(broker, connect->will_topic)) {
		*text = "only the host publishes on the will's topic";
		return MQTT_NOT_AUTHORIZED;
	}
	return MQTT_SUCCESS;
}

/* What it was let in with. */
static void
take_decision(struct client *client, const struct mqtt_connect *connect,
    const struct broker_decision *decision)
{
	client->identity = decision->identity;
	client->ends_us = decision->ends_us;
	client->rights_serial = client->broker->rights_serial;
	if (decision->principal.len > 0)
		client->principal = bytes_to_string(decision->principal);
	else if (client->peer->certificate == NULL && connect->has_user)
		client->principal = bytes_to_string(connect->user);
}

bool
broker_cut(struct broker *broker, struct bytes client_id, bool forget, bool quietly)
{
	struct session *session = session_find(broker, client_id);
	struct client *client = session != NULL ? session->client : NULL;

	if (client == NULL || client->state != CLIENT_CONNECTED)
		return false;
	if (forget)
		session->expiry_s = 0;
	if (quietly)
		client->keep_will = false;
	broker_client_end(client, MQTT_ADMINISTRATIVE, "somebody who may has ended the connection");
	return true;
}

static void
take_over(struct session *session)
{
	struct client *old = session->client;

	broker_client_end(old, MQTT_SESSION_TAKEN_OVER, "another connection took the session over");
	presence_end(old, "taken over");
	will_recheck(old);
	if (!old->keep_will)
		will_clear(session);
	client_uncount(old);
	old->session = NULL;
	session_detach(session);
	/* With clean start or without a delay the will of the old connection is due now. */
	if (session->will != NULL && session->will->waits && session->will->delay_s == 0)
		will_publish(session);
}

static uint32_t
expiry_of(const struct broker *broker, const struct mqtt_connect *connect)
{
	uint32_t expiry_s;

	if (connect->version < MQTT_VERSION_5)
		expiry_s = connect->clean_start ? 0 : UINT32_MAX;
	else
		expiry_s = mqtt_props_has(&connect->props, MQTT_SESSION_EXPIRY)
			       ? connect->props.session_expiry_s
			       : 0;
	return expiry_s < broker->config.session_expiry_s_max ? expiry_s
							      : broker->config.session_expiry_s_max;
}

/* The session of this CONNECT, attached to the client. */
static struct session *
open_session(struct client *client, const struct mqtt_connect *connect, struct bytes client_id,
    struct writes *writes, bool *present)
{
	struct broker *broker = client->broker;
	struct session *session = session_find(broker, client_id);

	if (session != NULL && session->client != NULL) {
		take_over(session);
	} else if (session != NULL) {
		session_settle(session);
		session = session_find(broker, client_id);
	}
	if (session != NULL && (connect->clean_start || session->expiry_s == 0)) {
		if (session->will != NULL && session->will->waits)
			will_publish(session);
		session_destroy(session, writes);
		session = NULL;
	}
	*present = session != NULL;
	if (session == NULL) {
		session = session_new(broker, client_id);
	} else {
		TAILQ_REMOVE(&broker->away, session, away_link);
		session->is_away = false;
	}
	session->client = client;
	session->connection++;
	session->expiry_s = expiry_of(broker, connect);
	session->durable = session->durable || session->expiry_s > 0;
	client->session = session;
	return session;
}

static void
take_limits(struct client *client, const struct mqtt_connect *connect)
{
	const struct broker_config *config = &client->broker->config;
	const struct mqtt_props *props = &connect->props;

	client->receive_maximum = config->inflight_maximum;
	if (mqtt_props_has(props, MQTT_RECEIVE_MAXIMUM) &&
	    props->receive_maximum < client->receive_maximum)
		client->receive_maximum = props->receive_maximum;
	client->packet_bytes_max = mqtt_props_has(props, MQTT_MAXIMUM_PACKET_SIZE)
				       ? props->maximum_packet_size
				       : UINT32_MAX;
	if (mqtt_props_has(props, MQTT_TOPIC_ALIAS_MAXIMUM))
		client->alias_maximum = props->topic_alias_maximum < config->topic_alias_maximum
					    ? props->topic_alias_maximum
					    : config->topic_alias_maximum;
	client->problem_info =
	    !mqtt_props_has(props, MQTT_REQUEST_PROBLEM_INFO) || props->request_problem_info != 0;
	client->keep_alive_s = connect->keep_alive_s;
	if (config->keep_alive_s_max > 0 && connect->version >= MQTT_VERSION_5 &&
	    (client->keep_alive_s == 0 || client->keep_alive_s > config->keep_alive_s_max))
		client->keep_alive_s = config->keep_alive_s_max;
}

static void
say_limits(const struct client *client, const struct greeting *greeting, struct mqtt_props *props)
{
	const struct broker_config *config = &client->broker->config;

	props->present = (uint64_t)1 << MQTT_RECEIVE_MAXIMUM |
			 (uint64_t)1 << MQTT_TOPIC_ALIAS_MAXIMUM |
			 (uint64_t)1 << MQTT_MAXIMUM_PACKET_SIZE;
	props->receive_maximum = config->receive_maximum;
	props->topic_alias_maximum = config->topic_alias_maximum;
	props->maximum_packet_size = config->packet_bytes_max;
	if (greeting->assigned) {
		props->present |= (uint64_t)1 << MQTT_ASSIGNED_CLIENT_ID;
		props->assigned_client_id = greeting->session->link.key;
	}
	if (greeting->server_keep_alive_s > 0) {
		props->present |= (uint64_t)1 << MQTT_SERVER_KEEP_ALIVE;
		props->server_keep_alive_s = greeting->server_keep_alive_s;
	}
	if (greeting->expiry_changed) {
		props->present |= (uint64_t)1 << MQTT_SESSION_EXPIRY;
		props->session_expiry_s = greeting->session_expiry_s;
	}
}

/* The store does not know the session: there is none. */
static void
forget(struct client *client, struct session *session)
{
	struct writes writes = { 0 };

	client->end_reason = MQTT_SERVER_UNAVAILABLE;
	presence_end(client, "the session could not be stored");
	client->session = NULL;
	will_clear(session);
	session_detach(session);
	session_destroy(session, &writes);
	broker_persist(client->broker, &writes, NULL, NULL);
	writes_clear(&writes);
}

static void
greet(void *arg, int status)
{
	struct greeting *greeting = arg;
	struct session *session = greeting->session;
	struct client *client = session->dead ? NULL : session->client;
	struct mqtt_connack connack = { .session_present = greeting->session_present };

	if (client != NULL && session->connection == greeting->connection &&
	    !conn_is_ending(client->conn)) {
		if (status < 0) {
			broker_refuse(
			    client, MQTT_SERVER_UNAVAILABLE, "the session could not be stored");
			if (!greeting->session_present)
				forget(client, session);
		} else {
			if (client->version >= MQTT_VERSION_5)
				say_limits(client, greeting, &connack.props);
			mqtt_connack_encode(conn_out(client->conn), client->version, &connack);
			conn_wrote(client->conn);
			client->state = CLIENT_CONNECTED;
			session_resend(session);
			client_update_reading(client);
		}
	}
	session_unref(session);
	free(greeting);
}

static struct greeting *
greeting_new(struct client *client, const struct mqtt_connect *connect, bool assigned)
{
	struct greeting *greeting = xcalloc(1, sizeof(*greeting));

	greeting->session = session_ref(client->session);
	greeting->connection = client->session->connection;
	greeting->assigned = assigned;
	if (client->keep_alive_s != connect->keep_alive_s)
		greeting->server_keep_alive_s = client->keep_alive_s;
	greeting->session_expiry_s = client->session->expiry_s;
	greeting->expiry_changed = connect->version >= MQTT_VERSION_5 &&
				   mqtt_props_has(&connect->props, MQTT_SESSION_EXPIRY) &&
				   connect->props.session_expiry_s != client->session->expiry_s;
	return greeting;
}

static bool
will_is_allowed(struct client *client, const struct mqtt_connect *connect, struct bytes client_id)
{
	const struct broker_hooks *hooks = &client->broker->hooks;
	struct broker_question question = { client->identity, client_id, BROKER_ACTION_PUBLISH,
		connect->will_topic };

	if (!connect->has_will || client->identity == NULL)
		return true;
	if (!hooks->authorize(hooks->arg, &question))
		return false;
	question.action = BROKER_ACTION_RETAIN;
	return !connect->will_retain || hooks->authorize(hooks->arg, &question);
}

void
broker_admit(struct client *client, const struct mqtt_connect *connect,
    const struct broker_decision *decision)
{
	struct broker *broker = client->broker;
	char assigned[ASSIGNED_ID_BYTES];
	struct bytes client_id = connect->client_id, owner = bytes_of("", 0);
	struct writes writes = { 0 };
	struct greeting *greeting;
	struct session *session;
	bool present;

	if (client_id.len == 0 && decision->client_id.len > 0) {
		client_id = decision->client_id;
	} else if (client_id.len == 0) {
		assign_id(broker, assigned, sizeof(assigned));
		client_id = bytes_of_string(assigned);
	}
	take_decision(client, connect, decision);
	if (!will_is_allowed(client, connect, client_id)) {
		broker_refuse(client, MQTT_NOT_AUTHORIZED, "it may not publish its will");
		return;
	}
	if (decision->identity != NULL)
		owner = decision->principal;
	if (!broker_has_client_room(client, client_id) ||
	    (connect->has_will && !broker_has_memory(broker)) ||
	    (session_find(broker, client_id) == NULL &&
		(!broker_has_session_room(broker) || !broker_has_owner_room(broker, owner)))) {
		broker_refuse(
		    client, MQTT_QUOTA_EXCEEDED, "there are as many clients as there may be");
		return;
	}
	client_count(client);
	take_limits(client, connect);
	session = open_session(client, connect, client_id, &writes, &present);
	session_own(session, owner);
	will_take(session, connect);
	client->keep_will = true;
	if (session->durable) {
		persist_session(&writes, session);
		persist_will(&writes, session);
	}
	greeting = greeting_new(client, connect, connect->client_id.len == 0);
	greeting->session_present = present;
	presence_begin(client);
	client_update_reading(client);
	if (writes.count > 0)
		broker_persist(broker, &writes, greet, greeting);
	else
		greet(greeting, 0);
	writes_clear(&writes);
}

bool
broker_on_connect(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct mqtt_connect connect;
	const char *text;
	uint8_t reason;

	(void)header;
	if (client->session != NULL) {
		broker_client_end(client, MQTT_PROTOCOL_ERROR, "a second CONNECT");
		return false;
	}
	if (!decode(client, rest, &connect))
		return false;
	reason = check(client, &connect, &text);
	if (reason != MQTT_SUCCESS) {
		broker_refuse(client, reason, text);
		return false;
	}
	return broker_login_ask(client, rest, &connect);
}

bool
broker_on_disconnect(struct client *client, const struct mqtt_header *header, struct bytes rest)
{
	struct session *session = client->session;
	struct mqtt_disconnect disconnect;
	struct mqtt_defect defect;

	if (!mqtt_disconnect_decode(rest, header, client->version, &disconnect, &defect)) {
		broker_client_end(client, defect.reason, defect.text);
		return false;
	}
	if (mqtt_props_has(&disconnect.props, MQTT_SESSION_EXPIRY)) {
		if (session->expiry_s == 0 && disconnect.props.session_expiry_s != 0) {
			broker_client_end(client, MQTT_PROTOCOL_ERROR,
			    "a session that ends with its connection cannot be kept afterwards");
			return false;
		}
		session->expiry_s = disconnect.props.session_expiry_s;
		if (session->expiry_s > client->broker->config.session_expiry_s_max)
			session->expiry_s = client->broker->config.session_expiry_s_max;
	}
	client->keep_will = disconnect.reason == MQTT_DISCONNECT_WITH_WILL;
	client->left = true;
	client->state = CLIENT_ENDING;
	conn_leave(client->conn, "disconnected");
	return false;
}
