/* SPDX-License-Identifier: MIT
 * The Gregorian calendar by arithmetic, without a time zone.
 */
#ifndef LIB_CIVIL_H
#define LIB_CIVIL_H

#include <stdint.h>

struct civil {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second;
	int weekday; /* 0: Sunday */
};

int64_t civil_days(int year, int month, int day); /* since 1970-01-01 */
int civil_weekday(int64_t days);		  /* 0: Sunday */
int civil_month_days(int year, int month);
struct civil civil_of(int64_t seconds); /* since 1970 */

#endif
