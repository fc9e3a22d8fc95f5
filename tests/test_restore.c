/* SPDX-License-Identifier: MIT
 * Restoring the broker from the store. With TEST_LONG set it does so with a million messages
 * and says how long that took.
 */
#include "tests/store_unit.h"

#include "lib/frame.h"
#include "net/loop.h"
#include "runtime/restore.h"

enum { SESSIONS = 30, MESSAGES = 400, LONG_SESSIONS = 1000, LONG_MESSAGES = 1000 };

struct volume {
	int sessions;
	int messages;
	int first; /* session of this job */
};

static void
session_put(struct writes *writes, const char *id)
{
	struct buf value = { 0 }, key = { 0 };

	frame_u32(&value, UINT32_MAX);
	frame_i64(&value, 0);
	writes_put(writes, SPACE_SESSION, text(id), buf_bytes(&value));
	buf_reset(&value);
	buf_append_bytes(&key, text(id));
	buf_append(&key, "\0cars/+", 7);
	frame_u32(&value, 0);
	buf_append(&value, "\1\0\0\0", 4);
	writes_put(writes, SPACE_SUBSCRIPTION, buf_bytes(&key), buf_bytes(&value));
	buf_clear(&value);
	buf_clear(&key);
}

static void
message_put(struct writes *writes, const char *id, uint64_t number)
{
	static const char payload[200];
	struct buf value = { 0 }, key = { 0 };

	buf_append_bytes(&key, text(id));
	buf_append_u8(&key, 0);
	for (int i = 7; i >= 0; i--)
		buf_append_u8(&key, (uint8_t)(number >> (8 * i)));
	frame_i64(&value, 0);
	frame_string(&value, "cars/one");
	frame_bytes(&value, bytes_of(payload, sizeof(payload)));
	frame_bytes(&value, bytes_of(NULL, 0));
	buf_append(&value, "\1\0\0\0", 4);
	writes_put(writes, SPACE_SESSION_MESSAGE, buf_bytes(&key), buf_bytes(&value));
	buf_clear(&key);
	buf_clear(&value);
}

static int
fill(struct txn *txn, void *arg, struct err *err)
{
	const struct volume *volume = arg;
	struct writes writes = { 0 };
	char id[16];
	int result;

	(void)snprintf(id, sizeof(id), "car%06d", volume->first);
	session_put(&writes, id);
	for (int i = 1; i <= volume->messages; i++)
		message_put(&writes, id, (uint64_t)i);
	result = store_apply_writes(txn, &writes, err);
	writes_clear(&writes);
	return result;
}

static int
spoil(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_put(txn, SPACE_RETAINED, text("a/b"), text("nonsense"), err);
}

static void
restore_and_expect(struct place *place, const struct volume *volume, size_t unreadable)
{
	struct restore_figures figures;
	struct loop *loop;
	struct broker *broker;
	struct err err;
	int64_t begun_us, ended_us;

	begun_us = sys_posix.monotonic_us();
	place_reopen(place);
	loop = loop_new(&sys_posix, &err);
	assert_non_null(loop);
	broker = broker_new(loop, &broker_defaults, &(struct broker_hooks){ 0 });
	assert_int_equal(restore_broker(place->store, broker, &figures, &err), 0);
	ended_us = sys_posix.monotonic_us();
	assert_int_equal(figures.rows[SPACE_SESSION], volume->sessions);
	assert_int_equal(figures.rows[SPACE_SUBSCRIPTION], volume->sessions);
	assert_int_equal(figures.rows[SPACE_SESSION_MESSAGE], volume->sessions * volume->messages);
	assert_int_equal(figures.unreadable, unreadable);
	assert_int_equal(broker_metrics(broker)->sessions, volume->sessions);
	assert_int_equal(
	    broker_has_durable_subscriber(broker, text("cars/one")), volume->sessions > 0);
	if (getenv("TEST_LONG") != NULL)
		print_message("restored %d messages in %lld ms\n",
		    volume->sessions * volume->messages, (long long)(ended_us - begun_us) / 1000);
	broker_free(broker);
	loop_free(loop);
}

static void
sessions_and_messages_come_back_whole(void **state)
{
	bool many = getenv("TEST_LONG") != NULL;
	struct volume volume = { many ? LONG_SESSIONS : SESSIONS, many ? LONG_MESSAGES : MESSAGES,
		0 };

	for (volume.first = 0; volume.first < volume.sessions; volume.first++)
		assert_int_equal(place_call(*state, fill, &volume), 0);
	restore_and_expect(*state, &volume, 0);
}

static void
row_that_does_not_decode_is_counted_and_left(void **state)
{
	struct volume volume = { 0 };

	assert_int_equal(place_call(*state, spoil, NULL), 0);
	restore_and_expect(*state, &volume, 1);
}

static int
expect_spoilt(struct txn *txn, void *arg, struct err *err)
{
	(void)arg;
	return txn_get(txn, SPACE_RETAINED, text("a/b"), NULL, NULL, err) == 1 ? 0 : -1;
}

static void
nothing_is_restored_from_nothing(void **state)
{
	struct volume volume = { 0 };

	restore_and_expect(*state, &volume, 0);
	assert_int_equal(place_call(*state, expect_spoilt, NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    sessions_and_messages_come_back_whole, on_sqlite, place_end),
		ON_BOTH(row_that_does_not_decode_is_counted_and_left),
		ON_BOTH(nothing_is_restored_from_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
