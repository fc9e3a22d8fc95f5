/* SPDX-License-Identifier: MIT
 * Which worker gets what: events, files to load, and what may kill the worker that has it.
 */
#include "lib/frame.h"
#include "runtime/function.h"
#include "runtime/worker_link.h"

enum { LEAN_INFLIGHT = 64, SLOW_US = 5000 };

void
worker_load(struct worker *worker, struct version *version)
{
	buf_append_bytes(conn_out(worker->conn), buf_bytes(&version->load));
	conn_wrote(worker->conn);
	version->workers |= (uint64_t)1 << worker->index;
	worker->loads++;
}

static bool
is_stuck(const struct worker *worker)
{
	int64_t now_us = loop_now_us(worker->pool->host->loop);

	return worker->inflight > 0 && now_us - worker->progress_us > SLOW_US;
}

static bool
can_take(const struct worker *worker)
{
	return worker->state == WORKER_SERVES && !worker->solo && !worker->reserved &&
	       !is_stuck(worker) && worker->inflight < WORKER_WINDOW &&
	       conn_pending(worker->conn) < WORKER_BYTES_MAX;
}

/* For what may kill it: a worker that has nothing else to do. Where there is none the least busy
 * gets nothing more, so that it soon is one. */
static struct worker *
choose_alone(struct pool *pool)
{
	struct worker *best = NULL;
	bool reserved = false;

	for (unsigned i = 0; i < pool->highest; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker->state != WORKER_SERVES || worker->solo)
			continue;
		if (worker->inflight == 0 && worker->loads == 0) {
			worker->reserved = false;
			return worker;
		}
		reserved = reserved || worker->reserved;
		if (best == NULL || worker->inflight < best->inflight)
			best = worker;
	}
	if (best != NULL && !reserved)
		best->reserved = true;
	return NULL;
}

/* Least busy; the function's home wins where it is about as free, for its image is warm there. */
struct worker *
pool_choose(struct pool *pool, const struct version *version, bool suspect)
{
	struct worker *home = &pool->workers[version->function->home % pool->wanted], *best = NULL;

	if (suspect)
		return choose_alone(pool);
	for (unsigned i = 0; i < pool->highest; i++) {
		struct worker *worker = &pool->workers[i];

		if (can_take(worker) && (best == NULL || worker->inflight < best->inflight))
			best = worker;
	}
	if (best == NULL || best == home)
		return best;
	return home->inflight <= best->inflight + LEAN_INFLIGHT && can_take(home) ? home : best;
}

void
pool_load_all(struct pool *pool)
{
	struct functions *functions = pool->host->functions;
	struct version *version, *next;

	TAILQ_FOREACH_SAFE (version, &functions->unsent, coming_link, next) {
		struct worker *worker = pool_choose(pool, version, version->suspect);

		if (worker == NULL && version->suspect)
			continue;
		if (worker == NULL)
			return; /* none serves yet, or all have enough to read */
		worker_load(worker, version);
		worker->solo = version->suspect;
		version->loader = worker;
		version->used_us = loop_now_us(pool->host->loop);
		TAILQ_REMOVE(&functions->unsent, version, coming_link);
		TAILQ_INSERT_TAIL(&functions->unanswered, version, coming_link);
	}
}

/* What the lost worker was to load is loaded alone from now on; who is lost alone is to blame. */
void
pool_loader_gone(struct worker *worker)
{
	struct functions *functions = worker->pool->host->functions;
	struct version *version, *next;

	TAILQ_FOREACH_SAFE (version, &functions->unanswered, coming_link, next) {
		if (version->loader != worker)
			continue;
		if (version->suspect) {
			function_refused(
			    version, "the worker process was lost while it loaded this file");
			continue;
		}
		version->suspect = true;
		version->loader = NULL;
		TAILQ_REMOVE(&functions->unanswered, version, coming_link);
		TAILQ_INSERT_HEAD(&functions->unsent, version, coming_link);
	}
}
