/* SPDX-License-Identifier: MIT
 * A TZif file holds a block of 32-bit data, one of 64-bit data, and a line of text with the rule
 * for what comes after its last transition. The second block and the rule are what is used.
 */
#include "lib/zone.h"

#include <stdlib.h>

#include "lib/civil.h"

enum { HEAD_BYTES = 44, TYPE_BYTES = 6, TRANSITIONS_MAX = 100000 };

/* "M3.5.0/2": month, week (5: the last), day of the week (0: Sunday), seconds after midnight. */
struct rule {
	int month, week, day;
	int32_t at_s;
};

struct zone {
	size_t count;
	int64_t *at_s;	   /* of transitions, ascending */
	int32_t *offset_s; /* from each of them on */
	int32_t first_s;   /* before all of them */
	bool has_rule;
	bool has_summer;
	int32_t standard_s, summer_s;
	struct rule begins, ends; /* of summer time, in local time before the change */
};

struct counts {
	uint32_t utc, standard, leaps, times, types, chars;
};

static uint32_t
get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t
get_i64(const uint8_t *at)
{
	return (int64_t)((uint64_t)get_u32(at) << 32 | get_u32(at + 4));
}

/* Takes the head off the front. */
static bool
take_head(struct bytes *file, struct counts *counts)
{
	const uint8_t *at = file->data;

	if (file->len < HEAD_BYTES || memcmp(at, "TZif", 4) != 0 || at[4] < '2')
		return false;
	*counts = (struct counts){ get_u32(at + 20), get_u32(at + 24), get_u32(at + 28),
		get_u32(at + 32), get_u32(at + 36), get_u32(at + 40) };
	*file = bytes_of(at + HEAD_BYTES, file->len - HEAD_BYTES);
	return counts->times <= TRANSITIONS_MAX && counts->types >= 1 && counts->types <= 256 &&
	       counts->chars <= 4096 && counts->leaps <= 1000 && counts->utc <= 256 &&
	       counts->standard <= 256;
}

static size_t
block_bytes(const struct counts *counts, size_t time_bytes)
{
	return counts->times * (time_bytes + 1) + counts->types * TYPE_BYTES + counts->chars +
	       counts->leaps * (time_bytes + 4) + counts->standard + counts->utc;
}

/* RFC 9636 §3.2: a little more than a day either way at most. */
static bool
is_offset(int32_t offset_s)
{
	return offset_s >= -89999 && offset_s <= 93599;
}

static bool
take_block(struct zone *zone, struct bytes *file, const struct counts *counts)
{
	size_t size = block_bytes(counts, 8);
	const uint8_t *times = file->data, *kinds = times + counts->times * 8;
	const uint8_t *types = kinds + counts->times;

	if (file->len < size)
		return false;
	zone->count = counts->times;
	zone->at_s = xcalloc(zone->count + 1, sizeof(*zone->at_s));
	zone->offset_s = xcalloc(zone->count + 1, sizeof(*zone->offset_s));
	zone->first_s = (int32_t)get_u32(types);
	if (!is_offset(zone->first_s))
		return false;
	for (size_t i = 0; i < zone->count; i++) {
		if (kinds[i] >= counts->types)
			return false;
		zone->at_s[i] = get_i64(times + i * 8);
		zone->offset_s[i] = (int32_t)get_u32(types + kinds[i] * TYPE_BYTES);
		if (!is_offset(zone->offset_s[i]))
			return false;
		if (i > 0 && zone->at_s[i] <= zone->at_s[i - 1])
			return false;
	}
	*file = bytes_of(file->data + size, file->len - size);
	return true;
}

/* --- the rule: "CET-1CEST,M3.5.0,M10.5.0/3" --- */

struct reader {
	const char *at;
	bool bad;
};

static void
skip_name(struct reader *reader)
{
	bool quoted = *reader->at == '<';

	while (*reader->at != '\0' &&
	       (quoted ? *reader->at != '>'
		       : (*reader->at | 0x20) >= 'a' && (*reader->at | 0x20) <= 'z'))
		reader->at++;
	reader->at += quoted && *reader->at == '>';
}

static int
read_int(struct reader *reader)
{
	char *end;
	long value = strtol(reader->at, &end, 10);

	reader->bad |= end == reader->at || value < -1000 || value > 1000;
	reader->at = end;
	return (int)value;
}

/* "[+-]h[:mm[:ss]]" */
static int32_t
read_time(struct reader *reader)
{
	int sign = *reader->at == '-' ? -1 : 1;
	int32_t seconds;

	reader->at += *reader->at == '-' || *reader->at == '+';
	seconds = read_int(reader) * 3600;
	for (int32_t unit = 60; unit >= 1 && *reader->at == ':'; unit /= 60) {
		reader->at++;
		seconds += read_int(reader) * unit;
	}
	return sign * seconds;
}

/* ",M3.5.0/2"; the forms by day of the year stand in no zone of today. */
static struct rule
read_rule(struct reader *reader)
{
	struct rule rule = { .at_s = 7200 };

	reader->bad |= strncmp(reader->at, ",M", 2) != 0;
	if (reader->bad)
		return rule;
	reader->at += 2;
	rule.month = read_int(reader);
	reader->at += *reader->at == '.';
	rule.week = read_int(reader);
	reader->at += *reader->at == '.';
	rule.day = read_int(reader);
	if (*reader->at == '/') {
		reader->at++;
		rule.at_s = read_time(reader);
	}
	reader->bad |= rule.month < 1 || rule.month > 12 || rule.week < 1 || rule.week > 5 ||
		       rule.day < 0 || rule.day > 6;
	return rule;
}

static void
take_rule(struct zone *zone, struct bytes rest)
{
	char text[128];
	struct reader reader = { .at = text };
	size_t len = rest.len > 1 && rest.data[0] == '\n' ? rest.len - 2 : 0;

	if (len == 0 || len >= sizeof(text))
		return;
	memcpy(text, rest.data + 1, len);
	text[len] = '\0';
	skip_name(&reader);
	zone->standard_s = -read_time(&reader);
	zone->has_summer = *reader.at != '\0';
	if (zone->has_summer) {
		skip_name(&reader);
		zone->summer_s = zone->standard_s + 3600;
		if (*reader.at != ',')
			zone->summer_s = -read_time(&reader);
		zone->begins = read_rule(&reader);
		zone->ends = read_rule(&reader);
	}
	zone->has_rule = !reader.bad && *reader.at == '\0' && is_offset(zone->standard_s) &&
			 is_offset(zone->summer_s);
}

/* Local seconds since 1970 of the rule's moment in a year. */
static int64_t
rule_moment(const struct rule *rule, int year)
{
	int64_t first = civil_days(year, rule->month, 1);
	int day = 1 + (rule->day - civil_weekday(first) + 7) % 7 + (rule->week - 1) * 7;

	while (day > civil_month_days(year, rule->month))
		day -= 7;
	return (first + day - 1) * 86400 + rule->at_s;
}

static int32_t
rule_offset(const struct zone *zone, int64_t utc_s)
{
	struct civil now = civil_of(utc_s + zone->standard_s);
	int64_t begins, ends;

	if (!zone->has_summer)
		return zone->standard_s;
	begins = rule_moment(&zone->begins, now.year) - zone->standard_s;
	ends = rule_moment(&zone->ends, now.year) - zone->summer_s;
	if (begins < ends)
		return utc_s >= begins && utc_s < ends ? zone->summer_s : zone->standard_s;
	return utc_s >= begins || utc_s < ends ? zone->summer_s : zone->standard_s;
}

struct zone *
zone_parse(struct bytes file)
{
	struct zone *zone = xcalloc(1, sizeof(*zone));
	struct counts counts;
	bool good = take_head(&file, &counts) && file.len >= block_bytes(&counts, 4);

	if (good) {
		size_t skip = block_bytes(&counts, 4);

		file = bytes_of(file.data + skip, file.len - skip);
		good = take_head(&file, &counts) && take_block(zone, &file, &counts);
	}
	if (!good) {
		zone_free(zone);
		return NULL;
	}
	take_rule(zone, file);
	return zone;
}

void
zone_free(struct zone *zone)
{
	if (zone == NULL)
		return;
	free(zone->at_s);
	free(zone->offset_s);
	free(zone);
}

int32_t
zone_offset(const struct zone *zone, int64_t utc_s)
{
	size_t low = 0, high;

	if (zone == NULL)
		return 0;
	high = zone->count;
	if (zone->has_rule && (high == 0 || utc_s >= zone->at_s[high - 1]))
		return rule_offset(zone, utc_s);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->at_s[middle] <= utc_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? zone->first_s : zone->offset_s[low - 1];
}

bool
zone_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 64 && name[0] != '/' && strstr(name, "..") == NULL &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
		   len;
}
