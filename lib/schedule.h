/* SPDX-License-Identifier: MIT
 * When something is to happen again and again:
 *
 *   every 5m, every 1h30m, rate(5 minutes)     so long after the last time
 *   cron(0 8 * * ? *)                          minute hour day month weekday year, as AWS has it:
 *                                              L, W and # too; ? in one of day and weekday;
 *                                              weekdays 1 to 7 or SUN to SAT
 *   0 8 * * 1-5                                minute hour day month weekday, as cron has it:
 *                                              weekdays 0 to 7 or SUN to SAT; where day and weekday
 *                                              are both restricted either will do
 *
 * Local times that a change to summer time leaves out happen when it is over; those that come twice
 * in autumn happen the first time, but for schedules of every hour.
 */
#ifndef LIB_SCHEDULE_H
#define LIB_SCHEDULE_H

#include "lib/err.h"
#include "lib/zone.h"

struct schedule {
	int64_t every_ms; /* 0: by the calendar, below */
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;		/* bits 1 to 31 */
	uint32_t months;	/* bits 1 to 12 */
	uint32_t weekdays;	/* bits 0 (Sunday) to 6 */
	uint8_t nth[7];		/* of each weekday: bits 1 to 5 */
	uint32_t last_weekdays; /* the last ones of the month */
	uint32_t last_days;	/* bit n: n days before the month's last */
	uint32_t near_days; /* the weekday (Monday to Friday) nearest to it; bit 0: to the last */
	uint32_t years[8];  /* bits from 1970 */
	bool any_day;
	bool any_weekday;
	bool any_hour;
};

enum { SCHEDULE_EVERY_MS_MIN = 1000 };

/* -1: the error names the field and what it may be. */
int schedule_parse(const char *text, struct schedule *schedule, struct err *err)
    __attribute__((warn_unused_result));

/* The first time after `after_ms` (since 1970), in this zone (NULL: UTC); INT64_MAX: never again.
 */
int64_t schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms);

/* The same in pieces, for times that are far away: the whole calendar takes tens of milliseconds.
 */
struct schedule_search {
	int64_t after_ms;
	int64_t at_s;	 /* where the search stands */
	int64_t next_ms; /* what was found, where `is_over` */
	bool is_over;
};

void schedule_search_begin(struct schedule_search *search, int64_t after_ms);
/* At most `*steps`, a microsecond or less each, of which those that were made are taken off. False:
 * it is not over. */
bool schedule_search_go(struct schedule_search *search, const struct schedule *schedule,
    const struct zone *zone, unsigned *steps);

#endif
