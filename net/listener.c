/* SPDX-License-Identifier: MIT
 * Accepts connections. Where descriptors run out it stops for a while instead of spinning.
 */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/log.h"
#include "lib/log_limit.h"

enum { BACKLOG = 4096, ACCEPTS_A_TURN = 64, REST_US = 100000, ADDRESS_BYTES = 128 };

struct listener {
	struct loop *loop;
	struct watch watch;
	struct timer rest;
	listener_accepted accepted;
	void *arg;
	bool is_unix;
	bool paused;
	struct gate *gate; /* NULL: everybody may come */
	struct log_limit told;
	char address[ADDRESS_BYTES];
};

static void
format_address(const struct sockaddr *address, socklen_t len, char *out, size_t size)
{
	char host[64], port[16];

	if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		(void)snprintf(out, size, "unknown");
	else
		(void)snprintf(
		    out, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static void
rested(void *arg)
{
	struct listener *listener = arg;

	watch_want(&listener->watch, !listener->paused, false);
}

static void
rest(struct listener *listener, int64_t rest_us)
{
	watch_want(&listener->watch, false, false);
	timer_set(&listener->rest, rest_us);
}

static void
rest_without_descriptors(struct listener *listener)
{
	int code = errno;
	struct log_more more;

	if (log_limit_take(&listener->told, loop_now_us(listener->loop), &more))
		log_warn("net", "cannot accept on %s: %s; trying again every %d ms%s",
		    listener->address, strerror(code), REST_US / 1000, more.text);
	rest(listener, REST_US);
}

/* False: there is nobody more for now. */
static bool
accept_one(struct listener *listener)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char text[ADDRESS_BYTES] = "local";
	struct gate_address *place = NULL;
	enum gate_verdict verdict = GATE_OPEN;
	struct peer *peer;
	int fd;

	fd = loop_sys(listener->loop)->accept(listener->watch.fd, (struct sockaddr *)&from, &len);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			rest_without_descriptors(listener);
		return errno == ECONNABORTED;
	}
	if (listener->gate != NULL &&
	    !gate_enter(listener->gate, (struct sockaddr *)&from, &place, &verdict)) {
		(void)loop_sys(listener->loop)->close(fd);
		return true;
	}
	if (!listener->is_unix)
		format_address((struct sockaddr *)&from, len, text, sizeof(text));
	peer = peer_new(text);
	peer->from = place;
	peer->verdict = verdict;
	listener->accepted(listener->arg, fd, peer);
	return true;
}

static void
listener_ready(void *arg, bool readable, bool writable)
{
	struct listener *listener = arg;

	(void)readable;
	(void)writable;
	for (int i = 0; i < ACCEPTS_A_TURN && listener->watch.want_read; i++) {
		int64_t wait_us = listener->gate != NULL ? gate_wait_us(listener->gate) : 0;

		if (wait_us > 0)
			rest(listener, wait_us);
		if (wait_us > 0 || !accept_one(listener))
			return;
	}
}

static struct listener *
listener_new(struct loop *loop, int fd, listener_accepted accepted, void *arg)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));

	listener->loop = loop;
	listener->accepted = accepted;
	listener->arg = arg;
	watch_init(&listener->watch, loop, fd, listener_ready, listener);
	timer_init(&listener->rest, loop, rested, listener);
	watch_want(&listener->watch, true, false);
	return listener;
}

/* "HOST:PORT" into its parts; HOST may stand in brackets. */
static int
split_address(const char *address, char *host, size_t size, const char **port, struct err *err)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	if (len == 0 || len >= size || colon[1] == '\0')
		return err_set(err,
		    "%s: an address to listen on is HOST:PORT, for example "
		    "127.0.0.1:1883",
		    address);
	memcpy(host, address, len);
	host[len] = '\0';
	*port = colon + 1;
	return 0;
}

static int
bind_first(const struct addrinfo *list, struct err *err)
{
	int on = 1, fd;

	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	if (errno == EADDRINUSE)
		(void)err_set(err, "the port is in use; stop what listens there or choose another");
	else
		(void)err_errno(err, "bind");
	(void)close(fd);
	return -1;
}

/* "fd:3": a socket that who started this program has opened. */
static int
inherited(const char *address, struct err *err)
{
	int fd = atoi(address + 3), listens = 0, domain = 0;
	socklen_t len = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || listens == 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    (domain != AF_INET && domain != AF_INET6))
		return err_set(err,
		    "%s: the descriptor is no TCP socket that listens: fd:N is one that whoever "
		    "starts moonlet has opened for it",
		    address);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

int
listener_bind(const char *address, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	const char *port = NULL;
	char host[64];
	int fd, result;

	if (strncmp(address, "fd:", 3) == 0)
		return inherited(address, err);
	if (split_address(address, host, sizeof(host), &port, err) < 0)
		return -1;
	result = getaddrinfo(host, port, &hints, &list);
	if (result != 0)
		return err_set(err, "listen on %s: %s", address, gai_strerror(result));
	fd = bind_first(list, err);
	freeaddrinfo(list);
	return fd < 0 ? err_prefix(err, "listen on %s", address) : fd;
}

struct listener *
listener_open(
    struct loop *loop, const char *address, listener_accepted accepted, void *arg, struct err *err)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	struct listener *listener;
	int fd = listener_bind(address, err), on = 1;

	if (fd < 0)
		return NULL;
	listener = listener_new(loop, fd, accepted, arg);
	/* What is accepted has it from here. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
		format_address(
		    (struct sockaddr *)&bound, len, listener->address, sizeof(listener->address));
	return listener;
}

/* A socket file on which nobody listens is what a killed host left. */
static void
remove_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	    errno == ECONNREFUSED)
		(void)unlink(address->sun_path);
	(void)close(fd);
}

struct listener *
listener_open_unix(
    struct loop *loop, const char *path, listener_accepted accepted, void *arg, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct listener *listener;
	mode_t old;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		(void)err_set(err, "%s: the path of a socket has at most %zu bytes", path,
		    sizeof(address.sun_path) - 1);
		return NULL;
	}
	strcpy(address.sun_path, path);
	remove_stale(&address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		(void)umask(old);
		(void)err_errno(err, "listen on %s", path);
		if (fd >= 0)
			(void)close(fd);
		return NULL;
	}
	(void)umask(old);
	listener = listener_new(loop, fd, accepted, arg);
	listener->is_unix = true;
	(void)snprintf(listener->address, sizeof(listener->address), "%s", path);
	return listener;
}

void
listener_guard(struct listener *listener, struct gate *gate)
{
	listener->gate = gate;
	gate_tune(gate, listener->watch.fd);
}

const char *
listener_address(const struct listener *listener)
{
	return listener->address;
}

void
listener_pause(struct listener *listener, bool pause)
{
	listener->paused = pause;
	watch_want(&listener->watch, !pause && !timer_is_set(&listener->rest), false);
}

void
listener_close(struct listener *listener)
{
	if (listener == NULL)
		return;
	if (listener->is_unix)
		(void)unlink(listener->address);
	timer_clear(&listener->rest);
	watch_clear(&listener->watch);
	(void)close(listener->watch.fd);
	free(listener);
}
