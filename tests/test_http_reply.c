/* SPDX-License-Identifier: MIT
 * What handlers see of a request, and what their values become.
 */
#include "tests/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/http_reply.h"

struct world {
	struct loop *loop;
	struct http_server *server;
	enum result_kind kind;
	const char *result;
	struct buf context;
	struct err err;
};

static void
on_request(void *arg, struct http_exchange *exchange)
{
	struct world *world = arg;

	world->err.text[0] = '\0';
	buf_reset(&world->context);
	http_reply_context(exchange, &world->context);
	if (http_reply_send(exchange, world->kind, bytes_of_string(world->result), &world->err) < 0)
		assert_true(world->err.text[0] != '\0');
}

static const struct http_route route = { HTTP_GET, "/a/{id}", on_request, "" };

/* One request on a connection of its own. */
static void
ask(struct world *world, const char *request, struct buf *answer)
{
	const char *port = strrchr(http_server_address(world->server), ':') + 1;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t got = -1;
	struct err err;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	while (got != 0) {
		assert_int_equal(loop_turn(world->loop, got < 0, &err), 0);
		got = read(fd, buf_reserve(answer, 4096), 4096);
		if (got > 0)
			answer->len += (size_t)got;
	}
	(void)close(fd);
}

static void
run(struct world *world, const char *request, struct buf *answer)
{
	struct conn_group *group;
	struct err err;

	world->loop = loop_new(&sys_posix, &err);
	assert_non_null(world->loop);
	group = conn_group_new(world->loop);
	world->server = http_server_new(world->loop, group, &http_server_defaults);
	assert_int_equal(http_server_add(world->server, &route, world, &err), 0);
	assert_int_equal(http_server_listen(world->server, "127.0.0.1:0", &err), 0);
	ask(world, request, answer);
	http_server_free(world->server);
	assert_int_equal(loop_turn(world->loop, false, &err), 0);
	conn_group_free(group);
	loop_free(world->loop);
}

#define REQUEST "GET /a/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static const struct {
	enum result_kind kind;
	const char *result;
	const char *status;
	const char *rest; /* of the answer, after its last standard header */
	const char *error;
} values[] = {
	{ RESULT_NONE, "", "204", "close\r\n\r\n", "" },
	{ RESULT_RAW, "hello", "200", "text/plain; charset=utf-8", "" },
	{ RESULT_RAW, "hello", "200", "\r\n\r\nhello", "" },
	{ RESULT_RAW, "\xff\xfe", "200", "application/octet-stream", "" },
	{ RESULT_JSON, "42", "200", "\r\n\r\n42", "" },
	{ RESULT_JSON, "\"s\"", "200", "\r\n\r\n\"s\"", "" },
	{ RESULT_JSON, "[1]", "200", "application/json", "" },
	{ RESULT_JSON, "{}", "200", "\r\n\r\n{}", "" },
	{ RESULT_JSON, "{\"a\":1}", "200", "\r\n\r\n{\"a\":1}", "" },
	{ RESULT_JSON, "{\"status\":\"ok\"}", "200", "\r\n\r\n{\"status\":\"ok\"}", "" },
	{ RESULT_JSON, "{\"status\":7,\"a\":1}", "200", "{\"status\":7,\"a\":1}", "" },
	{ RESULT_JSON, "{\"status\":404}", "404", "Content-Length: 0\r\n", "" },
	{ RESULT_JSON, "{\"status\":201,\"body\":\"b\"}", "201", "text/plain", "" },
	{ RESULT_JSON, "{\"json\":{\"x\":[]}}", "200", "\r\n\r\n{\"x\":[]}", "" },
	{ RESULT_JSON, "{\"status\":302,\"headers\":{\"Location\":\"/b\"}}", "302",
	    "Location: /b\r\n", "" },
	{ RESULT_JSON, "{\"body\":\"<p>\",\"headers\":{\"content-type\":\"text/html\"}}", "200",
	    "content-type: text/html\r\n", "" },
	{ RESULT_JSON, "{\"body\":\"\",\"headers\":{\"Set-Cookie\":[\"a=1\",\"b=2\"]}}", "200",
	    "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", "" },
	{ RESULT_JSON, "{\"status\":99}", "500", "error", "between 200 and 599" },
	{ RESULT_JSON, "{\"status\":200.5}", "500", "error", "between 200 and 599" },
	{ RESULT_JSON, "{\"body\":\"\",\"json\":1}", "500", "error", "both" },
	{ RESULT_JSON, "{\"headers\":{\"X\":1}}", "500", "error", "header X" },
	{ RESULT_JSON, "{\"headers\":{\"X Y\":\"1\"}}", "500", "error", "header X Y" },
	{ RESULT_JSON, "{\"headers\":{\"X\":\"a\\r\\nSet-Cookie: b\"}}", "500", "error",
	    "header X" },
	{ RESULT_JSON, "{\"headers\":{\"content-length\":\"1\"}}", "500", "error",
	    "by the server" },
};

static void
values_become_responses_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct world world = { .kind = values[i].kind, .result = values[i].result };
		struct buf answer = { 0 };

		run(&world, REQUEST, &answer);
		if (strncmp(buf_string(&answer) + 9, values[i].status, 3) != 0 ||
		    strstr(buf_string(&answer), values[i].rest) == NULL ||
		    strstr(world.err.text, values[i].error) == NULL)
			fail_msg(
			    "%s -> %s (%s)", values[i].result, buf_string(&answer), world.err.text);
		buf_clear(&answer);
		buf_clear(&world.context);
	}
}

static void
context_tells_of_the_request(void **state)
{
	struct world world = { .kind = RESULT_NONE, .result = "" };
	struct buf answer = { 0 };
	const char *context;

	(void)state;
	run(&world,
	    "GET /a/x%20y?b=1&c&b=2&d=%C3%A4 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nX-B: "
	    "\xe4\r\n"
	    "Connection: close\r\n\r\n",
	    &answer);
	context = buf_string(&world.context);
	assert_non_null(strstr(context, "\"method\":\"GET\",\"path\":\"/a/x%20y\""));
	assert_non_null(strstr(context, "\"client_address\":\"127.0.0.1:"));
	assert_non_null(strstr(context, "\"query\":{\"b\":\"1\",\"c\":\"\",\"d\":\"\xc3\xa4\"}"));
	assert_non_null(strstr(context, "\"host\":\"h\",\"x-a\":\"1, 2\",\"x-b\":\"\xc3\xa4\""));
	assert_non_null(strstr(context, "\"params\":{\"id\":\"x y\"}"));
	buf_clear(&answer);
	buf_clear(&world.context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_become_responses_as_the_table_says),
		cmocka_unit_test(context_tells_of_the_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
