/* SPDX-License-Identifier: MIT
 * Handshakes.
 *
 *      WAITING --ready--> STEPPING --wants more--> WAITING
 *         \                  \-----over-----> done
 *          \--time, cancel--> gone; from STEPPING when the step is back
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "net/certificate_mbed.h"
#include "net/mbed.h"
#include "net/tls_parts.h"
#include "net/tls_pool.h"
#include "net/tls_private.h"

/* While others wait: how long a peer may say nothing at all, and be waited for until its hello is
 * whole. Later it computes, which may take long where many come at once. */
enum { LOOK_US = 250000, SILENT_US = 1000000, SLOW_US = 4000000 };

struct tls_handshake {
	TAILQ_ENTRY(tls_handshake) link;
	struct tls_step step;
	struct tls *tls;
	struct tls_context *context;
	struct peer *peer;
	mbedtls_ssl_context *ssl; /* NULL: not yet; the thread's while stepping */
	char *host;
	void (*done)(void *arg, struct tls_outcome *outcome);
	void *arg;
	struct watch watch;
	struct timer timer;
	int fd;
	int code;	/* of the last step */
	uint32_t flags; /* what is wrong with the certificate that was shown */
	bool is_client;
	bool asks_nothing;
	bool stepping;
	bool begun;    /* it has a lane */
	bool heard;    /* the peer has said something */
	bool answered; /* and that was a whole hello */
	int64_t since_us;
	int64_t waits_since_us; /* for its peer; where it has begun and does not step */
	int64_t waited_us;	/* before that */
	bool dead;		/* when the step is back, it is freed; read by the thread */
	char server_name[256];
};

static void cut_slow(struct tls *tls);

/* Doors rest, for there are as many handshakes as there may be: those whose peers say nothing, or
 * dribble, do not keep the others out. */
static void
look(void *arg)
{
	struct tls *tls = arg;

	if (tls->figures.under_way < tls->limits.handshakes_max)
		return;
	cut_slow(tls);
	timer_set(&tls->look, LOOK_US);
}

void
tls_is_full(struct tls *tls)
{
	if (!timer_is_set(&tls->look))
		timer_set(&tls->look, LOOK_US);
}

struct tls *
tls_new(struct loop *loop, const struct tls_limits *limits, struct err *err)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));

	mbed_start();
	tls->loop = loop;
	tls->limits = *limits;
	TAILQ_INIT(&tls->doors);
	TAILQ_INIT(&tls->handshakes);
	timer_init(&tls->look, loop, look, tls);
	tls->pool = tls_pool_new(loop, limits->threads, err);
	if (tls->pool != NULL)
		return tls;
	free(tls);
	return NULL;
}

void
tls_configure(struct tls *tls, const struct tls_limits *limits)
{
	tls->limits = *limits;
	tls_doors_update(tls);
}

unsigned
tls_lanes(const struct tls *tls)
{
	return tls_pool_lanes(tls->pool);
}

const struct tls_figures *
tls_figures(const struct tls *tls)
{
	return &tls->figures;
}

static void
free_handshake(struct tls_handshake *handshake)
{
	struct tls *tls = handshake->tls;

	TAILQ_REMOVE(&tls->handshakes, handshake, link);
	if (!handshake->is_client) {
		tls->figures.under_way--;
		tls_doors_update(tls);
	}
	watch_clear(&handshake->watch);
	timer_clear(&handshake->timer);
	if (handshake->ssl != NULL)
		mbedtls_ssl_free(handshake->ssl);
	free(handshake->ssl);
	if (handshake->fd >= 0)
		(void)loop_sys(tls->loop)->close(handshake->fd);
	tls_context_unref(handshake->context);
	peer_unref(handshake->peer);
	free(handshake->host);
	loop_free_later(tls->loop, handshake);
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	while (!TAILQ_EMPTY(&tls->handshakes)) {
		struct tls_handshake *handshake = TAILQ_FIRST(&tls->handshakes);

		if (handshake->stepping) {
			/* All steps come back here. */
			tls_pool_free(tls->pool);
			tls->pool = NULL;
		} else {
			free_handshake(handshake);
		}
	}
	timer_clear(&tls->look);
	tls_pool_free(tls->pool);
	buf_clear(&tls->shared.in);
	buf_clear(&tls->shared.out);
	tls_spare_clear(&tls->shared.spare);
	free(tls);
}

/* The handshake's own bytes go straight to the socket and back: reading record by record, nothing
 * is read that belongs behind the handshake. */
static int
handshake_recv(void *arg, unsigned char *out, size_t len)
{
	struct tls_handshake *handshake = arg;
	ssize_t got = loop_sys(handshake->tls->loop)->recv(handshake->fd, out, len);

	handshake->heard = handshake->heard || got > 0;
	if (got >= 0)
		return (int)got;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
						 : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int
handshake_send(void *arg, const unsigned char *data, size_t len)
{
	struct tls_handshake *handshake = arg;
	const struct iovec part = { (void *)(uintptr_t)data, len };
	ssize_t sent = loop_sys(handshake->tls->loop)->writev(handshake->fd, &part, 1);

	handshake->answered = true;
	if (sent >= 0)
		return (int)sent;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
						 : MBEDTLS_ERR_SSL_CONN_EOF;
}

static bool
is_address(const char *host)
{
	unsigned char address[16];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Names were compared in the handshake already. */
static bool
is_for_host(const struct tls_handshake *handshake)
{
	const mbedtls_x509_crt *shown = mbedtls_ssl_get_peer_cert(handshake->ssl);

	return !handshake->is_client || !is_address(handshake->host) ||
	       (shown != NULL && certificate_has_address(shown, handshake->host));
}

/* On the lane's thread. */
static int
set_up(struct tls_handshake *handshake, struct tls_lane *lane)
{
	int code;

	handshake->ssl = xcalloc(1, sizeof(*handshake->ssl));
	mbedtls_ssl_init(handshake->ssl);
	code = mbedtls_ssl_setup(handshake->ssl, &lane->config);
	/* 2.28 does not compare addresses: see is_for_host. */
	if (code == 0 && handshake->is_client)
		code = mbedtls_ssl_set_hostname(
		    handshake->ssl, is_address(handshake->host) ? NULL : handshake->host);
	if (code == 0 && handshake->asks_nothing)
		mbedtls_ssl_set_hs_authmode(handshake->ssl, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_set_bio(handshake->ssl, handshake, handshake_send, handshake_recv, NULL);
	return code;
}

static struct tls_handshake *
handshake_of(struct tls_step *step)
{
	return (
	    struct tls_handshake *)(void *)((char *)step - offsetof(struct tls_handshake, step));
}

/* On the lane's thread. */
static void
run_step(struct tls_step *step)
{
	struct tls_handshake *handshake = handshake_of(step);
	struct tls_lane *lane = tls_context_lane(handshake->context, step->lane);

	handshake->code = MBEDTLS_ERR_SSL_WANT_READ;
	if (__atomic_load_n(&handshake->dead, __ATOMIC_RELAXED))
		return;
	handshake->code = handshake->ssl == NULL ? set_up(handshake, lane) : 0;
	if (handshake->code != 0)
		return;
	lane->server_name[0] = '\0';
	handshake->code = mbedtls_ssl_handshake(handshake->ssl);
	if (handshake->code == 0)
		handshake->flags =
		    handshake->is_client
			? mbedtls_ssl_get_verify_result(handshake->ssl)
			: tls_verify_peer(lane, handshake->ssl,
			      loop_sys(handshake->tls->loop)->monotonic_us() / 1000000);
	if (lane->server_name[0] != '\0')
		(void)snprintf(handshake->server_name, sizeof(handshake->server_name), "%s",
		    lane->server_name);
}

void
tls_cancel(struct tls_handshake *handshake)
{
	timer_cancel(&handshake->timer);
	watch_want(&handshake->watch, false, false);
	if (handshake->stepping)
		__atomic_store_n(&handshake->dead, true, __ATOMIC_RELAXED);
	else
		free_handshake(handshake);
}

/* Who has said nothing, as scanners and load balancers do, is no news. */
static void
note_failed(const struct tls_handshake *handshake, const char *why)
{
	struct tls *tls = handshake->tls;
	struct log_more more;

	if (!handshake->heard)
		log_debug("tls", "handshake with %s: %s", handshake->peer->address, why);
	else if (log_limit_take(&tls->failed_lines, loop_now_us(tls->loop), &more))
		log_warn(
		    "tls", "handshake with %s: %s%s", handshake->peer->address, why, more.text);
}

/* Once; a step that runs comes back to nobody. */
static void
fail(struct tls_handshake *handshake, const char *why)
{
	struct tls_outcome outcome = { .problem = why };

	if (!handshake->is_client) {
		handshake->tls->figures.failed++;
		note_failed(handshake, why);
	}
	handshake->done(handshake->arg, &outcome);
	tls_cancel(handshake);
}

/* What a person can do something with; mbedtls' own words for the rest. */
static void
fail_by_code(struct tls_handshake *handshake)
{
	uint32_t flags = handshake->ssl != NULL ? mbedtls_ssl_get_verify_result(handshake->ssl) : 0;
	const char *doubt =
	    handshake->is_client
		? ""
		: ": does it trust the authority of the server's certificate, and is "
		  "the name that it calls in it?";
	struct err err;

	if (handshake->code == MBEDTLS_ERR_SSL_CONN_EOF)
		(void)err_set(&err, "the peer has closed the connection%s", doubt);
	else if (handshake->code == MBEDTLS_ERR_SSL_INVALID_MAC) /* in TLS 1.3 an alert too */
		(void)err_set(&err, "the peer has sent what cannot be read%s", doubt);
	else if (handshake->code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
		(void)err_set(&err, "the peer has sent an alert%s", doubt);
	else if (handshake->code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		(void)certificate_flags_err(flags, &err);
	else
		(void)mbed_err(&err, handshake->code);
	fail(handshake, err.text);
}

static void
fill_peer(struct tls_handshake *handshake)
{
	const mbedtls_x509_crt *shown = mbedtls_ssl_get_peer_cert(handshake->ssl);
	struct peer *peer = handshake->peer;

	peer->is_tls = true;
	if (shown != NULL)
		peer->certificate = certificate_of_mbed(shown);
	if (handshake->server_name[0] != '\0')
		peer->server_name = xstrdup(handshake->server_name);
}

static void
succeed(struct tls_handshake *handshake)
{
	mbedtls_ssl_context *ssl = handshake->ssl;
	uint32_t flags = handshake->flags;
	struct tls_outcome outcome = { .verified = flags == 0,
		.alert = tls_alert_of(flags, mbedtls_ssl_get_peer_cert(ssl) != NULL),
		.protocol = mbedtls_ssl_get_alpn_protocol(ssl) };
	struct stream stream = { .fd = handshake->fd, .transport = &transport_tls };
	struct err err = { "" };

	if (flags != 0)
		(void)certificate_flags_err(flags, &err);
	outcome.problem = err.text;
	fill_peer(handshake);
	stream.peer = handshake->peer;
	stream.state =
	    tls_link_new(ssl, tls_context_ref(handshake->context), &handshake->tls->shared);
	outcome.stream = &stream;
	handshake->ssl = NULL;
	handshake->peer = NULL;
	handshake->fd = -1;
	watch_clear(&handshake->watch);
	handshake->done(handshake->arg, &outcome);
	free_handshake(handshake);
}

static void
wait_for_peer(struct tls_handshake *handshake, bool readable)
{
	handshake->waits_since_us = loop_now_us(handshake->tls->loop);
	watch_want(&handshake->watch, readable, !readable);
}

static void
step_done(struct tls_step *step)
{
	struct tls_handshake *handshake = handshake_of(step);

	handshake->stepping = false;
	if (handshake->dead)
		free_handshake(handshake);
	else if (handshake->code == 0 && is_for_host(handshake))
		succeed(handshake);
	else if (handshake->code == 0)
		fail(handshake, "the certificate does not name this address");
	else if (handshake->code == MBEDTLS_ERR_SSL_WANT_READ)
		wait_for_peer(handshake, true);
	else if (handshake->code == MBEDTLS_ERR_SSL_WANT_WRITE)
		wait_for_peer(handshake, false);
	else
		fail_by_code(handshake);
}

static void
socket_ready(void *arg, bool readable, bool writable)
{
	struct tls_handshake *handshake = arg;
	bool goes_on = handshake->begun;

	(void)readable;
	(void)writable;
	watch_want(&handshake->watch, false, false);
	if (!handshake->begun)
		handshake->step.lane = tls_pool_choose(handshake->tls->pool);
	else
		handshake->waited_us +=
		    loop_now_us(handshake->tls->loop) - handshake->waits_since_us;
	handshake->begun = true;
	handshake->stepping = true;
	/* What is nearly over goes first: it sets memory free. */
	tls_pool_submit(handshake->tls->pool, &handshake->step, goes_on);
}

/* What the threads have to do is not its peer's fault. */
static bool
is_slow(const struct tls_handshake *handshake, int64_t now_us)
{
	if (handshake->is_client || handshake->dead || handshake->stepping || handshake->answered)
		return false;
	if (!handshake->begun)
		return now_us - handshake->since_us >= SILENT_US;
	return handshake->waited_us + now_us - handshake->waits_since_us >= SLOW_US;
}

static void
cut_slow(struct tls *tls)
{
	int64_t now_us = loop_now_us(tls->loop);
	struct tls_handshake *handshake, *next;

	TAILQ_FOREACH_SAFE (handshake, &tls->handshakes, link, next) {
		if (!is_slow(handshake, now_us))
			continue;
		tls->figures.cut_slow++;
		fail(handshake, handshake->begun ? "it is slow, and others wait"
						 : "it says nothing, and others wait");
	}
}

void
tls_cancel_all(struct tls *tls, const void *arg)
{
	struct tls_handshake *handshake, *next;

	for (handshake = TAILQ_FIRST(&tls->handshakes); handshake != NULL; handshake = next) {
		next = TAILQ_NEXT(handshake, link);
		if (handshake->arg == arg && !handshake->dead)
			tls_cancel(handshake);
	}
}

static void
timed_out(void *arg)
{
	fail(arg, "no handshake in time");
}

struct tls_handshake *
tls_shake(struct tls *tls, const struct tls_request *request)
{
	struct tls_handshake *handshake = xcalloc(1, sizeof(*handshake));

	handshake->tls = tls;
	handshake->context = tls_context_ref(request->context);
	handshake->peer = request->peer != NULL ? request->peer : peer_new(request->address);
	handshake->is_client = request->host != NULL;
	handshake->asks_nothing = request->asks_nothing;
	handshake->host = request->host != NULL ? xstrdup(request->host) : NULL;
	handshake->fd = request->fd;
	handshake->done = request->done;
	handshake->arg = request->arg;
	handshake->since_us = loop_now_us(tls->loop);
	handshake->step = (struct tls_step){ .run = run_step, .done = step_done };
	TAILQ_INSERT_TAIL(&tls->handshakes, handshake, link);
	if (!handshake->is_client) {
		tls->figures.handshakes++;
		tls->figures.under_way++;
	}
	watch_init(&handshake->watch, tls->loop, request->fd, socket_ready, handshake);
	watch_want(&handshake->watch, !handshake->is_client, handshake->is_client);
	timer_init(&handshake->timer, tls->loop, timed_out, handshake);
	timer_set(&handshake->timer, (int64_t)tls->limits.handshake_ms_max * 1000);
	return handshake;
}
