/* SPDX-License-Identifier: MIT
 * How far functions are behind the changes that they follow: what is in flight is known, what is
 * not read yet is counted once a second.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/frame.h"
#include "runtime/changes/change_follower_private.h"
#include "runtime/figures.h"
#include "runtime/function.h"

enum { COUNT_ROWS_MAX = 20000 };

struct counting {
	struct store_job job;
	struct change_follower *follower;
	uint64_t after;
	uint64_t count;
	uint64_t rows;
	int64_t first_ms;
};

static bool
count_row(void *arg, const struct txn_row *row)
{
	struct counting *counting = arg;
	struct change change = { 0 };

	change_parse(row->value, &change);
	if (bytes_equal_string(change.table, counting->follower->table) && counting->count++ == 0)
		counting->first_ms = change.time_ms;
	return ++counting->rows < COUNT_ROWS_MAX;
}

static int
count_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct counting *counting = (struct counting *)(void *)job;
	struct txn_range range = { .space = SPACE_CHANGE };
	char from[CHANGE_KEY_BYTES];

	(void)snprintf(from, sizeof(from), "%020llu", (unsigned long long)counting->after + 1);
	range.from = bytes_of_string(from);
	return txn_scan(txn, &range, count_row, counting, err);
}

static void
count_done(struct store_job *job)
{
	struct counting *counting = (struct counting *)(void *)job;
	struct change_follower *follower = counting->follower;

	follower->counting = false;
	if (job->status == 0 && follower->behind) {
		follower->unread = counting->count;
		follower->unread_ms = counting->first_ms;
	}
	free(counting);
}

void
lags_count(struct change_followers *followers)
{
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link) {
		struct counting *counting;

		if (!follower->behind || follower->state != FOLLOWER_READY || follower->counting)
			continue;
		counting = xcalloc(1, sizeof(*counting));
		counting->follower = follower;
		counting->after = follower->read_to;
		counting->job.run = count_run;
		counting->job.done = count_done;
		follower->counting = true;
		store_submit(followers->host->store, &counting->job);
	}
}

static void
add_lag(const struct change_follower *follower, struct change_lag *lag)
{
	const struct pending *pending;
	int64_t oldest_ms = 0;

	TAILQ_FOREACH (pending, &follower->list, link) {
		if (pending->handled)
			continue;
		lag->changes++;
		if (oldest_ms == 0 || pending->time_ms < oldest_ms)
			oldest_ms = pending->time_ms;
	}
	if (follower->behind && follower->unread > 0) {
		lag->changes += follower->unread;
		if (oldest_ms == 0)
			oldest_ms = follower->unread_ms;
	}
	if (oldest_ms > 0) {
		int64_t ms = loop_wall_ms(follower->all->host->loop) - oldest_ms;

		lag->ms = ms > lag->ms ? ms : lag->ms;
	}
	for (struct hash_node *node = hash_next(&follower->chains, NULL); node != NULL;
	     node = hash_next(&follower->chains, node))
		lag->parked += HASH_OWNER(node, struct chain, link)->rows;
}

bool
change_followers_lag(const struct change_followers *followers, const struct function *function,
    struct change_lag *lag)
{
	const struct change_follower *follower;
	bool follows = false;

	*lag = (struct change_lag){ 0 };
	if (followers == NULL)
		return false;
	TAILQ_FOREACH (follower, &followers->list, link) {
		if (follower->function != function || !follower->attached)
			continue;
		follows = true;
		add_lag(follower, lag);
	}
	return follows;
}

static double
lag_changes(const struct change_follower *follower, const struct change_lag *lag)
{
	(void)follower;
	return (double)lag->changes;
}

static double
lag_seconds(const struct change_follower *follower, const struct change_lag *lag)
{
	(void)follower;
	return (double)lag->ms / 1000;
}

static double
lag_parked(const struct change_follower *follower, const struct change_lag *lag)
{
	(void)follower;
	return (double)lag->parked;
}

static double
lag_lost(const struct change_follower *follower, const struct change_lag *lag)
{
	(void)lag;
	return (double)follower->lost;
}

static double
lag_halved(const struct change_follower *follower, const struct change_lag *lag)
{
	(void)lag;
	return (double)follower->halved;
}

static const struct {
	const char *name;
	enum figure_type type;
	double (*value)(const struct change_follower *follower, const struct change_lag *lag);
	const char *help;
} families[] = {
	{ "moonlet_changes_behind", FIGURE_GAUGE, lag_changes,
	    "Changes of a table that its function has not handled." },
	{ "moonlet_changes_behind_seconds", FIGURE_GAUGE, lag_seconds,
	    "Age of the oldest change of a table that its function has not handled." },
	{ "moonlet_changes_parked", FIGURE_GAUGE, lag_parked,
	    "Changes that are dead letters, or wait behind one of their key." },
	{ "moonlet_changes_lost_total", FIGURE_COUNTER, lag_lost,
	    "Changes that the log's bounds took before their function had read them." },
	{ "moonlet_changes_halved_total", FIGURE_COUNTER, lag_halved,
	    "Batches of changes that failed and were halved." },
};

void
change_followers_figures(const struct change_followers *followers, struct buf *out)
{
	const struct change_follower *follower;
	struct buf label = { 0 };

	for (size_t i = 0; followers != NULL && i < sizeof(families) / sizeof(*families); i++) {
		figures_family(out, families[i].name, families[i].type, families[i].help);
		TAILQ_FOREACH (follower, &followers->list, link) {
			struct change_lag lag = { 0 };

			if (!follower->attached)
				continue;
			add_lag(follower, &lag);
			buf_reset(&label);
			figures_label(
			    &label, "function", bytes_of_string(follower->function->name));
			figures_label(&label, "table", bytes_of_string(follower->table));
			figures_sample(out, families[i].name, buf_string(&label),
			    families[i].value(follower, &lag));
		}
	}
	buf_clear(&label);
	if (followers != NULL)
		figures_gauge(out, "moonlet_change_log_bytes",
		    "Changes of tables that are kept for their functions.",
		    (double)followers->log.bytes);
}
