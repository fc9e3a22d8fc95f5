/* SPDX-License-Identifier: MIT
 * What a service manager gives and hears: sockets by name, news, and a watchdog that is fed only
 * while loop and store live.
 */
#include "tests/dispatch_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/manager.h"

enum { NEWS_BYTES = 256 };

struct managed {
	struct world world;
	int fd; /* the manager's end */
};

/* An abstract name: nothing is left in the file system. */
static int
listen_for_news(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(name);

	assert_true(fd >= 0);
	memcpy(address.sun_path + 1, name + 1, len - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	return fd;
}

static int
setup(void **state)
{
	struct managed *managed = xcalloc(1, sizeof(*managed));
	char name[64];

	world_init(&managed->world, 1);
	(void)snprintf(name, sizeof(name), "@moonlet-test-%d", (int)getpid());
	managed->fd = listen_for_news(name);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "200000", 1);
	unsetenv("WATCHDOG_PID");
	managed->world.host.manager = manager_new(&managed->world.host);
	*state = managed;
	return 0;
}

static int
do_nothing(struct txn *txn, void *arg, struct err *err)
{
	(void)txn;
	(void)arg;
	(void)err;
	return 0;
}

static int
teardown(void **state)
{
	struct managed *managed = *state;

	/* Behind it the store has no job of the manager's. */
	assert_int_equal(place_call(&managed->world.place, do_nothing, NULL), 0);
	manager_free(managed->world.host.manager);
	world_clear(&managed->world);
	(void)close(managed->fd);
	free(managed);
	return 0;
}

/* The next piece of news; false: there is none yet. */
static bool
hear(struct managed *managed, char news[NEWS_BYTES])
{
	ssize_t got = recv(managed->fd, news, NEWS_BYTES - 1, 0);

	news[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* What is told from time to time may come in front of it. */
static void
hear_next(struct managed *managed, const char *expected)
{
	char news[NEWS_BYTES];

	for (int i = 0; i < 60000; i++) {
		if (hear(managed, news)) {
			if (strstr(news, expected) != NULL)
				return;
			assert_true(
			    strncmp(news, "STATUS=", 7) == 0 || strcmp(news, "WATCHDOG=1") == 0);
		}
		world_turn(&managed->world);
		(void)usleep(1000);
	}
	fail_msg("not heard: %s", expected);
}

static void
it_is_told_what_the_host_does(void **state)
{
	struct managed *managed = *state;
	struct manager *manager = managed->world.host.manager;

	manager_ready(manager);
	hear_next(managed, "READY=1");
	hear_next(managed, "STATUS=0 functions, 0 MQTT clients, store good");
	hear_next(managed, "WATCHDOG=1");
	manager_reloading(manager);
	manager_reloaded(manager);
	manager_stopping(manager, 5000);
	for (int heard = 0; heard < 3;) {
		char news[NEWS_BYTES];

		if (!hear(managed, news) || strcmp(news, "WATCHDOG=1") == 0)
			continue;
		assert_int_equal(strncmp(news,
				     heard == 0	  ? "RELOADING=1\nMONOTONIC_USEC="
				     : heard == 1 ? "READY=1"
						  : "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000",
				     heard == 0	  ? 27
				     : heard == 1 ? 7
						  : 42),
		    0);
		heard++;
	}
}

/* A job that keeps the store's thread until it is let go. */
struct stuck {
	struct store_job job;
	pthread_mutex_t mutex;
	bool ended;
};

static int
run_stuck(struct txn *txn, struct store_job *job, struct err *err)
{
	struct stuck *stuck = (struct stuck *)(void *)job;

	(void)txn;
	(void)err;
	pthread_mutex_lock(&stuck->mutex);
	pthread_mutex_unlock(&stuck->mutex);
	return 0;
}

static void
stuck_done(struct store_job *job)
{
	((struct stuck *)(void *)job)->ended = true;
}

static void
a_store_that_hangs_does_not_feed_the_watchdog(void **state)
{
	struct managed *managed = *state;
	struct stuck stuck = { .job = { .run = run_stuck, .done = stuck_done } };
	char news[NEWS_BYTES];
	int fed = 0;

	manager_ready(managed->world.host.manager);
	hear_next(managed, "READY=1");
	hear_next(managed, "STATUS=");
	hear_next(managed, "WATCHDOG=1");
	pthread_mutex_init(&stuck.mutex, NULL);
	pthread_mutex_lock(&stuck.mutex);
	store_submit(managed->world.host.store, &stuck.job);
	/* One that was on its way before may still come. */
	for (int i = 0; i < 400; i++) {
		world_turn(&managed->world);
		(void)usleep(1000);
	}
	while (hear(managed, news))
		fed += strcmp(news, "WATCHDOG=1") == 0;
	assert_in_range(fed, 0, 1);
	pthread_mutex_unlock(&stuck.mutex);
	hear_next(managed, "WATCHDOG=1");
	assert_true(stuck.ended);
	pthread_mutex_destroy(&stuck.mutex);
}

static int
a_socket(int at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, at), at);
	if (fd != at)
		(void)close(fd);
	return at;
}

static void
pass(const char *count, const char *names)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static void
sockets_stand_for_the_options_of_their_names(void **state)
{
	struct options options;
	struct err err;

	(void)state;
	options_init(&options);
	pass("2", "https:mqtt");
	assert_int_equal(manager_take_sockets(&options, &err), 0);
	assert_string_equal(options_text(&options, OPTION_HTTPS), "fd:3");
	assert_string_equal(options_text(&options, OPTION_MQTT), "fd:4");
	assert_string_equal(options_text(&options, OPTION_MQTTS), "off");
	assert_null(getenv("LISTEN_FDS"));
	options_clear(&options);
}

static void
sockets_for_others_or_with_wrong_names_are_not_taken(void **state)
{
	static const struct {
		const char *count, *names, *problem;
	} cases[] = {
		{ "1", "moonlet.socket", "must be mqtt, mqtts, http or https" },
		{ "1", "data", "must be mqtt, mqtts, http or https" },
		{ "2", "mqtt", "with the name \"\"" },
		{ "2", "mqtt:mqtt", "two sockets" },
		{ "1000000", "mqtt", "LISTEN_FDS" },
	};
	struct options options;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		options_init(&options);
		pass(cases[i].count, cases[i].names);
		assert_int_equal(manager_take_sockets(&options, &err), -1);
		assert_non_null(strstr(err.text, cases[i].problem));
		options_clear(&options);
	}
	options_init(&options);
	pass("1", "mqtt");
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(manager_take_sockets(&options, &err), 0);
	assert_string_equal(options_text(&options, OPTION_MQTT), "127.0.0.1:1883");
	unsetenv("LISTEN_PID");
	assert_int_equal(manager_take_sockets(&options, &err), 0);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	options_clear(&options);
}

static void
a_descriptor_that_does_not_listen_is_refused(void **state)
{
	struct managed *managed = *state;
	int fd = a_socket(200);
	struct err err;

	assert_null(listener_open(managed->world.host.loop, "fd:200", NULL, NULL, &err));
	assert_non_null(strstr(err.text, "no TCP socket that listens"));
	assert_null(listener_open(managed->world.host.loop, "fd:201", NULL, NULL, &err));
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_told_what_the_host_does, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_store_that_hangs_does_not_feed_the_watchdog, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_descriptor_that_does_not_listen_is_refused, setup, teardown),
	};
	/* These close what stands at 3 and 4 on exec, so they come by themselves. */
	const struct CMUnitTest sockets[] = {
		cmocka_unit_test(sockets_stand_for_the_options_of_their_names),
		cmocka_unit_test(sockets_for_others_or_with_wrong_names_are_not_taken),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	return failed + cmocka_run_group_tests(sockets, NULL, NULL);
}
