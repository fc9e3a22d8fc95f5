/* SPDX-License-Identifier: MIT
 * Workers' lives: the zygote, places, the watchdog.
 */
#include "runtime/pool.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/frame.h"
#include "lib/log.h"
#include "runtime/dispatch.h"
#include "runtime/function.h"
#include "runtime/tables.h"
#include "runtime/worker_link.h"

enum {
	TICK_US = 5000,
	STUCK_US = 10000,
	GRACE_US = 200000,
	SOCKET_BYTES = 1048576,
	START_US_MAX = 5000000,
	EXTRA_IDLE_US = 5000000,
	SLOW_TICK_US = 1000000,
	IMAGE_IDLE_US = 600000000,
	LOAD_US_MAX = 3000000, /* the worker's own bound is two seconds */
	START_AGAIN_US = 500000,
};

static void start_worker(struct pool *pool, struct worker *worker);

static void
set_sockets(int fd)
{
	int bytes = SOCKET_BYTES;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static void
send_setup(struct worker *worker)
{
	const struct host *host = worker->pool->host;
	struct buf *out = conn_out(worker->conn);
	size_t begun = frame_begin(out, HOST_SETUP);

	frame_u32(out, PROTOCOL_VERSION);
	frame_u64(out, host->seed[0]);
	frame_u64(out, host->seed[1]);
	frame_u64(out, (uint64_t)options_number(host->options, OPTION_IMAGES_BYTES_MAX));
	frame_finish(out, begun);
	if (host->tables != NULL)
		tables_write(host->tables, out);
	conn_wrote(worker->conn);
}

void
pool_tell_tables(struct pool *pool)
{
	for (unsigned i = 0; i < pool->highest; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->state != WORKER_SERVES && worker->state != WORKER_STARTING)
			continue;
		tables_write(pool->host->tables, conn_out(worker->conn));
		conn_wrote(worker->conn);
	}
}

static void
start_worker(struct pool *pool, struct worker *worker)
{
	struct err err;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		log_error("workers", "cannot start a worker: no socket pair");
		return;
	}
	/* The worker's end blocks: it has nothing else to do. */
	(void)fcntl_blocking(pair[1]);
	set_sockets(pair[0]);
	set_sockets(pair[1]);
	worker->state = WORKER_STARTING;
	worker->id = ++pool->next_id;
	worker->pidfd = -1;
	worker->inflight = worker->waiting_count = worker->loads = 0;
	worker->solo = worker->reserved = false;
	worker->how[0] = '\0';
	worker->started_us = worker->progress_us = loop_now_us(pool->host->loop);
	worker->conn = conn_new(pool->host->group, pair[0], &worker_link_events, worker);
	send_setup(worker);
	if (zygote_spawn(pool->zygote, worker->id, pair[1], &err) < 0) {
		log_error("workers", "cannot start a worker: %s", err.text);
		conn_end(worker->conn, false, "could not be started");
	}
}

static struct worker *
worker_by_id(struct pool *pool, uint64_t id)
{
	for (unsigned i = 0; i < pool->highest; i++) {
		if (pool->workers[i].id == id && pool->workers[i].state != WORKER_NONE)
			return &pool->workers[i];
	}
	return NULL;
}

static void
on_started(void *arg, uint64_t id, int pidfd)
{
	struct worker *worker = worker_by_id(arg, id);

	if (worker == NULL) {
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		(void)close(pidfd);
		return;
	}
	worker->pidfd = pidfd;
}

static void
on_ended(void *arg, uint64_t id, const char *how)
{
	struct pool *pool = arg;
	struct worker *worker = worker_by_id(pool, id);

	if (pool->stopping)
		return;
	if (worker != NULL ? !worker->extra : id != pool->dismissed)
		log_warn("workers", "worker %llu was %s", (unsigned long long)id, how);
	if (worker == NULL)
		return;
	(void)snprintf(worker->how, sizeof(worker->how), "%s", how);
	conn_end(worker->conn, false, how);
}

static int start_zygote(struct pool *pool, struct err *err);

static void
on_gone(void *arg)
{
	struct pool *pool = arg;
	struct err err;

	if (pool->stopping)
		return;
	log_error("workers", "the zygote is gone; starting another");
	zygote_stop(pool->zygote);
	for (unsigned i = 0; i < pool->highest; i++) {
		if (pool->workers[i].state != WORKER_NONE)
			conn_end(pool->workers[i].conn, false, "the zygote is gone");
	}
	if (start_zygote(pool, &err) < 0) {
		log_error("workers", "%s", err.text);
		abort();
	}
}

static void
on_ready(void *arg, uint32_t layers)
{
	struct pool *pool = arg;

	pool->zygote_layers = layers;
}

static int
start_zygote(struct pool *pool, struct err *err)
{
	const struct zygote_hooks hooks = { pool, on_started, on_ended, on_gone, on_ready };

	pool->zygote = zygote_start(pool->host->loop, pool->program, &hooks, err);
	return pool->zygote != NULL ? 0 : -1;
}

static void
kill_worker(struct worker *worker, const char *why)
{
	log_warn("workers", "worker %llu is killed: %s", (unsigned long long)worker->id, why);
	(void)snprintf(worker->how, sizeof(worker->how), "%s", why);
	if (worker->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
	conn_end(worker->conn, false, why);
}

/* Those that wait end by their deadline, or their worker does not do what it is told. */
static bool
cancel_late(struct worker *worker, int64_t now_us)
{
	struct sending *sending;

	TAILQ_FOREACH (sending, &worker->waiting, link) {
		if (sending->parked || now_us <= sending->deadline_us)
			continue;
		if (sending->cancelled && now_us > sending->deadline_us + GRACE_US * 20 &&
		    now_us - worker->progress_us > GRACE_US * 20)
			return false;
		sending_cancel(sending);
	}
	return true;
}

static void
start_extra(struct pool *pool)
{
	unsigned serving = 0;

	for (unsigned i = 0; i < pool->highest; i++)
		serving += pool->workers[i].state != WORKER_NONE;
	if (serving >= pool->wanted * 2 + 2 || serving >= WORKERS_MAX)
		return;
	for (unsigned i = pool->wanted; i < WORKERS_MAX; i++) {
		if (pool->workers[i].state == WORKER_NONE) {
			pool->workers[i].extra = true;
			if (i >= pool->highest)
				pool->highest = i + 1;
			start_worker(pool, &pool->workers[i]);
			return;
		}
	}
}

static bool
all_stuck(const struct pool *pool, int64_t now_us)
{
	for (unsigned i = 0; i < pool->highest; i++) {
		const struct worker *worker = &pool->workers[i];

		if (worker->state == WORKER_STARTING ||
		    (worker->state == WORKER_SERVES &&
			(worker->inflight == 0 || now_us - worker->progress_us < STUCK_US)))
			return false;
	}
	return true;
}

/* A function that keeps stages too long gets no more of them than there are cores: the others'
 * events need theirs. */
static void
stick(struct worker *worker, const struct sending *first)
{
	if (worker->stuck_with != NULL || first->invocation == NULL)
		return;
	worker->stuck_with = first->invocation->function;
	worker->stuck_with->stuck++;
	function_hold(worker->stuck_with);
}

void
worker_unstick(struct worker *worker)
{
	struct function *function = worker->stuck_with;

	if (function == NULL)
		return;
	worker->stuck_with = NULL;
	function->stuck--;
	function_drop(function);
}

/* The first of `sent` runs, or everything in front of it is revoked and runs for nobody. */
static void
check_worker(struct worker *worker, int64_t now_us)
{
	struct sending *first = TAILQ_FIRST(&worker->sent);
	int64_t busy_us = now_us - worker->progress_us;

	if (!cancel_late(worker, now_us)) {
		kill_worker(worker, "it did not cancel what waited too long");
		return;
	}
	if (first == NULL)
		return;
	if (busy_us > (int64_t)first->timeout_ms * 1000 + GRACE_US) {
		kill_worker(worker, "it did not answer by the deadline");
		return;
	}
	if (busy_us > STUCK_US) {
		stick(worker, first);
		dispatch_take_back(worker->pool->host->dispatch, worker);
		if (all_stuck(worker->pool, now_us))
			start_extra(worker->pool);
	}
}

/* A file that neither loads nor fails to. */
static void
check_loads(struct pool *pool, int64_t now_us)
{
	struct version *version = TAILQ_FIRST(&pool->host->functions->unanswered);

	if (version != NULL && now_us - version->used_us > LOAD_US_MAX &&
	    now_us - version->loader->progress_us > LOAD_US_MAX)
		kill_worker(version->loader, "it did not load a file in time");
}

/* A reservation that nobody took up ends; a worker that could not start is started again. */
static void
tend_place(struct worker *worker, int64_t now_us)
{
	if (worker->inflight == 0 && worker->loads == 0)
		worker->reserved = false;
	if (worker->state == WORKER_NONE && worker->index < worker->pool->wanted &&
	    now_us >= worker->retry_us)
		start_worker(worker->pool, worker);
}

static void
check_place(struct worker *worker, int64_t now_us)
{
	if (worker->state == WORKER_SERVES)
		check_worker(worker, now_us);
	else if (worker->state == WORKER_STARTING && now_us - worker->started_us > START_US_MAX)
		kill_worker(worker, "it did not start");
	if (worker->state == WORKER_SERVES && worker->extra && worker->inflight == 0 &&
	    worker->waiting_count == 0 && now_us - worker->progress_us > EXTRA_IDLE_US) {
		worker->pool->dismissed = worker->id;
		conn_end(worker->conn, false, "not needed any more");
	}
}

/* Functions that nothing happened to for ten minutes give their images' memory back. */
static void
drop_idle_images(struct pool *pool, int64_t now_us)
{
	for (struct hash_node *at = hash_next(&pool->host->functions->map, NULL); at != NULL;
	     at = hash_next(&pool->host->functions->map, at)) {
		struct version *version = HASH_OWNER(at, struct function, link)->current;

		if (version != NULL && version->workers != 0 && version->used_us != 0 &&
		    now_us - version->used_us > IMAGE_IDLE_US)
			pool_forget(pool, version);
	}
}

/* Every few milliseconds while workers are busy, once a second while they are not. */
static void
tick(void *arg)
{
	struct pool *pool = arg;
	int64_t now_us = loop_now_us(pool->host->loop);
	bool busy = false;

	if (pool->stopping)
		return;
	for (unsigned i = 0; i < pool->highest; i++) {
		struct worker *worker = &pool->workers[i];

		check_place(worker, now_us);
		busy = busy || worker->inflight > 0 || worker->waiting_count > 0 ||
		       worker->state == WORKER_STARTING ||
		       (worker->state == WORKER_NONE && i < pool->wanted);
	}
	check_loads(pool, now_us);
	dispatch_pump(pool->host->dispatch);
	for (unsigned i = 0; i < pool->highest; i++)
		tend_place(&pool->workers[i], now_us);
	if (!busy)
		drop_idle_images(pool, now_us);
	pool->slow = !busy;
	timer_set(&pool->tick, busy ? TICK_US : SLOW_TICK_US);
}

void
pool_wake(struct pool *pool)
{
	if (!pool->slow)
		return;
	pool->slow = false;
	timer_set(&pool->tick, TICK_US);
}

/* The link has ended; called by worker_link.c. */
void
pool_worker_gone(struct worker *worker, const char *reason)
{
	struct pool *pool = worker->pool;
	bool again = !pool->stopping && !worker->extra && worker->state != WORKER_STARTING;
	uint64_t bit = (uint64_t)1 << worker->index;

	worker->state = WORKER_NONE;
	worker_unstick(worker);
	worker->retry_us = loop_now_us(pool->host->loop) + START_AGAIN_US;
	if (worker->pidfd >= 0) {
		(void)syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
		(void)close(worker->pidfd);
		worker->pidfd = -1;
	}
	for (struct hash_node *at = hash_next(&pool->host->functions->map, NULL); at != NULL;
	     at = hash_next(&pool->host->functions->map, at)) {
		struct function *function = HASH_OWNER(at, struct function, link);

		if (function->current != NULL)
			function->current->workers &= ~bit;
		if (function->coming != NULL)
			function->coming->workers &= ~bit;
	}
	worker->extra = false;
	dispatch_worker_gone(
	    pool->host->dispatch, worker, worker->how[0] != '\0' ? worker->how : reason);
	if (again && pool->zygote != NULL) {
		pool->restarts++;
		start_worker(pool, worker);
	}
	pool_loader_gone(worker);
	pool_load_all(pool);
}

struct pool *
pool_new(struct host *host, unsigned workers, struct err *err)
{
	struct pool *pool = xcalloc(1, sizeof(*pool));

	pool->host = host;
	pool->wanted = workers;
	TAILQ_INIT(&pool->spare);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		pool->workers[i].pool = pool;
		pool->workers[i].index = i;
		pool->workers[i].pidfd = -1;
		TAILQ_INIT(&pool->workers[i].sent);
		TAILQ_INIT(&pool->workers[i].waiting);
	}
	timer_init(&pool->tick, host->loop, tick, pool);
	if (zygote_program(pool->program, sizeof(pool->program), err) < 0 ||
	    start_zygote(pool, err) < 0) {
		timer_clear(&pool->tick);
		free(pool);
		return NULL;
	}
	pool->highest = workers;
	for (unsigned i = 0; i < workers; i++)
		start_worker(pool, &pool->workers[i]);
	timer_set(&pool->tick, TICK_US);
	return pool;
}

void
pool_free(struct pool *pool)
{
	struct err err;

	if (pool == NULL)
		return;
	pool->stopping = true;
	for (unsigned i = 0; i < pool->highest; i++) {
		if (pool->workers[i].state != WORKER_NONE)
			conn_end(pool->workers[i].conn, false, "the host stops");
	}
	if (loop_turn(pool->host->loop, false, &err) < 0)
		log_error("workers", "%s", err.text);
	zygote_stop(pool->zygote);
	timer_clear(&pool->tick);
	for (size_t i = 0; i < pool->sending_count; i++)
		free(pool->sendings[i]);
	free(pool->sendings);
	free(pool);
}

unsigned
pool_serving(const struct pool *pool)
{
	unsigned serving = 0;

	for (unsigned i = 0; i < pool->highest; i++)
		serving += pool->workers[i].state == WORKER_SERVES;
	return serving;
}
