/* SPDX-License-Identifier: MIT */
#include "tests/store_unit.h"

#include "runtime/queue_feed.h"

enum { ROWS = 700 };

struct world {
	struct place *place;
	struct loop *loop;
	struct queue_feed *feed;
	struct watch watch;
	struct queue_row taken[ROWS + 8]; /* without their views */
	size_t count;
	size_t room; /* how many it takes */
};

static bool
take(void *arg, const struct queue_row *row)
{
	struct world *world = arg;

	if (world->room == 0)
		return false;
	world->room--;
	assert_true(bytes_equal_string(row->function_name, "f"));
	assert_true(world->count < sizeof(world->taken) / sizeof(*world->taken));
	world->taken[world->count++] = *row;
	return true;
}

static void
on_store(void *arg, bool readable, bool writable)
{
	(void)readable;
	(void)writable;
	store_poll(((struct world *)arg)->place->store);
}

static void
world_start(struct world *world, size_t in_hand_max)
{
	struct queue_feed_parts parts = { .loop = world->loop, .store = world->place->store };

	parts.take = take;
	parts.arg = world;
	parts.in_hand_max = in_hand_max;
	watch_init(&world->watch, world->loop, store_fd(world->place->store), on_store, world);
	watch_want(&world->watch, true, false);
	world->feed = queue_feed_new(&parts);
}

static void
world_stop(struct world *world)
{
	watch_clear(&world->watch);
	store_close(world->place->store);
	world->place->store = NULL;
	queue_feed_free(world->feed);
}

static int
world_make(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	struct err err;

	(void)on_sqlite(state);
	world->place = *state;
	world->loop = loop_new(&sys_posix, &err);
	world->room = SIZE_MAX;
	*state = world;
	return 0;
}

static int
world_end(void **state)
{
	struct world *world = *state;

	world_stop(world);
	loop_free(world->loop);
	*state = world->place;
	free(world);
	return place_end(state);
}

static struct queue_row
row_of(int number, int64_t due_ms)
{
	struct queue_row row = { .function_name = text("f"), .due_ms = due_ms, .attempt = 1 };

	memcpy(row.id, &number, sizeof(number));
	return row;
}

static int
put_row(struct txn *txn, void *arg, struct err *err)
{
	return queue_store(txn, arg, err);
}

static int
put_many(struct txn *txn, void *arg, struct err *err)
{
	for (int i = 0; i < *(int *)arg; i++) {
		struct queue_row row = row_of(i, 1000 + i % 7);

		if (queue_store(txn, &row, err) < 0)
			return -1;
	}
	return 0;
}

static int
take_row(struct txn *txn, void *arg, struct err *err)
{
	return queue_take(txn, arg, err) == 1 ? 0 : -1;
}

static void
turn_until(struct world *world, size_t count)
{
	struct err err;

	while (world->count < count)
		assert_int_equal(loop_turn(world->loop, true, &err), 0);
}

static void
finish(struct world *world, size_t index)
{
	assert_int_equal(place_call(world->place, take_row, &world->taken[index]), 0);
	queue_feed_done(world->feed, &world->taken[index]);
}

static void
rows_of_an_earlier_run_come_in_order_and_once(void **state)
{
	struct world *world = *state;
	int count = ROWS;

	assert_int_equal(place_call(world->place, put_many, &count), 0);
	world_start(world, 0);
	turn_until(world, ROWS);
	for (size_t i = 1; i < ROWS; i++)
		assert_true(world->taken[i - 1].due_ms <= world->taken[i].due_ms);
	assert_int_equal(queue_feed_in_hand(world->feed), ROWS);
	world_stop(world);
	place_open(world->place);
	world->count = 0;
	world_start(world, 0);
	turn_until(world, ROWS);
	for (size_t i = 0; i < ROWS; i++)
		finish(world, i);
	assert_int_equal(queue_feed_in_hand(world->feed), 0);
}

static void
no_more_is_in_hand_than_is_allowed(void **state)
{
	struct world *world = *state;
	int count = ROWS;

	assert_int_equal(place_call(world->place, put_many, &count), 0);
	world_start(world, 10);
	for (size_t i = 0; i < ROWS; i++) {
		turn_until(world, i + 1);
		assert_true(queue_feed_in_hand(world->feed) <= 10);
		finish(world, i);
	}
	assert_int_equal(world->count, ROWS);
}

static void
row_comes_when_it_is_due(void **state)
{
	struct world *world = *state;
	struct queue_row row;

	world_start(world, 0);
	row = row_of(1, sys_posix.wall_ms() + 60);
	assert_int_equal(place_call(world->place, put_row, &row), 0);
	queue_feed_note(world->feed, row.due_ms);
	turn_until(world, 1);
	assert_true(sys_posix.wall_ms() >= row.due_ms);
	row = row_of(2, 5); /* long due, and before the place where reading stands */
	assert_int_equal(place_call(world->place, put_row, &row), 0);
	queue_feed_note(world->feed, row.due_ms);
	turn_until(world, 2);
	assert_int_equal(world->taken[1].due_ms, 5);
}

static void
row_that_is_not_taken_comes_again_when_there_is_room(void **state)
{
	struct world *world = *state;
	int count = 5;
	struct err err;

	world->room = 2;
	assert_int_equal(place_call(world->place, put_many, &count), 0);
	world_start(world, 0);
	turn_until(world, 2);
	assert_int_equal(loop_turn(world->loop, false, &err), 0);
	assert_int_equal(queue_feed_in_hand(world->feed), 2);
	world->room = 3;
	queue_feed_resume(world->feed);
	turn_until(world, 5);
	for (size_t i = 0; i < 5; i++)
		finish(world, i);
}

static int
put_nonsense(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_put(txn, SPACE_QUEUE, text("0000000000003-x"), text("nonsense"), err);
}

static void
row_that_does_not_decode_holds_up_nobody(void **state)
{
	struct world *world = *state;
	int count = 3;

	assert_int_equal(place_call(world->place, put_nonsense, NULL), 0);
	assert_int_equal(place_call(world->place, put_many, &count), 0);
	world_start(world, 0);
	turn_until(world, 3);
}

#define ON_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_WORLD(rows_of_an_earlier_run_come_in_order_and_once),
		ON_WORLD(no_more_is_in_hand_than_is_allowed),
		ON_WORLD(row_comes_when_it_is_due),
		ON_WORLD(row_that_is_not_taken_comes_again_when_there_is_room),
		ON_WORLD(row_that_does_not_decode_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
