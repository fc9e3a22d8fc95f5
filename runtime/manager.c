/* SPDX-License-Identifier: MIT
 * LISTEN_FDS, LISTEN_FDNAMES, NOTIFY_SOCKET, WATCHDOG_USEC.
 */
#include "runtime/manager.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "runtime/function.h"
#include "runtime/host.h"

enum { FIRST_FD = 3, SOCKETS_MAX = 64, STATUS_US = 10000000, STATUS_BYTES = 128 };

struct manager {
	struct host *host;
	int fd;		     /* connected to the manager; -1: there is none */
	int64_t watchdog_us; /* it must hear of us this often; 0: it does not care */
	struct timer tick;
	struct timer feed;
	struct store_job probe;
	bool probing;
	char status[STATUS_BYTES]; /* as it was told last */
};

/* --- sockets --- */

/* A whole number of the environment; 0: it is not there, or is not one. */
static int64_t
environment_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long long number = text != NULL ? strtoll(text, &end, 10) : 0;

	return text != NULL && *end == '\0' && number > 0 ? number : 0;
}

/* Whether the variable names this process, or nobody. */
static bool
is_for_us(const char *name)
{
	return getenv(name) == NULL || environment_number(name) == getpid();
}

static int
take_socket(struct options *options, int fd, const char *name, struct err *err)
{
	static const enum option_id ids[] = { OPTION_MQTT, OPTION_MQTTS, OPTION_HTTP,
		OPTION_HTTPS };
	char address[32];

	(void)snprintf(address, sizeof(address), "fd:%d", fd);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (strcmp(option_table[ids[i]].name, name) != 0)
			continue;
		if (strncmp(options_text(options, ids[i]), "fd:", 3) == 0)
			return err_set(err, "two sockets were passed with the name %s", name);
		return options_set(options, ids[i], address, SOURCE_FLAG, err);
	}
	return err_set(err,
	    "a socket was passed with the name \"%s\": it must be mqtt, mqtts, http or https "
	    "(FileDescriptorName=)",
	    name);
}

static int
take_each(struct options *options, int64_t count, char *names, struct err *err)
{
	for (int i = 0; i < count; i++) {
		const char *name = strsep(&names, ":");

		if (take_socket(options, FIRST_FD + i, name != NULL ? name : "", err) < 0)
			return -1;
	}
	return 0;
}

int
manager_take_sockets(struct options *options, struct err *err)
{
	int64_t count = environment_number("LISTEN_FDS");
	const char *list = getenv("LISTEN_FDNAMES");
	char *names;
	int result;

	if (count == 0 || getenv("LISTEN_PID") == NULL || !is_for_us("LISTEN_PID"))
		return 0;
	if (count > SOCKETS_MAX)
		return err_set(err, "LISTEN_FDS is %lld", (long long)count);
	names = xstrdup(list != NULL ? list : "");
	result = take_each(options, count, names, err);
	free(names);
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDNAMES");
	return result;
}

/* --- news --- */

static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* What the manager cannot take now it does not get: the next news come soon. */
static void
tell(const struct manager *manager, const char *news)
{
	if (manager->fd >= 0)
		(void)send(manager->fd, news, strlen(news), MSG_NOSIGNAL);
}

static unsigned
count_functions(const struct host *host)
{
	unsigned count = 0;

	for (struct hash_node *at = hash_next(&host->functions->map, NULL); at != NULL;
	     at = hash_next(&host->functions->map, at))
		count += HASH_OWNER(at, struct function, link)->current != NULL;
	return count;
}

static void
tell_status(struct manager *manager)
{
	const struct host *host = manager->host;
	char text[STATUS_BYTES];

	(void)snprintf(text, sizeof(text), "STATUS=%u functions, %u MQTT clients, store %s",
	    count_functions(host), broker_metrics(host->broker)->clients,
	    store_health_text(store_health(host->store)));
	if (strcmp(text, manager->status) == 0)
		return;
	tell(manager, text);
	memcpy(manager->status, text, sizeof(text));
}

static void
tick(void *arg)
{
	struct manager *manager = arg;

	tell_status(manager);
	timer_set(&manager->tick, STATUS_US);
}

/* --- the watchdog --- */

static int
run_probe(struct txn *txn, struct store_job *job, struct err *err)
{
	struct buf value = { 0 };
	int found = txn_get(txn, SPACE_META, bytes_of_string("handler_secret"), &value, NULL, err);

	(void)job;
	buf_clear(&value);
	return found < 0 ? -1 : 0;
}

static void
probe_done(struct store_job *job)
{
	struct manager *manager =
	    (struct manager *)(void *)((char *)job - offsetof(struct manager, probe));

	manager->probing = false;
	/* A full disk is not mended by a restart. */
	if (job->status == 0 || store_health(manager->host->store) == STORE_DISK_FULL)
		tell(manager, "WATCHDOG=1");
	else
		log_warn("moonlet", "the watchdog is not fed: %s", job->err.text);
}

static void
feed(void *arg)
{
	struct manager *manager = arg;

	timer_set(&manager->feed, manager->watchdog_us / 4);
	if (manager->probing)
		return;
	manager->probing = true;
	manager->probe = (struct store_job){ .run = run_probe, .done = probe_done };
	store_submit(manager->host->store, &manager->probe);
}

struct manager *
manager_new(struct host *host)
{
	struct manager *manager = xcalloc(1, sizeof(*manager));
	const char *path = getenv("NOTIFY_SOCKET");

	manager->host = host;
	manager->fd = path != NULL ? connect_to(path) : -1;
	if (path != NULL && manager->fd < 0)
		log_warn("moonlet", "NOTIFY_SOCKET=%s cannot be reached", path);
	if (manager->fd >= 0 && is_for_us("WATCHDOG_PID"))
		manager->watchdog_us = environment_number("WATCHDOG_USEC");
	timer_init(&manager->tick, host->loop, tick, manager);
	timer_init(&manager->feed, host->loop, feed, manager);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	return manager;
}

void
manager_free(struct manager *manager)
{
	if (manager == NULL)
		return;
	timer_clear(&manager->tick);
	timer_clear(&manager->feed);
	if (manager->fd >= 0)
		(void)close(manager->fd);
	free(manager);
}

void
manager_ready(struct manager *manager)
{
	if (manager->fd < 0)
		return;
	tell(manager, "READY=1");
	tick(manager);
	if (manager->watchdog_us > 0)
		feed(manager);
}

void
manager_reloading(struct manager *manager)
{
	char news[64];

	(void)snprintf(news, sizeof(news), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)loop_now_us(manager->host->loop));
	tell(manager, news);
}

void
manager_reloaded(struct manager *manager)
{
	tell(manager, "READY=1");
}

void
manager_stopping(struct manager *manager, int64_t most_ms)
{
	char news[64];

	(void)snprintf(news, sizeof(news), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
	    (long long)(most_ms + STATUS_US / 1000) * 1000);
	tell(manager, news);
}
