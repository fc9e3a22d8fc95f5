/* SPDX-License-Identifier: MIT
 * The control API over its socket, with a real broker and a real store.
 */
#include "tests/store_unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "runtime/api/api.h"
#include "runtime/log_ring.h"
#include "runtime/shadow_service.h"
#include "store/queue.h"

struct world {
	struct place *place;
	struct loop *loop;
	struct conn_group *group;
	struct broker *broker;
	struct shadow_service *service;
	struct log_ring *ring;
	struct api *api;
	struct watch watch;
	char path[128];
	int null_fd;
};

static void
on_store(void *arg, bool readable, bool writable)
{
	struct world *world = arg;

	(void)readable;
	(void)writable;
	store_poll(world->place->store);
}

static void
persist(void *arg, const struct writes *writes, void (*done)(void *arg, int status), void *done_arg)
{
	struct world *world = arg;
	struct writes copy = { 0 };

	writes_append(&copy, writes);
	store_write(world->place->store, &copy, done, done_arg);
}

static void
world_start(struct world *world)
{
	struct broker_hooks hooks = { .arg = world, .persist = persist };
	struct log_ring_config lines = { 10, 100000, 100 };
	struct shadow_parts shadow = { .store = world->place->store };
	struct api_parts parts = { .store = world->place->store };
	struct stat status;
	struct err err;

	world->null_fd = open("/dev/null", O_WRONLY);
	log_open(world->null_fd, LOG_FORMAT_HUMAN, LOG_LEVEL_INFO);
	parts.loop = shadow.loop = world->loop = loop_new(&sys_posix, &err);
	parts.group = world->group = conn_group_new(world->loop);
	parts.broker = shadow.broker = world->broker =
	    broker_new(world->loop, &broker_defaults, &hooks);
	parts.shadow_service = world->service = shadow_service_new(&shadow);
	parts.log_ring = world->ring = log_ring_new(world->loop, &lines, &err);
	(void)snprintf(world->path, sizeof(world->path), "%s/sock", world->place->folder);
	world->api = api_open(&parts, world->path, &err);
	assert_non_null(world->api);
	assert_int_equal(stat(world->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	watch_init(&world->watch, world->loop, store_fd(world->place->store), on_store, world);
	watch_want(&world->watch, true, false);
}

static int
world_make(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	(void)on_sqlite(state);
	world->place = *state;
	world_start(world);
	*state = world;
	return 0;
}

static int
world_end(void **state)
{
	struct world *world = *state;
	struct err err;

	api_close(world->api);
	assert_int_equal(loop_turn(world->loop, false, &err), 0);
	shadow_service_stop(world->service);
	watch_clear(&world->watch);
	store_close(world->place->store);
	world->place->store = NULL;
	broker_free(world->broker);
	shadow_service_free(world->service);
	log_ring_free(world->ring);
	conn_group_free(world->group);
	loop_free(world->loop);
	(void)close(world->null_fd);
	*state = world->place;
	free(world);
	return place_end(state);
}

static int
dial(struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)strcpy(address.sun_path, world->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
say(int fd, const char *method, const char *target, const char *body)
{
	struct buf request = { 0 };

	buf_printf(&request,
	    "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
	    method, target, strlen(body), body);
	assert_int_equal(write(fd, request.data, request.len), (ssize_t)request.len);
	buf_clear(&request);
}

/* Until the answer holds `end`, or (NULL) the connection's end. */
static const char *
hear(struct world *world, int fd, const char *end, struct buf *out)
{
	struct err err;
	ssize_t got = -1;

	for (int i = 0; i < 60000; i++) {
		assert_int_equal(loop_turn(world->loop, false, &err), 0);
		got = read(fd, buf_reserve(out, 65536), 65535);
		if (got > 0)
			out->len += (size_t)got;
		if (got == 0 || (end != NULL && strstr(buf_string(out), end) != NULL))
			return buf_string(out);
		if (got < 0)
			(void)usleep(1000);
	}
	fail_msg("no answer: %s", buf_string(out));
	return NULL;
}

static void
ask(struct world *world, const char *const *words, const char *expected)
{
	struct buf answer = { 0 };
	int fd = dial(world);

	say(fd, words[0], words[1], words[2]);
	if (strstr(hear(world, fd, NULL, &answer), expected) == NULL)
		fail_msg("%s %s %s -> %s, without %s", words[0], words[1], words[2],
		    buf_string(&answer), expected);
	(void)close(fd);
	buf_clear(&answer);
}

static const struct {
	const char *request[3];
	const char *expected;
} questions[] = {
	{ { "POST", "/v1/publish", "{\"topic\":\"a/b\",\"payload\":\"x\"}" }, "200 OK" },
	{ { "POST", "/v1/publish", "{\"topic\":\"a/b\",\"payload\":{\"x\":1},\"qos\":1}" },
	    "200 OK" },
	{ { "POST", "/v1/publish", "{\"topic\":\"a/b\",\"retain\":true,\"qos\":2}" }, "200 OK" },
	{ { "POST", "/v1/publish", "{\"topic\":\"a/+\"}" }, "{\"error\":\"topic: " },
	{ { "POST", "/v1/publish", "{\"topic\":1}" }, "topic is not a string" },
	{ { "POST", "/v1/publish", "{}" }, "topic: " },
	{ { "POST", "/v1/publish", "{\"topic\":\"a\",\"qos\":3}" }, "qos is not" },
	{ { "POST", "/v1/publish", "{\"topic\":\"a\",\"payload_base64\":\"?\"}" },
	    "is not base64" },
	{ { "POST", "/v1/publish", "[]" }, "is not a JSON object" },
	{ { "POST", "/v1/publish", "" }, "is not a JSON object" },
	{ { "GET", "/v1/subscribe?filter=a/%23/b", "" }, "400 Bad Request" },
	{ { "GET", "/v1/subscribe", "" }, "400 Bad Request" },
	{ { "GET", "/v1/things/car/shadow", "" }, "404 Not Found" },
	{ { "POST", "/v1/things/car/shadow", "{\"state\":{\"desired\":{\"a\":1}}}" },
	    "\"version\":1" },
	{ { "GET", "/v1/things/car/shadow", "" }, "{\"desired\":{\"a\":1}" },
	{ { "POST", "/v1/things/car/shadow", "{\"state\":{},\"version\":9}" }, "409 Conflict" },
	{ { "POST", "/v1/things/car/shadow", "nonsense" }, "400 Bad Request" },
	{ { "POST", "/v1/things/car/shadow?name=n", "{\"state\":{\"reported\":{\"b\":2}}}" },
	    "\"version\":1" },
	{ { "GET", "/v1/things/car/shadow?name=n", "" }, "{\"reported\":{\"b\":2}" },
	{ { "DELETE", "/v1/things/car/shadow", "" }, "200 OK" },
	{ { "GET", "/v1/things/car/shadow", "" }, "404 Not Found" },
	{ { "GET", "/v1/things/c%20r/shadow", "" }, "400 Bad Request" },
	{ { "GET", "/v1/failed", "" }, "\r\n\r\n[" },
	{ { "GET", "/v1/failed/00", "" }, "404 Not Found" },
	{ { "DELETE", "/v1/failed/00", "" }, "404 Not Found" },
	{ { "GET", "/v1/nothing", "" }, "404 Not Found" },
};

static void
questions_are_answered_as_the_table_says(void **state)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		ask(*state, questions[i].request, questions[i].expected);
}

static void
messages_are_heard_until_the_client_leaves(void **state)
{
	struct world *world = *state;
	static const char *const text_message[] = { "POST", "/v1/publish",
		"{\"topic\":\"a/b\",\"payload\":\"\xc3\xa4\"}" };
	static const char *const raw_message[] = { "POST", "/v1/publish",
		"{\"topic\":\"a/c\",\"payload_base64\":\"AP8=\",\"qos\":1}" };
	struct buf answer = { 0 };
	int fd = dial(world);

	say(fd, "GET", "/v1/subscribe?filter=a/%23", "");
	(void)hear(world, fd, "\r\n\r\n", &answer);
	ask(world, text_message, "200 OK");
	ask(world, raw_message, "200 OK");
	(void)hear(world, fd, "a/c", &answer);
	assert_non_null(strstr(buf_string(&answer),
	    "{\"topic\":\"a/b\",\"payload\":\"\xc3\xa4\",\"qos\":0,\"retain\":false,\"time_ms\":"));
	assert_non_null(strstr(buf_string(&answer), "\"payload_base64\":\"AP8=\",\"qos\":1"));
	(void)close(fd);
	ask(world, text_message, "200 OK");
	buf_clear(&answer);
}

static void
logs_are_read_and_followed(void **state)
{
	struct world *world = *state;
	struct log_line line = { .level = LOG_LEVEL_INFO, .function_name = "f", .text = "one" };
	static const char *const last[] = { "GET", "/v1/logs?function=f&lines=1", "" };
	struct buf answer = { 0 };
	int fd = dial(world);

	log_emit(&line);
	ask(world, last, "\"message\":\"one\"");
	say(fd, "GET", "/v1/logs?function=f&follow=1", "");
	(void)hear(world, fd, "\"message\":\"one\"", &answer);
	line.text = "two";
	log_emit(&line);
	line.function_name = "g";
	line.text = "other";
	log_emit(&line);
	(void)hear(world, fd, "\"message\":\"two\"", &answer);
	assert_null(strstr(buf_string(&answer), "other"));
	(void)close(fd);
	buf_clear(&answer);
}

static int
put_failed(struct txn *txn, void *arg, struct err *err)
{
	struct failed_row failed = {
		.row = { .attempt = 3, .created_ms = 1 }, .id = { 0xab }, .failed_ms = 2
	};

	(void)arg;
	failed.row.function_name = text("f");
	failed.row.event = text("event");
	failed.error = text("f.lua:1: no luck");
	return failed_store(txn, &failed, err);
}

static void
dead_letters_are_listed_and_forgotten(void **state)
{
	struct world *world = *state;
	static const char id[] = "/v1/failed/ab000000000000000000000000000000";
	const char *const list[] = { "GET", "/v1/failed?function=f", "" };
	const char *const other[] = { "GET", "/v1/failed?function=g", "" };
	const char *const get[] = { "GET", id, "" };
	const char *const discard[] = { "DELETE", id, "" };

	assert_int_equal(place_call(world->place, put_failed, NULL), 0);
	ask(world, list, "no luck");
	ask(world, other, "\r\n\r\n[]");
	ask(world, get, "no luck");
	ask(world, discard, "200 OK");
	ask(world, get, "404 Not Found");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    questions_are_answered_as_the_table_says, world_make, world_end),
		cmocka_unit_test_setup_teardown(
		    messages_are_heard_until_the_client_leaves, world_make, world_end),
		cmocka_unit_test_setup_teardown(logs_are_read_and_followed, world_make, world_end),
		cmocka_unit_test_setup_teardown(
		    dead_letters_are_listed_and_forgotten, world_make, world_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
