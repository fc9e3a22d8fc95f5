/* SPDX-License-Identifier: MIT
 * Conditions of statements (IAM JSON policy elements: condition operators). A key that is not known
 * makes a condition false; the negated operators (but with ForAnyValue), IfExists and ForAllValues
 * make it true then. A wanted value whose variable is not known lets no Allow through and stops no
 * Deny.
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/civil.h"
#include "lib/policy_private.h"

enum { CONDITIONS_MAX = 64, DAY_S = 86400, ADDRESS_BYTES = 64 };

static const struct {
	const char *name;
	enum policy_operator operator;
	enum policy_relation relation;
	bool negated;
} operators[] = {
	{ "StringEquals", POLICY_STRING, POLICY_EQUAL, false },
	{ "StringNotEquals", POLICY_STRING, POLICY_EQUAL, true },
	{ "StringEqualsIgnoreCase", POLICY_STRING_FOLDED, POLICY_EQUAL, false },
	{ "StringNotEqualsIgnoreCase", POLICY_STRING_FOLDED, POLICY_EQUAL, true },
	{ "StringLike", POLICY_LIKE, POLICY_EQUAL, false },
	{ "StringNotLike", POLICY_LIKE, POLICY_EQUAL, true },
	{ "ArnEquals", POLICY_LIKE, POLICY_EQUAL, false },
	{ "ArnNotEquals", POLICY_LIKE, POLICY_EQUAL, true },
	{ "ArnLike", POLICY_LIKE, POLICY_EQUAL, false },
	{ "ArnNotLike", POLICY_LIKE, POLICY_EQUAL, true },
	{ "NumericEquals", POLICY_NUMERIC, POLICY_EQUAL, false },
	{ "NumericNotEquals", POLICY_NUMERIC, POLICY_EQUAL, true },
	{ "NumericLessThan", POLICY_NUMERIC, POLICY_LESS, false },
	{ "NumericLessThanEquals", POLICY_NUMERIC, POLICY_LESS_EQUAL, false },
	{ "NumericGreaterThan", POLICY_NUMERIC, POLICY_GREATER, false },
	{ "NumericGreaterThanEquals", POLICY_NUMERIC, POLICY_GREATER_EQUAL, false },
	{ "DateEquals", POLICY_DATE, POLICY_EQUAL, false },
	{ "DateNotEquals", POLICY_DATE, POLICY_EQUAL, true },
	{ "DateLessThan", POLICY_DATE, POLICY_LESS, false },
	{ "DateLessThanEquals", POLICY_DATE, POLICY_LESS_EQUAL, false },
	{ "DateGreaterThan", POLICY_DATE, POLICY_GREATER, false },
	{ "DateGreaterThanEquals", POLICY_DATE, POLICY_GREATER_EQUAL, false },
	{ "Bool", POLICY_BOOL, POLICY_EQUAL, false },
	{ "IpAddress", POLICY_IP, POLICY_EQUAL, false },
	{ "NotIpAddress", POLICY_IP, POLICY_EQUAL, true },
	{ "Null", POLICY_NULL, POLICY_EQUAL, false },
};

/* --- values --- */

static bool
read_number(const char *text, double *number)
{
	char *end;

	*number = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*number);
}

/* What follows a time of day: "", "Z", "+01:00", with a fraction of a second in front. False: none
 * of these. */
static bool
read_zone(const char *text, double *seconds)
{
	int hours, minutes, used = 0;
	char sign;

	if (*text == '.' && text[1] >= '0' && text[1] <= '9') {
		size_t len = 1 + strspn(text + 1, "0123456789");
		char fraction[16] = "0";

		(void)snprintf(fraction, sizeof(fraction), "0%.*s", (int)len, text);
		*seconds += strtod(fraction, NULL);
		text += len;
	}
	if (*text == '\0' || strcmp(text, "Z") == 0)
		return true;
	if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 ||
	    text[used] != '\0' || (sign != '+' && sign != '-') || hours < 0 || hours > 14 ||
	    minutes < 0 || minutes > 59)
		return false;
	*seconds += (sign == '+' ? -60 : 60) * (hours * 60 + minutes);
	return true;
}

/* "2026-11-23T08:00:00Z" (W3C's note on dates), with or without the seconds, the time, fractions,
 * an offset; or seconds since 1970. */
static bool
read_date(const char *text, double *seconds)
{
	int year, month, day, hour = 0, minute = 0, second = 0, used = 0;

	if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3)
		return read_number(text, seconds);
	text += used;
	if (*text == 'T' && sscanf(text, "T%2d:%2d%n", &hour, &minute, &used) == 2) {
		text += used;
		if (*text == ':' && sscanf(text, ":%2d%n", &second, &used) == 1)
			text += used;
	}
	if (month < 1 || month > 12 || day < 1 || day > civil_month_days(year, month) || hour < 0 ||
	    hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	*seconds =
	    (double)civil_days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
	return read_zone(text, seconds);
}

/* An address, IPv4 as the IPv6 one that maps it, and how many bits of it count. */
struct range {
	uint8_t address[16];
	int bits;
};

static bool
read_range(const char *text, struct range *range)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char address[ADDRESS_BYTES];
	char *end = NULL;
	bool is_four;
	long bits;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	is_four = inet_pton(AF_INET, address, range->address + 12) == 1;
	if (is_four)
		memcpy(range->address, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, address, range->address) != 1)
		return false;
	bits = slash != NULL ? strtol(slash + 1, &end, 10) : is_four ? 32 : 128;
	if (slash != NULL && (end == slash + 1 || *end != '\0'))
		return false;
	range->bits = (int)bits + (is_four ? 96 : 0);
	return bits >= 0 && range->bits <= 128;
}

static bool
is_within(const struct range *range, const struct range *address)
{
	int whole = range->bits / 8, rest = range->bits % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));

	return memcmp(range->address, address->address, (size_t)whole) == 0 &&
	       (rest == 0 || (range->address[whole] & mask) == (address->address[whole] & mask));
}

/* --- parsing --- */

static bool
is_readable(enum policy_operator operator, const char * text)
{
	struct range range;
	double number;

	switch (operator) {
	case POLICY_NUMERIC:
		return read_number(text, &number);
	case POLICY_DATE:
		return read_date(text, &number);
	case POLICY_IP:
		return read_range(text, &range);
	case POLICY_BOOL:
	case POLICY_NULL:
		return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
	case POLICY_STRING:
	case POLICY_STRING_FOLDED:
	case POLICY_LIKE:
		break;
	}
	return true;
}

static int
check_wanted(const struct policy_condition *condition, struct err *err)
{
	for (size_t i = 0; i < condition->wanted.count; i++) {
		const struct policy_text *text = &condition->wanted.list[i];

		if (text->variable_count > 0 && condition->operator== POLICY_NULL)
			return err_set(err, "it has no variables: \"true\" or \"false\"");
		if (text->variable_count == 0 &&
		    !is_readable(condition->operator, buf_string(&text->literals[0])))
			return err_set(err, "\"%.80s\" is no value for this operator",
			    buf_string(&text->literals[0]));
	}
	return 0;
}

/* "ForAnyValue:StringLikeIfExists" */
static int
parse_operator(const char *name, struct policy_condition *out, struct err *err)
{
	static const char any[] = "ForAnyValue:", all[] = "ForAllValues:", tail[] = "IfExists";
	size_t len;

	out->for_any = strncmp(name, any, sizeof(any) - 1) == 0;
	out->for_all = strncmp(name, all, sizeof(all) - 1) == 0;
	if (out->for_any)
		name += sizeof(any) - 1;
	else if (out->for_all)
		name += sizeof(all) - 1;
	len = strlen(name);
	if (len > sizeof(tail) - 1 && strcmp(name + len - sizeof(tail) + 1, tail) == 0) {
		out->if_exists = true;
		len -= sizeof(tail) - 1;
	}
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (strlen(operators[i].name) != len || strncmp(operators[i].name, name, len) != 0)
			continue;
		out->operator= operators[i].operator;
		out->relation = operators[i].relation;
		out->negated = operators[i].negated;
		if (out->operator== POLICY_NULL &&(out->if_exists || out->for_any || out->for_all))
			return err_set(err, "Null stands alone");
		return 0;
	}
	return err_set(err, "there is no such operator");
}

static int
parse_one(const char *operator, const cJSON * json, struct policy *policy,
    struct policy_statement *statement, struct err *err)
{
	struct policy_condition *condition;
	enum policy_text_kind kind;

	if (statement->condition_count == CONDITIONS_MAX)
		return err_set(err, "more than %d conditions", CONDITIONS_MAX);
	statement->conditions = xrealloc(statement->conditions,
	    (statement->condition_count + 1) * sizeof(*statement->conditions));
	condition = &statement->conditions[statement->condition_count++];
	*condition = (struct policy_condition){ 0 };
	if (parse_operator(operator, condition, err) < 0)
		return -1;
	if (strchr(json->string, ':') == NULL)
		return err_set(err, "a key is \"iot:ClientId\" or the like");
	buf_append_string(&condition->key, json->string);
	kind = condition->operator== POLICY_LIKE ? POLICY_PATTERN : POLICY_VALUE;
	if (policy_texts_parse(json, policy, kind, &condition->wanted, err) < 0)
		return -1;
	return check_wanted(condition, err);
}

int
policy_condition_parse(
    const cJSON *json, struct policy *policy, struct policy_statement *statement, struct err *err)
{
	const cJSON *operator, * key;

	if (json == NULL)
		return 0;
	if (!cJSON_IsObject(json))
		return err_set(err, ".Condition: an object is wanted");
	cJSON_ArrayForEach(operator, json)
	{
		if (!cJSON_IsObject(operator))
			return err_set(
			    err, ".Condition.%.80s: an object is wanted", operator->string);
		cJSON_ArrayForEach(key, operator)
		{
			if (parse_one(operator->string, key, policy, statement, err) < 0)
				return policy_err_within(
				    err, ".Condition.%.80s.%.80s", operator->string, key->string);
		}
	}
	return 0;
}

void
policy_condition_clear(struct policy_condition *condition)
{
	buf_clear(&condition->key);
	policy_texts_clear(&condition->wanted);
}

/* --- asking --- */

static bool
relate(enum policy_relation relation, double is, double wanted)
{
	switch (relation) {
	case POLICY_LESS:
		return is < wanted;
	case POLICY_LESS_EQUAL:
		return is <= wanted;
	case POLICY_GREATER:
		return is > wanted;
	case POLICY_GREATER_EQUAL:
		return is >= wanted;
	case POLICY_EQUAL:
		break;
	}
	return !(is < wanted) && !(is > wanted);
}

static bool
compare(const struct policy_condition *condition, struct buf *is, struct buf *wanted)
{
	const char *have = buf_string(is), *want = buf_string(wanted);
	struct range range, address;
	double a, b;

	switch (condition->operator) {
	case POLICY_STRING:
		return bytes_equal(buf_bytes(is), buf_bytes(wanted));
	case POLICY_LIKE:
		return policy_match(buf_bytes(wanted), buf_bytes(is));
	case POLICY_STRING_FOLDED:
	case POLICY_BOOL:
		return is->len == wanted->len && strncasecmp(have, want, is->len) == 0;
	case POLICY_NUMERIC:
		return read_number(have, &a) && read_number(want, &b) &&
		       relate(condition->relation, a, b);
	case POLICY_DATE:
		return read_date(have, &a) && read_date(want, &b) &&
		       relate(condition->relation, a, b);
	case POLICY_IP:
		return read_range(have, &address) && read_range(want, &range) &&
		       is_within(&range, &address);
	case POLICY_NULL:
		break;
	}
	return false;
}

/* What became of the wanted values. */
struct found {
	bool one;     /* equals what is */
	bool unknown; /* has a variable that is not known */
};

static struct found
look_for(const struct policy_condition *condition, const struct policy_facts *facts, struct buf *is)
{
	const struct policy_filling filling = { facts, POLICY_ROOM_ANY, false };
	struct found found = { 0 };
	struct buf wanted = { 0 };

	for (size_t i = 0; !found.one && i < condition->wanted.count; i++) {
		buf_reset(&wanted);
		if (policy_text_fill(&condition->wanted.list[i], &filling, &wanted))
			found.one = compare(condition, is, &wanted);
		else
			found.unknown = true;
	}
	buf_clear(&wanted);
	return found;
}

/* "Null": "true" holds where there is no value. */
static bool
null_holds(const struct policy_condition *condition, bool known)
{
	for (size_t i = 0; i < condition->wanted.count; i++) {
		const char *wanted = buf_string(&condition->wanted.list[i].literals[0]);

		if (strcasecmp(wanted, known ? "false" : "true") == 0)
			return true;
	}
	return false;
}

static bool
unknown_holds(const struct policy_condition *condition)
{
	return condition->if_exists || condition->for_all ||
	       (condition->negated && !condition->for_any);
}

/* For one value of the key. */
static bool
value_holds(const struct policy_condition *condition, const struct policy_facts *facts,
    struct bytes value, bool denies)
{
	struct buf is = { 0 };
	struct found found;

	buf_append_bytes(&is, value);
	found = look_for(condition, facts, &is);
	buf_clear(&is);
	if (found.unknown && (denies || condition->negated))
		return denies;
	return found.one != condition->negated;
}

/* Of several values all must hold, or any of them. */
static bool
values_hold(const struct policy_condition *condition, const struct policy_facts *facts,
    struct bytes values, bool denies)
{
	bool all = condition->for_all || (condition->negated && !condition->for_any);
	const uint8_t *end;

	do {
		size_t len;

		end = memchr(values.data, 0, values.len);
		len = end != NULL ? (size_t)(end - values.data) : values.len;
		if (value_holds(condition, facts, bytes_of(values.data, len), denies) != all)
			return !all;
		if (end != NULL)
			values = bytes_of(end + 1, values.len - len - 1);
	} while (end != NULL);
	return all;
}

bool
policy_condition_holds(
    const struct policy_condition *condition, const struct policy_facts *facts, bool denies)
{
	struct buf is = { 0 };
	bool known = facts->get(facts->arg, buf_bytes(&condition->key), &is), holds;

	(void)buf_string(&is); /* has memory, were it empty */
	if (condition->operator== POLICY_NULL)
		holds = null_holds(condition, known);
	else if (!known)
		holds = unknown_holds(condition);
	else
		holds = values_hold(condition, facts, buf_bytes(&is), denies);
	buf_clear(&is);
	return holds;
}
