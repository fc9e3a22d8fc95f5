/* SPDX-License-Identifier: MIT
 * A broker for tests.
 */
#include "tests/broker_world.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t moved_us;
static struct sys moved_sys;

static int64_t
moved_monotonic_us(void)
{
	return sys_posix.monotonic_us() + moved_us;
}

static int64_t
moved_wall_ms(void)
{
	return sys_posix.wall_ms() + moved_us / 1000;
}

void
world_advance(int64_t by_us)
{
	moved_us += by_us;
}

/* The place of a record, or where it would stand: they are kept in order. */
static size_t
find_record(const struct world *world, enum space space, struct bytes key, bool *found)
{
	size_t i;
	int order = 1;

	for (i = 0; i < world->record_count; i++) {
		const struct world_record *record = &world->records[i];

		order = record->space != space ? (int)record->space - (int)space
					       : bytes_compare(buf_bytes(&record->key), key);
		if (order >= 0)
			break;
	}
	*found = i < world->record_count && order == 0;
	return i;
}

static void
apply_write(struct world *world, const struct write *write)
{
	bool found;
	size_t at = find_record(world, write->space, write->key, &found);
	struct world_record *record = &world->records[at];

	if (found) {
		buf_clear(&record->key);
		buf_clear(&record->value);
		memmove(record, record + 1, (--world->record_count - at) * sizeof(*record));
	}
	if (write->kind == WRITE_DELETE)
		return;
	assert(world->record_count < WORLD_RECORDS_MAX);
	memmove(record + 1, record, (world->record_count++ - at) * sizeof(*record));
	*record = (struct world_record){ .space = write->space };
	buf_append_bytes(&record->key, write->key);
	buf_append_bytes(&record->value, write->value);
}

static void
persist(void *arg, const struct writes *writes, void (*done)(void *done_arg, int status),
    void *done_arg)
{
	struct world *world = arg;
	struct write write;
	size_t at = 0;

	if (world->store_status != 0 && !world->ends)
		world->store_failed = true;
	while (world->store_status == 0 && writes_next(writes, &at, &write))
		apply_write(world, &write);
	if (done == NULL)
		return;
	assert(world->waiting_count < WORLD_WAITING_MAX);
	world->waiting[world->waiting_count++] = (struct world_waiting){ done, done_arg };
}

static enum broker_flow
published(void *arg, const struct message *message, struct ack *ack)
{
	struct world *world = arg;

	(void)message;
	world->published++;
	if (world->acks_are_held && ack != NULL && world->ack_count < WORLD_WAITING_MAX)
		world->acks[world->ack_count++] = ack_hold(ack);
	return world->pauses_clients ? BROKER_PAUSE : BROKER_GO_ON;
}

static bool
is_full(void *arg)
{
	return ((struct world *)arg)->is_full;
}

void
world_release_acks(struct world *world, uint8_t code)
{
	for (size_t i = 0; i < world->ack_count; i++)
		ack_release(world->acks[i], code);
	world->ack_count = 0;
}

static void
decide(struct world *world, struct broker_login *login, uint8_t reason)
{
	const struct broker_decision decision = { .reason = reason,
		.identity = reason == MQTT_SUCCESS ? world : NULL };

	world->identities += reason == MQTT_SUCCESS;
	broker_login_done(login, &decision);
}

static void
authenticate(void *arg, struct broker_login *login, const struct mqtt_connect *connect,
    const struct peer *peer)
{
	struct world *world = arg;

	(void)connect;
	(void)peer;
	if (world->logins_are_held && world->login_count < WORLD_LOGINS_MAX)
		world->logins[world->login_count++] = login;
	else
		decide(world, login, MQTT_SUCCESS);
}

void
world_release_logins(struct world *world, uint8_t reason)
{
	for (size_t i = 0; i < world->login_count; i++)
		decide(world, world->logins[i], reason);
	world->login_count = 0;
}

static bool
authorize(void *arg, const struct broker_question *question)
{
	const struct world *world = arg;

	assert(question->identity == world);
	for (size_t i = 0; i < world->denied_count; i++) {
		if (world->denied[i].action == question->action &&
		    bytes_equal_string(question->topic, world->denied[i].topic))
			return false;
	}
	return true;
}

static void
identity_unref(void *arg, void *identity)
{
	struct world *world = arg;

	assert(identity == world && world->identities > 0);
	world->identities--;
}

static void
answer_store(struct world *world, int status)
{
	size_t count = world->waiting_count;
	struct world_waiting *due = xmalloc((count + 1) * sizeof(*due));

	memcpy(due, world->waiting, count * sizeof(*due));
	world->waiting_count = 0;
	for (size_t i = 0; i < count; i++)
		due[i].done(due[i].arg, status);
	free(due);
}

static void
set_limits(struct broker_config *config)
{
	config->keep_alive_s_max = 600;
	config->receive_maximum = 10;
	config->topic_alias_maximum = 10;
	config->packet_bytes_max = 70000;
	config->queued_messages_max = 20;
	config->connect_timeout_ms = 10000;
}

static void
start_broker(struct world *world)
{
	const struct broker_hooks hooks = { .arg = world,
		.published = published,
		.persist = persist,
		.full = is_full,
		.authenticate = authenticate,
		.authorize = authorize,
		.identity_unref = identity_unref };

	world->broker = broker_new(world->loop, &world->config, &hooks);
	for (size_t i = 0; i < world->record_count; i++) {
		struct world_record *record = &world->records[i];
		bool good = broker_restore(world->broker, record->space, buf_bytes(&record->key),
		    buf_bytes(&record->value));

		/* What was refused once may leave rows without their session, and so may a kill
		 * while a message is on its way to a session that ends. */
		assert(good || world->store_failed || record->space == SPACE_SESSION_MESSAGE);
	}
	broker_restored(world->broker);
}

void
world_init(struct world *world)
{
	struct err err;

	memset(world, 0, sizeof(*world));
	moved_sys = sys_posix;
	moved_sys.monotonic_us = moved_monotonic_us;
	moved_sys.wall_ms = moved_wall_ms;
	world->loop = loop_new(&moved_sys, &err);
	assert(world->loop != NULL);
	world->config = broker_defaults;
	set_limits(&world->config);
	start_broker(world);
}

/* What waits is freed by its own callbacks, but what they would write now is lost. */
static void
stop_broker(struct world *world)
{
	int status = world->store_status;

	world->store_status = -1;
	world->ends = true;
	world->acks_are_held = false;
	while (world->ack_count > 0 || world->waiting_count > 0) {
		world_release_acks(world, MQTT_QUOTA_EXCEEDED);
		answer_store(world, -1);
	}
	world_release_logins(world, MQTT_SERVER_UNAVAILABLE);
	broker_free(world->broker);
	assert(world->identities == 0);
	while (world->waiting_count > 0)
		answer_store(world, -1);
	world->store_status = status;
	world->ends = false;
}

void
world_restart(struct world *world)
{
	stop_broker(world);
	start_broker(world);
}

void
world_clear(struct world *world)
{
	stop_broker(world);
	loop_free(world->loop);
	for (size_t i = 0; i < world->record_count; i++) {
		buf_clear(&world->records[i].key);
		buf_clear(&world->records[i].value);
	}
}

int
world_connect(struct world *world)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
		perror("socketpair");
		abort();
	}
	broker_accept(world->broker, ends[0], "test");
	return ends[1];
}

void
world_turn(struct world *world)
{
	struct err err;

	if (loop_turn(world->loop, false, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		abort();
	}
	if (!world->store_is_held)
		answer_store(world, world->store_status);
}
