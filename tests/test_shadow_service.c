/* SPDX-License-Identifier: MIT
 * The shadow service with a real broker and a real store; what it says is heard by a tap.
 */
#include "tests/store_unit.h"

#include "lib/frame.h"
#include "net/loop.h"
#include "runtime/shadow_service.h"

enum { SHADOWS_MAX = 5 };

struct world {
	struct place *place;
	struct loop *loop;
	struct broker *broker;
	struct shadow_service *service;
	struct watch watch;
	struct buf heard; /* topics, one a line */
	struct tap *tap;
	bool must_keep;
};

static void
hear(void *arg, const struct message *message)
{
	struct world *world = arg;

	buf_append_bytes(&world->heard, message->topic);
	buf_append_u8(&world->heard, '\n');
}

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

static enum broker_flow
published(void *arg, const struct message *message, struct ack *ack)
{
	struct world *world = arg;

	(void)shadow_service_take(world->service, message, ack);
	return BROKER_GO_ON;
}

static bool
has_function(void *arg, struct bytes topic)
{
	(void)topic;
	return ((struct world *)arg)->must_keep;
}

static size_t
shadows_max(void *arg)
{
	(void)arg;
	return SHADOWS_MAX;
}

static void
world_start(struct world *world)
{
	struct broker_hooks hooks = { .arg = world, .published = published, .persist = persist };
	struct shadow_parts parts = {
		.has_function = has_function, .shadows_max = shadows_max, .arg = world
	};
	struct err err;

	world->loop = loop_new(&sys_posix, &err);
	assert_non_null(world->loop);
	world->broker = broker_new(world->loop, &broker_defaults, &hooks);
	parts.loop = world->loop;
	parts.store = world->place->store;
	parts.broker = world->broker;
	world->service = shadow_service_new(&parts);
	watch_init(&world->watch, world->loop, store_fd(world->place->store), on_store, world);
	watch_want(&world->watch, true, false);
	world->tap = broker_tap(world->broker, text("$aws/things/+/shadow/#"), hear, world);
}

static void
world_stop(struct world *world)
{
	shadow_service_stop(world->service);
	watch_clear(&world->watch);
	store_close(world->place->store);
	world->place->store = NULL;
	broker_untap(world->broker, world->tap);
	broker_free(world->broker);
	shadow_service_free(world->service);
	loop_free(world->loop);
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

	world_stop(world);
	*state = world->place;
	buf_clear(&world->heard);
	free(world);
	return place_end(state);
}

static void
turn(struct world *world)
{
	struct err err;

	assert_int_equal(loop_turn(world->loop, true, &err), 0);
}

static void
note_settled(struct ack *ack)
{
	assert_int_equal(ack->code, 0);
	assert_int_equal(ack->refs, 0);
}

/* Publishes as a device would and waits for the acknowledgement. */
static void
device_says(struct world *world, const char *topic, const char *payload)
{
	struct message message = { .topic = text(topic), .payload = text(payload), .qos = 1 };
	struct ack ack;

	buf_reset(&world->heard);
	ack_init(&ack, note_settled);
	(void)broker_publish(world->broker, &message, &ack);
	ack_release(&ack, 0);
	while (ack.refs > 0)
		turn(world);
}

#define CAR "$aws/things/car/shadow/"
#define LAMP "$aws/things/car/shadow/name/lamp/"

static void
device_is_answered_as_aws_does(void **state)
{
	static const struct {
		const char *topic, *payload, *heard;
	} cases[] = {
		{ CAR "get", "", CAR "get\n" CAR "get/rejected\n" },
		{ CAR "update", "{\"state\":{\"desired\":{\"a\":1}}}",
		    CAR "update\n" CAR "update/accepted\n" CAR "update/delta\n" CAR
			"update/documents\n" },
		{ CAR "update", "{\"state\":{\"reported\":{\"a\":1}}}",
		    CAR "update\n" CAR "update/accepted\n" CAR "update/documents\n" },
		{ CAR "update", "{\"state\":7}", CAR "update\n" CAR "update/rejected\n" },
		{ CAR "get", "", CAR "get\n" CAR "get/accepted\n" },
		{ LAMP "get", "", LAMP "get\n" LAMP "get/rejected\n" },
		{ LAMP "update", "{\"state\":{\"reported\":{\"on\":true}}}",
		    LAMP "update\n" LAMP "update/accepted\n" LAMP "update/documents\n" },
		{ LAMP "delete", "", LAMP "delete\n" LAMP "delete/accepted\n" },
		{ CAR "delete", "", CAR "delete\n" CAR "delete/accepted\n" },
		{ CAR "delete", "", CAR "delete\n" CAR "delete/rejected\n" },
		{ "$aws/things/a b/shadow/get", "",
		    "$aws/things/a b/shadow/get/rejected\n$aws/things/a b/shadow/get\n" },
		{ CAR "update/accepted", "x", CAR "update/accepted\n" },
	};
	struct world *world = *state;

	for (int keep = 0; keep < 2; keep++) {
		world->must_keep = keep == 1;
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			device_says(world, cases[i].topic, cases[i].payload);
			assert_string_equal(buf_string(&world->heard), cases[i].heard);
		}
	}
}

static void
copy_answer(void *arg, const struct shadow_reply *reply)
{
	buf_reset(arg);
	buf_append_bytes(arg, buf_bytes(&reply->answer));
}

/* A request by the host's own; returns its answer. */
static const char *
host_asks_named(struct world *world, enum shadow_request_kind kind, const char *thing,
    const char *name, const char *payload)
{
	static struct buf answer;
	struct shadow_request request = {
		.thing = text(thing), .name = text(name), .payload = text(payload)
	};

	buf_clear(&answer);
	buf_reset(&world->heard);
	shadow_service_request(world->service, kind, &request, copy_answer, &answer);
	while (answer.len == 0)
		turn(world);
	return buf_string(&answer);
}

static const char *
host_asks(
    struct world *world, enum shadow_request_kind kind, const char *thing, const char *payload)
{
	return host_asks_named(world, kind, thing, "", payload);
}

static void
host_is_answered_directly_and_others_hear_of_changes(void **state)
{
	struct world *world = *state;

	assert_non_null(strstr(host_asks(world, SHADOW_REQUEST_GET, "car", ""), "\"code\":404"));
	assert_int_equal(world->heard.len, 0);
	assert_non_null(strstr(
	    host_asks(world, SHADOW_REQUEST_UPDATE, "car", "{\"state\":{\"reported\":{\"a\":1}}}"),
	    "\"version\":1"));
	assert_string_equal(
	    buf_string(&world->heard), CAR "update/accepted\n" CAR "update/documents\n");
	assert_non_null(strstr(
	    host_asks(world, SHADOW_REQUEST_GET, "car", ""), "\"state\":{\"reported\":{\"a\":1}}"));
	assert_int_equal(world->heard.len, 0);
	assert_non_null(strstr(host_asks(world, SHADOW_REQUEST_GET, "a b", ""), "\"code\":400"));
}

/* Things whose names begin as that one's have their own. */
static void
a_thing_has_no_more_shadows_than_it_may(void **state)
{
	static const char on[] = "{\"state\":{\"reported\":{\"a\":1}}}";
	struct world *world = *state;
	char name[8];

	for (int i = 0; i < SHADOWS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_non_null(
		    strstr(host_asks_named(world, SHADOW_REQUEST_UPDATE, "many", name, on),
			"\"version\":1"));
	}
	assert_non_null(
	    strstr(host_asks_named(world, SHADOW_REQUEST_UPDATE, "many", "", on), "\"code\":403"));
	assert_non_null(strstr(
	    host_asks_named(world, SHADOW_REQUEST_UPDATE, "many", "n1", on), "\"version\":2"));
	assert_non_null(strstr(
	    host_asks_named(world, SHADOW_REQUEST_UPDATE, "man", "n1", on), "\"version\":1"));
	assert_non_null(strstr(
	    host_asks_named(world, SHADOW_REQUEST_UPDATE, "many-1", "n1", on), "\"version\":1"));
}

struct steps {
	struct store_job job;
	bool done;
};

static int
code_of(struct txn *txn, enum shadow_request_kind kind, const char *name, int64_t now_s)
{
	struct shadow_request request = { .thing = text("old"),
		.name = text(name),
		.payload = text(
		    kind == SHADOW_REQUEST_UPDATE ? "{\"state\":{\"reported\":{\"a\":1}}}" : ""),
		.now_s = now_s,
		.shadows_max = 2 };
	struct shadow_reply reply = { 0 };
	struct err err;
	int code;

	assert_int_equal(shadows_run(txn, kind, &request, &reply, &err), 0);
	code = reply.code;
	shadow_reply_clear(&reply);
	return code;
}

static bool
count_row(void *arg, const struct txn_row *row)
{
	(void)row;
	(*(int *)arg)++;
	return true;
}

static int
delete_and_wait(struct txn *txn, struct store_job *job, struct err *err)
{
	const struct txn_range all = { .space = SPACE_SHADOW };
	int64_t later_s = 1000 + SHADOW_TOMBSTONE_S + 1;
	int rows = 0;

	(void)job;
	assert_int_equal(code_of(txn, SHADOW_REQUEST_UPDATE, "a", 1000), 0);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_UPDATE, "b", 1000), 0);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_DELETE, "a", 1000), 0);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_UPDATE, "c", 1000), 403);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_UPDATE, "a", 1000), 0);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_DELETE, "a", 1000), 0);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_UPDATE, "c", later_s), 0);
	assert_int_equal(code_of(txn, SHADOW_REQUEST_UPDATE, "a", later_s), 403);
	assert_int_equal(txn_scan(txn, &all, count_row, &rows, err), 0);
	assert_int_equal(rows, 2);
	return 0;
}

static void
steps_done(struct store_job *job)
{
	((struct steps *)job)->done = true;
}

static void
a_deleted_shadow_counts_as_long_as_its_version_does(void **state)
{
	struct world *world = *state;
	struct steps steps = { .job = { .run = delete_and_wait, .done = steps_done } };

	store_submit(world->place->store, &steps.job);
	while (!steps.done)
		turn(world);
	assert_int_equal(steps.job.status, 0);
}

/* --- batches, as a commit makes them --- */

static void
add(struct shadow_batch *batch, const char *thing, const char *payload)
{
	struct shadow_request request = { .thing = text(thing), .payload = text(payload) };
	struct err err;

	assert_int_equal(shadow_batch_add(batch, SHADOW_REQUEST_UPDATE, &request, &err), 0);
}

static int
run_batch(struct txn *txn, void *arg, struct err *err)
{
	return shadow_batch_run(arg, txn, err);
}

static int
count_rows(struct txn *txn, void *arg, struct err *err)
{
	struct buf names = { 0 };
	int result = shadows_names(txn, text("car"), &names, err);

	buf_reset(arg);
	buf_append_bytes(arg, buf_bytes(&names));
	buf_clear(&names);
	return result;
}

static void
refused_update_undoes_the_whole_batch(void **state)
{
	struct world *world = *state;
	struct shadow_batch *batch =
	    shadow_batch_new(world->service, &(struct shadow_cause){ .hops = 1 });
	struct buf names = { 0 };

	add(batch, "car", "{\"state\":{\"desired\":{\"a\":1}}}");
	add(batch, "pump", "{\"state\":{\"desired\":{\"a\":1}},\"version\":9}");
	assert_int_equal(place_call(world->place, run_batch, batch), -1);
	shadow_batch_free(batch);
	assert_int_equal(place_call(world->place, count_rows, &names), 0);
	assert_string_equal(buf_string(&names), "[]");
	buf_clear(&names);
	assert_int_equal(world->heard.len, 0);
}

static bool
count_one(void *arg, const struct txn_row *row)
{
	(void)row;
	++*(int *)arg;
	return true;
}

static int
count_outbox(struct txn *txn, void *arg, struct err *err)
{
	*(int *)arg = 0;
	return txn_scan(txn, &(struct txn_range){ .space = SPACE_OUTBOX }, count_one, arg, err);
}

static void
message_of_a_commit_that_was_cut_off_is_sent_at_the_next_start(void **state)
{
	struct world *world = *state;
	struct shadow_batch *batch;
	struct err err;
	int rows = 0;

	world->must_keep = true;
	batch = shadow_batch_new(world->service, &(struct shadow_cause){ .hops = 1 });
	add(batch, "car", "{\"state\":{\"desired\":{\"a\":1}}}");
	assert_int_equal(place_call(world->place, run_batch, batch), 0);
	shadow_batch_free(batch);
	world_stop(world);
	place_open(world->place);
	world_start(world);
	assert_int_equal(place_call(world->place, count_outbox, &rows), 0);
	assert_int_equal(rows, 3);
	assert_int_equal(shadow_service_drain(world->service, &err), 0);
	assert_string_equal(buf_string(&world->heard),
	    CAR "update/accepted\n" CAR "update/delta\n" CAR "update/documents\n");
	assert_int_equal(place_call(world->place, count_outbox, &rows), 0);
	assert_int_equal(rows, 0);
}

static void
batch_tells_nothing_before_it_is_delivered(void **state)
{
	struct world *world = *state;
	struct shadow_batch *batch;
	int rows = 0;

	batch = shadow_batch_new(world->service, &(struct shadow_cause){ .hops = 1 });
	add(batch, "car", "{\"state\":{\"reported\":{\"a\":1}}}");
	add(batch, "pump", "{\"state\":{\"reported\":{\"a\":1}}}");
	assert_int_equal(place_call(world->place, run_batch, batch), 0);
	assert_int_equal(world->heard.len, 0);
	assert_int_equal(place_call(world->place, count_outbox, &rows), 0);
	assert_int_equal(rows, 0);
	shadow_batch_deliver(batch);
	assert_string_equal(buf_string(&world->heard),
	    CAR "update/accepted\n" CAR "update/documents\n"
		"$aws/things/pump/shadow/update/accepted\n"
		"$aws/things/pump/shadow/update/documents\n");
}

#define ON_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_WORLD(device_is_answered_as_aws_does),
		ON_WORLD(host_is_answered_directly_and_others_hear_of_changes),
		ON_WORLD(a_thing_has_no_more_shadows_than_it_may),
		ON_WORLD(a_deleted_shadow_counts_as_long_as_its_version_does),
		ON_WORLD(refused_update_undoes_the_whole_batch),
		ON_WORLD(message_of_a_commit_that_was_cut_off_is_sent_at_the_next_start),
		ON_WORLD(batch_tells_nothing_before_it_is_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
