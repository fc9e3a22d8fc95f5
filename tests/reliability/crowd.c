/* SPDX-License-Identifier: MIT
 * Crowds of clients against a running gateway, and what ordinary clients notice meanwhile.
 *
 *   crowd storm  PORT COUNT ROUNDS   all connect at once, until all are in; then all leave at once
 *   crowd silent PORT COUNT KIND     all come as far as KIND says and then say nothing more: until
 *                                    the gateway has cut them all
 *
 * Meanwhile a child, and in it a few clients, send a message each to itself every 5 ms. One line at
 * the end: how long it took, and what the p99 and the longest of those messages were.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/sys.h"
#include "tests/reliability/peer.h"

enum {
	OTHERS = 5,
	EVERY_US = 5000,
	SAMPLES_MAX = 200000,
	WAIT_US_MAX = 120000000,
	AGAIN_US = 200000
};

enum progress { AWAY, CALLED, SAID, IN };

struct guest {
	int fd;
	enum progress progress;
	int64_t again_us; /* AWAY: when it tries again */
};

struct crowd {
	struct sockaddr_in address;
	struct guest *guests;
	int count;
	int in;
	int failed; /* connects that were refused or cut, and made again */
	int epoll;
	struct bytes words; /* what each says */
};

/* What the child has seen; in memory that both share. */
struct notes {
	bool stop;
	bool ready;
	bool cut;
	unsigned count;
	uint32_t took_us[SAMPLES_MAX];
};

static int64_t
now_us(void)
{
	return sys_posix.monotonic_us();
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

struct other {
	struct peer peer;
	struct notes *notes;
	int64_t sent_us; /* 0: nothing is on its way */
	int64_t due_us;
	char topic[32];
};

static void
came_back(void *arg, struct bytes topic, struct bytes payload)
{
	struct other *other = arg;
	struct notes *notes = other->notes;

	(void)topic;
	(void)payload;
	if (other->sent_us != 0 && notes->count < SAMPLES_MAX)
		notes->took_us[notes->count++] = (uint32_t)(now_us() - other->sent_us);
	other->sent_us = 0;
}

static void
acked(void *arg, uint16_t packet_id, uint8_t reason)
{
	(void)arg;
	(void)packet_id;
	(void)reason;
}

static void
turn_other(struct other *other)
{
	int64_t now = now_us();

	if (other->sent_us == 0 && now >= other->due_us) {
		other->sent_us = now;
		other->due_us = now + EVERY_US;
		peer_publish(&other->peer, other->topic, bytes_of_string("x"), 1);
	}
	if (!peer_turn(&other->peer)) {
		other->notes->cut = true;
		other->notes->stop = true;
	}
}

/* The child: ordinary clients. */
static void
be_others(int port, struct notes *notes)
{
	struct other others[OTHERS] = { 0 };
	struct pollfd fds[OTHERS];

	for (int i = 0; i < OTHERS; i++) {
		struct other *other = &others[i];

		(void)snprintf(other->topic, sizeof(other->topic), "other/%d-%d", (int)getpid(), i);
		other->notes = notes;
		other->peer =
		    (struct peer){ .fd = -1, .acked = acked, .message = came_back, .arg = other };
		if (!peer_connect(&other->peer, port, other->topic + 6, false) ||
		    !peer_subscribe(&other->peer, other->topic))
			exit(1);
		fds[i] = (struct pollfd){ .fd = other->peer.fd, .events = POLLIN };
	}
	notes->ready = true;
	while (!notes->stop) {
		for (int i = 0; i < OTHERS; i++)
			turn_other(&others[i]);
		(void)poll(fds, OTHERS, 1);
	}
	exit(0);
}

static void
make_guest(struct crowd *crowd, struct guest *guest)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = guest };
	int on = 1;

	guest->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (guest->fd < 0)
		die("socket");
	(void)setsockopt(guest->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(guest->fd, (struct sockaddr *)&crowd->address, sizeof(crowd->address)) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, guest->fd, &event) < 0)
		die("epoll_ctl");
	guest->progress = CALLED;
}

static void
drop(struct guest *guest)
{
	if (guest->fd >= 0)
		(void)close(guest->fd);
	guest->fd = -1;
	guest->progress = AWAY;
}

/* CONNECT, version 3.1.1, with a name of its own where the words have a place for it. */
static void
say(struct crowd *crowd, struct guest *guest)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = guest };
	uint8_t words[1024];
	struct bytes said = crowd->words;
	char *place;

	memcpy(words, said.data, said.len);
	place = memmem(words, said.len, "NNNNNNNN", 8);
	if (place != NULL) {
		char name[16];

		(void)snprintf(name, sizeof(name), "%03x%05d", (unsigned)getpid() & 0xfff,
		    (int)(guest - crowd->guests) % 100000);
		memcpy(place, name, 8);
	}
	if (said.len > 0 && send(guest->fd, words, said.len, MSG_NOSIGNAL) < 0)
		return;
	guest->progress = SAID;
	(void)epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, guest->fd, &event);
}

/* True: it has been cut. */
static bool
hear(struct crowd *crowd, struct guest *guest)
{
	uint8_t in[512];
	ssize_t got;

	while ((got = recv(guest->fd, in, sizeof(in), 0)) > 0) {
		if (guest->progress == SAID && got >= 4 && in[0] == 0x20 && in[3] == 0) {
			guest->progress = IN;
			crowd->in++;
		}
	}
	return got == 0 || (errno != EAGAIN && errno != EINTR);
}

/* How many were cut in this turn. */
static int
turn(struct crowd *crowd)
{
	struct epoll_event events[256];
	int count = epoll_wait(crowd->epoll, events, 256, 10), cut = 0;

	for (int i = 0; i < count; i++) {
		struct guest *guest = events[i].data.ptr;

		if ((events[i].events & EPOLLOUT) != 0 && guest->progress == CALLED &&
		    (events[i].events & (EPOLLERR | EPOLLHUP)) == 0)
			say(crowd, guest);
		if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 &&
		    hear(crowd, guest)) {
			crowd->in -= guest->progress == IN;
			drop(guest);
			cut++;
		}
	}
	return cut;
}

static void
call_again(struct crowd *crowd)
{
	int64_t now = now_us();

	for (int i = 0; i < crowd->count; i++) {
		struct guest *guest = &crowd->guests[i];

		if (guest->progress != AWAY)
			continue;
		if (guest->again_us == 0)
			guest->again_us = now + AGAIN_US;
		if (now < guest->again_us)
			continue;
		guest->again_us = 0;
		crowd->failed++;
		make_guest(crowd, guest);
	}
}

/* Until all are in, in microseconds. */
static int64_t
storm(struct crowd *crowd)
{
	int64_t began = now_us();

	crowd->in = 0;
	for (int i = 0; i < crowd->count; i++) {
		make_guest(crowd, &crowd->guests[i]);
		if (i % 64 == 63)
			(void)turn(crowd);
	}
	while (crowd->in < crowd->count) {
		if (turn(crowd) > 0 || crowd->in < crowd->count)
			call_again(crowd);
		if (now_us() - began > WAIT_US_MAX)
			die("not everybody came in");
	}
	began = now_us() - began;
	for (int i = 0; i < crowd->count; i++)
		drop(&crowd->guests[i]);
	return began;
}

/* Until all are cut. */
static int64_t
be_silent(struct crowd *crowd)
{
	int64_t began = now_us();
	int cut = 0;

	for (int i = 0; i < crowd->count; i++) {
		make_guest(crowd, &crowd->guests[i]);
		cut += turn(crowd);
	}
	while (cut < crowd->count) {
		cut += turn(crowd);
		if (now_us() - began > WAIT_US_MAX) {
			(void)fprintf(stderr, "crowd: %d of %d are still there\n",
			    crowd->count - cut, crowd->count);
			exit(1);
		}
	}
	return now_us() - began;
}

#define CONNECT_LEN(keep_alive) "\x10\x14\0\4MQTT\4\2\0" keep_alive "\0\10NNNNNNNN"

static const struct {
	const char *name;
	const char *words;
	size_t len;
} kinds[] = {
#define KIND(name, words)                      \
	{                                      \
		name, words, sizeof(words) - 1 \
	}
	KIND("storm", CONNECT_LEN("\x3c")),
	KIND("tcp", ""),
	KIND("tls-hello", "\x16\3\1\2\0\1\0\1\xfc\3\3half a hello"),
	KIND("connect", "\x10\x7f\0\4MQTT\4\2\0\x3c\0"),
	KIND("http-head", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "),
	KIND("http-body", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"),
	KIND("upgrade", "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgr"),
	KIND("websocket", "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
			  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			  "Sec-WebSocket-Protocol: mqtt\r\n"
			  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
	KIND("packet", CONNECT_LEN("\0") "\x30\x7f\0\1t"),
	KIND("keep-alive", CONNECT_LEN("\1")),
#undef KIND
};

static struct bytes
words_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return bytes_of(kinds[i].words, kinds[i].len);
	}
	errno = EINVAL;
	die(name);
	return bytes_of(NULL, 0);
}

static int
compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void
report(struct notes *notes, int64_t took_us, const struct crowd *crowd)
{
	qsort(notes->took_us, notes->count, sizeof(notes->took_us[0]), compare);
	if (notes->count == 0 || notes->cut) {
		(void)fprintf(stderr, "crowd: an ordinary client was cut\n");
		exit(1);
	}
	printf("clients=%d took_ms=%lld again=%d others_p99_us=%u others_max_us=%u messages=%u\n",
	    crowd->count, (long long)(took_us / 1000), crowd->failed,
	    notes->took_us[(size_t)notes->count * 99 / 100], notes->took_us[notes->count - 1],
	    notes->count);
}

/* `others_port` 0: there are none to watch. */
static pid_t
start_others(int port, struct notes *notes)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0)
		be_others(port, notes);
	while (!*(volatile bool *)&notes->ready) {
		(void)usleep(1000);
		if (waitpid(child, NULL, WNOHANG) == child)
			die("the ordinary clients could not connect");
	}
	return child;
}

static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
main(int argc, char **argv)
{
	bool storms = argc == 6 && strcmp(argv[1], "storm") == 0;
	struct crowd crowd = { .count = argc == 6 ? atoi(argv[3]) : 0 };
	int64_t took_us = 0;
	struct notes *notes;
	pid_t child;

	if (crowd.count <= 0) {
		(void)fprintf(stderr,
		    "usage: crowd storm|silent PORT COUNT ROUNDS|KIND MQTT-PORT-OF-OTHERS\n");
		return 2;
	}
	allow_descriptors();
	notes =
	    mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (notes == MAP_FAILED)
		die("mmap");
	child = start_others(atoi(argv[5]), notes);
	crowd.address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[2])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
	crowd.guests = xcalloc((size_t)crowd.count, sizeof(*crowd.guests));
	crowd.words = words_of(storms ? "storm" : argv[4]);
	for (int round = 0; storms && round < atoi(argv[4]); round++) {
		int64_t round_us = storm(&crowd);

		took_us = round_us > took_us ? round_us : took_us;
	}
	if (!storms)
		took_us = be_silent(&crowd);
	*(volatile bool *)&notes->stop = true;
	(void)waitpid(child, NULL, 0);
	report(notes, took_us, &crowd);
	free(crowd.guests);
	return 0;
}
