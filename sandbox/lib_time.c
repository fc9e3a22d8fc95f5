/* SPDX-License-Identifier: MIT
 * The clock. It stands still while a handler computes and moves when it waits, to what the host
 * says: so a run again that is given the same answers sees the same times.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "sandbox/clock.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/world.h"

int64_t
clock_now_ms(lua_State *lua)
{
	const struct run *run = worker_of(lua)->run;

	return run != NULL ? run->time_ms + run->clock_us / 1000 : 0;
}

static int
push_now(lua_State *lua)
{
	lua_pushnumber(lua, (lua_Number)clock_now_ms(lua) / 1000);
	return 1;
}

static int
push_now_ms(lua_State *lua)
{
	lua_pushinteger(lua, clock_now_ms(lua));
	return 1;
}

struct clock_date
clock_split(int64_t seconds)
{
	int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
	int64_t shifted = days + 719468, rest = seconds - days * 86400;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t in_era = shifted - era * 146097;
	int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * in_year + 2) / 153; /* from March */
	struct clock_date date = { .hour = (int)(rest / 3600),
		.minute = (int)(rest / 60 % 60),
		.second = (int)(rest % 60) };

	date.day = (int)(in_year - (153 * month + 2) / 5 + 1);
	date.month = (int)(month < 10 ? month + 3 : month - 9);
	date.year = (int)(year_of_era + era * 400 + (date.month <= 2));
	date.weekday = (int)(((days + 4) % 7 + 7) % 7);
	date.yearday = (int)(days - clock_days(date.year, 1, 1)) + 1;
	return date;
}

int64_t
clock_days(int64_t year, int64_t month, int64_t day)
{
	int64_t era, year_of_era, month_of_year;

	year += (month - 1 - ((month - 1) % 12 + 12) % 12) / 12;
	month = ((month - 1) % 12 + 12) % 12 + 1;
	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	month_of_year = month > 2 ? month - 3 : month + 9;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       (153 * month_of_year + 2) / 5 + day - 1 - 719468;
}

bool
clock_in_range(lua_Number seconds)
{
	return seconds >= -62135596800.0 && seconds < 253402300800.0;
}

/* time.iso([seconds]): "2026-11-23T10:00:00.000Z" */
static int
push_iso(lua_State *lua)
{
	lua_Number seconds = luaL_optnumber(lua, 1, (lua_Number)clock_now_ms(lua) / 1000);
	struct clock_date date;
	int64_t ms;
	char text[64];

	luaL_argcheck(lua, clock_in_range(seconds), 1, "not in the years 1 to 9999");
	ms = (int64_t)floor(seconds * 1000 + 0.5);
	date = clock_split((ms >= 0 ? ms : ms - 999) / 1000);
	(void)sandbox_snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.year,
	    date.month, date.day, date.hour, date.minute, date.second,
	    (int)((ms % 1000 + 1000) % 1000));
	lua_pushstring(lua, text);
	return 1;
}

/* `count` digits at `*at`, then `mark` (0: none); -1 where they do not stand there. */
static int
take_digits(const char **at, int count, char mark)
{
	int value = 0;

	for (; count > 0; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	if (mark == '\0')
		return value;
	return *(*at)++ == mark ? value : -1;
}

/* "Z", "+01:00" or nothing: how far the time is ahead of UTC. False for anything else. */
static bool
take_zone(const char *at, int *seconds)
{
	char sign = *at;
	int hours, minutes;

	*seconds = 0;
	if (sign == '\0' || strcmp(at, "Z") == 0)
		return true;
	if (sign != '+' && sign != '-')
		return false;
	at++;
	hours = take_digits(&at, 2, ':');
	minutes = hours >= 0 ? take_digits(&at, 2, '\0') : -1;
	*seconds = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
	return minutes >= 0 && minutes < 60 && hours < 24 && *at == '\0';
}

/* RFC 3339; false for anything else. */
static bool
read_iso(const char *at, lua_Number *seconds)
{
	static const struct {
		int digits, min, max;
		char mark;
	} parts[] = { { 4, 1, 9999, '-' }, { 2, 1, 12, '-' }, { 2, 1, 31, 'T' }, { 2, 0, 23, ':' },
		{ 2, 0, 59, ':' }, { 2, 0, 60, '\0' } };
	lua_Number fraction = 0, place = 0.1;
	int value[6], zone;

	for (size_t i = 0; i < 6; i++) {
		value[i] = take_digits(&at, parts[i].digits, parts[i].mark);
		if (value[i] < parts[i].min || value[i] > parts[i].max)
			return false;
	}
	if (*at == '.') {
		for (at++; *at >= '0' && *at <= '9'; at++, place /= 10)
			fraction += place * (*at - '0');
	}
	if (!take_zone(at, &zone))
		return false;
	*seconds = (lua_Number)(clock_days(value[0], value[1], value[2]) * 86400 + value[3] * 3600 +
				value[4] * 60 + value[5] - zone);
	if (fraction > 0)
		*seconds += fraction;
	return true;
}

/* time.parse(text): seconds since 1970, or nil and why. */
static int
parse(lua_State *lua)
{
	lua_Number seconds;

	if (read_iso(luaL_checkstring(lua, 1), &seconds)) {
		lua_pushnumber(lua, seconds);
		return 1;
	}
	lua_pushnil(lua);
	lua_pushliteral(lua, "no time such as 2026-11-23T10:00:00Z");
	return 2;
}

int
lib_time(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "now", push_now }, { "now_ms", push_now_ms },
		{ "iso", push_iso }, { "parse", parse }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
