/* SPDX-License-Identifier: MIT
 * The broker's hooks.
 */
#include "runtime/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "runtime/access/access.h"
#include "runtime/commit.h"
#include "runtime/presence.h"
#include "runtime/presence_text.h"
#include "runtime/registry/registry.h"
#include "runtime/shadow_service.h"

/* Events that were received exactly once are stored before they run. */
struct storing {
	struct followers followers;
	struct ack *ack;
};

static void
stored(void *arg, int status)
{
	struct storing *storing = arg;

	if (status == 0)
		(void)followers_submit(&storing->followers);
	else
		followers_drop(&storing->followers);
	ack_release(storing->ack, status == 0 ? MQTT_SUCCESS : MQTT_QUOTA_EXCEEDED);
	free(storing->followers.list);
	free(storing);
}

/* The mark of receipt and the events' rows are one transaction: a crash repeats both or none. */
static void
store_first(struct host *host, const struct message *message, struct ack *ack)
{
	struct storing *storing = xcalloc(1, sizeof(*storing));
	struct writes writes = { 0 };

	followers_of_message(&storing->followers, host, message, NULL);
	if (storing->followers.count == 0) {
		free(storing);
		return;
	}
	storing->ack = ack_hold(ack);
	writes_append(&writes, message->marker);
	*message->marked = true;
	followers_store(&storing->followers, host, &writes);
	store_write(host->store, &writes, stored, storing);
}

static bool
is_full(void *arg)
{
	struct host *host = arg;

	if (!store_is_full(host->store))
		return false;
	host->store_was_full = true;
	return true;
}

void
gateway_store_polled(struct host *host)
{
	if (!host->store_was_full || store_is_full(host->store))
		return;
	host->store_was_full = false;
	broker_resume(host->broker);
	if (host->resume != NULL)
		host->resume(host);
}

static enum broker_flow
published(void *arg, const struct message *message, struct ack *ack)
{
	struct host *host = arg;
	struct followers *followers = &host->followers;
	bool full;

	if (host->shadow_service != NULL && shadow_service_take(host->shadow_service, message, ack))
		return is_full(host) ? BROKER_PAUSE : BROKER_GO_ON;
	if (message->marker != NULL) {
		store_first(host, message, ack);
		return is_full(host) ? BROKER_PAUSE : BROKER_GO_ON;
	}
	followers_of_message(followers, host, message, ack);
	if (followers->count == 0)
		return BROKER_GO_ON;
	full = followers_submit(followers);
	return full ? BROKER_PAUSE : BROKER_GO_ON;
}

static void
persist(void *arg, const struct writes *writes, void (*done)(void *done_arg, int status),
    void *done_arg)
{
	struct host *host = arg;
	struct writes copy = { 0 };

	writes_append(&copy, writes);
	store_write(host->store, &copy, done, done_arg);
}

static void
presence_changed(void *arg, const struct presence *presence)
{
	struct host *host = arg;

	presences_changed(host->presences, presence);
	if (host->registry != NULL)
		registry_note_presence(host->registry, presence->client_id, presence->connected,
		    presence->connected ? NULL : presence_reason(presence));
}

static void
subscribed(void *arg, const struct presence *presence, bool is, struct bytes filters)
{
	presences_subscribed(((struct host *)arg)->presences, presence, is, filters);
}

/* What is taken from an option as it stands. */
static const struct {
	enum option_id option;
	size_t offset;
	size_t size;
} taken[] = {
#define TAKEN(id, member)                                       \
	{                                                       \
		id, offsetof(struct broker_config, member),     \
		    sizeof(((struct broker_config *)0)->member) \
	}
	TAKEN(OPTION_CLIENTS_MAX, clients_max),
	TAKEN(OPTION_SESSIONS_MAX, sessions_max),
	TAKEN(OPTION_IDENTITY_SESSIONS_MAX, owner_sessions_max),
	TAKEN(OPTION_SESSION_MESSAGES_MAX, queued_messages_max),
	TAKEN(OPTION_SESSION_BYTES_MAX, queued_bytes_max),
	TAKEN(OPTION_MESSAGES_BYTES_MAX, kept_bytes_max),
	TAKEN(OPTION_RETAINED_MAX, retained_max),
	TAKEN(OPTION_RETAINED_BYTES_MAX, retained_bytes_max),
	TAKEN(OPTION_OUTPUT_BYTES_MAX, out_bytes_max),
	TAKEN(OPTION_OUTPUT_TOTAL_BYTES_MAX, output_bytes_max),
	TAKEN(OPTION_INPUT_TOTAL_BYTES_MAX, input_bytes_max),
	TAKEN(OPTION_CONNECT_TIMEOUT_MS, connect_timeout_ms),
	TAKEN(OPTION_PACKET_TIMEOUT_MS, packet_timeout_ms),
	TAKEN(OPTION_STUCK_TIMEOUT_MS, stuck_ms_max),
	TAKEN(OPTION_CLIENT_MESSAGES_PER_SECOND_MAX, messages_per_s_max),
	TAKEN(OPTION_CLIENT_BYTES_PER_SECOND_MAX, bytes_per_s_max),
	TAKEN(OPTION_CLIENT_PATIENCE_MS, patience_ms),
	TAKEN(OPTION_SUBSCRIPTIONS_MAX, subscriptions_max),
	TAKEN(OPTION_SUBSCRIPTIONS_TOTAL_MAX, subscriptions_total_max),
	TAKEN(OPTION_TOPIC_BYTES_MAX, topic_bytes_max),
	TAKEN(OPTION_TOPIC_LEVELS_MAX, topic_levels_max),
	TAKEN(OPTION_RECEIVE_MAXIMUM, receive_maximum),
	TAKEN(OPTION_SEND_MAXIMUM, inflight_maximum),
	TAKEN(OPTION_TOPIC_ALIAS_MAXIMUM, topic_alias_maximum),
#undef TAKEN
};

/* The options' bounds are such that each value fits. */
static void
take(struct broker_config *config, const struct options *options, size_t row)
{
	uint64_t value = (uint64_t)options_number(options, taken[row].option);
	char *at = (char *)config + taken[row].offset;
	uint32_t value32 = (uint32_t)value;
	uint16_t value16 = (uint16_t)value;

	if (taken[row].size == sizeof(value))
		memcpy(at, &value, sizeof(value));
	else if (taken[row].size == sizeof(value32))
		memcpy(at, &value32, sizeof(value32));
	else
		memcpy(at, &value16, sizeof(value16));
}

static struct broker_config
config_of(const struct options *options)
{
	struct broker_config config = broker_defaults;
	int64_t expiry_s = options_number(options, OPTION_SESSION_EXPIRY_MS_MAX) / 1000;

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		take(&config, options, i);
	config.packet_bytes_max =
	    (uint32_t)options_number(options, OPTION_PAYLOAD_BYTES_MAX) + 65535 + 8192;
	config.keep_alive_s_max =
	    (uint16_t)(options_number(options, OPTION_KEEP_ALIVE_MS_MAX) / 1000);
	config.session_expiry_s_max = expiry_s < UINT32_MAX ? (uint32_t)expiry_s : UINT32_MAX;
	config.host_topics = "$aws/events/";
	config.direct_topics = INGEST_TOPICS;
	return config;
}

void
gateway_configure(struct host *host)
{
	const struct broker_config config = config_of(host->options);

	broker_configure(host->broker, &config);
}

void
gateway_open(struct host *host)
{
	const struct broker_hooks hooks = { .arg = host,
		.published = published,
		.persist = persist,
		.full = is_full,
		.presence = presence_changed,
		.subscribed = subscribed,
		.authenticate = access_authenticate,
		.authorize = access_authorize,
		.identity_unref = access_identity_unref,
		.describe = access_describe,
		.recall = access_recall };
	struct broker_config config = config_of(host->options);

	host->broker = broker_new(host->loop, &config, &hooks);
}
