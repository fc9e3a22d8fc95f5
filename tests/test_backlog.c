/* SPDX-License-Identifier: MIT
 * The durable queue beyond memory: bounded windows, and order over their edges.
 */
#include "tests/dispatch_world.h"

static const char plain[] =
    "{\"on\":{\"topic\":\"in/#\"},\"allow\":{\"publish\":\"out/#\"},\"retries\":2}";

enum { KEYS = 10, ROWS = 3000 };

static int
setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world_init(world, 2);
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	world_clear(*state);
	free(*state);
	return 0;
}

struct filling {
	struct host *host;
	uint64_t sequence;
	int first, count;
};

/* Events as an earlier run would have left them: "k3:17" on in/k3. */
static int
fill(struct txn *txn, void *arg, struct err *err)
{
	struct filling *filling = arg;
	struct buf encoded = { 0 };
	int result = 0;

	for (int i = filling->first; result == 0 && i < filling->first + filling->count; i++) {
		char topic[16], payload[24];
		const struct happening happening = { .trigger = "topic",
			.subject = bytes_of(
			    topic, (size_t)snprintf(topic, sizeof(topic), "in/k%d", i % KEYS)),
			.payload = bytes_of(payload,
			    (size_t)snprintf(payload, sizeof(payload), "k%d:%d", i % KEYS, i)),
			.qos = 1 };
		struct occurrence *event = occurrence_new(filling->host, &happening);
		struct queue_row row = {
			.sequence = ++filling->sequence, .function_name = text("f"), .attempt = 1
		};

		buf_reset(&encoded);
		occurrence_encode(event, &encoded);
		row.event = buf_bytes(&encoded);
		result = queue_store(txn, &row, err);
		occurrence_drop(event);
	}
	buf_clear(&encoded);
	return result;
}

static void
leave_rows(struct world *world)
{
	struct filling filling = { .host = &world->host, .count = ROWS };

	assert_int_equal(place_call(&world->place, fill, &filling), 0);
}

/* Each key's events are heard once and in their order: "out/k3 k3:13\n". */
static void
check_order(struct world *world, int expected)
{
	int last[KEYS], count = 0;

	for (int i = 0; i < KEYS; i++)
		last[i] = -1;
	for (char *at = strtok((char *)buf_string(&world->heard), "\n"); at != NULL;
	     at = strtok(NULL, "\n")) {
		int key, number;

		assert_int_equal(sscanf(at, "out/k%*d k%d:%d", &key, &number), 2);
		if (number <= last[key])
			fail_msg("k%d: %d came behind %d", key, number, last[key]);
		last[key] = number;
		count++;
	}
	assert_int_equal(count, expected);
}

static bool
is_done(struct world *world)
{
	world_answer_all(world);
	return dispatch_is_idle(world->host.dispatch) && backlog_behind(world->host.backlog) == 0;
}

static void
a_long_queue_is_read_in_windows_and_keeps_the_order_of_keys(void **state)
{
	struct world *world = *state;

	leave_rows(world);
	world_deploy(world, "f", plain);
	for (int i = 0; i < 100; i++) {
		assert_true(backlog_waiting(world->host.backlog) <= 500);
		world_turn(world);
	}
	assert_true(backlog_waiting(world->host.backlog) > 250);
	world_until(world, is_done);
	check_order(world, ROWS);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
}

struct wanted {
	struct ack ack;
	bool settled;
};

static void
note_settled(struct ack *ack)
{
	((struct wanted *)(void *)ack)->settled = true;
}

static void
new_events_go_behind_those_on_the_disk_and_are_acknowledged_there(void **state)
{
	struct world *world = *state;
	struct wanted wanted[KEYS];

	leave_rows(world);
	world_deploy(world, "f", plain);
	for (int i = 0; i < KEYS; i++) {
		char topic[16], payload[24];

		(void)snprintf(topic, sizeof(topic), "in/k%d", i);
		(void)snprintf(payload, sizeof(payload), "k%d:%d", i, ROWS + i);
		wanted[i] = (struct wanted){ .settled = false };
		ack_init(&wanted[i].ack, note_settled);
		(void)world_publish(world, topic, payload, &wanted[i].ack);
		ack_release(&wanted[i].ack, 0);
	}
	for (int i = 0; i < 6000 && !wanted[KEYS - 1].settled; i++)
		world_wait(world, 10);
	for (int i = 0; i < KEYS; i++)
		assert_true(wanted[i].settled && wanted[i].ack.code == 0);
	assert_int_equal(world_rows(world, SPACE_QUEUE), ROWS + KEYS);
	world_until(world, is_done);
	check_order(world, ROWS + KEYS);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
}

static void
rows_of_a_function_that_comes_later_wait_for_it(void **state)
{
	struct world *world = *state;
	struct filling filling = { .host = &world->host, .count = 3 };
	struct err err;

	assert_int_equal(place_call(&world->place, fill, &filling), 0);
	world_deploy(world, "g", plain);
	assert_int_equal(backlog_restore(&world->host, &err), 0);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 3);
	world_deploy(world, "f", plain);
	world_until(world, is_done);
	check_order(world, 3);
	assert_int_equal(world_rows(world, SPACE_QUEUE), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		IN_A_WORLD(a_long_queue_is_read_in_windows_and_keeps_the_order_of_keys),
		IN_A_WORLD(new_events_go_behind_those_on_the_disk_and_are_acknowledged_there),
		IN_A_WORLD(rows_of_a_function_that_comes_later_wait_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
