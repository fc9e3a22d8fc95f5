/* SPDX-License-Identifier: MIT
 * A handler's HTTP request from frame to frame, against our own server.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/frame.h"
#include "net/http_server.h"
#include "runtime/http_call.h"

struct world {
	struct loop *loop;
	struct conn_group *group;
	struct http_server *server;
	struct http_client *client;
	struct buf seen; /* by the server */
	struct buf reply;
	int calls;
	bool ok;
};

static void
on_request(void *arg, struct http_exchange *exchange)
{
	struct world *world = arg;
	struct bytes key = http_header_find(http_exchange_head(exchange), "Idempotency-Key");
	struct http_header header = { bytes_of_string("X-A"), bytes_of_string("b") };

	buf_append_bytes(&world->seen, key);
	buf_append_string(&world->seen, "|");
	buf_append_bytes(&world->seen, http_exchange_body(exchange));
	http_exchange_respond(exchange, &(struct http_answer){ .status = 201,
					    .headers = &header,
					    .header_count = 1,
					    .body = bytes_of_string("yes") });
}

static const struct http_route routes[] = { { HTTP_POST, "/", on_request, "" },
	{ HTTP_GET, "/", on_request, "" } };

static void
on_reply(void *arg, bool ok, struct bytes fields)
{
	struct world *world = arg;

	world->calls++;
	world->ok = ok;
	buf_append_bytes(&world->reply, fields);
	loop_stop(world->loop);
}

static enum egress_grant
permit_all(void *arg, const struct egress_target *target)
{
	(void)arg;
	(void)target;
	return EGRESS_ADDRESS;
}

static void
world_open(struct world *world)
{
	struct http_client_config config = { 4, 4, 4, 4, 1000, NULL };
	struct err err;

	*world = (struct world){ 0 };
	world->loop = loop_new(&sys_posix, &err);
	world->group = conn_group_new(world->loop);
	world->server = http_server_new(world->loop, world->group, &http_server_defaults);
	assert_int_equal(http_server_add_table(world->server, routes, 2, world, &err), 0);
	assert_int_equal(http_server_listen(world->server, "127.0.0.1:0", &err), 0);
	world->client = http_client_new(world->loop, &config);
	assert_non_null(world->client);
}

static void
world_close(struct world *world)
{
	struct err err;

	http_client_free(world->client);
	http_server_free(world->server);
	assert_int_equal(loop_turn(world->loop, false, &err), 0);
	conn_group_free(world->group);
	loop_free(world->loop);
	buf_clear(&world->seen);
	buf_clear(&world->reply);
}

static void
put_call(struct world *world, const char *method, const char *path, struct buf *fields)
{
	char url[100];

	(void)snprintf(url, sizeof(url), "http://%s%s", http_server_address(world->server), path);
	frame_string(fields, method);
	frame_string(fields, url);
	frame_u32(fields, 0);
	frame_u8(fields, 0);
	frame_u16(fields, 1);
	frame_string(fields, "X-One");
	frame_string(fields, "1");
	frame_string(fields, "body");
}

static enum http_call_result
start(struct world *world, struct bytes fields, struct http_call **call, struct err *err)
{
	struct http_call_terms terms = {
		.client = world->client,
		.permit = permit_all,
		.idempotency_key = "key-1",
		.timeout_ms_max = 5000,
		.done = on_reply,
		.arg = world,
	};

	return http_call_start(&terms, fields, call, err);
}

static void
run(struct world *world, const char *method, const char *path)
{
	struct buf fields = { 0 };
	struct http_call *call;
	struct err err;

	put_call(world, method, path, &fields);
	assert_int_equal(start(world, buf_bytes(&fields), &call, &err), HTTP_CALL_STARTED);
	buf_clear(&fields);
	assert_int_equal(loop_run(world->loop, &err), 0);
	assert_int_equal(world->calls, 1);
}

static void
response_comes_back_as_fields(void **state)
{
	struct world world;
	struct cursor cursor;
	uint16_t headers;
	bool found = false;

	(void)state;
	world_open(&world);
	run(&world, "POST", "/");
	assert_true(world.ok);
	assert_string_equal(buf_string(&world.seen), "key-1|body");
	cursor = cursor_of(buf_bytes(&world.reply));
	assert_int_equal(cursor_u16(&cursor), 201);
	headers = cursor_u16(&cursor);
	for (int i = 0; i < headers; i++) {
		struct bytes name = cursor_bytes(&cursor), value = cursor_bytes(&cursor);

		found =
		    found || (bytes_equal_string(name, "X-A") && bytes_equal_string(value, "b"));
	}
	assert_true(found);
	assert_true(bytes_equal_string(cursor_bytes(&cursor), "yes"));
	assert_true(cursor_end(&cursor));
	world_close(&world);
}

static void
reading_needs_no_key(void **state)
{
	struct world world;

	(void)state;
	world_open(&world);
	run(&world, "GET", "/");
	assert_string_equal(buf_string(&world.seen), "|body");
	world_close(&world);
}

static void
every_cut_of_the_frame_is_malformed(void **state)
{
	struct buf fields = { 0 };
	struct http_call *call;
	struct world world;
	struct err err;

	(void)state;
	world_open(&world);
	put_call(&world, "POST", "/", &fields);
	for (size_t len = 0; len < fields.len; len++)
		assert_int_equal(
		    start(&world, bytes_of(fields.data, len), &call, &err), HTTP_CALL_MALFORMED);
	buf_append_u8(&fields, 0);
	assert_int_equal(start(&world, buf_bytes(&fields), &call, &err), HTTP_CALL_MALFORMED);
	buf_clear(&fields);
	world_close(&world);
}

static void
wrong_url_is_refused_with_a_reason(void **state)
{
	struct buf fields = { 0 };
	struct http_call *call;
	struct world world;
	struct err err;

	(void)state;
	world_open(&world);
	put_call(&world, "POST", " /", &fields);
	assert_int_equal(start(&world, buf_bytes(&fields), &call, &err), HTTP_CALL_REFUSED);
	assert_non_null(strstr(err.text, "URL is wrong"));
	buf_clear(&fields);
	world_close(&world);
}

static void
aborted_call_is_not_answered(void **state)
{
	struct buf fields = { 0 };
	struct http_call *call;
	struct world world;
	struct err err;

	(void)state;
	world_open(&world);
	put_call(&world, "POST", "/", &fields);
	assert_int_equal(start(&world, buf_bytes(&fields), &call, &err), HTTP_CALL_STARTED);
	http_call_abort(call);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_turn(world.loop, false, &err), 0);
	assert_int_equal(world.calls, 0);
	buf_clear(&fields);
	world_close(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(response_comes_back_as_fields),
		cmocka_unit_test(reading_needs_no_key),
		cmocka_unit_test(every_cut_of_the_frame_is_malformed),
		cmocka_unit_test(wrong_url_is_refused_with_a_reason),
		cmocka_unit_test(aborted_call_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
