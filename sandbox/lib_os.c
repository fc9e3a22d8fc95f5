/* SPDX-License-Identifier: MIT
 * os: its four functions that only tell the time. There is one time zone, UTC, and one language.
 */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "sandbox/clock.h"
#include "sandbox/lua_hooks.h"
#include "sandbox/world.h"

static lua_Integer
date_field(lua_State *lua, const char *name, lua_Integer absent)
{
	lua_Integer value = absent;
	int is_integer = 1;

	lua_pushstring(lua, name);
	if (lua_rawget(lua, 1) != LUA_TNIL)
		value = lua_tointegerx(lua, -1, &is_integer);
	else if (absent < 0)
		is_integer = 0;
	if (!is_integer || value < -1000000000 || value > 1000000000)
		(void)luaL_error(lua, "os.time: field \"%s\" is missing or no number", name);
	lua_pop(lua, 1);
	return value;
}

/* os.time([{ year=, month=, day=, hour=, min=, sec= }]) */
static int
os_time(lua_State *lua)
{
	lua_Integer days, seconds;

	if (lua_isnoneornil(lua, 1)) {
		lua_pushinteger(lua, clock_now_ms(lua) / 1000);
		return 1;
	}
	luaL_checktype(lua, 1, LUA_TTABLE);
	days = clock_days(
	    date_field(lua, "year", -1), date_field(lua, "month", -1), date_field(lua, "day", -1));
	seconds = date_field(lua, "hour", 12) * 3600 + date_field(lua, "min", 0) * 60 +
		  date_field(lua, "sec", 0);
	lua_pushinteger(lua, days * 86400 + seconds);
	return 1;
}

static int
push_date_table(lua_State *lua, const struct clock_date *date)
{
	const struct {
		const char *name;
		int value;
	} fields[] = { { "year", date->year }, { "month", date->month }, { "day", date->day },
		{ "hour", date->hour }, { "min", date->minute }, { "sec", date->second },
		{ "wday", date->weekday + 1 }, { "yday", date->yearday } };

	lua_createtable(lua, 0, 9);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		lua_pushinteger(lua, fields[i].value);
		lua_setfield(lua, -2, fields[i].name);
	}
	lua_pushboolean(lua, 0);
	lua_setfield(lua, -2, "isdst");
	return 1;
}

static const char *const weekdays[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };
static const char *const months[] = { "January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December" };

/* Conversions that stand for others. */
static const char *
long_form(char letter)
{
	static const struct {
		char letter;
		const char *format;
	} forms[] = { { 'c', "%a %b %e %H:%M:%S %Y" }, { 'D', "%m/%d/%y" }, { 'F', "%Y-%m-%d" },
		{ 'R', "%H:%M" }, { 'r', "%I:%M:%S %p" }, { 'T', "%H:%M:%S" }, { 'X', "%H:%M:%S" },
		{ 'x', "%m/%d/%y" } };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].letter == letter)
			return forms[i].format;
	}
	return NULL;
}

static bool
put_number(luaL_Buffer *out, char letter, const struct clock_date *date)
{
	const struct {
		char letter, pad;
		int width, value;
	} numbers[] = { { 'Y', '0', 4, date->year }, { 'y', '0', 2, date->year % 100 },
		{ 'C', '0', 2, date->year / 100 }, { 'm', '0', 2, date->month },
		{ 'd', '0', 2, date->day }, { 'e', ' ', 2, date->day }, { 'H', '0', 2, date->hour },
		{ 'I', '0', 2, (date->hour + 11) % 12 + 1 }, { 'M', '0', 2, date->minute },
		{ 'S', '0', 2, date->second }, { 'j', '0', 3, date->yearday },
		{ 'w', '0', 1, date->weekday }, { 'u', '0', 1, (date->weekday + 6) % 7 + 1 } };
	char text[16];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].letter != letter)
			continue;
		(void)sandbox_snprintf(text, sizeof(text), numbers[i].pad == '0' ? "%0*d" : "%*d",
		    numbers[i].width, numbers[i].value);
		luaL_addstring(out, text);
		return true;
	}
	return false;
}

static bool
put_name(luaL_Buffer *out, char letter, const struct clock_date *date)
{
	const char *name =
	    letter == 'a' || letter == 'A' ? weekdays[date->weekday] : months[date->month - 1];

	switch (letter) {
	case 'a':
	case 'b':
	case 'h':
		luaL_addlstring(out, name, 3);
		return true;
	case 'A':
	case 'B':
		luaL_addstring(out, name);
		return true;
	case 'p':
		luaL_addstring(out, date->hour < 12 ? "AM" : "PM");
		return true;
	case 'Z':
		luaL_addstring(out, "UTC");
		return true;
	case 'z':
		luaL_addstring(out, "+0000");
		return true;
	case '%':
		luaL_addchar(out, '%');
		return true;
	default:
		return false;
	}
}

/* False with the letter of a conversion that there is not. */
static bool
put_format(luaL_Buffer *out, const char *format, const struct clock_date *date, char *wrong)
{
	for (; *format != '\0'; format++) {
		const char *inner;

		if (*format != '%') {
			luaL_addchar(out, *format);
			continue;
		}
		*wrong = *++format;
		inner = long_form(*format);
		if (*format == '\0' || !(inner != NULL ? put_format(out, inner, date, wrong)
						       : put_number(out, *format, date) ||
							     put_name(out, *format, date)))
			return false;
	}
	return true;
}

/* os.date([format[, time]]): a leading "!" changes nothing, for the time is UTC anyway. */
static int
os_date(lua_State *lua)
{
	const char *format = luaL_optstring(lua, 1, "%c");
	lua_Number seconds = luaL_optnumber(lua, 2, (lua_Number)(clock_now_ms(lua) / 1000));
	struct clock_date date;
	luaL_Buffer out;
	char wrong;

	luaL_argcheck(lua, clock_in_range(seconds), 2, "not in the years 1 to 9999");
	date = clock_split((int64_t)floor(seconds));
	if (*format == '!')
		format++;
	if (strncmp(format, "*t", 2) == 0)
		return push_date_table(lua, &date);
	luaL_buffinit(lua, &out);
	if (!put_format(&out, format, &date, &wrong))
		return luaL_error(lua, "os.date: there is no conversion \"%%%c\"", wrong);
	luaL_pushresult(&out);
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
		{ "difftime", os_difftime }, { "date", os_date }, { NULL, NULL } };

	luaL_newlib(lua, functions);
	return 1;
}
