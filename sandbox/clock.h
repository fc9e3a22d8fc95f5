/* SPDX-License-Identifier: MIT
 * The handler's clock and the calendar (proleptic Gregorian, UTC), without libc's time zones.
 */
#ifndef SANDBOX_CLOCK_H
#define SANDBOX_CLOCK_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct clock_date {
	int year;
	int month;   /* 1 to 12 */
	int day;     /* 1 to 31 */
	int weekday; /* 0 is Sunday */
	int yearday; /* 1 to 366 */
	int hour, minute, second;
};

/* Since 1970; 0 while a file is loaded. */
int64_t clock_now_ms(lua_State *lua);
struct clock_date clock_split(int64_t seconds);
/* Days from 1970-01-01 to this date; months and days beyond their range count on. */
int64_t clock_days(int64_t year, int64_t month, int64_t day);
/* Whether it lies in the years 1 to 9999. */
bool clock_in_range(lua_Number seconds);

#endif
