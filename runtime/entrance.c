/* SPDX-License-Identifier: MIT
 * The gate, and how many descriptors it may fill.
 *
 * Connections leave some descriptors to the others: the store's files, workers, the control API's
 * socket, requests of handlers. So a host that has as many connections as it can have still works.
 */
#include "runtime/entrance.h"

#include <string.h>
#include <sys/resource.h>

#include "lib/log.h"
#include "net/gate.h"
#include "net/listener.h"
#include "runtime/figures.h"

enum { BESIDE = 512, RESERVE_MIN = 64, RESERVE_SHARE = 200, RESERVE_MAX = 512 };

/* Many systems give 1,024 descriptors to begin with and more to who asks. */
static rlim_t
ask_for_descriptors(uint32_t clients_max)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)clients_max + BESIDE;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

static uint32_t
connections_of(rlim_t descriptors)
{
	rlim_t reserve = descriptors / RESERVE_SHARE;

	if (reserve < RESERVE_MIN)
		reserve = RESERVE_MIN;
	if (reserve > RESERVE_MAX)
		reserve = RESERVE_MAX;
	return descriptors > 2 * reserve ? (uint32_t)(descriptors - reserve)
					 : (uint32_t)(descriptors / 2);
}

static int
configure(struct host *host, struct err *err)
{
	const struct options *options = host->options;
	uint32_t clients_max = (uint32_t)options_number(options, OPTION_CLIENTS_MAX);
	rlim_t descriptors = ask_for_descriptors(clients_max);
	const struct gate_config config = {
		.connections_max = connections_of(descriptors),
		.connects_per_s_max =
		    (uint32_t)options_number(options, OPTION_CONNECTS_PER_SECOND_MAX),
		.address_connections_max =
		    (uint32_t)options_number(options, OPTION_ADDRESS_CONNECTIONS_MAX),
		.address_connects_per_s_max =
		    (uint32_t)options_number(options, OPTION_ADDRESS_CONNECTS_PER_SECOND_MAX),
		.exempt = options_text(options, OPTION_ADDRESS_EXEMPT),
		.keep_alive_s =
		    (uint32_t)(options_number(options, OPTION_TCP_KEEP_ALIVE_MS) / 1000),
	};

	if (config.connections_max < clients_max)
		log_info("gateway",
		    "the system allows %llu open files: enough for %u connections; clients_max is "
		    "%u",
		    (unsigned long long)descriptors, config.connections_max, clients_max);
	return gate_configure(host->gate, &config, err);
}

int
entrance_open(struct host *host, struct err *err)
{
	host->gate = gate_new(host->loop);
	return configure(host, err);
}

void
entrance_configure(struct host *host)
{
	struct err err;

	if (configure(host, &err) < 0)
		log_error("gateway", "limits of connections stay as they were: %s", err.text);
}

static void
accepted(void *arg, int fd, struct peer *peer)
{
	struct stream stream = stream_plain(fd, peer);
	struct host *host = arg;

	broker_accept_stream(host->broker, &stream);
}

int
entrance_listen(struct host *host, struct err *err)
{
	const char *address = options_text(host->options, OPTION_MQTT);

	if (strcmp(address, "off") == 0)
		return 0;
	host->mqtt = listener_open(host->loop, address, accepted, host, err);
	if (host->mqtt == NULL)
		return -1;
	listener_guard(host->mqtt, host->gate);
	listener_pause(host->mqtt, true);
	return 0;
}

void
entrance_close(struct host *host)
{
	listener_close(host->mqtt);
	gate_free(host->gate);
}

void
entrance_figures(const struct host *host, struct buf *out)
{
	const struct gate_figures *figures = gate_figures(host->gate);

	figures_gauge(out, "moonlet_connections", "TCP connections that are open.", figures->open);
	figures_gauge(out, "moonlet_connection_addresses",
	    "Addresses that have a connection, or had one a moment ago.", figures->addresses);
	figures_family(out, "moonlet_connections_refused_total", FIGURE_COUNTER,
	    "Connections of addresses that have, or make, too many.");
	figures_sample(out, "moonlet_connections_refused_total", "reason=\"too many\"",
	    (double)figures->too_many);
	figures_sample(out, "moonlet_connections_refused_total", "reason=\"too quick\"",
	    (double)figures->too_quick);
	figures_counter(out, "moonlet_connections_waits_total",
	    "How often nobody was accepted for a moment: too many, or too quick, altogether.",
	    figures->waits);
}
