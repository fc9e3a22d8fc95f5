/* SPDX-License-Identifier: MIT
 * on = { schedule = "cron(0 8 * * ? *)", timezone = "Europe/Berlin", jitter = "30s",
 * missed = "skip" }: ticks of the clock.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "runtime/tickers.h"
#include "triggers/spec.h"
#include "triggers/triggers.h"

static const char *const members[] = { "schedule", "timezone", "jitter", "missed", NULL };

enum { JITTER_MS_MAX = 24 * 3600 * 1000 };

static int
check_members(const cJSON *spec, struct err *err)
{
	const cJSON *item;

	if (spec_check_members(spec, members, err) < 0)
		return -1;
	cJSON_ArrayForEach(item, spec)
	{
		if (!cJSON_IsString(item))
			return err_set(err, "schedule: %s is a string", item->string);
	}
	return 0;
}

static int
read_wish(const cJSON *spec, struct tick_wish *wish, struct err *err)
{
	const char *jitter = spec_text(spec, "jitter"), *missed = spec_text(spec, "missed");

	if (check_members(spec, err) < 0)
		return -1;
	*wish = (struct tick_wish){ .text = spec_text(spec, "schedule"),
		.zone = spec_text(spec, "timezone") };
	if (jitter != NULL &&
	    (duration_parse(jitter, &wish->jitter_ms) < 0 || wish->jitter_ms > JITTER_MS_MAX))
		return err_set(err, "schedule: jitter is a duration up to a day: \"30s\"");
	if (missed != NULL && strcmp(missed, "once") != 0 && strcmp(missed, "skip") != 0)
		return err_set(err, "schedule: missed is \"once\" or \"skip\"");
	wish->skip_missed = missed != NULL && strcmp(missed, "skip") == 0;
	return 0;
}

/* That it comes at all is checked too. */
static int
check(const cJSON *spec, struct err *err)
{
	struct tick_wish wish;
	struct schedule schedule;
	struct zone *zone = NULL;

	if (read_wish(spec, &wish, err) < 0 || schedule_parse(wish.text, &schedule, err) < 0)
		return -1;
	if (wish.zone != NULL && (zone = ticker_zone(wish.zone, err)) == NULL)
		return -1;
	zone_free(zone);
	if (schedule_next(&schedule, NULL, sys_posix.wall_ms()) == INT64_MAX)
		return err_set(err, "schedule \"%.100s\" never comes", wish.text);
	return 0;
}

static void *
bind_schedule(struct host *host, struct function *function, const cJSON *spec, struct err *err)
{
	struct tick_wish wish;

	if (read_wish(spec, &wish, err) < 0)
		return NULL;
	return ticker_attach(host->tickers, function, &wish, err);
}

static void
unbind_schedule(struct host *host, void *binding)
{
	(void)host;
	ticker_detach(binding);
}

static void
describe(const cJSON *spec, struct buf *out)
{
	buf_append_string(out, spec_text(spec, "schedule"));
	if (spec_text(spec, "timezone") != NULL)
		buf_printf(out, " (%s)", spec_text(spec, "timezone"));
}

const struct trigger trigger_schedule = { "schedule", "ticks of the clock", check, bind_schedule,
	unbind_schedule, describe };
