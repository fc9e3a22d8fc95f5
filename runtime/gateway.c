/* SPDX-License-Identifier: MIT
 * The broker's hooks.
 */
#include "runtime/gateway.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "lib/log.h"
#include "runtime/access.h"
#include "runtime/commit.h"
#include "runtime/presence.h"
#include "runtime/shadow_service.h"

enum { DESCRIPTORS_BESIDE = 512 }; /* workers, HTTP, the store */

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

static enum broker_flow
published(void *arg, const struct message *message, struct ack *ack)
{
	struct host *host = arg;
	struct followers *followers = &host->followers;
	bool full;

	if (host->shadow_service != NULL && shadow_service_take(host->shadow_service, message, ack))
		return store_is_full(host->store) ? BROKER_PAUSE : BROKER_GO_ON;
	if (message->marker != NULL) {
		store_first(host, message, ack);
		return store_is_full(host->store) ? BROKER_PAUSE : BROKER_GO_ON;
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
	presences_changed(((struct host *)arg)->presences, presence);
}

static void
subscribed(void *arg, const struct presence *presence, bool is, struct bytes filters)
{
	presences_subscribed(((struct host *)arg)->presences, presence, is, filters);
}

static struct broker_config
config_of(const struct options *options)
{
	struct broker_config config = broker_defaults;
	int64_t expiry_s = options_number(options, OPTION_SESSION_EXPIRY_MS_MAX) / 1000;

	config.packet_bytes_max =
	    (uint32_t)options_number(options, OPTION_PAYLOAD_BYTES_MAX) + 65535 + 8192;
	config.clients_max = (uint32_t)options_number(options, OPTION_CLIENTS_MAX);
	config.queued_messages_max = (uint32_t)options_number(options, OPTION_SESSION_MESSAGES_MAX);
	config.queued_bytes_max = (uint64_t)options_number(options, OPTION_SESSION_BYTES_MAX);
	config.retained_max = (uint32_t)options_number(options, OPTION_RETAINED_MAX);
	config.retained_bytes_max = (uint64_t)options_number(options, OPTION_RETAINED_BYTES_MAX);
	config.keep_alive_s_max =
	    (uint16_t)(options_number(options, OPTION_KEEP_ALIVE_MS_MAX) / 1000);
	config.out_bytes_max = (uint32_t)options_number(options, OPTION_OUTPUT_BYTES_MAX);
	config.session_expiry_s_max = expiry_s < UINT32_MAX ? (uint32_t)expiry_s : UINT32_MAX;
	config.connect_timeout_ms = (uint32_t)options_number(options, OPTION_CONNECT_TIMEOUT_MS);
	config.receive_maximum = (uint16_t)options_number(options, OPTION_RECEIVE_MAXIMUM);
	config.host_topics = "$aws/events/";
	config.direct_topics = INGEST_TOPICS;
	config.topic_alias_maximum = (uint16_t)options_number(options, OPTION_TOPIC_ALIAS_MAXIMUM);
	return config;
}

/* Many systems give 1,024 descriptors to begin with and more to who asks. */
static void
allow_descriptors(uint32_t clients_max)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)clients_max + DESCRIPTORS_BESIDE;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted)
		log_info("gateway",
		    "the system allows %llu open files: enough for about %llu clients of %u",
		    (unsigned long long)limit.rlim_cur,
		    (unsigned long long)(limit.rlim_cur > DESCRIPTORS_BESIDE
					     ? limit.rlim_cur - DESCRIPTORS_BESIDE
					     : 0),
		    clients_max);
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
		.presence = presence_changed,
		.subscribed = subscribed,
		.authenticate = access_authenticate,
		.authorize = access_authorize,
		.identity_unref = access_identity_unref };
	struct broker_config config = config_of(host->options);

	allow_descriptors(config.clients_max);
	host->broker = broker_new(host->loop, &config, &hooks);
}
