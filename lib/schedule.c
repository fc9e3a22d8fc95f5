/* SPDX-License-Identifier: MIT
 * Parsing schedules, and walking the calendar hour by hour to the next time that fits.
 */
#include "lib/schedule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/civil.h"

enum { YEAR_MIN = 1970, YEAR_MAX = 2199, FIELD_BYTES_MAX = 128 };

static const char *const month_names[] = { "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG",
	"SEP", "OCT", "NOV", "DEC", NULL };
static const char *const weekday_names[] = { "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT",
	NULL };

/* One field of a cron expression. */
struct field {
	const char *name;
	int min, max;
	const char *const *names; /* of min, min + 1, ... */
	const char *allowed;
};

static const struct field aws_fields[] = {
	{ "minute", 0, 59, NULL, "0 to 59, * , - /" },
	{ "hour", 0, 23, NULL, "0 to 23, * , - /" },
	{ "day", 1, 31, NULL, "1 to 31, * ? , - / L W" },
	{ "month", 1, 12, month_names, "1 to 12, JAN to DEC, * , - /" },
	{ "weekday", 1, 7, weekday_names, "1 to 7, SUN to SAT, * ? , - / L #" },
	{ "year", YEAR_MIN, YEAR_MAX, NULL, "1970 to 2199, * , - /" },
};
static const struct field cron_weekday = { "weekday", 0, 7, weekday_names,
	"0 to 7, SUN to SAT, * , - /" };

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR };

/* --- rates --- */

static const struct {
	const char *name;
	int64_t ms;
} units[] = { { "ms", 1 }, { "seconds", 1000 }, { "second", 1000 }, { "s", 1000 },
	{ "minutes", 60000 }, { "minute", 60000 }, { "min", 60000 }, { "m", 60000 },
	{ "hours", 3600000 }, { "hour", 3600000 }, { "h", 3600000 }, { "days", 86400000 },
	{ "day", 86400000 }, { "d", 86400000 } };

static int64_t
unit_of(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i].name) == len && strncmp(text, units[i].name, len) == 0)
			return units[i].ms;
	}
	return 0;
}

/* `whole` is for errors, `text` what stands in it behind the word. */
static int
parse_rate(const char *whole, const char *text, struct schedule *schedule, struct err *err)
{
	const char *at = text;
	int64_t sum = 0;

	while (*at != '\0' && *at != ')') {
		char *end;
		long value = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : -1;
		size_t len;

		if (value < 0 || value > 1000000)
			break;
		at = end + strspn(end, " ");
		len = strspn(at, "abcdefghijklmnopqrstuvwxyz");
		if (unit_of(at, len) == 0)
			break;
		sum += value * unit_of(at, len);
		at += len;
		at += strspn(at, " ");
	}
	if ((*at != '\0' && strcmp(at, ")") != 0) || sum == 0)
		return err_set(err,
		    "schedule \"%.100s\": a number and a unit: every 90s, every 5m, every 1h30m, "
		    "rate(5 minutes)",
		    whole);
	if (sum < SCHEDULE_EVERY_MS_MIN)
		return err_set(err, "schedule \"%.100s\": at least every second", whole);
	*schedule = (struct schedule){ .every_ms = sum };
	return 0;
}

/* --- fields --- */

struct parsing {
	struct schedule *schedule;
	const struct field *field;
	const char *text; /* the field's */
	struct err *err;
};

static int
refuse(const struct parsing *parsing)
{
	return err_set(parsing->err, "schedule: %s \"%.40s\": allowed are %s", parsing->field->name,
	    parsing->text, parsing->field->allowed);
}

/* Digits; -1: there are none. Saturates. */
static int
take_number(const char *text, const char **end)
{
	int value = -1;

	for (; isdigit((unsigned char)*text); text++)
		value = value >= 100000 ? value : (value < 0 ? 0 : value) * 10 + (*text - '0');
	*end = text;
	return value;
}

/* Takes a number or a name off the front; -1: there is none in range. */
static int
take_value(const struct field *field, const char **at)
{
	int value;

	for (int i = 0; field->names != NULL && field->names[i] != NULL; i++) {
		if (strncasecmp(*at, field->names[i], 3) == 0) {
			*at += 3;
			return field->min + i;
		}
	}
	value = take_number(*at, at);
	return value >= field->min && value <= field->max ? value : -1;
}

static void
set_value(struct parsing *parsing, int value)
{
	struct schedule *schedule = parsing->schedule;

	switch (parsing->field - aws_fields) {
	case MINUTE:
		schedule->minutes |= (uint64_t)1 << value;
		return;
	case HOUR:
		schedule->hours |= 1u << value;
		return;
	case DAY:
		schedule->days |= 1u << value;
		return;
	case MONTH:
		schedule->months |= 1u << value;
		return;
	case WEEKDAY:
		schedule->weekdays |= 1u << (value - 1);
		return;
	case YEAR:
		schedule->years[(value - YEAR_MIN) / 32] |= 1u << ((value - YEAR_MIN) % 32);
		return;
	default: /* cron's weekdays: 0 and 7 are Sunday */
		schedule->weekdays |= 1u << (value % 7);
	}
}

/* "L", "L-3", "LW", "15W" of days; "L", "5L", "3#2" of weekdays. 1: it is none of them. */
static int
take_special(struct parsing *parsing, const char *part)
{
	struct schedule *schedule = parsing->schedule;
	bool is_day = parsing->field == &aws_fields[DAY];
	const char *at = part;
	int value;

	if (!is_day && parsing->field != &aws_fields[WEEKDAY])
		return 1;
	if (is_day && strcasecmp(part, "LW") == 0) {
		schedule->near_days |= 1;
		return 0;
	}
	if (*part == 'L' || *part == 'l') {
		at = part + 1;
		value = *at == '-' ? take_number(at + 1, &at) : 0;
		if (*at != '\0' || value < 0 || value > 30 || (!is_day && part[1] != '\0'))
			return refuse(parsing);
		if (is_day)
			schedule->last_days |= 1u << value;
		else
			schedule->weekdays |= 1u << 6; /* the week's last: Saturday */
		return 0;
	}
	value = take_value(parsing->field, &at);
	if (value < 0)
		return 1;
	if (is_day && (strcmp(at, "W") == 0 || strcmp(at, "w") == 0))
		schedule->near_days |= 1u << value;
	else if (!is_day && (strcmp(at, "L") == 0 || strcmp(at, "l") == 0))
		schedule->last_weekdays |= 1u << (value - 1);
	else if (!is_day && *at == '#' && at[1] >= '1' && at[1] <= '5' && at[2] == '\0')
		schedule->nth[value - 1] |= (uint8_t)(1u << (at[1] - '0'));
	else
		return 1;
	return 0;
}

/* "*", "5", "1-5", each with "/2" behind it. */
static int
take_part(struct parsing *parsing, const char *part)
{
	const struct field *field = parsing->field;
	const char *at = part;
	int first = field->min, last = field->max, step = 1, special = take_special(parsing, part);
	bool open = *at == '*';

	if (special <= 0)
		return special;
	if (open) {
		at++;
	} else {
		first = last = take_value(field, &at);
		if (first >= 0 && *at == '-') {
			at++;
			last = take_value(field, &at);
		} else if (*at == '/') {
			last = field->max;
		}
	}
	if (*at == '/') {
		step = take_number(at + 1, &at);
		if (step > field->max) /* no second one; the sum below stays small */
			step = field->max + 1;
	}
	if (first < 0 || last < 0 || step < 1 || *at != '\0')
		return refuse(parsing);
	if (last < first) /* FRI-MON */
		last += field->max - field->min + 1;
	for (int value = first; value <= last; value += step)
		set_value(
		    parsing, value > field->max ? value - (field->max - field->min + 1) : value);
	return 0;
}

static int
take_field(struct parsing *parsing)
{
	char text[FIELD_BYTES_MAX], *rest = text, *part;

	if (strcmp(parsing->text, "?") == 0) {
		if (parsing->field == &aws_fields[DAY])
			parsing->schedule->any_day = true;
		else if (parsing->field == &aws_fields[WEEKDAY])
			parsing->schedule->any_weekday = true;
		else
			return refuse(parsing);
		return 0;
	}
	(void)strcpy(text, parsing->text);
	if (text[0] == '\0' || text[strlen(text) - 1] == ',')
		return refuse(parsing);
	while ((part = strsep(&rest, ",")) != NULL) {
		if (take_part(parsing, part) < 0)
			return -1;
	}
	if (strcmp(parsing->text, "*") == 0) {
		parsing->schedule->any_day |= parsing->field == &aws_fields[DAY];
		parsing->schedule->any_hour |= parsing->field == &aws_fields[HOUR];
		parsing->schedule->any_weekday |=
		    parsing->field == &aws_fields[WEEKDAY] || parsing->field == &cron_weekday;
	}
	return 0;
}

/* Splits at spaces; returns how many fields there are, -1: too many or too long. */
static int
split(const char *text, char fields[6][FIELD_BYTES_MAX])
{
	int count = 0;

	for (;;) {
		size_t len;

		text += strspn(text, " \t");
		len = strcspn(text, " \t)");
		if (len == 0)
			return *text == '\0' || strcmp(text, ")") == 0 ? count : -1;
		if (count == 6 || len >= FIELD_BYTES_MAX)
			return -1;
		memcpy(fields[count], text, len);
		fields[count++][len] = '\0';
		text += len;
	}
}

static int
no_form(const char *text, struct err *err)
{
	return err_set(err,
	    "schedule \"%.100s\": is every 5m, rate(5 minutes), cron(0 8 * * ? *), or five fields "
	    "of cron: minute hour day month weekday",
	    text);
}

static bool
begins(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

static int
parse_cron(const char *text, bool aws, struct schedule *schedule, struct err *err)
{
	char fields[6][FIELD_BYTES_MAX];
	int count = split(text, fields);

	if (count != (aws ? 6 : 5))
		return aws ? err_set(err, "schedule: cron(...) has six fields: minute hour day "
					  "month weekday year")
			   : no_form(text, err);
	*schedule = (struct schedule){ .every_ms = 0 };
	for (int i = 0; i < count; i++) {
		struct parsing parsing = { schedule, &aws_fields[i], fields[i], err };

		if (!aws && i == WEEKDAY)
			parsing.field = &cron_weekday;
		if (take_field(&parsing) < 0)
			return -1;
	}
	if (aws && (strcmp(fields[DAY], "?") == 0) == (strcmp(fields[WEEKDAY], "?") == 0))
		return err_set(err, "schedule: one of day and weekday is ?, and the other is not");
	if (!aws)
		memset(schedule->years, 0xff, sizeof(schedule->years));
	return 0;
}

int
schedule_parse(const char *text, struct schedule *schedule, struct err *err)
{
	size_t len = strlen(text);

	if (isalpha((unsigned char)text[0]) && !begins(text, "every ") && !begins(text, "rate(") &&
	    !begins(text, "cron("))
		return no_form(text, err);
	if ((len > 0 && text[len - 1] == ')') != (begins(text, "rate(") || begins(text, "cron(")))
		return err_set(
		    err, "schedule \"%.100s\": a bracket is opened or closed alone", text);
	if (begins(text, "every "))
		return parse_rate(text, text + 6, schedule, err);
	if (begins(text, "rate("))
		return parse_rate(text, text + 5, schedule, err);
	if (begins(text, "cron("))
		return parse_cron(text + 5, true, schedule, err);
	return parse_cron(text, false, schedule, err);
}

/* --- the next time --- */

/* The weekday nearest to `day` without leaving the month. */
static int
nearest_weekday(int year, int month, int day)
{
	int last = civil_month_days(year, month);
	int weekday = civil_weekday(civil_days(year, month, day));

	if (weekday == 6)
		return day > 1 ? day - 1 : day + 2;
	if (weekday == 0)
		return day < last ? day + 1 : day - 2;
	return day;
}

static bool
day_fits(const struct schedule *schedule, const struct civil *now)
{
	int last = civil_month_days(now->year, now->month);

	if ((schedule->days >> now->day & 1) != 0 ||
	    (schedule->last_days >> (last - now->day) & 1) != 0)
		return true;
	for (int day = 0; schedule->near_days != 0 && day <= last; day++) {
		if ((schedule->near_days >> day & 1) != 0 &&
		    now->day == nearest_weekday(now->year, now->month, day > 0 ? day : last))
			return true;
	}
	return false;
}

static bool
weekday_fits(const struct schedule *schedule, const struct civil *now)
{
	int last = civil_month_days(now->year, now->month);

	return (schedule->weekdays >> now->weekday & 1) != 0 ||
	       (schedule->nth[now->weekday] >> ((now->day + 6) / 7) & 1) != 0 ||
	       ((schedule->last_weekdays >> now->weekday & 1) != 0 && now->day + 7 > last);
}

static bool
year_fits(const struct schedule *schedule, int year)
{
	return year >= YEAR_MIN &&
	       (schedule->years[(year - YEAR_MIN) / 32] >> ((year - YEAR_MIN) % 32) & 1) != 0;
}

static bool
date_fits(const struct schedule *schedule, const struct civil *now)
{
	if ((schedule->months >> now->month & 1) == 0 || !year_fits(schedule, now->year))
		return false;
	if (schedule->any_day && schedule->any_weekday)
		return true;
	if (schedule->any_day)
		return weekday_fits(schedule, now);
	if (schedule->any_weekday)
		return day_fits(schedule, now);
	return day_fits(schedule, now) || weekday_fits(schedule, now);
}

static bool
time_fits(const struct schedule *schedule, const struct civil *now)
{
	return (schedule->hours >> now->hour & 1) != 0 &&
	       (schedule->minutes >> now->minute & 1) != 0;
}

/* Whether a local time that was left out just before `utc_s` would have fitted. */
static bool
left_out_fits(const struct schedule *schedule, const struct zone *zone, int64_t utc_s)
{
	int32_t before = zone_offset(zone, utc_s - 1), now = zone_offset(zone, utc_s);

	for (int64_t local = utc_s + before; local < utc_s + now; local += 60) {
		struct civil civil = civil_of(local);

		if (date_fits(schedule, &civil) && time_fits(schedule, &civil))
			return true;
	}
	return false;
}

/* Whether this local time has been an hour (or so) before already. */
static bool
comes_again(const struct zone *zone, int64_t utc_s)
{
	int32_t now = zone_offset(zone, utc_s);

	for (int64_t back = 1800; back <= 7200; back += 1800) {
		if (zone_offset(zone, utc_s - back) - now == back)
			return true;
	}
	return false;
}

/* Days from this one on, up to the month's last, on which the date does not fit. */
static int
days_that_do_not_fit(const struct schedule *schedule, const struct civil *now)
{
	int last = civil_month_days(now->year, now->month);
	struct civil day = *now;

	if ((schedule->months >> now->month & 1) == 0)
		return last - now->day + 1;
	while (day.day <= last && !date_fits(schedule, &day)) {
		day.day++;
		day.weekday = (day.weekday + 1) % 7;
	}
	return day.day - now->day;
}

/* Seconds to go on where this date does not fit: to the evening of the last day of the year, of the
 * month, or of those that do not fit, and then by hours, so that no change of the clock is passed
 * over that leads to a day that fits. */
static int64_t
to_next_date(const struct schedule *schedule, const struct zone *zone, const struct civil *now,
    int64_t local_s)
{
	int days;

	if (!year_fits(schedule, now->year) && now->month < 12)
		return (civil_days(now->year, 12, 26) -
			   civil_days(now->year, now->month, now->day)) *
		       86400;
	days = days_that_do_not_fit(schedule, now);
	if (zone == NULL)
		return days * (int64_t)86400 - local_s % 86400;
	if (days > 2)
		return (days - 2) * (int64_t)86400;
	if (now->hour < 21)
		return (21 - now->hour) * (int64_t)3600 - local_s % 3600;
	return 3600 - local_s % 3600;
}

/* One step: 0 where it is `utc_s`, else the seconds to go on. */
static int64_t
step(const struct schedule *schedule, const struct zone *zone, int64_t utc_s,
    const struct civil *now)
{
	int64_t local = utc_s + zone_offset(zone, utc_s);

	if (!schedule->any_hour && left_out_fits(schedule, zone, utc_s))
		return 0;
	if (!date_fits(schedule, now))
		return to_next_date(schedule, zone, now, local);
	if ((schedule->hours >> now->hour & 1) == 0)
		return 3600 - local % 3600;
	if (time_fits(schedule, now) && (schedule->any_hour || !comes_again(zone, utc_s)))
		return 0;
	return 60;
}

void
schedule_search_begin(struct schedule_search *search, int64_t after_ms)
{
	*search =
	    (struct schedule_search){ .after_ms = after_ms, .at_s = (after_ms / 60000 + 1) * 60 };
}

static void
end(struct schedule_search *search, int64_t next_ms)
{
	search->next_ms = next_ms;
	search->is_over = true;
}

bool
schedule_search_go(struct schedule_search *search, const struct schedule *schedule,
    const struct zone *zone, unsigned *steps)
{
	if (schedule->every_ms > 0)
		end(search, search->after_ms + schedule->every_ms);
	while (!search->is_over && *steps > 0) {
		struct civil now = civil_of(search->at_s + zone_offset(zone, search->at_s));
		int64_t on_s = now.year > YEAR_MAX ? 0 : step(schedule, zone, search->at_s, &now);

		if (on_s == 0)
			end(search, now.year > YEAR_MAX ? INT64_MAX : search->at_s * 1000);
		search->at_s += on_s;
		(*steps)--;
	}
	return search->is_over;
}

int64_t
schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after_ms)
{
	struct schedule_search search;
	unsigned steps;

	schedule_search_begin(&search, after_ms);
	do {
		steps = UINT32_MAX;
	} while (!schedule_search_go(&search, schedule, zone, &steps));
	return search.next_ms;
}
