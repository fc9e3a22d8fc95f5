/* SPDX-License-Identifier: MIT
 * What a worker costs: to start and to kill one, and to run events through it in batches.
 * usage: moonlet-worker-bench [MOONLET-WORKER [EVENTS]]
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/sys.h"
#include "net/loop.h"
#include "runtime/zygote.h"
#include "tests/worker_peer.h"

enum { STARTS = 200, BATCH = 256, EVENTS = 500000, ANSWER_TIMEOUT_MS = 10000 };

static const char small[] = "return { allow = { publish = '#' }, handler = function(event)\n"
			    "  if event.speed <= 120 then return end\n"
			    "  mqtt.publish('alerts/' .. event.deviceid, { speed = event.speed })\n"
			    "end }\n";

struct life {
	struct loop *loop;
	struct zygote *zygote;
	int pidfd;
	bool ready;
	bool ended;
};

static void
die(const char *text)
{
	(void)fprintf(stderr, "%s\n", text);
	exit(1);
}

static void
on_ready(void *arg, uint32_t layers)
{
	struct life *life = arg;

	(void)layers;
	life->ready = true;
}

static void
on_started(void *arg, uint64_t id, int pidfd)
{
	struct life *life = arg;

	(void)id;
	life->pidfd = pidfd;
}

static void
on_ended(void *arg, uint64_t id, const char *how)
{
	struct life *life = arg;

	(void)id;
	(void)how;
	life->ended = true;
}

static void
on_gone(void *arg)
{
	(void)arg;
	die("the zygote is gone");
}

static void
turn_until(struct life *life, const bool *done)
{
	struct err err;

	while (!*done) {
		if (loop_turn(life->loop, true, &err) < 0)
			die(err.text);
	}
}

static int
compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void
print_times(const char *what, int64_t *times_us, size_t count)
{
	qsort(times_us, count, sizeof(*times_us), compare);
	(void)printf("%s: median %lld us, 99%% %lld us, worst %lld us\n", what,
	    (long long)times_us[count / 2], (long long)times_us[count * 99 / 100],
	    (long long)times_us[count - 1]);
}

/* Starts a worker until it says READY, then kills it until the zygote has reaped it. */
static void
live_once(struct life *life, uint64_t id, int64_t *start_us, int64_t *kill_us)
{
	struct pollfd ready = { .events = POLLIN };
	struct err err;
	int ends[2];
	int64_t from_us = sys_posix.monotonic_us();

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		die("socketpair");
	if (zygote_spawn(life->zygote, id, ends[1], &err) < 0)
		die(err.text);
	ready.fd = ends[0];
	if (poll(&ready, 1, ANSWER_TIMEOUT_MS) != 1)
		die("the worker does not say that it is ready");
	*start_us = sys_posix.monotonic_us() - from_us;
	life->pidfd = -1;
	while (life->pidfd < 0) {
		if (loop_turn(life->loop, true, &err) < 0)
			die(err.text);
	}
	life->ended = false;
	from_us = sys_posix.monotonic_us();
	if (syscall(SYS_pidfd_send_signal, life->pidfd, 9, NULL, 0) < 0)
		die("pidfd_send_signal");
	turn_until(life, &life->ended);
	*kill_us = sys_posix.monotonic_us() - from_us;
	(void)close(life->pidfd);
	(void)close(ends[0]);
}

static void
time_lives(const char *program)
{
	struct life life = { .pidfd = -1 };
	const struct zygote_hooks hooks = { &life, on_started, on_ended, on_gone, on_ready };
	static int64_t starts_us[STARTS], kills_us[STARTS];
	struct err err;

	life.loop = loop_new(&sys_posix, &err);
	life.zygote = life.loop != NULL ? zygote_start(life.loop, program, &hooks, &err) : NULL;
	if (life.zygote == NULL)
		die(err.text);
	turn_until(&life, &life.ready);
	for (size_t i = 0; i < STARTS; i++)
		live_once(&life, i + 1, &starts_us[i], &kills_us[i]);
	print_times("worker asked for to READY", starts_us, STARTS);
	print_times("SIGKILL to reaped and reported", kills_us, STARTS);
	zygote_stop(life.zygote);
	loop_free(life.loop);
}

static void
await(struct worker_peer *peer, unsigned answers)
{
	struct frame frame;
	struct err err;

	while (answers > 0) {
		if (worker_peer_next(peer, ANSWER_TIMEOUT_MS, &frame, &err) < 0)
			die(err.text);
		answers -= frame.type == WORKER_DONE || frame.type == WORKER_LOADED;
	}
}

static void
time_events(const char *program, unsigned long count)
{
	const struct peer_file file = { "small.lua", bytes_of_string(small) };
	struct peer_invoke invoke = { .function = 1,
		.timeout_ms = 3000,
		.topic = "iot/audi22",
		.payload =
		    bytes_of_string("{\"deviceid\":\"audi22\",\"speed\":140,\"lat\":48.14}") };
	struct worker_peer peer;
	struct err err;
	int64_t from_us;

	if (worker_peer_start(&peer, program, &err) < 0)
		die(err.text);
	worker_peer_load(&peer, 1, &file, 1);
	if (worker_peer_flush(&peer, &err) < 0)
		die(err.text);
	await(&peer, 1);
	from_us = sys_posix.monotonic_us();
	while (invoke.invocation < count) {
		for (unsigned i = 0; i < BATCH; i++) {
			invoke.invocation++;
			worker_peer_invoke(&peer, &invoke);
		}
		if (worker_peer_flush(&peer, &err) < 0)
			die(err.text);
		await(&peer, BATCH);
	}
	(void)printf("event through a worker, %d a batch: %.2f us\n", BATCH,
	    (double)(sys_posix.monotonic_us() - from_us) / (double)invoke.invocation);
	worker_peer_stop(&peer);
}

int
main(int argc, char **argv)
{
	const char *program = argc > 1 ? argv[1] : "./moonlet-worker";

	time_lives(program);
	time_events(program, argc > 2 ? strtoul(argv[2], NULL, 10) : EVENTS);
	return 0;
}
