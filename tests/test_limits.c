/* SPDX-License-Identifier: MIT
 * What clients may ask of the broker, where a wire test cannot tell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/broker_world.h"
#include "tests/unit.h"

enum { US = 1000000, WAIT_US = 120 * US, PAYLOAD_BYTES = 2000 };

static int
set_up(void **state)
{
	*state = xcalloc(1, sizeof(struct world));
	world_init(*state);
	return 0;
}

static int
tear_down(void **state)
{
	world_clear(*state);
	free(*state);
	return 0;
}

static void
turn(struct world *world)
{
	const struct timespec moment = { 0, 1000000 };

	world_turn(world);
	(void)nanosleep(&moment, NULL);
}

/* Turns until the condition holds. */
#define AWAIT(world, condition)                                             \
	do {                                                                \
		int64_t until_us = sys_posix.monotonic_us() + WAIT_US;      \
		while (!(condition) && sys_posix.monotonic_us() < until_us) \
			turn(world);                                        \
		assert_true(condition);                                     \
	} while (0)

static void
send_all(struct world *world, int fd, const void *data, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t wrote = send(fd, (const char *)data + sent, len - sent, MSG_NOSIGNAL);

		if (wrote > 0)
			sent += (size_t)wrote;
		else
			turn(world);
	}
}

/* CONNECT, version 5, no keep-alive. */
static int
join(struct world *world, char name)
{
	const uint8_t connect[] = { 0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 1,
		(uint8_t)name };
	uint32_t before = broker_metrics(world->broker)->connected;
	int fd = world_connect(world);

	send_all(world, fd, connect, sizeof(connect));
	AWAIT(world, broker_metrics(world->broker)->connected > before);
	return fd;
}

static void
subscribe(struct world *world, int fd)
{
	static const uint8_t packet[] = { 0x82, 7, 0, 1, 0, 0, 1, 't', 0 };
	uint32_t before = broker_metrics(world->broker)->subscriptions;

	send_all(world, fd, packet, sizeof(packet));
	AWAIT(world, broker_metrics(world->broker)->subscriptions > before);
}

static void
publish(struct world *world, int fd, int count, size_t payload_bytes)
{
	uint8_t packet[PAYLOAD_BYTES + 16] = { 0x30 };
	size_t rest = 4 + payload_bytes, head = 1;

	do {
		packet[head++] = (uint8_t)(rest % 128 | (rest >= 128 ? 128 : 0));
		rest /= 128;
	} while (rest > 0);
	packet[head + 1] = 1;
	packet[head + 2] = 't';
	for (int i = 0; i < count; i++)
		send_all(world, fd, packet, head + 4 + payload_bytes);
}

static bool
is_closed(int fd)
{
	uint8_t bytes[4096];
	ssize_t got;

	while ((got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		continue;
	return got == 0 || (errno != EAGAIN && errno != EINTR);
}

/* Reads what there is; whether the last packet is a DISCONNECT for this reason. */
static bool
was_told(int fd, uint8_t reason)
{
	uint8_t bytes[65536];
	ssize_t got, last = 0;

	while ((got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		last = got;
	for (ssize_t i = 0; i + 2 < last; i++) {
		if (bytes[i] == 0xe0 && bytes[i + 2] == reason)
			return true;
	}
	return false;
}

static void
configure(struct world *world)
{
	broker_configure(world->broker, &world->config);
}

static void
who_sends_too_quickly_is_not_read_for_a_moment(void **state)
{
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	int64_t began_us, passed_us;
	int fd;

	world->config.messages_per_s_max = 50;
	configure(world);
	fd = join(world, 'a');
	began_us = sys_posix.monotonic_us();
	publish(world, fd, 150, 1);
	AWAIT(world, metrics->messages_in == 150);
	passed_us = sys_posix.monotonic_us() - began_us;
	/* A second's worth at once, the rest evenly. */
	assert_true(passed_us >= 1900000);
	assert_true(metrics->held_back > 0);
	assert_int_equal(metrics->ended_rate, 0);
	(void)close(fd);
}

static void
others_are_not_held_back_with_it(void **state)
{
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	int quick, other;
	uint64_t before;

	world->config.bytes_per_s_max = 10000;
	configure(world);
	quick = join(world, 'a');
	other = join(world, 'b');
	publish(world, quick, 50, 1000);
	AWAIT(world, metrics->held_back > 0);
	before = metrics->held_back;
	publish(world, other, 1, 1);
	AWAIT(world, world->published > 0 && !is_closed(other));
	assert_true(metrics->messages_in < 50);
	assert_true(metrics->held_back >= before);
	(void)close(quick);
	(void)close(other);
}

/* `payload_bytes` against a rate of 5 messages or of 5,000 bytes. */
static void
push_on(struct world *world, uint8_t reason, size_t payload_bytes)
{
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	bool told = false;
	int fd;

	configure(world);
	fd = join(world, 'a');
	publish(world, fd, 60, payload_bytes);
	AWAIT(world, metrics->ended_rate == 1);
	AWAIT(world, told || (told = was_told(fd, reason)));
	(void)close(fd);
}

static void
who_sends_too_many_messages_for_too_long_is_cut_with_0x96(void **state)
{
	struct world *world = *state;

	world->config.messages_per_s_max = 5;
	world->config.patience_ms = 1000;
	push_on(world, MQTT_MESSAGE_RATE_TOO_HIGH, 1);
}

static void
who_sends_too_many_bytes_for_too_long_is_cut_with_0x97(void **state)
{
	struct world *world = *state;

	world->config.bytes_per_s_max = 5000;
	world->config.patience_ms = 1000;
	push_on(world, MQTT_QUOTA_EXCEEDED, 1000);
}

/* Until more waits for the subscriber than its socket takes. */
static void
fill(struct world *world, int publisher)
{
	const struct broker_metrics *metrics = broker_metrics(world->broker);

	world->config.out_bytes_max = 100000;
	configure(world);
	while (metrics->dropped_slow == 0) {
		uint64_t before = metrics->messages_in;

		publish(world, publisher, 100, PAYLOAD_BYTES);
		AWAIT(world, metrics->messages_in >= before + 100);
	}
}

static void
who_takes_nothing_of_what_it_is_sent_is_cut(void **state)
{
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	int stuck = join(world, 'a'), publisher = join(world, 'b');

	subscribe(world, stuck);
	fill(world, publisher);
	for (int i = 0; i < 700; i++)
		turn(world);
	world_advance(30 * US);
	for (int i = 0; i < 700; i++)
		turn(world);
	assert_int_equal(metrics->ended_stuck, 0);
	world_advance(40 * US);
	AWAIT(world, metrics->ended_stuck == 1);
	AWAIT(world, is_closed(stuck));
	assert_false(is_closed(publisher));
	(void)close(stuck);
	(void)close(publisher);
}

static void
who_reads_slowly_is_not_cut(void **state)
{
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	int slow = join(world, 'a'), publisher = join(world, 'b');
	uint8_t bytes[65536];

	subscribe(world, slow);
	fill(world, publisher);
	for (int i = 0; i < 4; i++) {
		assert_true(recv(slow, bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
		for (int k = 0; k < 700; k++)
			turn(world);
		publish(world, publisher, 100, PAYLOAD_BYTES);
		world_advance(40 * US);
	}
	assert_int_equal(metrics->ended_stuck, 0);
	(void)close(slow);
	(void)close(publisher);
}

static void
unfinished_packets_of_all_clients_have_a_bound(void **state)
{
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	static const uint8_t head[] = { 0x30, 0xd0, 0x86, 0x03, 0, 1, 't', 0 }; /* 50,000 bytes */
	uint8_t part[20000] = { 0 };
	int fds[8];

	world->config.input_bytes_max = 100000;
	configure(world);
	for (int i = 0; i < 8; i++) {
		fds[i] = join(world, (char)('a' + i));
		send_all(world, fds[i], head, sizeof(head));
		send_all(world, fds[i], part, sizeof(part));
		for (int k = 0; k < 5; k++)
			turn(world);
	}
	AWAIT(world, metrics->ended_input > 0);
	AWAIT(world, metrics->connected == 8 - metrics->ended_input);
	assert_true(metrics->connected >= 3);
	for (int i = 0; i < 8; i++)
		(void)close(fds[i]);
}

static void
a_connect_may_not_be_large(void **state)
{
	struct world *world = *state;
	static const uint8_t head[] = { 0x10, 0x80, 0x80, 0x0c }; /* 196,608 bytes */
	int fd = world_connect(world);

	send_all(world, fd, head, sizeof(head));
	AWAIT(world, is_closed(fd));
	(void)close(fd);
}

static void
what_is_kept_is_counted_and_given_back(void **state)
{
	/* Session b, away, with a subscription to "t" by QoS 1. */
	static const uint8_t connect[] = { 0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 0, 0, 0, 0, 2,
		'b', 'b' };
	static const uint8_t want[] = { 0x82, 6, 0, 1, 0, 1, 't', 1 };
	static const uint8_t message[108] = { 0x32, 106, 0, 1, 't', 0, 1, 0 };
	static const uint8_t clean[] = { 0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 2, 'b',
		'b' };
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	int away = world_connect(world), publisher = join(world, 'p');
	uint64_t one;

	send_all(world, away, connect, sizeof(connect));
	send_all(world, away, want, sizeof(want));
	AWAIT(world, metrics->subscriptions == 1);
	(void)close(away);
	AWAIT(world, metrics->connected == 1);
	send_all(world, publisher, message, sizeof(message));
	AWAIT(world, metrics->kept_bytes > 0);
	one = metrics->kept_bytes;
	assert_true(one > 200); /* in memory, and the session's own in the store */
	world->config.kept_bytes_max = 3 * one;
	configure(world);
	for (int i = 0; i < 8; i++)
		send_all(world, publisher, message, sizeof(message));
	AWAIT(world, metrics->dropped_queue_full >= 4);
	assert_true(metrics->kept_bytes <= 5 * one);
	away = world_connect(world);
	send_all(world, away, clean, sizeof(clean));
	AWAIT(world, metrics->kept_bytes == 0);
	(void)close(away);
	(void)close(publisher);
}

static void
who_does_not_read_its_answers_is_not_read(void **state)
{
	struct world *world = *state;
	const struct broker_metrics *metrics = broker_metrics(world->broker);
	uint8_t pings[20000], bytes[65536];
	uint64_t before, sent = 0, answered = 0;
	int fd;

	for (size_t i = 0; i < sizeof(pings); i++)
		pings[i] = i % 2 == 0 ? 0xc0 : 0;
	world->config.out_bytes_max = 100000;
	configure(world);
	fd = join(world, 'a');
	(void)recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	for (int idle = 0; idle < 20; idle++) {
		ssize_t wrote = send(fd, pings, sizeof(pings), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (wrote > 0) {
			sent += (uint64_t)wrote;
			idle = 0;
		}
		turn(world);
		assert_true(sent < 10000000);
	}
	before = metrics->bytes_in;
	while (answered < sent) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		answered += got > 0 ? (uint64_t)got : 0;
		turn(world);
	}
	assert_true(metrics->bytes_in > before);
	(void)close(fd);
}

static void
while_the_host_is_full_clients_wait(void **state)
{
	struct world *world = *state;
	int fd = join(world, 'a');

	world->is_full = true;
	publish(world, fd, 10, 1);
	AWAIT(world, world->published > 0);
	for (int i = 0; i < 50; i++)
		turn(world);
	assert_int_equal(world->published, 1);
	world->is_full = false;
	broker_resume(world->broker);
	AWAIT(world, world->published == 10);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    who_sends_too_quickly_is_not_read_for_a_moment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    others_are_not_held_back_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_sends_too_many_messages_for_too_long_is_cut_with_0x96, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_sends_too_many_bytes_for_too_long_is_cut_with_0x97, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_takes_nothing_of_what_it_is_sent_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_reads_slowly_is_not_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    unfinished_packets_of_all_clients_have_a_bound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_does_not_read_its_answers_is_not_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    while_the_host_is_full_clients_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connect_may_not_be_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    what_is_kept_is_counted_and_given_back, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
