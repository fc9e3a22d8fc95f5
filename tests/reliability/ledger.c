/* SPDX-License-Identifier: MIT
 * The ledger: publishers that note what was acknowledged, a subscriber that notes what came, a
 * nemesis that kills the program under test with SIGKILL (and at times once more while it comes
 * back), and the checker at the end:
 *
 *   - everything acknowledged has come;
 *   - the first copies of one publisher's messages came in order;
 *   - copies are no more than were on their way at the kills (none where only workers were
 *     killed);
 *   - the database is sound, and the program ends with 0 at SIGTERM.
 *
 * A message of publisher 3 goes to TOPIC/3 with {"client":3,"seq":7}; what comes by FILTER must
 * hold the same two members. With --shadow the publishers update shadows instead, and the
 * subscriber hears of what was accepted.
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

enum { PUBLISHERS = 4, WINDOW = 20, SEQUENCES_MAX = 16000000, CONVERGE_US = 120000000 };

struct publisher {
	struct peer peer;
	int number;
	int next;    /* sequence to be sent first */
	int unacked; /* the lowest that is not acknowledged */
	uint8_t *acked;
	uint8_t *came; /* copies, 255 at most */
	int newest;    /* highest sequence that came */
};

struct ledger {
	struct victim victim;
	struct peer subscriber;
	struct publisher publishers[PUBLISHERS];
	const char *in;
	const char *out;
	const char *data;
	unsigned seed;
	int kills;
	int worker_kills;
	int workers_killed;
	bool shadow;
	bool stop; /* send nothing new */
	long copies;
	long inversions;
	int64_t slowest_connack_us;
};

static unsigned
draw(struct ledger *ledger, unsigned below)
{
	ledger->seed = ledger->seed * 1103515245u + 12345u;
	return (ledger->seed >> 16) % below;
}

/* --- publishers --- */

/* Packet ids are of the sequence: the window is far smaller than they are many. */
static uint16_t
packet_id_of(int seq)
{
	return (uint16_t)(seq % 60000 + 1);
}

static void
on_acked(void *arg, uint16_t packet_id, uint8_t reason)
{
	struct publisher *publisher = arg;

	for (int seq = publisher->unacked; seq < publisher->next; seq++) {
		if (packet_id_of(seq) == packet_id && reason < 0x80)
			publisher->acked[seq] = 1;
	}
	while (publisher->unacked < publisher->next && publisher->acked[publisher->unacked])
		publisher->unacked++;
}

static void
send_one(const struct ledger *ledger, struct publisher *publisher, int seq)
{
	const char *before = ledger->shadow ? "{\"state\":{\"reported\":" : "";
	const char *behind = ledger->shadow ? "}}" : "";
	char topic[128], payload[128];
	int len;

	if (ledger->shadow)
		(void)snprintf(
		    topic, sizeof(topic), "$aws/things/car-%d/shadow/update", publisher->number);
	else
		(void)snprintf(topic, sizeof(topic), "%s/%d", ledger->in, publisher->number);
	len = snprintf(payload, sizeof(payload), "%s{\"client\":%d,\"seq\":%d}%s", before,
	    publisher->number, seq, behind);
	peer_publish(&publisher->peer, topic, bytes_of(payload, (size_t)len), packet_id_of(seq));
}

static void
publisher_fill(const struct ledger *ledger, struct publisher *publisher)
{
	while (!ledger->stop && publisher->next < SEQUENCES_MAX &&
	       publisher->next - publisher->unacked < WINDOW)
		send_one(ledger, publisher, publisher->next++);
}

static bool
publisher_connect(const struct ledger *ledger, struct publisher *publisher)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "publisher-%d", publisher->number);
	if (!peer_connect(&publisher->peer, ledger->victim.port, id, false))
		return false;
	for (int seq = publisher->unacked; seq < publisher->next; seq++) {
		if (!publisher->acked[seq])
			send_one(ledger, publisher, seq);
	}
	return true;
}

/* --- the subscriber --- */

static int
number_after(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at != NULL ? atoi(at + strlen(name)) : -1;
}

static void
on_message(void *arg, struct bytes topic, struct bytes payload)
{
	struct ledger *ledger = arg;
	char *text = bytes_to_string(payload);
	int client = number_after(text, "\"client\":"), seq = number_after(text, "\"seq\":");
	struct publisher *publisher;

	(void)topic;
	free(text);
	if (client < 0 || client >= PUBLISHERS || seq < 0 || seq >= SEQUENCES_MAX)
		return;
	publisher = &ledger->publishers[client];
	if (publisher->came[seq] > 0)
		ledger->copies++;
	else if (seq < publisher->newest)
		ledger->inversions++;
	if (publisher->came[seq] < UINT8_MAX)
		publisher->came[seq]++;
	if (seq > publisher->newest)
		publisher->newest = seq;
}

/* --- turns --- */

static void
wait_for_input(struct ledger *ledger, int timeout_ms)
{
	struct pollfd fds[PUBLISHERS + 2];

	for (int i = 0; i < PUBLISHERS; i++)
		fds[i] = (struct pollfd){ ledger->publishers[i].peer.fd, POLLIN, 0 };
	fds[PUBLISHERS] = (struct pollfd){ ledger->subscriber.fd, POLLIN, 0 };
	fds[PUBLISHERS + 1] = (struct pollfd){ ledger->victim.log_fd, POLLIN, 0 };
	(void)poll(fds, PUBLISHERS + 2, timeout_ms);
}

/* False: a connection ended that nobody has killed. */
static bool
turn(struct ledger *ledger)
{
	bool open = true;

	for (int i = 0; i < PUBLISHERS; i++) {
		publisher_fill(ledger, &ledger->publishers[i]);
		open &= peer_turn(&ledger->publishers[i].peer);
	}
	open &= peer_turn(&ledger->subscriber);
	victim_listen(&ledger->victim);
	if (open)
		wait_for_input(ledger, 10);
	return open;
}

static bool
connect_all(struct ledger *ledger, bool first)
{
	if (!peer_connect(&ledger->subscriber, ledger->victim.port, "subscriber", true))
		return false;
	if (first && !peer_subscribe(&ledger->subscriber, ledger->out))
		return false;
	if (!first && !ledger->subscriber.session_present) {
		(void)fprintf(stderr, "ledger: the subscriber's session is gone\n");
		return false;
	}
	for (int i = 0; i < PUBLISHERS; i++) {
		if (!publisher_connect(ledger, &ledger->publishers[i]))
			return false;
	}
	return true;
}

static bool
start(struct ledger *ledger, bool first)
{
	int64_t begun_us = now_us(), took_us;

	if (!victim_start(&ledger->victim)) {
		(void)fprintf(stderr, "ledger: the program did not become ready\n");
		return false;
	}
	if (!connect_all(ledger, first)) {
		(void)fprintf(stderr, "ledger: cannot connect\n");
		return false;
	}
	took_us = now_us() - begun_us;
	if (took_us > ledger->slowest_connack_us)
		ledger->slowest_connack_us = took_us;
	return true;
}

static bool
run_for(struct ledger *ledger, int64_t duration_us)
{
	int64_t end_us = now_us() + duration_us;

	while (now_us() < end_us) {
		if (!turn(ledger)) {
			(void)fprintf(stderr, "ledger: a connection ended by itself\n");
			return false;
		}
	}
	return true;
}

static void
kill_it(struct ledger *ledger)
{
	(void)victim_end(&ledger->victim, SIGKILL);
	for (int i = 0; i < PUBLISHERS; i++) {
		(void)peer_turn(&ledger->publishers[i].peer);
		peer_close(&ledger->publishers[i].peer);
	}
	(void)peer_turn(&ledger->subscriber);
	peer_close(&ledger->subscriber);
}

/* --- the checker --- */

static long
missing_of(const struct ledger *ledger, long *acknowledged)
{
	long missing = 0;

	*acknowledged = 0;
	for (int i = 0; i < PUBLISHERS; i++) {
		const struct publisher *publisher = &ledger->publishers[i];

		for (int seq = 0; seq < publisher->next; seq++) {
			*acknowledged += publisher->acked[seq];
			missing += publisher->acked[seq] && publisher->came[seq] == 0;
		}
	}
	return missing;
}

static long
on_their_way(const struct ledger *ledger)
{
	long count = 0;

	for (int i = 0; i < PUBLISHERS; i++)
		count += ledger->publishers[i].next - ledger->publishers[i].unacked;
	return count;
}

static bool
converge(struct ledger *ledger)
{
	int64_t end_us = now_us() + CONVERGE_US;
	long acknowledged;

	ledger->stop = true;
	while (on_their_way(ledger) > 0 || missing_of(ledger, &acknowledged) > 0) {
		if (now_us() > end_us || !run_for(ledger, 20000))
			return false;
	}
	return true;
}

static int
note_verdict(void *arg, int count, char **values, char **names)
{
	(void)count;
	(void)names;
	*(bool *)arg = strcmp(values[0], "ok") == 0;
	return 0;
}

static bool
is_sound(const char *data)
{
	char path[512];
	bool sound = false;
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/moonlet.db", data);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
		(void)sqlite3_exec(db, "PRAGMA integrity_check", note_verdict, &sound, NULL);
	(void)sqlite3_close(db);
	return sound;
}

static int
verdict(const struct ledger *ledger, int status, unsigned seed)
{
	long acknowledged, missing = missing_of(ledger, &acknowledged);
	long copies_max = (long)ledger->kills * PUBLISHERS * WINDOW * 4;
	bool sound = is_sound(ledger->data);
	bool good = missing == 0 && on_their_way(ledger) == 0 && ledger->inversions == 0 &&
		    ledger->copies <= copies_max && sound && status == 0 &&
		    ledger->workers_killed >= ledger->worker_kills / 2;

	(void)printf(
	    "%d kills, %d of workers, %ld acknowledged, %ld missing, %ld on their way, %ld copies, "
	    "%ld out of order, database %s, end %d, connected again within %lld ms, "
	    "seed %u: %s\n",
	    ledger->kills, ledger->workers_killed, acknowledged, missing, on_their_way(ledger),
	    ledger->copies, ledger->inversions, sound ? "sound" : "DAMAGED", status,
	    (long long)(ledger->slowest_connack_us / 1000), seed, good ? "passed" : "FAILED");
	return good ? 0 : 1;
}

static bool
run(struct ledger *ledger)
{
	if (!start(ledger, true))
		return false;
	for (int i = 0; i < ledger->worker_kills; i++) {
		if (!run_for(ledger, 10000 + (int64_t)draw(ledger, 40000)))
			return false;
		ledger->workers_killed += victim_kill_worker(&ledger->victim, draw(ledger, 1000));
	}
	for (int i = 0; i < ledger->kills; i++) {
		if (!run_for(ledger, 30000 + (int64_t)draw(ledger, 250000)))
			return false;
		kill_it(ledger);
		if (draw(ledger, 3) == 0)
			victim_stumble(&ledger->victim, (int64_t)draw(ledger, 8000));
		if (!start(ledger, false))
			return false;
	}
	return converge(ledger);
}

static int
usage(void)
{
	(void)fprintf(stderr,
	    "usage: ledger [--kills N] [--seed N] [--in TOPIC] [--out FILTER] "
	    "[--worker-kills N] [--shadow] [--log FILE] --data FOLDER -- COMMAND...\n");
	return 2;
}

static bool
read_options(struct ledger *ledger, int argc, char **argv)
{
	static const struct option options[] = {
		{ "kills", required_argument, NULL, 'k' },
		{ "seed", required_argument, NULL, 's' },
		{ "in", required_argument, NULL, 'i' },
		{ "out", required_argument, NULL, 'o' },
		{ "data", required_argument, NULL, 'd' },
		{ "log", required_argument, NULL, 'l' },
		{ "worker-kills", required_argument, NULL, 'w' },
		{ "shadow", no_argument, NULL, 'S' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'k')
			ledger->kills = atoi(optarg);
		else if (option == 's')
			ledger->seed = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'i')
			ledger->in = optarg;
		else if (option == 'o')
			ledger->out = optarg;
		else if (option == 'd')
			ledger->data = optarg;
		else if (option == 'l')
			ledger->victim.log = optarg;
		else if (option == 'w')
			ledger->worker_kills = atoi(optarg);
		else if (option == 'S')
			ledger->shadow = true;
		else
			return false;
	}
	if (ledger->shadow)
		ledger->out = "$aws/things/+/shadow/update/accepted";
	ledger->victim.command = argv + optind;
	return optind < argc && ledger->data != NULL;
}

static void
ledger_init(struct ledger *ledger)
{
	for (int i = 0; i < PUBLISHERS; i++) {
		struct publisher *publisher = &ledger->publishers[i];

		publisher->number = i;
		publisher->newest = -1;
		publisher->acked = xcalloc(SEQUENCES_MAX, 1);
		publisher->came = xcalloc(SEQUENCES_MAX, 1);
		publisher->peer = (struct peer){ .fd = -1, .acked = on_acked, .arg = publisher };
	}
	ledger->subscriber = (struct peer){ .fd = -1, .message = on_message, .arg = ledger };
}

static void
ledger_clear(struct ledger *ledger)
{
	for (int i = 0; i < PUBLISHERS; i++) {
		peer_close(&ledger->publishers[i].peer);
		free(ledger->publishers[i].acked);
		free(ledger->publishers[i].came);
	}
	peer_close(&ledger->subscriber);
}

int
main(int argc, char **argv)
{
	struct ledger ledger = { .in = "out", .out = "out/#", .seed = 1, .kills = 20 };
	unsigned seed;
	int status;
	bool good;

	ledger.victim.log = "/dev/null";
	if (!read_options(&ledger, argc, argv))
		return usage();
	seed = ledger.seed;
	ledger_init(&ledger);
	good = run(&ledger);
	status = victim_end(&ledger.victim, SIGTERM);
	status = verdict(&ledger, good ? status : 1, seed);
	ledger_clear(&ledger);
	return status;
}
