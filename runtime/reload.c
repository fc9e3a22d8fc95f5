/* SPDX-License-Identifier: MIT
 * The configuration is read by a thread, for it takes a worker process some milliseconds; what the
 * thread has read the loop takes over in one turn.
 */
#include "runtime/reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"
#include "runtime/doors.h"
#include "runtime/entrance.h"
#include "runtime/gateway.h"
#include "runtime/loader.h"
#include "runtime/manager.h"
#include "runtime/tables.h"

extern char **environ;

struct reload {
	struct host *host;
	struct options *options;
	const char *path;
	struct watch watch;
	int event_fd;
	pthread_t thread;
	bool reading;
	bool again; /* asked for while it was reading */

	/* The thread's, while it reads. */
	struct options fresh;
	struct err err;
	int status;
};

static int
read_config(struct reload *reload)
{
	struct config_read read = { .path = reload->path };
	struct loader *loader;
	int status;

	if (options_from_environment(&reload->fresh, environ, &reload->err) < 0)
		return -1;
	loader = loader_start(&reload->err);
	if (loader == NULL)
		return -1;
	status = loader_config(loader, &reload->fresh, &read, &reload->err);
	loader_end(loader);
	return status;
}

static void *
read_thread(void *arg)
{
	struct reload *reload = arg;

	reload->status = read_config(reload);
	(void)eventfd_write(reload->event_fd, 1);
	return NULL;
}

/* Says what has changed; an option that is read at start only goes back to what it was. */
static void
tell(struct reload *reload, enum option_id id)
{
	const struct option *option = &option_table[id];
	const char *old = options_text(reload->options, id),
		   *new = options_text(&reload->fresh, id);

	if (strcmp(old, new) == 0)
		return;
	if (option->at_start)
		log_warn("moonlet", "%s = %s holds from the next start", option->name, new);
	else
		log_info("moonlet", "%s is now %s (was %s)", option->name, new, old);
}

static bool
brokers_differ(const struct options *a, const struct options *b)
{
	if (a->broker_count != b->broker_count)
		return true;
	for (size_t i = 0; i < a->broker_count; i++) {
		if (strcmp(a->brokers[i].url, b->brokers[i].url) != 0 ||
		    strcmp(a->brokers[i].share, b->brokers[i].share) != 0)
			return true;
	}
	return false;
}

static void
apply(struct reload *reload)
{
	enum log_level level;

	for (enum option_id id = 0; id < OPTION_COUNT; id++)
		tell(reload, id);
	if (brokers_differ(reload->options, &reload->fresh))
		log_warn("moonlet", "brokers hold from the next start");
	options_take(reload->options, &reload->fresh);
	if (log_level_parse(options_text(reload->options, OPTION_LOG_LEVEL), &level) == 0)
		log_set_level(level);
	entrance_configure(reload->host);
	gateway_configure(reload->host);
	tables_redeclare(reload->host->tables, reload->options);
	doors_reload(reload->host->doors);
	log_info("moonlet", "%s has been read again", reload->path);
}

static void
tell_failure(struct reload *reload)
{
	privilege_explain(&reload->host->privilege, &reload->err);
	log_error("moonlet", "the configuration stays as it was: %s", reload->err.text);
}

static void
reading_ended(void *arg, bool readable, bool writable)
{
	struct reload *reload = arg;
	eventfd_t count;

	(void)readable;
	(void)writable;
	if (eventfd_read(reload->event_fd, &count) < 0)
		return;
	(void)pthread_join(reload->thread, NULL);
	reload->reading = false;
	if (reload->status == 0)
		apply(reload);
	else
		tell_failure(reload);
	options_clear(&reload->fresh);
	if (reload->again)
		reload_begin(reload);
	else
		manager_reloaded(reload->host->manager);
}

struct reload *
reload_new(struct host *host, struct options *options, const char *path, struct err *err)
{
	struct reload *reload = xcalloc(1, sizeof(*reload));

	reload->host = host;
	reload->options = options;
	reload->path = path;
	reload->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (reload->event_fd < 0) {
		(void)err_errno(err, "eventfd");
		free(reload);
		return NULL;
	}
	watch_init(&reload->watch, host->loop, reload->event_fd, reading_ended, reload);
	watch_want(&reload->watch, true, false);
	return reload;
}

void
reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	if (reload->reading) {
		(void)pthread_join(reload->thread, NULL);
		options_clear(&reload->fresh);
	}
	watch_clear(&reload->watch);
	(void)close(reload->event_fd);
	free(reload);
}

void
reload_begin(struct reload *reload)
{
	int code;

	if (reload->path == NULL) {
		log_info("moonlet", "SIGHUP: there is no configuration file to read");
		manager_reloaded(reload->host->manager);
		return;
	}
	reload->again = reload->reading;
	if (reload->reading)
		return;
	options_init(&reload->fresh);
	options_copy_flags(&reload->fresh, reload->options);
	code = pthread_create(&reload->thread, NULL, read_thread, reload);
	reload->reading = code == 0;
	if (reload->reading)
		return;
	options_clear(&reload->fresh);
	log_error("moonlet", "the configuration stays as it was: %s", strerror(code));
	manager_reloaded(reload->host->manager);
}
