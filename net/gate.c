/* SPDX-License-Identifier: MIT
 * The gate.
 *
 * An IPv6 address counts by its first 64 bits: whoever has one has all behind them. An address is
 * forgotten when it has no connection and its bucket is full again, so at most those are known that
 * have, or had within a second, a connection.
 */
#include "net/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/log_limit.h"
#include "lib/rate.h"

enum {
	ADDRESS_BYTES = 16,
	PREFIX_BYTES = 8, /* of an IPv6 address */
	MAPPED_BITS = 96, /* of an IPv4 address as IPv6 */
	LAME_MAX = 256,	  /* connections that are let in only to be told why not */
	FULL_WAIT_US = 50000,
	KEEP_ALIVE_PROBES = 4,
};

struct network {
	uint8_t address[ADDRESS_BYTES];
	unsigned bits;
};

struct gate_address {
	struct hash_node link;
	TAILQ_ENTRY(gate_address) idle_link; /* without connections */
	struct gate *gate;
	struct rate connects;
	uint32_t count;
	bool is_exempt; /* not in the map: it stands for all that have no limits of their own */
	uint8_t key[ADDRESS_BYTES];
};

struct gate {
	struct loop *loop;
	struct gate_config config;
	struct network *networks;
	size_t network_count;
	struct hash_map addresses;
	TAILQ_HEAD(, gate_address) idle; /* who has left longest ago first */
	struct gate_address exempt;
	struct rate connects;
	struct gate_figures figures;
	unsigned lame;
	struct log_limit told_address;
	struct log_limit told_all;
	bool closing;
};

struct gate *
gate_new(struct loop *loop)
{
	struct gate *gate = xcalloc(1, sizeof(*gate));

	gate->loop = loop;
	TAILQ_INIT(&gate->idle);
	gate->exempt.gate = gate;
	gate->exempt.is_exempt = true;
	return gate;
}

static void
forget(struct gate_address *address)
{
	struct gate *gate = address->gate;

	TAILQ_REMOVE(&gate->idle, address, idle_link);
	hash_remove(&gate->addresses, &address->link);
	gate->figures.addresses--;
	free(address);
}

static void
destroy(struct gate *gate)
{
	while (!TAILQ_EMPTY(&gate->idle))
		forget(TAILQ_FIRST(&gate->idle));
	hash_clear(&gate->addresses);
	free(gate->networks);
	free(gate);
}

void
gate_free(struct gate *gate)
{
	if (gate == NULL)
		return;
	gate->closing = true;
	if (gate->figures.open == 0)
		destroy(gate);
}

const struct gate_figures *
gate_figures(const struct gate *gate)
{
	return &gate->figures;
}

static void
map_ipv4(uint8_t out[ADDRESS_BYTES], const void *address)
{
	memset(out, 0, ADDRESS_BYTES);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, address, 4);
}

static bool
is_ipv4(const uint8_t address[ADDRESS_BYTES])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static bool
address_of(const struct sockaddr *peer, uint8_t out[ADDRESS_BYTES])
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	if (peer->sa_family == AF_INET) {
		memcpy(&four, peer, sizeof(four));
		map_ipv4(out, &four.sin_addr);
		return true;
	}
	if (peer->sa_family != AF_INET6)
		return false;
	memcpy(&six, peer, sizeof(six));
	memcpy(out, &six.sin6_addr, ADDRESS_BYTES);
	return true;
}

static bool
network_has(const struct network *network, const uint8_t address[ADDRESS_BYTES])
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;

	return memcmp(network->address, address, whole) == 0 &&
	       (rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0);
}

/* "10.0.0.0/8" */
static bool
network_parse(const char *word, struct network *network)
{
	char text[64];
	char *slash, *end = NULL;
	unsigned long bits;
	unsigned most;
	uint8_t four[4];

	if (strlen(word) >= sizeof(text))
		return false;
	strcpy(text, word);
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (inet_pton(AF_INET, text, four) == 1)
		map_ipv4(network->address, four);
	else if (inet_pton(AF_INET6, text, network->address) != 1)
		return false;
	most = is_ipv4(network->address) ? 32 : 128;
	bits = slash != NULL ? strtoul(slash, &end, 10) : most;
	network->bits = (unsigned)bits + 128 - most;
	return bits <= most && (slash == NULL || (end != slash && *end == '\0'));
}

static void
add_network(struct gate *into, const struct network *network)
{
	into->networks =
	    xrealloc(into->networks, (into->network_count + 1) * sizeof(*into->networks));
	into->networks[into->network_count++] = *network;
}

static int
parse_word(struct gate *into, const char *word, struct err *err)
{
	static const struct network loopback[] = {
		{ { [10] = 0xff, [11] = 0xff, [12] = 127 }, MAPPED_BITS + 8 },
		{ { [15] = 1 }, 128 },
	};
	struct network network;

	if (strcmp(word, "loopback") == 0) {
		add_network(into, &loopback[0]);
		add_network(into, &loopback[1]);
		return 0;
	}
	if (strcmp(word, "none") == 0)
		return 0;
	if (!network_parse(word, &network))
		return err_set(err,
		    "address_exempt: \"%s\" is no address; it holds none, loopback, 192.0.2.7, "
		    "10.0.0.0/8 or several with commas between them",
		    word);
	add_network(into, &network);
	return 0;
}

int
gate_configure(struct gate *gate, const struct gate_config *config, struct err *err)
{
	struct gate parsed = { 0 };
	char *text = xstrdup(config->exempt), *rest = text, *word;
	int result = 0;

	while (result == 0 && (word = strtok_r(rest, ", ", &rest)) != NULL)
		result = parse_word(&parsed, word, err);
	free(text);
	if (result < 0) {
		free(parsed.networks);
		return -1;
	}
	free(gate->networks);
	gate->networks = parsed.networks;
	gate->network_count = parsed.network_count;
	gate->config = *config;
	gate->config.exempt = NULL;
	return 0;
}

void
gate_tune(const struct gate *gate, int fd)
{
	int on = 1, idle_s = (int)gate->config.keep_alive_s, probes = KEEP_ALIVE_PROBES;
	int between_s = idle_s / KEEP_ALIVE_PROBES > 0 ? idle_s / KEEP_ALIVE_PROBES : 1;
	unsigned gone_ms = gate->config.keep_alive_s * 2000;

	if (idle_s == 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof(between_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof(gone_ms));
}

static void
tell_full(struct gate *gate)
{
	struct log_more more;

	if (log_limit_take(&gate->told_all, loop_now_us(gate->loop), &more))
		log_warn("net",
		    "%u connections are open, as many as descriptors allow: more wait until some "
		    "have gone%s",
		    gate->figures.open, more.text);
}

int64_t
gate_wait_us(struct gate *gate)
{
	const struct gate_config *config = &gate->config;
	int64_t wait_us = rate_wait_us(&gate->connects, loop_now_us(gate->loop));
	bool full = config->connections_max > 0 && gate->figures.open >= config->connections_max;

	if (full)
		tell_full(gate);
	if (full && wait_us < FULL_WAIT_US)
		wait_us = FULL_WAIT_US;
	gate->figures.waits += wait_us > 0;
	return wait_us;
}

static bool
is_exempt(const struct gate *gate, const uint8_t address[ADDRESS_BYTES])
{
	for (size_t i = 0; i < gate->network_count; i++) {
		if (network_has(&gate->networks[i], address))
			return true;
	}
	return false;
}

static void
forget_idle(struct gate *gate, int64_t now_us)
{
	struct gate_address *first;

	while ((first = TAILQ_FIRST(&gate->idle)) != NULL && rate_is_full(&first->connects, now_us))
		forget(first);
}

static struct gate_address *
find(struct gate *gate, const struct sockaddr *peer)
{
	uint8_t address[ADDRESS_BYTES] = { 0 };
	struct gate_address *found;
	struct hash_node *node;

	if (!address_of(peer, address) || is_exempt(gate, address))
		return &gate->exempt;
	if (!is_ipv4(address))
		memset(address + PREFIX_BYTES, 0, ADDRESS_BYTES - PREFIX_BYTES);
	node = hash_find(&gate->addresses, bytes_of(address, sizeof(address)));
	if (node != NULL)
		return HASH_OWNER(node, struct gate_address, link);
	found = xcalloc(1, sizeof(*found));
	found->gate = gate;
	memcpy(found->key, address, sizeof(found->key));
	hash_insert(&gate->addresses, &found->link, bytes_of(found->key, sizeof(found->key)));
	TAILQ_INSERT_TAIL(&gate->idle, found, idle_link);
	gate->figures.addresses++;
	return found;
}

static enum gate_verdict
judge(struct gate_address *address, int64_t now_us)
{
	const struct gate_config *config = &address->gate->config;

	if (address->is_exempt)
		return GATE_OPEN;
	if (config->address_connections_max > 0 &&
	    address->count >= config->address_connections_max)
		return GATE_TOO_MANY;
	if (rate_wait_us(&address->connects, now_us) > 0)
		return GATE_TOO_QUICK;
	rate_take(&address->connects, now_us, config->address_connects_per_s_max, 1);
	return GATE_OPEN;
}

static void
tell_refused(struct gate *gate, const struct gate_address *address, enum gate_verdict verdict)
{
	char text[INET6_ADDRSTRLEN];
	struct log_more more;

	if (!log_limit_take(&gate->told_address, loop_now_us(gate->loop), &more))
		return;
	if (is_ipv4(address->key))
		(void)inet_ntop(AF_INET, address->key + 12, text, sizeof(text));
	else
		(void)inet_ntop(AF_INET6, address->key, text, sizeof(text));
	log_warn("net", "a connection from %s is refused: %s%s", text,
	    verdict == GATE_TOO_MANY ? "it has address_connections_max already"
				     : "it makes more than address_connects_per_second_max",
	    more.text);
}

bool
gate_enter(struct gate *gate, const struct sockaddr *peer, struct gate_address **from,
    enum gate_verdict *verdict)
{
	int64_t now_us = loop_now_us(gate->loop);
	struct gate_address *address;

	forget_idle(gate, now_us);
	address = find(gate, peer);
	rate_take(&gate->connects, now_us, gate->config.connects_per_s_max, 1);
	*verdict = judge(address, now_us);
	if (*verdict != GATE_OPEN) {
		gate->figures.too_many += *verdict == GATE_TOO_MANY;
		gate->figures.too_quick += *verdict == GATE_TOO_QUICK;
		tell_refused(gate, address, *verdict);
		if (gate->lame >= LAME_MAX)
			return false;
		gate->lame++;
	}
	if (address->count++ == 0 && !address->is_exempt)
		TAILQ_REMOVE(&gate->idle, address, idle_link);
	gate->figures.open++;
	*from = address;
	return true;
}

void
gate_leave(struct gate_address *from, enum gate_verdict verdict)
{
	struct gate *gate = from != NULL ? from->gate : NULL;

	if (from == NULL)
		return;
	if (--from->count == 0 && !from->is_exempt)
		TAILQ_INSERT_TAIL(&gate->idle, from, idle_link);
	gate->figures.open--;
	gate->lame -= verdict != GATE_OPEN;
	if (gate->closing && gate->figures.open == 0)
		destroy(gate);
}
