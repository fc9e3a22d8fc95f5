/* SPDX-License-Identifier: MIT
 * The keys of an identity provider.
 */
#include "runtime/access/jwt_keys.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/queue.h"
#include "runtime/host.h"

enum {
	TIMEOUT_MS = 5000,
	REDIRECTS_MAX = 2,
	RETRY_US = 10000000, /* between two fetches, whatever they are for */
	LASTS_S = 3600,	     /* where the provider does not say */
	LASTS_S_MIN = 60,
	LASTS_S_MAX = 86400,
};

struct waiter {
	STAILQ_ENTRY(waiter) link;
	void (*done)(void *arg);
	void *arg;
};

struct jwt_keys {
	struct host *host;
	struct jwk_set set;
	struct http_transfer *transfer; /* under way; NULL: none */
	STAILQ_HEAD(, waiter) waiters;
	int64_t fetched_us; /* the last attempt; 0: none yet */
	int64_t old_us;	    /* when the set is to be fetched again */
};

bool
jwt_keys_wanted(const struct host *host)
{
	return strcmp(options_text(host->options, OPTION_JWT_JWKS_URL), "off") != 0;
}

struct jwt_keys *
jwt_keys_new(struct host *host)
{
	struct jwt_keys *keys = xcalloc(1, sizeof(*keys));

	keys->host = host;
	STAILQ_INIT(&keys->waiters);
	return keys;
}

static void
answer_all(struct jwt_keys *keys)
{
	struct waiter *waiter;

	while ((waiter = STAILQ_FIRST(&keys->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&keys->waiters, link);
		waiter->done(waiter->arg);
		free(waiter);
	}
}

void
jwt_keys_free(struct jwt_keys *keys)
{
	if (keys == NULL)
		return;
	http_transfer_abort(keys->transfer);
	keys->transfer = NULL;
	answer_all(keys);
	jwk_set_clear(&keys->set);
	free(keys);
}

const struct jwk *
jwt_keys_find(const struct jwt_keys *keys, const struct jwt *jwt)
{
	return jwk_set_find(&keys->set, jwt);
}

bool
jwt_keys_due(const struct jwt_keys *keys, bool unknown)
{
	int64_t now_us = loop_now_us(keys->host->loop);

	if (keys->transfer != NULL)
		return unknown; /* to wait for it costs nothing */
	return (unknown || now_us >= keys->old_us) &&
	       (keys->fetched_us == 0 || now_us - keys->fetched_us >= RETRY_US);
}

/* By Cache-Control (RFC 9111 §5.2.2.1), within bounds. */
static int64_t
lifetime_s(const struct http_response *response)
{
	static const char wanted[] = "max-age=";
	int64_t lasts_s = LASTS_S;

	for (size_t i = 0; i < response->header_count; i++) {
		const struct http_header *header = &response->headers[i];
		const uint8_t *at;
		char digits[12] = "";

		if (header->name.len != 13 ||
		    strncasecmp((const char *)header->name.data, "cache-control", 13) != 0)
			continue;
		at = memmem(header->value.data, header->value.len, wanted, sizeof(wanted) - 1);
		if (at == NULL)
			continue;
		at += sizeof(wanted) - 1;
		for (size_t n = 0;
		     n < sizeof(digits) - 1 && at < header->value.data + header->value.len &&
		     *at >= '0' && *at <= '9';
		     n++)
			digits[n] = (char)*at++;
		lasts_s = strtoll(digits, NULL, 10);
	}
	return lasts_s < LASTS_S_MIN ? LASTS_S_MIN : lasts_s > LASTS_S_MAX ? LASTS_S_MAX : lasts_s;
}

static int
take(struct jwt_keys *keys, const struct http_response *response, struct err *err)
{
	struct jwk_set set;

	if (response->status != 200)
		return err_set(err, "status %d", response->status);
	if (jwk_set_parse(response->body, &set, err) < 0)
		return -1;
	jwk_set_clear(&keys->set);
	keys->set = set;
	keys->old_us = loop_now_us(keys->host->loop) + lifetime_s(response) * 1000000;
	return 0;
}

static void
complain(const struct jwt_keys *keys, const char *problem)
{
	log_warn("access",
	    "the identity provider's keys (jwt_jwks_url) could not be fetched: %s; %s", problem,
	    keys->set.count > 0 ? "those from before stay in use" : "there are none yet");
}

static void
fetched(void *arg, const struct http_response *response, const char *error)
{
	struct jwt_keys *keys = arg;
	struct err err;

	keys->transfer = NULL;
	if (response == NULL)
		complain(keys, error);
	else if (take(keys, response, &err) < 0)
		complain(keys, err.text);
	else
		log_info("access", "%zu keys of the identity provider", keys->set.count);
	answer_all(keys);
}

/* Named by the machine's owner: by TLS wherever it is, without it on this machine only. */
static enum egress_grant
permit(void *arg, const struct egress_target *target)
{
	static const char *const local[] = { "localhost", "127.0.0.1", "[::1]" };

	(void)arg;
	if (strcmp(target->scheme, "https") == 0)
		return EGRESS_ADDRESS;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (strcmp(target->host, local[i]) == 0)
			return EGRESS_NAMED;
	}
	return EGRESS_REFUSED;
}

static int
start(struct jwt_keys *keys, struct err *err)
{
	const struct http_request request = { .owner = (uint64_t)(uintptr_t)keys,
		.method = "GET",
		.url = options_text(keys->host->options, OPTION_JWT_JWKS_URL),
		.timeout_ms = TIMEOUT_MS,
		.redirects_max = REDIRECTS_MAX,
		.permit = permit,
		.done = fetched,
		.arg = keys };

	if (http_client_prepare(keys->host->http_client, err) < 0)
		return -1;
	keys->transfer = http_client_start(keys->host->http_client, &request, err);
	return keys->transfer != NULL ? 0 : -1;
}

void
jwt_keys_fetch(struct jwt_keys *keys, void (*done)(void *arg), void *arg)
{
	struct waiter *waiter = xcalloc(1, sizeof(*waiter));
	struct err err;

	waiter->done = done;
	waiter->arg = arg;
	STAILQ_INSERT_TAIL(&keys->waiters, waiter, link);
	if (keys->transfer != NULL)
		return;
	keys->fetched_us = loop_now_us(keys->host->loop);
	if (start(keys, &err) == 0)
		return;
	complain(keys, err.text);
	answer_all(keys);
}
