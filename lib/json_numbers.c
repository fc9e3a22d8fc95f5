/* SPDX-License-Identifier: MIT
 * A walk over the tree beside a scan of the text: numbers stand in both in the same order.
 * Recursion is bounded by the parser's nesting limit.
 */
#include "lib/json_numbers.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WHOLE_DIGITS_MAX = 15, NUMBER_BYTES_MAX = 63 /* cJSON takes no longer ones */ };

struct scan {
	const uint8_t *at;
	const uint8_t *end;
};

/* `at` is behind the first quote. */
static void
skip_string(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at != '"')
		scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
	if (scan->at < scan->end)
		scan->at++;
}

static bool
is_in(uint8_t byte, const char *set)
{
	return byte != '\0' && strchr(set, byte) != NULL;
}

/* The next number of the text; false: there is none, or it is too long for one. */
static bool
next_number(struct scan *scan, char token[NUMBER_BYTES_MAX + 1])
{
	size_t len = 0;

	while (scan->at < scan->end && !is_in(*scan->at, "-0123456789")) {
		if (*scan->at++ == '"')
			skip_string(scan);
	}
	while (scan->at < scan->end && is_in(*scan->at, "+-.0123456789Ee")) {
		if (len == NUMBER_BYTES_MAX)
			return false;
		token[len++] = (char)*scan->at++;
	}
	token[len] = '\0';
	return len > 0;
}

static bool
is_printed_otherwise(const char *token, double value)
{
	char printed[32];

	if (!isfinite(value))
		return false;
	if (strpbrk(token, ".eE") == NULL && strlen(token) > WHOLE_DIGITS_MAX)
		return true;
	(void)snprintf(printed, sizeof(printed), "%.*g", WHOLE_DIGITS_MAX, value);
	return strtod(printed, NULL) < value || strtod(printed, NULL) > value;
}

static void
make_raw(cJSON *item, const char *token)
{
	cJSON *raw = cJSON_CreateRaw(token);

	if (raw == NULL)
		abort();
	item->type = (item->type & ~0xff) | cJSON_Raw;
	item->valuestring = raw->valuestring;
	raw->valuestring = NULL;
	cJSON_Delete(raw);
}

/* False: text and tree are not of each other; what is left stays as it is. */
static bool
keep(cJSON *item, struct scan *scan)
{
	char token[NUMBER_BYTES_MAX + 1];
	bool of_each_other = true;
	double value;

	if (cJSON_IsNumber(item)) {
		of_each_other = next_number(scan, token);
		value = of_each_other ? strtod(token, NULL) : 0;
		if (value < item->valuedouble || value > item->valuedouble)
			of_each_other = false;
		if (of_each_other && is_printed_otherwise(token, value))
			make_raw(item, token);
		return of_each_other;
	}
	for (item = item->child; item != NULL && of_each_other; item = item->next)
		of_each_other = keep(item, scan);
	return of_each_other;
}

void
json_numbers_keep(struct cJSON *tree, struct bytes text)
{
	struct scan scan = { .at = text.data, .end = text.data + text.len };

	if (tree != NULL)
		(void)keep(tree, &scan);
}
