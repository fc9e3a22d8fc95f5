/* SPDX-License-Identifier: MIT
 * The change log's bounds: once a second its newest rows are counted, and its oldest leave where
 * it is too large or they are too old. The bounds hold whoever still needs the rows, but then it is
 * said: in the log once a minute, and in the metrics.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"
#include "runtime/changes/change_follower_private.h"
#include "runtime/function.h"

enum { COUNT_ROWS = 20000, TRIM_ROWS = 2000, MORE_US = 20000, SAY_US = 60000000 };

/* A follower's place, as it was when the job was made. */
struct need {
	struct change_follower *follower;
	uint64_t read_to;
	uint64_t lost; /* changes of its table that go before they are read */
};

struct trim {
	struct store_job job;
	struct change_followers *followers;
	struct change_log log; /* what comes out */
	uint64_t bytes_max;
	int64_t oldest_ms;
	size_t counted, removed;
	struct writes writes;
	size_t need_count;
	struct need needs[];
};

static bool
count_row(void *arg, const struct txn_row *row)
{
	struct trim *trim = arg;

	trim->log.bytes += row->key.len + row->value.len;
	trim->log.counted_to = sequence_of(row->key);
	return ++trim->counted < COUNT_ROWS;
}

static void
note_loss(struct trim *trim, const struct change *change)
{
	for (size_t i = 0; i < trim->need_count; i++) {
		struct need *need = &trim->needs[i];

		if (change->sequence > need->read_to &&
		    bytes_equal_string(change->table, need->follower->table))
			need->lost++;
	}
}

static bool
trim_row(void *arg, const struct txn_row *row)
{
	struct trim *trim = arg;
	size_t bytes = row->key.len + row->value.len;
	struct change change = { 0 };

	change_parse(row->value, &change);
	change.sequence = sequence_of(row->key);
	/* What is not counted yet is young. */
	if (change.sequence > trim->log.counted_to ||
	    (trim->log.bytes <= trim->bytes_max && change.time_ms >= trim->oldest_ms))
		return false;
	note_loss(trim, &change);
	writes_delete(&trim->writes, SPACE_CHANGE, row->key);
	trim->log.bytes -= bytes < trim->log.bytes ? bytes : trim->log.bytes;
	trim->log.gone_to = change.sequence;
	return ++trim->removed < TRIM_ROWS;
}

static int
trim_run(struct txn *txn, struct store_job *job, struct err *err)
{
	struct trim *trim = (struct trim *)(void *)job;
	struct txn_range fresh = { .space = SPACE_CHANGE };
	const struct txn_range all = { .space = SPACE_CHANGE };
	char from[CHANGE_KEY_BYTES], text[CHANGE_KEY_BYTES];

	(void)snprintf(from, sizeof(from), "%020llu", (unsigned long long)trim->log.counted_to + 1);
	fresh.from = bytes_of_string(from);
	if (txn_scan(txn, &fresh, count_row, trim, err) < 0 ||
	    txn_scan(txn, &all, trim_row, trim, err) < 0)
		return -1;
	if (trim->removed == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)trim->log.gone_to);
	writes_put(&trim->writes, SPACE_META, bytes_of_string(CHANGES_GONE), bytes_of_string(text));
	return store_apply_writes(txn, &trim->writes, err);
}

static void
take_losses(const struct trim *trim)
{
	for (size_t i = 0; i < trim->need_count; i++) {
		trim->needs[i].follower->lost += trim->needs[i].lost;
		if (trim->removed > 0)
			lanes_lose(trim->needs[i].follower, trim->log.gone_to);
	}
}

static void
trim_done(struct store_job *job)
{
	struct trim *trim = (struct trim *)(void *)job;
	struct change_followers *followers = trim->followers;

	followers->trimming = false;
	if (job->status == 0) {
		followers->log = trim->log;
		take_losses(trim);
		if (trim->counted == COUNT_ROWS || trim->removed == TRIM_ROWS)
			timer_set(&followers->trim, MORE_US);
	}
	writes_clear(&trim->writes);
	free(trim);
}

static void
say_losses(struct change_followers *followers)
{
	int64_t now_us = loop_now_us(followers->host->loop);
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link) {
		if (follower->lost == follower->lost_said ||
		    (follower->lost_said > 0 && now_us - follower->lost_said_us < SAY_US))
			continue;
		log_error("tables",
		    "function %s has lost %llu changes of table %s: changes_age_max or "
		    "changes_bytes_max took them before it had read them",
		    follower->function->name,
		    (unsigned long long)(follower->lost - follower->lost_said), follower->table);
		follower->lost_said = follower->lost;
		follower->lost_said_us = now_us;
	}
}

static void
say_full(struct change_followers *followers)
{
	int64_t now_us = loop_now_us(followers->host->loop);
	struct change_follower *follower;

	TAILQ_FOREACH (follower, &followers->list, link) {
		if (!follower->behind || !follower_is_full(follower) ||
		    (follower->full_said_us > 0 && now_us - follower->full_said_us < SAY_US))
			continue;
		log_warn("tables",
		    "function %s reads no further changes of table %s: %zu wait behind keys that "
		    "are held up (moonlet ls, moonlet failed)",
		    follower->function->name, follower->table, follower->waiting);
		follower->full_said_us = now_us;
	}
}

/* The log must not fill a database that has a bound: what is deleted from tables would stand in it
 * still. */
static uint64_t
log_bytes_max(const struct options *options)
{
	int64_t own = options_number(options, OPTION_CHANGES_BYTES_MAX);
	int64_t half = options_number(options, OPTION_DATABASE_BYTES_MAX) / 2;

	return (uint64_t)(half > 0 && half < own ? half : own);
}

static void
trim_more(void *arg)
{
	change_log_trim(arg);
}

void
change_log_init(struct change_followers *followers)
{
	timer_init(&followers->trim, followers->host->loop, trim_more, followers);
}

void
change_log_trim(struct change_followers *followers)
{
	const struct options *options = followers->host->options;
	struct change_follower *follower;
	struct trim *trim;
	size_t count = 0;

	say_losses(followers);
	say_full(followers);
	if (followers->trimming || !followers->started || followers->stopped)
		return;
	TAILQ_FOREACH (follower, &followers->list, link)
		count++;
	trim = xcalloc(1, sizeof(*trim) + count * sizeof(struct need));
	TAILQ_FOREACH (follower, &followers->list, link) {
		if (follower->attached && follower->state == FOLLOWER_READY)
			trim->needs[trim->need_count++] =
			    (struct need){ .follower = follower, .read_to = follower->read_to };
	}
	trim->followers = followers;
	trim->log = followers->log;
	trim->bytes_max = log_bytes_max(options);
	trim->oldest_ms =
	    loop_age_ms(followers->host->loop) - options_number(options, OPTION_CHANGES_AGE_MS_MAX);
	trim->job.run = trim_run;
	trim->job.done = trim_done;
	followers->trimming = true;
	store_submit(followers->host->store, &trim->job);
}
