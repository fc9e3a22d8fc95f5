/* SPDX-License-Identifier: MIT
 * The HTTP server through real sockets: what is sent against what comes back.
 */
#include "tests/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/http_local.h"
#include "net/http_server.h"

struct world {
	struct sys sys;
	struct loop *loop;
	struct conn_group *group;
	struct http_server *server;
	struct http_exchange *held; /* of /later */
	int gone;
	struct timer alarm;
	bool alarmed;
};

static void
on_echo(void *arg, struct http_exchange *exchange)
{
	const struct http_head *head = http_exchange_head(exchange);
	struct bytes body = http_exchange_body(exchange);
	struct bytes name = http_match_param(http_exchange_match(exchange), "name");
	struct buf query = { 0 };
	struct buf out = { 0 };

	(void)arg;
	if (!http_exchange_query(exchange, "q", &query))
		buf_append_string(&query, "-");
	buf_printf(&out, "%s[%.*s|%s|%.*s]", http_method_name(head->method), (int)name.len,
	    name.len > 0 ? (const char *)name.data : "", buf_string(&query), (int)body.len,
	    body.len > 0 ? (const char *)body.data : "");
	http_exchange_respond(
	    exchange, &(struct http_answer){
			  .status = 200, .content_type = "text/plain", .body = buf_bytes(&out) });
	buf_clear(&out);
	buf_clear(&query);
}

static void
on_later(void *arg, struct http_exchange *exchange)
{
	struct world *world = arg;

	world->held = exchange;
}

static void
on_empty(void *arg, struct http_exchange *exchange)
{
	(void)arg;
	http_exchange_respond(exchange, &(struct http_answer){ .status = 204 });
}

static void
on_gone(void *arg)
{
	struct world *world = arg;

	world->gone++;
	world->held = NULL;
}

static void
on_stream(void *arg, struct http_exchange *exchange)
{
	struct world *world = arg;

	assert_int_equal(http_exchange_stream(exchange,
			     &(struct http_answer){ .status = 200, .content_type = "text/plain" },
			     on_gone, world),
	    0);
	http_exchange_send(exchange, bytes_of_string("one,"));
	http_exchange_send(exchange, bytes_of_string(""));
	http_exchange_send(exchange, bytes_of_string("two"));
	world->held = exchange;
}

static void
on_large(void *arg, struct http_exchange *exchange)
{
	static char large[200000];

	(void)arg;
	memset(large, 'x', sizeof(large));
	http_exchange_respond(exchange,
	    &(struct http_answer){ .status = 200, .body = bytes_of(large, sizeof(large)) });
}

/* The clock of the tests is ahead by what such requests have taken. */
static int64_t ahead_us;
static int dear_count;

static int64_t
monotonic_ahead_us(void)
{
	return sys_posix.monotonic_us() + ahead_us;
}

static void
on_dear(void *arg, struct http_exchange *exchange)
{
	ahead_us += 3000;
	dear_count++;
	on_empty(arg, exchange);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/echo", on_echo, "" },
	{ HTTP_POST, "/echo", on_echo, "" },
	{ HTTP_GET, "/echo/{name}", on_echo, "" },
	{ HTTP_GET, "/later", on_later, "" },
	{ HTTP_GET, "/empty", on_empty, "" },
	{ HTTP_GET, "/stream", on_stream, "" },
	{ HTTP_GET, "/large", on_large, "" },
	{ HTTP_GET, "/dear", on_dear, "" },
};

static void
on_alarm(void *arg)
{
	struct world *world = arg;

	world->alarmed = true;
}

static void
world_open_with(struct world *world, unsigned timeout_ms)
{
	struct http_server_config config = http_server_defaults;
	struct err err;

	*world = (struct world){ 0 };
	config.limits.body_bytes_max = 100;
	config.connections_max = 2;
	config.head_timeout_ms = timeout_ms;
	config.body_timeout_ms = timeout_ms;
	config.idle_timeout_ms = timeout_ms;
	world->sys = sys_posix;
	world->sys.monotonic_us = monotonic_ahead_us;
	world->loop = loop_new(&world->sys, &err);
	assert_non_null(world->loop);
	world->group = conn_group_new(world->loop);
	world->server = http_server_new(world->loop, world->group, &config);
	assert_int_equal(http_server_add_table(world->server, routes,
			     sizeof(routes) / sizeof(routes[0]), world, &err),
	    0);
	assert_int_equal(http_server_listen(world->server, "127.0.0.1:0", &err), 0);
	timer_init(&world->alarm, world->loop, on_alarm, world);
}

/* With times that nobody reaches, however slow the machine is. */
static void
world_open(struct world *world)
{
	world_open_with(world, 600000);
}

static void
world_close(struct world *world)
{
	struct err err;

	http_server_free(world->server);
	assert_int_equal(loop_turn(world->loop, false, &err), 0);
	conn_group_free(world->group);
	timer_clear(&world->alarm);
	loop_free(world->loop);
}

static int
call(struct world *world)
{
	const char *port = strrchr(http_server_address(world->server), ':') + 1;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads into `out` until it holds `end` (NULL: until the peer closes) or a minute is over. */
static bool
hear(struct world *world, int fd, const char *end, struct buf *out)
{
	struct err err;

	world->alarmed = false;
	timer_set(&world->alarm, 60000000);
	while (!world->alarmed) {
		uint8_t *at = buf_reserve(out, 65536);
		ssize_t got = recv(fd, at, 65535, 0);

		if (got > 0)
			out->len += (size_t)got;
		if (end != NULL && strstr(buf_string(out), end) != NULL)
			return true;
		if (got == 0)
			return end == NULL;
		timer_set(&world->alarm, 60000000);
		if (got < 0)
			assert_int_equal(loop_turn(world->loop, true, &err), 0);
	}
	return false;
}

#define H "Host: a\r\n"
#define BYE "Host: a\r\nConnection: close\r\n"

/* All of the answers to what is sent on one connection; the server closes it. */
static const struct {
	const char *request;
	const char *expected[4]; /* in this order */
} talks[] = {
	{ "GET /echo?q=a%20b HTTP/1.1\r\n" BYE "\r\n",
	    { "HTTP/1.1 200 OK\r\nDate: ", "Content-Type: text/plain\r\n", "Connection: close\r\n",
		"Content-Length: 10\r\n\r\nGET[|a b|]" } },
	{ "GET /echo/x%2fy HTTP/1.1\r\n" BYE "\r\n", { "GET[x/y|-|]" } },
	{ "HEAD /echo HTTP/1.1\r\n" BYE "\r\n", { "200 OK", "Content-Length: 9\r\n\r\n" } },
	{ "POST /echo HTTP/1.1\r\n" BYE "Content-Length: 3\r\n\r\nabc", { "POST[|-|abc]" } },
	{ "POST /echo HTTP/1.1\r\n" BYE
	  "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
	    { "POST[|-|abc]" } },
	{ "GET /empty HTTP/1.1\r\n" BYE "\r\n", { "204 No Content\r\n", "close\r\n\r\n" } },
	{ "OPTIONS /echo HTTP/1.1\r\n" BYE "\r\n",
	    { "204", "Allow: GET, HEAD, POST, OPTIONS\r\n" } },
	{ "OPTIONS * HTTP/1.1\r\n" BYE "\r\n", { "204", "Allow: OPTIONS\r\n" } },
	{ "DELETE /echo HTTP/1.1\r\n" BYE "\r\n",
	    { "405 Method Not Allowed", "Allow: GET, HEAD, POST, OPTIONS\r\n", "{\"error\":" } },
	{ "GET /no\"where HTTP/1.1\r\n" BYE "\r\n",
	    { "404 Not Found", "application/json", "{\"error\":\"nothing is at /no\\\"where\"}" } },
	{ "GET /%zz HTTP/1.1\r\n" H "\r\n", { "400 Bad Request", "close" } },
	{ "GET / HTTP/1.1\r\n\r\n", { "400 Bad Request", "close", "Host is missing" } },
	{ "GET / HTTP/3.0\r\n\r\n", { "505" } },
	{ "nonsense\r\n", { "400" } },
	{ "POST /echo HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n", { "413 Content Too Large" } },
	{ "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n65\r\n"
	  "0123456789012345678901234567890123456789012345678901234567890123456789"
	  "0123456789012345678901234567890123456789",
	    { "413 Content Too Large" } },
	{ "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nz\r\n", { "400" } },
	{ "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
	    { "400" } },
	/* kept, and one after another */
	{ "GET /echo HTTP/1.1\r\n" H "\r\nPOST /echo HTTP/1.1\r\n" H
	  "Content-Length: 2\r\n\r\nxyGET /echo/3 HTTP/1.1\r\n" BYE "\r\nGET /echo/4 HTTP/1.1\r\n" H
	  "\r\n",
	    { "GET[|-|]", "POST[|-|xy]", "GET[3|-|]" } },
	{ "GET /echo HTTP/1.0\r\n\r\n", { "GET[|-|]" } },
	{ "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo/2 HTTP/1.0\r\n\r\n",
	    { "keep-alive", "GET[|-|]", "GET[2|-|]" } },
	{ "GET /nowhere HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" BYE "\r\n",
	    { "404", "200 OK", "GET[|-|]" } },
	/* 100-continue */
	{ "POST /echo HTTP/1.1\r\n" BYE "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
	    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", "POST[|-|x]" } },
	{ "POST /nowhere HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
	    { "HTTP/1.1 404" } },
};

static void
requests_are_answered_as_the_table_says(void **state)
{
	struct world world;

	(void)state;
	world_open(&world);
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		struct buf out = { 0 };
		int fd = call(&world);
		const char *at;

		say(fd, talks[i].request);
		if (!hear(&world, fd, NULL, &out))
			fail_msg("not closed: %s -> %s", talks[i].request, buf_string(&out));
		at = buf_string(&out);
		for (size_t k = 0; k < 4 && talks[i].expected[k] != NULL; k++) {
			at = strstr(at, talks[i].expected[k]);
			if (at == NULL)
				fail_msg("%s -> %s, without %s", talks[i].request, buf_string(&out),
				    talks[i].expected[k]);
		}
		assert_null(strstr(at, "GET[4"));
		buf_clear(&out);
		(void)close(fd);
	}
	world_close(&world);
}

static void
request_may_come_byte_by_byte(void **state)
{
	static const char text[] =
	    "POST /echo HTTP/1.1\r\n" BYE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
	struct buf out = { 0 };
	struct world world;
	struct err err;
	int fd;

	(void)state;
	world_open(&world);
	fd = call(&world);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
		assert_int_equal(loop_turn(world.loop, false, &err), 0);
	}
	assert_true(hear(&world, fd, NULL, &out));
	assert_non_null(strstr(buf_string(&out), "POST[|-|abc]"));
	buf_clear(&out);
	(void)close(fd);
	world_close(&world);
}

static void
later_answer_keeps_the_order(void **state)
{
	struct buf out = { 0 };
	struct world world;
	int fd, other;

	(void)state;
	world_open(&world);
	fd = call(&world);
	other = call(&world);
	say(fd, "GET /later HTTP/1.1\r\n" H "\r\nGET /echo HTTP/1.1\r\n" BYE "\r\n");
	say(other, "GET /echo HTTP/1.1\r\n" H "\r\n");
	assert_true(hear(&world, other, "GET[", &out));
	assert_non_null(world.held);
	http_exchange_error(world.held, 503, "busy");
	buf_reset(&out);
	assert_true(hear(&world, fd, NULL, &out));
	assert_non_null(strstr(buf_string(&out), "{\"error\":\"busy\"}\nHTTP/1.1 200 OK"));
	buf_clear(&out);
	(void)close(fd);
	(void)close(other);
	world_close(&world);
}

static void
answer_to_a_client_that_left_is_dropped(void **state)
{
	struct world world;
	struct err err;
	int fd;

	(void)state;
	world_open(&world);
	fd = call(&world);
	say(fd, "GET /later HTTP/1.1\r\n" H "\r\n");
	while (world.held == NULL)
		assert_int_equal(loop_turn(world.loop, true, &err), 0);
	(void)close(fd);
	http_server_free(world.server);
	assert_int_equal(loop_turn(world.loop, false, &err), 0);
	http_exchange_error(world.held, 500, "nobody hears this");
	conn_group_free(world.group);
	timer_clear(&world.alarm);
	loop_free(world.loop);
}

static void
stream_comes_in_chunks_until_it_ends(void **state)
{
	struct buf out = { 0 };
	struct world world;
	int fd;

	(void)state;
	world_open(&world);
	fd = call(&world);
	say(fd, "GET /stream HTTP/1.1\r\n" H "\r\n");
	assert_true(hear(&world, fd, "chunked\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n", &out));
	http_exchange_end(world.held);
	assert_true(hear(&world, fd, NULL, &out));
	assert_non_null(strstr(buf_string(&out), "two\r\n0\r\n\r\n"));
	assert_int_equal(world.gone, 0);
	buf_reset(&out);
	(void)close(fd);
	fd = call(&world);
	say(fd, "GET /stream HTTP/1.0\r\n\r\n");
	assert_true(hear(&world, fd, "\r\n\r\none,two", &out));
	http_exchange_end(world.held);
	assert_true(hear(&world, fd, NULL, &out));
	buf_clear(&out);
	(void)close(fd);
	world_close(&world);
}

static void
stream_hears_that_its_client_left(void **state)
{
	struct buf out = { 0 };
	struct world world;
	struct err err;
	int fd;

	(void)state;
	world_open(&world);
	fd = call(&world);
	say(fd, "GET /stream HTTP/1.1\r\n" H "\r\n");
	assert_true(hear(&world, fd, "two", &out));
	(void)close(fd);
	while (world.gone == 0)
		assert_int_equal(loop_turn(world.loop, true, &err), 0);
	buf_clear(&out);
	world_close(&world);
}

static void
stream_ends_for_a_client_that_does_not_read(void **state)
{
	static char block[65536];
	struct world world;
	struct err err;
	int fd;

	(void)state;
	memset(block, 'x', sizeof(block));
	world_open(&world);
	fd = call(&world);
	say(fd, "GET /stream HTTP/1.1\r\n" H "\r\n");
	for (int i = 0; i < 1000 && world.gone == 0; i++) {
		if (world.held != NULL)
			http_exchange_send(world.held, bytes_of(block, sizeof(block)));
		assert_int_equal(loop_turn(world.loop, false, &err), 0);
	}
	assert_int_equal(world.gone, 1);
	(void)close(fd);
	world_close(&world);
}

static void
pipelined_answers_wait_until_they_are_read(void **state)
{
	struct buf out = { 0 };
	struct world world;
	struct err err;
	size_t answers = 0;
	int fd;

	(void)state;
	world_open(&world);
	fd = call(&world);
	for (int i = 0; i < 100; i++)
		say(fd, "GET /large HTTP/1.1\r\n" H "\r\n");
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_turn(world.loop, false, &err), 0);
	say(fd, "GET /echo HTTP/1.1\r\n" BYE "\r\n");
	assert_true(hear(&world, fd, NULL, &out));
	for (const char *at = buf_string(&out); (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
		answers++;
	assert_int_equal(answers, 101);
	buf_clear(&out);
	(void)close(fd);
	world_close(&world);
}

static const struct {
	const char *request;
	const char *expected; /* NULL: closed without a word */
} slow[] = {
	{ "", NULL },
	{ "GET /ec", "408 Request Timeout" },
	{ "POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc", "408 Request Timeout" },
	{ "GET /empty HTTP/1.1\r\n" H "\r\n", "204" },
};

static void
dear_requests_of_one_client_let_another_one_through(void **state)
{
	struct buf out = { 0 };
	struct world world;
	int dear, other;

	(void)state;
	world_open(&world);
	dear_count = 0;
	dear = call(&world);
	other = call(&world);
	for (int i = 0; i < 100; i++)
		say(dear, "GET /dear HTTP/1.1\r\n" H "\r\n");
	say(dear, "GET /echo/last HTTP/1.1\r\n" BYE "\r\n");
	say(other, "GET /echo HTTP/1.1\r\n" BYE "\r\n");
	assert_true(hear(&world, other, "GET[|-|]", &out));
	assert_in_range(dear_count, 0, 50);
	buf_reset(&out);
	assert_true(hear(&world, dear, "GET[last|-|]", &out));
	assert_int_equal(dear_count, 100);
	buf_clear(&out);
	close(dear);
	close(other);
	world_close(&world);
}

static void
slow_clients_are_ended(void **state)
{
	struct world world;

	(void)state;
	world_open_with(&world, 300);
	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
		struct buf out = { 0 };
		int fd = call(&world);

		say(fd, slow[i].request);
		assert_true(hear(&world, fd, NULL, &out));
		if (slow[i].expected == NULL)
			assert_int_equal(out.len, 0);
		else
			assert_non_null(strstr(buf_string(&out), slow[i].expected));
		buf_clear(&out);
		(void)close(fd);
	}
	world_close(&world);
}

/* Two are allowed. */
static void
one_connection_too_many_is_told_so(void **state)
{
	struct buf out = { 0 };
	struct world world;
	struct err err;
	int fds[3];

	(void)state;
	world_open(&world);
	for (int i = 0; i < 3; i++) {
		fds[i] = call(&world);
		say(fds[i], "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nha");
		for (int k = 0; k < 50; k++)
			assert_int_equal(loop_turn(world.loop, false, &err), 0);
	}
	assert_true(hear(&world, fds[2], NULL, &out));
	assert_non_null(strstr(buf_string(&out), "503 Service Unavailable"));
	assert_int_equal(http_server_figures(world.server)->refused, 1);
	buf_clear(&out);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	world_close(&world);
}

static void
who_asks_for_nothing_makes_room_for_others(void **state)
{
	struct buf out = { 0 };
	struct world world;
	struct err err;
	int fds[3];

	(void)state;
	world_open(&world);
	fds[0] = call(&world);
	fds[1] = call(&world);
	say(fds[1], "GET / HTTP/1.1\r\nX-Slow: ");
	for (int k = 0; k < 50; k++)
		assert_int_equal(loop_turn(world.loop, false, &err), 0);
	fds[2] = call(&world);
	say(fds[2], "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_true(hear(&world, fds[2], NULL, &out));
	assert_non_null(strstr(buf_string(&out), "404"));
	assert_int_equal(http_server_figures(world.server)->cut_idle, 1);
	buf_clear(&out);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	world_close(&world);
}

static void
route_can_be_removed_and_is_free_again(void **state)
{
	struct buf out = { 0 };
	struct world world;
	struct err err;
	int fd;

	(void)state;
	world_open(&world);
	assert_int_equal(http_server_add(world.server, &routes[2], NULL, &err), -1);
	assert_non_null(strstr(err.text, "GET /echo/{name} is taken"));
	http_server_remove(world.server, HTTP_POST, "/echo");
	fd = call(&world);
	say(fd, "POST /echo HTTP/1.1\r\n" BYE "Content-Length: 0\r\n\r\n");
	assert_true(hear(&world, fd, NULL, &out));
	assert_non_null(strstr(buf_string(&out), "405"));
	assert_int_equal(http_server_add(world.server, &routes[1], NULL, &err), 0);
	buf_clear(&out);
	(void)close(fd);
	world_close(&world);
}

static int
on_piece(void *arg, int status, struct bytes piece)
{
	struct buf *out = arg;

	buf_printf(out, "%d:%.*s;", status, (int)piece.len, (const char *)piece.data);
	return strstr(buf_string(out), "two") != NULL ? -1 : 0;
}

/* The waiting client is another process: this one turns the loop. */
static void
command_line_talks_over_a_unix_socket(void **state)
{
	char path[] = "/tmp/moonlet-test.XXXXXX";
	struct world world;
	struct err err;
	int answer[2];
	struct buf out = { 0 };
	pid_t child;

	(void)state;
	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
	world_open(&world);
	assert_int_equal(http_server_listen_unix(world.server, "sock", &err), 0);
	assert_int_equal(pipe(answer), 0);
	assert_int_equal(fcntl(answer[0], F_SETFL, O_NONBLOCK), 0);
	child = fork();
	if (child == 0) {
		struct buf seen = { 0 };
		struct http_local_request request = { .socket_path = "sock",
			.method = "POST",
			.target = "/echo?q=1",
			.body = bytes_of_string("{}"),
			.data = on_piece,
			.arg = &seen };
		int status = http_local_request(&request, &err);

		request.method = "GET";
		request.target = "/stream";
		request.body = (struct bytes){ 0 };
		status += http_local_request(&request, &err);
		request.socket_path = "nowhere";
		buf_printf(
		    &seen, "%d %d %s|", status, http_local_request(&request, &err), err.text);
		if (write(answer[1], seen.data, seen.len) < 0)
			_exit(1);
		_exit(0);
	}
	while (!hear(&world, -1, "", &out) || out.len == 0 || out.data[out.len - 1] != '|') {
		uint8_t *at = buf_reserve(&out, 4096);
		ssize_t got = read(answer[0], at, 4095);

		assert_int_equal(loop_turn(world.loop, false, &err), 0);
		if (got > 0)
			out.len += (size_t)got;
	}
	assert_non_null(strstr(buf_string(&out), "200:POST[|1|{}];"));
	assert_non_null(strstr(buf_string(&out), "200:one,"));
	assert_non_null(strstr(buf_string(&out), "400 -1 no moonlet runs here (nowhere"));
	buf_clear(&out);
	world_close(&world);
	(void)close(answer[0]);
	(void)close(answer[1]);
	assert_int_equal(access("sock", F_OK), -1);
	assert_int_equal(rmdir(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_as_the_table_says),
		cmocka_unit_test(request_may_come_byte_by_byte),
		cmocka_unit_test(later_answer_keeps_the_order),
		cmocka_unit_test(answer_to_a_client_that_left_is_dropped),
		cmocka_unit_test(stream_comes_in_chunks_until_it_ends),
		cmocka_unit_test(stream_hears_that_its_client_left),
		cmocka_unit_test(stream_ends_for_a_client_that_does_not_read),
		cmocka_unit_test(pipelined_answers_wait_until_they_are_read),
		cmocka_unit_test(dear_requests_of_one_client_let_another_one_through),
		cmocka_unit_test(slow_clients_are_ended),
		cmocka_unit_test(one_connection_too_many_is_told_so),
		cmocka_unit_test(who_asks_for_nothing_makes_room_for_others),
		cmocka_unit_test(route_can_be_removed_and_is_free_again),
		cmocka_unit_test(command_line_talks_over_a_unix_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
