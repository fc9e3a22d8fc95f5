/* SPDX-License-Identifier: MIT
 * The client's life: lookup, TCP, CONNECT, connected, and from every failure back to the start
 * after a pause.
 */
#include "net/mqtt_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "net/mqtt_client_private.h"

/* A connection that lasted so long was a good one: the next pause is short again. */
enum { HELD_US = 5000000, PAUSE_DOUBLINGS_MAX = 20 };

const struct mqtt_client_config mqtt_client_defaults = {
	.session_expiry_s = 86400,
	.packet_bytes_max = 262144 + 65536 + 1024,
	.connect_timeout_ms = 10000,
	.pause_ms_min = 100,
	.pause_ms_max = 30000,
	.publishes_max = 1000,
	.receive_maximum = 100,
	.keep_alive_s = 30,
};

static const char *const state_names[] = {
	[MQTT_CLIENT_STOPPED] = "stopped",
	[MQTT_CLIENT_LOOKUP] = "looking up",
	[MQTT_CLIENT_CONNECTING] = "connecting",
	[MQTT_CLIENT_GREETING] = "greeting",
	[MQTT_CLIENT_CONNECTED] = "connected",
	[MQTT_CLIENT_WAITING] = "waiting",
};

const char *
mqtt_client_state_name(enum mqtt_client_state state)
{
	return state_names[state];
}

static void
set_state(struct mqtt_client *client, enum mqtt_client_state state)
{
	client->state = state;
	if (client->events.changed != NULL && !client->freeing)
		client->events.changed(client->events.arg);
}

static void
set_why(struct mqtt_client *client, const char *why)
{
	(void)snprintf(client->why, sizeof(client->why), "%s", why);
}

/* Exponential with jitter: all hosts lose a broker at the same moment, and shall not all come back
 * at the same moment. */
static int64_t
pause_us(struct mqtt_client *client)
{
	uint32_t doublings =
	    client->attempts < PAUSE_DOUBLINGS_MAX ? client->attempts : PAUSE_DOUBLINGS_MAX;
	int64_t pause_ms = (int64_t)client->config.pause_ms_min << doublings;
	uint32_t random;

	if (pause_ms > client->config.pause_ms_max || client->taken_over)
		pause_ms = client->config.pause_ms_max;
	loop_sys(client->loop)->random(&random, sizeof(random));
	return pause_ms * 500 + (int64_t)(random % 1000) * pause_ms / 2;
}

static void
let_go_of_attempt(struct mqtt_client *client)
{
	lookup_free(client->lookup);
	client->lookup = NULL;
	client->address = NULL;
	if (client->handshake != NULL)
		tls_cancel(client->handshake);
	client->handshake = NULL;
	if (client->fd >= 0) {
		watch_clear(&client->connecting);
		(void)close(client->fd);
		client->fd = -1;
	}
}

static void
wait_for_next(struct mqtt_client *client)
{
	int64_t delay_us = client->try_at_once ? 0 : pause_us(client);
	bool held = client->state == MQTT_CLIENT_CONNECTED;

	let_go_of_attempt(client);
	timer_cancel(&client->overtake);
	if (!client->try_at_once)
		client->attempts++;
	client->try_at_once = false;
	client->taken_over = false;
	client->next_attempt_us = loop_now_us(client->loop) + delay_us;
	timer_set(&client->timer, delay_us);
	if (held || client->attempts == 1)
		log_warn("broker", "%s: %s; trying again in %d ms", client->config.name,
		    client->why, (int)(delay_us / 1000));
	else
		log_debug("broker", "%s: %s; trying again in %d ms", client->config.name,
		    client->why, (int)(delay_us / 1000));
	set_state(client, MQTT_CLIENT_WAITING);
}

/* A broker that hangs up at a CONNECT of version 5 without a word may be one of 3.1.1. */
static void
consider_version(struct mqtt_client *client)
{
	if (client->state != MQTT_CLIENT_GREETING || client->version_agreed)
		return;
	client->version = client->version == MQTT_VERSION_5 ? MQTT_VERSION_3_1_1 : MQTT_VERSION_5;
}

void
mqtt_client_fail(struct mqtt_client *client, uint8_t reason, const char *why)
{
	const struct mqtt_disconnect disconnect = { .reason = reason };

	if (client->conn == NULL || conn_is_ending(client->conn))
		return;
	if (reason >= MQTT_UNSPECIFIED && client->version == MQTT_VERSION_5 &&
	    client->state == MQTT_CLIENT_CONNECTED) {
		mqtt_disconnect_encode(conn_out(client->conn), &disconnect);
		conn_wrote(client->conn);
	}
	client->told_why = true;
	set_why(client, why);
	conn_end(client->conn, reason != 0, why);
}

static bool
held_long(const struct mqtt_client *client)
{
	return client->state == MQTT_CLIENT_CONNECTED &&
	       loop_now_us(client->loop) - client->connected_us >= HELD_US;
}

static void
on_ended(void *arg, const char *reason)
{
	struct mqtt_client *client = arg;

	client->conn = NULL;
	if (client->freeing || client->state == MQTT_CLIENT_STOPPED)
		return;
	if (!client->told_why) {
		set_why(client, reason);
		consider_version(client);
	}
	if (held_long(client))
		client->attempts = 0;
	wait_for_next(client);
}

static bool
may_read(const struct mqtt_client *client)
{
	return !client->paused && !client->holding &&
	       client->window < client->config.receive_maximum;
}

void
mqtt_client_update_reading(struct mqtt_client *client)
{
	if (client->conn != NULL)
		conn_read(client->conn, may_read(client));
}

static size_t
on_input(void *arg, struct bytes in)
{
	struct mqtt_client *client = arg;
	struct mqtt_header header;
	struct mqtt_defect defect;
	size_t used = 0;

	client->last_input_us = loop_now_us(client->loop);
	while (may_read(client) && !conn_is_ending(client->conn)) {
		struct bytes left = bytes_of(in.data + used, in.len - used);
		enum mqtt_result result =
		    mqtt_header_decode(left, client->config.packet_bytes_max, &header, &defect);

		if (result == MQTT_MORE)
			break;
		if (result == MQTT_BAD) {
			mqtt_client_fail(client, defect.reason, defect.text);
			break;
		}
		used += header.head_bytes + header.rest_bytes;
		if (!mqtt_client_packet(client, &header,
			bytes_of(left.data + header.head_bytes, header.rest_bytes)))
			break;
	}
	return conn_is_ending(client->conn) ? in.len : used;
}

static const struct conn_events conn_events = { .input = on_input, .ended = on_ended };

static void
greet(struct mqtt_client *client, struct stream *stream)
{
	client->conn = conn_open(client->group, stream, &conn_events, client);
	peer_unref(stream->peer);
	client->told_why = false;
	client->window = 0;
	client->paused = false;
	mqtt_client_greet(client);
	set_state(client, MQTT_CLIENT_GREETING);
}

static void try_address(struct mqtt_client *client);

static void
on_shaken(void *arg, struct tls_outcome *outcome)
{
	struct mqtt_client *client = arg;
	char text[160];

	client->handshake = NULL;
	if (outcome->stream != NULL) {
		greet(client, outcome->stream);
		return;
	}
	(void)snprintf(
	    text, sizeof(text), "TLS with %s: %s", client->config.host, outcome->problem);
	set_why(client, text);
	wait_for_next(client);
}

static void
connected(struct mqtt_client *client)
{
	const struct tls_request request = { .context = client->config.context,
		.fd = client->fd,
		.address = client->config.host,
		.host = client->config.host,
		.done = on_shaken,
		.arg = client };
	struct stream stream = { .fd = client->fd, .transport = &transport_plain };
	int on = 1;

	watch_clear(&client->connecting);
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	client->fd = -1;
	if (client->config.tls != NULL)
		client->handshake = tls_shake(client->config.tls, &request);
	else
		greet(client, &stream);
}

static void
address_failed(struct mqtt_client *client, int error)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%s port %u: %s", client->config.host,
	    client->config.port, strerror(error));
	set_why(client, text);
	watch_clear(&client->connecting);
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
	client->address = client->address->ai_next;
	try_address(client);
}

static void
on_connected(void *arg, bool readable, bool writable)
{
	struct mqtt_client *client = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)readable;
	(void)writable;
	if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		address_failed(client, error);
	else
		connected(client);
}

static void
try_address(struct mqtt_client *client)
{
	const struct addrinfo *address = client->address;

	if (address == NULL) {
		wait_for_next(client);
		return;
	}
	client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || (connect(client->fd, address->ai_addr, address->ai_addrlen) < 0 &&
				  errno != EINPROGRESS)) {
		address_failed(client, errno);
		return;
	}
	watch_init(&client->connecting, client->loop, client->fd, on_connected, client);
	watch_want(&client->connecting, false, true);
	if (client->state != MQTT_CLIENT_CONNECTING)
		set_state(client, MQTT_CLIENT_CONNECTING);
}

/* After an attempt that went silent the next one begins with the next address. */
static void
on_addresses(void *arg, const struct addrinfo *addresses, const char *error)
{
	struct mqtt_client *client = arg;
	char text[160];
	uint32_t skip = client->silent_attempts;

	if (addresses == NULL) {
		(void)snprintf(text, sizeof(text), "look up %s: %s", client->config.host, error);
		set_why(client, text);
		wait_for_next(client);
		return;
	}
	client->address = addresses;
	while (skip-- > 0)
		client->address =
		    client->address->ai_next != NULL ? client->address->ai_next : addresses;
	try_address(client);
}

static void
begin_attempt(struct mqtt_client *client)
{
	timer_set(&client->timer, (int64_t)client->config.connect_timeout_ms * 1000);
	client->lookup = lookup_start(
	    client->loop, client->config.host, client->config.port, on_addresses, client);
	set_state(client, MQTT_CLIENT_LOOKUP);
}

static void
attempt_timed_out(struct mqtt_client *client)
{
	if (client->state == MQTT_CLIENT_CONNECTING)
		client->silent_attempts = (client->silent_attempts + 1) % 16;
	set_why(client, "no answer in time");
	client->told_why = true;
	if (client->conn != NULL)
		conn_end(client->conn, false, client->why);
	else
		wait_for_next(client);
}

/* While input is held back, silence is our own doing. */
static void
keep_alive(struct mqtt_client *client)
{
	int64_t silent_us = loop_now_us(client->loop) - client->last_input_us;
	int64_t period_us = (int64_t)client->keep_alive_s * 500000;

	if (!mqtt_client_is_live(client))
		return;
	if (conn_is_reading(client->conn) && silent_us > 3 * period_us) {
		mqtt_client_fail(client, MQTT_KEEP_ALIVE_TIMEOUT, "the broker is silent");
		return;
	}
	mqtt_ping_encode(conn_out(client->conn), MQTT_PINGREQ);
	conn_wrote(client->conn);
	timer_set(&client->timer, period_us);
}

static void
on_timer(void *arg)
{
	struct mqtt_client *client = arg;

	switch (client->state) {
	case MQTT_CLIENT_LOOKUP:
	case MQTT_CLIENT_CONNECTING:
	case MQTT_CLIENT_GREETING:
		attempt_timed_out(client);
		break;
	case MQTT_CLIENT_WAITING:
		begin_attempt(client);
		break;
	case MQTT_CLIENT_CONNECTED:
		keep_alive(client);
		break;
	case MQTT_CLIENT_STOPPED:
		break;
	}
}

void
mqtt_client_established(struct mqtt_client *client)
{
	lookup_free(client->lookup);
	client->lookup = NULL;
	client->connection++;
	client->silent_attempts = 0;
	client->connected_us = loop_now_us(client->loop);
	client->version_agreed = true;
	client->version_seen = client->version;
	client->why[0] = '\0';
	timer_cancel(&client->timer);
	if (client->keep_alive_s > 0)
		timer_set(&client->timer, (int64_t)client->keep_alive_s * 500000);
	log_info("broker", "%s: connected (MQTT %s)", client->config.name,
	    client->version == MQTT_VERSION_5 ? "5" : "3.1.1");
	set_state(client, MQTT_CLIENT_CONNECTED);
}

static const char *
copy_or_null(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

struct mqtt_client *
mqtt_client_new(struct loop *loop, const struct mqtt_client_config *config,
    const struct mqtt_client_events *events)
{
	struct mqtt_client *client = xcalloc(1, sizeof(*client));

	client->loop = loop;
	client->config = *config;
	client->config.name = copy_or_null(config->name);
	client->config.host = copy_or_null(config->host);
	client->config.client_id = copy_or_null(config->client_id);
	client->config.user = copy_or_null(config->user);
	client->config.password = copy_or_null(config->password);
	client->config.share = copy_or_null(config->share);
	if (config->context != NULL)
		client->config.context = tls_context_ref(config->context);
	client->events = *events;
	client->fd = -1;
	client->version = MQTT_VERSION_5;
	client->group = conn_group_new(loop);
	TAILQ_INIT(&client->filters);
	TAILQ_INIT(&client->receipts);
	TAILQ_INIT(&client->parcels);
	timer_init(&client->timer, loop, on_timer, client);
	timer_init(&client->overtake, loop, receipts_overtake, client);
	return client;
}

void
mqtt_client_secure(struct mqtt_client *client, struct tls_context *context)
{
	(void)tls_context_ref(context);
	tls_context_unref(client->config.context);
	client->config.context = context;
}

void
mqtt_client_start(struct mqtt_client *client)
{
	if (client->state == MQTT_CLIENT_STOPPED && client->conn == NULL)
		begin_attempt(client);
}

void
mqtt_client_stop(struct mqtt_client *client)
{
	const struct mqtt_disconnect disconnect = { .reason = MQTT_SUCCESS };
	bool connected = mqtt_client_is_live(client);

	if (client->state == MQTT_CLIENT_STOPPED)
		return;
	timer_cancel(&client->timer);
	timer_cancel(&client->overtake);
	let_go_of_attempt(client);
	set_state(client, MQTT_CLIENT_STOPPED);
	if (client->conn == NULL)
		return;
	if (connected) {
		mqtt_disconnect_encode(conn_out(client->conn), &disconnect);
		conn_wrote(client->conn);
	}
	conn_end(client->conn, connected, "stopped");
}

static void
free_texts(struct mqtt_client_config *config)
{
	free((char *)(uintptr_t)config->name);
	free((char *)(uintptr_t)config->host);
	free((char *)(uintptr_t)config->client_id);
	free((char *)(uintptr_t)config->user);
	free((char *)(uintptr_t)config->password);
	free((char *)(uintptr_t)config->share);
}

void
mqtt_client_free(struct mqtt_client *client)
{
	struct err err;

	if (client == NULL)
		return;
	client->freeing = true;
	mqtt_client_stop(client);
	/* One turn for what is queued to leave: acknowledgements, DISCONNECT. */
	if (client->conn != NULL && loop_turn(client->loop, false, &err) == 0 &&
	    client->conn != NULL)
		conn_end(client->conn, false, "stopped");
	while (client->conn != NULL && loop_turn(client->loop, false, &err) == 0)
		continue;
	receipts_abandon(client);
	parcels_abandon(client);
	filters_free(client);
	timer_clear(&client->timer);
	timer_clear(&client->overtake);
	conn_group_free(client->group);
	buf_clear(&client->scratch);
	buf_clear(&client->properties);
	free_texts(&client->config);
	tls_context_unref(client->config.context);
	free(client);
}

void
mqtt_client_resume(struct mqtt_client *client)
{
	client->paused = false;
	mqtt_client_update_reading(client);
}

void
mqtt_client_hold(struct mqtt_client *client)
{
	client->holding = true;
	mqtt_client_update_reading(client);
}

static uint32_t
count_undone(const struct mqtt_client *client)
{
	const struct receipt *receipt;
	uint32_t count = 0;

	TAILQ_FOREACH (receipt, &client->receipts, link)
		count += !receipt->done;
	return count;
}

void
mqtt_client_status(const struct mqtt_client *client, struct mqtt_client_status *status)
{
	int64_t left_us = client->next_attempt_us - loop_now_us(client->loop);

	*status = (struct mqtt_client_status){ .state = client->state,
		.version = client->version_seen,
		.shared = client->shared,
		.why = client->why,
		.connections = client->connection,
		.messages_in = client->messages_in,
		.messages_out = client->messages_out,
		.duplicates_in = client->duplicates_in,
		.unacknowledged = count_undone(client),
		.publishes = client->parcel_count,
		.filters_refused = client->filters_refused };
	if (client->state == MQTT_CLIENT_WAITING && left_us > 0)
		status->next_attempt_ms = left_us / 1000;
}
