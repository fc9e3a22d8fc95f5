/* SPDX-License-Identifier: MIT
 * The clock. It stands still while a handler computes and moves when it waits, so that a run again
 * gives the same: it is the event's time plus the time for which the invocation has waited.
 */
#include <lauxlib.h>
#include <string.h>
#include <time.h>

#include "sandbox/deadline.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/world.h"

static int64_t
now_ms(lua_State *lua)
{
	const struct run *run = worker_of(lua)->run;

	return run != NULL ? run->time_ms + (run->resumed_us - run->started_us) / 1000 : 0;
}

static int
push_now(lua_State *lua)
{
	lua_pushnumber(lua, (lua_Number)now_ms(lua) / 1000);
	return 1;
}

static int
push_now_ms(lua_State *lua)
{
	lua_pushinteger(lua, now_ms(lua));
	return 1;
}

/* Days since 1970 to a date (the civil calendar, proleptic). */
static void
split_days(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t in_era = shifted - era * 146097;
	int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * in_year + 2) / 153;

	*day = (int)(in_year - (153 * shifted_month + 2) / 5 + 1);
	*month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

/* time.iso([seconds]): "2026-11-23T10:00:00.000Z" */
static int
push_iso(lua_State *lua)
{
	int64_t ms =
	    lua_isnoneornil(lua, 1) ? now_ms(lua) : (int64_t)(luaL_checknumber(lua, 1) * 1000);
	int64_t days = (ms >= 0 ? ms : ms - 86399999) / 86400000, rest = ms - days * 86400000, year;
	int month, day;
	char text[48];

	luaL_argcheck(
	    lua, ms > -62135596800000 && ms < 253402300800000, 1, "not in the years 1 to 9999");
	split_days(days, &year, &month, &day);
	(void)sandbox_snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year,
	    month, day, (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60),
	    (int)(rest % 1000));
	lua_pushstring(lua, text);
	return 1;
}

int
lib_time(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "now", push_now }, { "now_ms", push_now_ms },
		{ "iso", push_iso }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}

static int
os_time(lua_State *lua)
{
	lua_pushinteger(lua, now_ms(lua) / 1000);
	return 1;
}

/* Seconds of CPU would differ from run to run: it stands still as the clock does. */
static int
os_clock(lua_State *lua)
{
	lua_pushnumber(lua, 0);
	return 1;
}

static int
os_difftime(lua_State *lua)
{
	lua_pushnumber(lua, luaL_checknumber(lua, 1) - luaL_checknumber(lua, 2));
	return 1;
}

int
lib_os(lua_State *lua)
{
	static const luaL_Reg functions[] = { { "time", os_time }, { "clock", os_clock },
		{ "difftime", os_difftime }, { "date", push_iso }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
