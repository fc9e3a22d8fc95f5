/* SPDX-License-Identifier: MIT
 * The fleet: cars send readings over a few connections, half of them with QoS 1 and half with QoS
 * 2, to a function that counts them in a table, whose changes announce services through another;
 * the host is killed with SIGKILL at any moment, or ends at one of its allocations. The checker, at
 * the end:
 *
 *   - a car's count is at least its acknowledged readings, and at most what was sent for it (QoS
 * 1);
 *   - it is exactly what was sent (QoS 2);
 *   - each tenth reading of a car has exactly one service, announced at least once;
 *   - the database is sound, nothing is left in the queue or in the dead letters, and the host ends
 *     with 0 at SIGTERM.
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/reliability/peer.h"
#include "tests/reliability/victim.h"

enum { PUBLISHERS = 4, WINDOW = 30, CARS_MAX = 4000, CONVERGE_US = 120000000, SERVICE_EVERY = 10 };

/* A message on its way; its packet id is its place in the window + 1. */
struct flight {
	int car;       /* -1: none */
	bool received; /* QoS 2: PUBREC is here */
};

struct car {
	long sent;
	long resent;
	long acked;
};

struct publisher {
	struct peer peer;
	struct fleet *fleet;
	int number;
	uint8_t qos;
	struct flight flights[WINDOW];
	int in_flight;
};

struct fleet {
	struct victim victim;
	struct peer subscriber;
	struct publisher publishers[PUBLISHERS];
	struct car cars[CARS_MAX];
	int car_count;
	const char *data;
	unsigned seed;
	int kills;
	const char *world; /* a library; then allocations end the host, or fail */
	int survived;	   /* of allocations that failed */
	bool stop;
	long announced;
	int64_t slowest_us;
};

static unsigned
draw(struct fleet *fleet, unsigned below)
{
	fleet->seed = fleet->seed * 1103515245u + 12345u;
	return (fleet->seed >> 16) % below;
}

/* --- publishers --- */

static void
send_flight(struct publisher *publisher, int at, bool again)
{
	int car = publisher->flights[at].car;
	char topic[64], payload[64];

	(void)snprintf(topic, sizeof(topic), "fleet/car-%d", car);
	(void)snprintf(payload, sizeof(payload), "{\"deviceid\":\"car-%d\"}", car);
	peer_send(&publisher->peer, &(struct peer_message){ topic, bytes_of_string(payload),
					(uint16_t)(at + 1), publisher->qos, again });
}

static void
on_received(void *arg, uint16_t packet_id, uint8_t reason)
{
	struct publisher *publisher = arg;

	if (packet_id >= 1 && packet_id <= WINDOW && reason < 0x80)
		publisher->flights[packet_id - 1].received = true;
}

static void
on_acked(void *arg, uint16_t packet_id, uint8_t reason)
{
	struct publisher *publisher = arg;
	struct flight *flight = &publisher->flights[packet_id - 1];

	/* A PUBCOMP may say that the packet id is not known: it was completed before. */
	if (packet_id < 1 || packet_id > WINDOW || flight->car < 0 ||
	    (reason >= 0x80 && !flight->received))
		return;
	publisher->fleet->cars[flight->car].acked++;
	*flight = (struct flight){ .car = -1 };
	publisher->in_flight--;
}

/* A car belongs to one publisher. */
static void
publisher_fill(struct publisher *publisher)
{
	struct fleet *fleet = publisher->fleet;

	for (int at = 0; at < WINDOW && !fleet->stop; at++) {
		unsigned chosen;

		if (publisher->flights[at].car >= 0)
			continue;
		chosen = draw(fleet, (unsigned)(fleet->car_count / PUBLISHERS));
		publisher->flights[at].car = (int)chosen * PUBLISHERS + publisher->number;
		fleet->cars[publisher->flights[at].car].sent++;
		publisher->in_flight++;
		send_flight(publisher, at, false);
	}
}

static bool
publisher_connect(struct publisher *publisher, bool first)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "gateway-%d", publisher->number);
	if (!peer_connect(&publisher->peer, publisher->fleet->victim.port, id, true) ||
	    (!first && !publisher->peer.session_present))
		return false;
	for (int at = 0; at < WINDOW; at++) {
		const struct flight *flight = &publisher->flights[at];

		if (flight->car < 0)
			continue;
		if (flight->received) {
			peer_release(&publisher->peer, (uint16_t)(at + 1));
			continue;
		}
		publisher->fleet->cars[flight->car].resent++;
		send_flight(publisher, at, true);
	}
	return true;
}

static void
on_message(void *arg, struct bytes topic, struct bytes payload)
{
	(void)topic;
	(void)payload;
	((struct fleet *)arg)->announced++;
}

/* --- turns --- */

static bool
turn(struct fleet *fleet)
{
	struct pollfd fds[PUBLISHERS + 2];
	bool open = true;

	for (int i = 0; i < PUBLISHERS; i++) {
		publisher_fill(&fleet->publishers[i]);
		open &= peer_turn(&fleet->publishers[i].peer);
		fds[i] = (struct pollfd){ fleet->publishers[i].peer.fd, POLLIN, 0 };
	}
	open &= peer_turn(&fleet->subscriber);
	victim_listen(&fleet->victim);
	fds[PUBLISHERS] = (struct pollfd){ fleet->subscriber.fd, POLLIN, 0 };
	fds[PUBLISHERS + 1] = (struct pollfd){ fleet->victim.log_fd, POLLIN, 0 };
	if (open)
		(void)poll(fds, PUBLISHERS + 2, 10);
	return open;
}

static bool
complain(const char *what)
{
	(void)fprintf(stderr, "fleet: %s\n", what);
	return false;
}

static bool
start(struct fleet *fleet, bool first)
{
	int64_t begun_us = now_us();

	if (!victim_start(&fleet->victim))
		return complain("the host did not become ready");
	if (!peer_connect(&fleet->subscriber, fleet->victim.port, "workshop", true) ||
	    (first && !peer_subscribe(&fleet->subscriber, "workshop/#")))
		return complain("the subscriber cannot connect");
	for (int i = 0; i < PUBLISHERS; i++) {
		if (!publisher_connect(&fleet->publishers[i], first))
			return complain("a publisher cannot connect, or its session is gone");
	}
	if (now_us() - begun_us > fleet->slowest_us)
		fleet->slowest_us = now_us() - begun_us;
	return true;
}

static bool
run_for(struct fleet *fleet, int64_t duration_us)
{
	int64_t end_us = now_us() + duration_us;

	while (now_us() < end_us) {
		if (!turn(fleet))
			return complain("a connection ended by itself");
	}
	return true;
}

/* What came before the end is read first. */
static void
close_all(struct fleet *fleet)
{
	for (int i = 0; i < PUBLISHERS; i++) {
		if (fleet->publishers[i].peer.fd >= 0)
			(void)peer_turn(&fleet->publishers[i].peer);
		peer_close(&fleet->publishers[i].peer);
	}
	if (fleet->subscriber.fd >= 0)
		(void)peer_turn(&fleet->subscriber);
	peer_close(&fleet->subscriber);
}

static void
kill_it(struct fleet *fleet)
{
	(void)victim_end(&fleet->victim, SIGKILL);
	close_all(fleet);
}

/* --- the checker --- */

struct check {
	struct fleet *fleet;
	sqlite3 *db;
	long readings;
	long services;
	long problems;
};

static long
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	long value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = (long)sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

static void
problem(struct check *check, int car, const char *what, long expected, long found)
{
	if (++check->problems <= 20)
		(void)printf("car-%d: %s: %ld expected, %ld found\n", car, what, expected, found);
}

static void
check_car(struct check *check, int number, long readings)
{
	const struct car *car = &check->fleet->cars[number];
	bool exactly = check->fleet->publishers[number % PUBLISHERS].qos == 2;
	char sql[256];
	long services;

	check->readings += readings;
	if (exactly && readings != car->sent)
		problem(check, number, "readings (QoS 2)", car->sent, readings);
	if (!exactly && readings < car->acked)
		problem(check, number, "readings, at least", car->acked, readings);
	if (!exactly && readings > car->sent + car->resent)
		problem(check, number, "readings, at most", car->sent + car->resent, readings);
	(void)snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM item WHERE value LIKE '{%%\"car-%d/%%' AND "
	    "json_extract(value, '$.count') = 1",
	    number);
	services = ask(check->db, sql);
	check->services += services;
	if (services != readings / SERVICE_EVERY)
		problem(check, number, "services", readings / SERVICE_EVERY, services);
}

static void
check_cars(struct check *check)
{
	sqlite3_stmt *statement = NULL;
	long *readings = calloc(CARS_MAX, sizeof(*readings));

	(void)sqlite3_prepare_v2(check->db,
	    "SELECT json_extract(value, '$.id'), json_extract(value, '$.readings') FROM item "
	    "WHERE json_extract(value, '$.readings') IS NOT NULL",
	    -1, &statement, NULL);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *id = (const char *)sqlite3_column_text(statement, 0);
		int number = id != NULL && strncmp(id, "car-", 4) == 0 ? atoi(id + 4) : -1;

		if (number >= 0 && number < check->fleet->car_count)
			readings[number] = (long)sqlite3_column_int64(statement, 1);
	}
	(void)sqlite3_finalize(statement);
	for (int i = 0; i < check->fleet->car_count; i++)
		check_car(check, i, readings[i]);
	free(readings);
}

static sqlite3 *
open_db(const struct fleet *fleet)
{
	char path[512];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/moonlet.db", fleet->data);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		(void)complain("the database does not open");
	(void)sqlite3_busy_timeout(db, 5000);
	return db;
}

/* Whether each tenth reading has its service by now, and nothing waits. */
static bool
is_done(const struct fleet *fleet)
{
	sqlite3 *db = open_db(fleet);
	bool done = ask(db, "SELECT count(*) FROM item WHERE json_extract(value, '$.count') > 0") ==
			ask(db, "SELECT coalesce(sum(json_extract(value, '$.readings') / 10), 0) "
				"FROM item WHERE json_extract(value, '$.readings') IS NOT NULL") &&
		    ask(db, "SELECT count(*) FROM queue") == 0;

	(void)sqlite3_close(db);
	return done;
}

static bool
converge(struct fleet *fleet)
{
	int64_t end_us = now_us() + CONVERGE_US;
	long announced = 0;
	int on_their_way;

	fleet->stop = true;
	do {
		if (!run_for(fleet, 100000))
			return false;
		if (fleet->announced > announced)
			end_us = now_us() + CONVERGE_US;
		announced = fleet->announced;
		on_their_way = 0;
		for (int i = 0; i < PUBLISHERS; i++)
			on_their_way += fleet->publishers[i].in_flight;
		if (on_their_way == 0 && is_done(fleet))
			return true;
	} while (now_us() < end_us);
	(void)printf("nothing goes on for %d s: %d readings on their way\n", CONVERGE_US / 1000000,
	    on_their_way);
	return false;
}

static int
verdict(struct fleet *fleet, bool converged, int status, unsigned seed)
{
	struct check check = { .fleet = fleet, .db = open_db(fleet) };
	long acked = 0, left;
	bool sound, good;

	check_cars(&check);
	for (int i = 0; i < fleet->car_count; i++)
		acked += fleet->cars[i].acked;
	left = ask(check.db, "SELECT count(*) FROM queue") +
	       ask(check.db, "SELECT count(*) FROM failed");
	sound = ask(check.db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = "
			      "'ok'") == 1;
	(void)sqlite3_close(check.db);
	good = converged && check.problems == 0 && left == 0 && sound && status == 0 &&
	       fleet->announced >= check.services && check.services > 0;
	(void)printf("%d kills, %d cars, %ld readings acknowledged, %ld counted, %ld services, "
		     "%ld announcements, %ld problems, %ld left, database %s, end %d, connected "
		     "again within %lld ms, seed %u: %s\n",
	    fleet->kills, fleet->car_count, acked, check.readings, check.services, fleet->announced,
	    check.problems, left, sound ? "sound" : "DAMAGED", status,
	    (long long)(fleet->slowest_us / 1000), seed, good ? "passed" : "FAILED");
	return good ? 0 : 1;
}

static bool
run(struct fleet *fleet)
{
	if (!start(fleet, true))
		return false;
	for (int i = 0; i < fleet->kills; i++) {
		if (!run_for(fleet, 20000 + (int64_t)draw(fleet, 250000)))
			return false;
		kill_it(fleet);
		if (draw(fleet, 3) == 0)
			victim_stumble(&fleet->victim, (int64_t)draw(fleet, 8000));
		if (!start(fleet, false))
			return false;
	}
	return converge(fleet);
}

/* --- allocations --- */

/* Few at first, then more and more: to start takes some ten thousand. */
static long
draw_allocation(struct fleet *fleet)
{
	return 1 + (long)draw(fleet, 1u << (4 + draw(fleet, 12)));
}

static void
set_allocation(struct fleet *fleet, long number, bool fails)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%ld:%s", number, fails ? "null" : "kill");
	(void)setenv("TEST_ALLOCATION", text, 1);
	(void)setenv("LD_PRELOAD", fleet->world, 1);
}

static void
set_nothing(void)
{
	(void)unsetenv("TEST_ALLOCATION");
	(void)unsetenv("LD_PRELOAD");
}

/* Whether all can connect; the host may end meanwhile. */
static bool
connect_all(struct fleet *fleet)
{
	if (!peer_connect(&fleet->subscriber, fleet->victim.port, "workshop", true))
		return false;
	for (int i = 0; i < PUBLISHERS; i++) {
		if (!publisher_connect(&fleet->publishers[i], false))
			return false;
	}
	return true;
}

/* One life up to its allocation. The host ends itself, by SIGABRT or with an error, or goes on
 * where a library could do without that memory. */
static bool
live(struct fleet *fleet, long number, bool fails)
{
	int64_t end_us;
	bool ready;
	int status;

	set_allocation(fleet, number, fails);
	ready = victim_start(&fleet->victim);
	if (ready && connect_all(fleet)) {
		end_us = now_us() + 400000;
		while (now_us() < end_us && turn(fleet))
			;
		fleet->survived += now_us() >= end_us;
	}
	status = victim_end(&fleet->victim, SIGKILL);
	close_all(fleet);
	set_nothing();
	/* Before it is ready the C library may fall over it: its loader and its name service do. */
	if (status == 128 + SIGKILL ||
	    (fails && (status == 1 || status == 128 + SIGABRT || !ready)))
		return true;
	(void)printf("allocation %ld: the host ended with %d\n", number, status);
	return false;
}

static bool
run_allocations(struct fleet *fleet)
{
	bool good = true;

	if (!start(fleet, true) || !run_for(fleet, 100000))
		return false;
	kill_it(fleet);
	for (int i = 0; i < fleet->kills; i++)
		good &= live(fleet, draw_allocation(fleet), i % 2 == 1);
	(void)printf("%d allocations, %d lived on\n", fleet->kills, fleet->survived);
	return start(fleet, false) && converge(fleet) && good;
}

static int
usage(void)
{
	(void)fprintf(stderr, "usage: fleet [--kills N] [--cars N] [--seed N] [--log FILE] "
			      "[--allocations WORLD.so] --data FOLDER -- COMMAND...\n");
	return 2;
}

static bool
read_options(struct fleet *fleet, int argc, char **argv)
{
	static const struct option options[] = {
		{ "kills", required_argument, NULL, 'k' },
		{ "cars", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ "data", required_argument, NULL, 'd' },
		{ "log", required_argument, NULL, 'l' },
		{ "allocations", required_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'k')
			fleet->kills = atoi(optarg);
		else if (option == 'c')
			fleet->car_count = atoi(optarg);
		else if (option == 's')
			fleet->seed = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'd')
			fleet->data = optarg;
		else if (option == 'l')
			fleet->victim.log = optarg;
		else if (option == 'a')
			fleet->world = optarg;
		else
			return false;
	}
	fleet->victim.command = argv + optind;
	return optind < argc && fleet->data != NULL && fleet->car_count >= PUBLISHERS &&
	       fleet->car_count <= CARS_MAX;
}

static void
fleet_init(struct fleet *fleet)
{
	for (int i = 0; i < PUBLISHERS; i++) {
		struct publisher *publisher = &fleet->publishers[i];

		publisher->fleet = fleet;
		publisher->number = i;
		publisher->qos = i % 2 == 0 ? 1 : 2;
		publisher->peer = (struct peer){
			.fd = -1, .acked = on_acked, .received = on_received, .arg = publisher
		};
		for (int at = 0; at < WINDOW; at++)
			publisher->flights[at].car = -1;
	}
	fleet->subscriber = (struct peer){ .fd = -1, .message = on_message, .arg = fleet };
}

int
main(int argc, char **argv)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	bool converged;
	unsigned seed;
	int result;

	fleet->kills = 20;
	fleet->car_count = 200;
	fleet->seed = 1;
	fleet->victim.log_fd = -1;
	if (!read_options(fleet, argc, argv))
		return usage();
	seed = fleet->seed;
	fleet_init(fleet);
	converged = fleet->world != NULL ? run_allocations(fleet) : run(fleet);
	result = verdict(fleet, converged, victim_end(&fleet->victim, SIGTERM), seed);
	for (int i = 0; i < PUBLISHERS; i++)
		peer_close(&fleet->publishers[i].peer);
	peer_close(&fleet->subscriber);
	free(fleet);
	return result;
}
