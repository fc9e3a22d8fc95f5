/* SPDX-License-Identifier: MIT
 * Listeners: from an accepted socket to a stream whose peer has been let in.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "net/listener.h"
#include "net/tls_parts.h"

enum { TELL_US = 1000000 };

const char *const tls_protocols[] = { "mqtt", "x-amzn-mqtt-ca", "http/1.1", "x-amzn-http-ca",
	NULL };

struct tls_door {
	TAILQ_ENTRY(tls_door) link;
	struct tls *tls;
	struct tls_door_config config;
	struct listener *listener;
	bool paused; /* by its owner */
	bool rests;  /* too many handshakes */
};

static void
update(struct tls_door *door)
{
	bool rests = door->tls->figures.under_way >= door->tls->limits.handshakes_max;

	if (rests == door->rests)
		return;
	door->rests = rests;
	if (rests)
		tls_is_full(door->tls);
	listener_pause(door->listener, door->paused || rests);
}

void
tls_doors_update(struct tls *tls)
{
	struct tls_door *door;

	TAILQ_FOREACH (door, &tls->doors, link)
		update(door);
}

/* One line a second, however many come. */
static void
tell(struct tls *tls, const struct peer *peer, const char *why)
{
	int64_t now_us = loop_now_us(tls->loop);

	tls->figures.refused++;
	if (tls->told_us != 0 && now_us - tls->told_us < TELL_US) {
		tls->untold++;
		return;
	}
	log_warn("tls", "%s (%s) is refused: %s%s", peer->address,
	    peer->certificate != NULL ? peer->certificate->subject : "no certificate", why,
	    tls->untold > 0 ? " (and others before)" : "");
	tls->told_us = now_us;
	tls->untold = 0;
}

static int
let_in(const struct tls_door *door, const struct tls_claim *claim, struct err *err)
{
	const struct tls_door_config *config = &door->config;

	if (claim->peer->certificate == NULL && config->clients == TLS_CLIENT_REQUIRED)
		return err_set(err, "a certificate is required");
	if (config->identify != NULL)
		return config->identify(config->arg, claim, err);
	if (claim->peer->certificate != NULL && !claim->verified)
		return err_set(err, "%s", claim->problem);
	return 0;
}

static enum tls_protocol
protocol_of(const struct tls_door *door, const char *name)
{
	if (name == NULL)
		return door->config.protocol;
	return strstr(name, "mqtt") != NULL ? TLS_PROTOCOL_MQTT : TLS_PROTOCOL_HTTP;
}

static void
handshake_done(void *arg, struct tls_outcome *outcome)
{
	struct tls_door *door = arg;
	struct tls_claim claim = { .verified = outcome->verified, .problem = outcome->problem };
	struct err err;

	if (outcome->stream == NULL)
		return;
	claim.peer = outcome->stream->peer;
	if (let_in(door, &claim, &err) == 0) {
		door->config.accepted(
		    door->config.arg, outcome->stream, protocol_of(door, outcome->protocol));
		return;
	}
	tell(door->tls, claim.peer, err.text);
	tls_refuse(outcome->stream, loop_sys(door->tls->loop), outcome->alert);
}

static void
accepted(void *arg, int fd, struct peer *peer)
{
	struct tls_door *door = arg;
	const struct tls_request request = { .context = door->config.context,
		.fd = fd,
		.peer = peer,
		.asks_nothing = door->config.clients == TLS_CLIENT_NONE,
		.done = handshake_done,
		.arg = door };

	/* To say why by TLS would cost a handshake. */
	if (peer->verdict != GATE_OPEN) {
		(void)loop_sys(door->tls->loop)->close(fd);
		peer_unref(peer);
		return;
	}
	(void)tls_shake(door->tls, &request);
	tls_doors_update(door->tls);
}

struct tls_door *
tls_door_open(struct tls *tls, const struct tls_door_config *config, struct err *err)
{
	struct tls_door *door = xcalloc(1, sizeof(*door));

	door->tls = tls;
	door->config = *config;
	door->listener = listener_open(tls->loop, config->address, accepted, door, err);
	if (door->listener == NULL) {
		free(door);
		return NULL;
	}
	if (config->gate != NULL)
		listener_guard(door->listener, config->gate);
	door->config.address = listener_address(door->listener);
	(void)tls_context_ref(config->context);
	TAILQ_INSERT_TAIL(&tls->doors, door, link);
	return door;
}

void
tls_door_close(struct tls_door *door)
{
	if (door == NULL)
		return;
	TAILQ_REMOVE(&door->tls->doors, door, link);
	tls_cancel_all(door->tls, door);
	listener_close(door->listener);
	tls_context_unref(door->config.context);
	free(door);
}

void
tls_door_change(struct tls_door *door, struct tls_context *context, enum tls_client_mode clients)
{
	(void)tls_context_ref(context);
	tls_context_unref(door->config.context);
	door->config.context = context;
	door->config.clients = clients;
}

void
tls_door_pause(struct tls_door *door, bool pause)
{
	door->paused = pause;
	listener_pause(door->listener, door->paused || door->rests);
}

const char *
tls_door_address(const struct tls_door *door)
{
	return door->config.address;
}
