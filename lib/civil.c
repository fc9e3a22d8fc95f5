/* SPDX-License-Identifier: MIT
 * Days and dates: a year is counted from March, so that the leap day is its last, and 400 years, an
 * era, are always as long.
 */
#include "lib/civil.h"

enum { ERA_DAYS = 146097, DAYS_TO_1970 = 719468 };

int64_t
civil_days(int year, int month, int day)
{
	int64_t from_march = year - (month <= 2);
	int64_t era = (from_march >= 0 ? from_march : from_march - 399) / 400;
	int64_t year_of_era = from_march - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

int
civil_weekday(int64_t days)
{
	return (int)(((days + 4) % 7 + 7) % 7);
}

int
civil_month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 ? leap : 0);
}

struct civil
civil_of(int64_t seconds)
{
	int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
	int64_t rest = seconds - days * 86400, shifted = days + DAYS_TO_1970;
	int64_t era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t day_of_era = shifted - era * ERA_DAYS;
	int64_t year_of_era =
	    (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
	    day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * day_of_year + 2) / 153;
	struct civil civil = { .weekday = civil_weekday(days) };

	civil.day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
	civil.month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	civil.year = (int)(year_of_era + era * 400 + (civil.month <= 2));
	civil.hour = (int)(rest / 3600);
	civil.minute = (int)(rest / 60 % 60);
	civil.second = (int)(rest % 60);
	return civil;
}
