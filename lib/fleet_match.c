/* SPDX-License-Identifier: MIT
 * Whether values, and documents of shadows, match a term of a query over a fleet.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/fleet_query.h"
#include "lib/json_text.h"

enum { NUMBER_BYTES_MAX = 64 };

static uint8_t
folded(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

/* As strcmp; `text` is in small letters. */
static int
compare(struct bytes value, struct bytes text)
{
	size_t len = value.len < text.len ? value.len : text.len;

	for (size_t i = 0; i < len; i++) {
		if (folded(value.data[i]) != text.data[i])
			return folded(value.data[i]) < text.data[i] ? -1 : 1;
	}
	return value.len == text.len ? 0 : value.len < text.len ? -1 : 1;
}

static bool
read_number(struct bytes value, double *number)
{
	char text[NUMBER_BYTES_MAX], *end;

	if (value.len == 0 || value.len >= sizeof(text) ||
	    strchr("0123456789+-.", value.data[0]) == NULL || value.data[0] == 0)
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	*number = strtod(text, &end);
	return end == text + value.len && *number - *number == 0;
}

/* Goes back to the last star only: all before it matches as far left as it can. */
static bool
match_wildcards(struct bytes pattern, struct bytes value)
{
	size_t p = 0, v = 0, star = SIZE_MAX, from = 0;

	while (v < value.len) {
		if (p < pattern.len && pattern.data[p] == FLEET_STAR) {
			star = p++;
			from = v;
		} else if (p < pattern.len && (pattern.data[p] == FLEET_MARK ||
						  pattern.data[p] == folded(value.data[v]))) {
			p++;
			v++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			v = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == FLEET_STAR)
		p++;
	return p == pattern.len;
}

static bool
match_any_word(struct bytes pattern, struct bytes value)
{
	size_t start = 0;

	if (memchr(value.data, ' ', value.len) == NULL)
		return false;
	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len && value.data[i] != ' ')
			continue;
		if (i > start && match_wildcards(pattern, bytes_of(value.data + start, i - start)))
			return true;
		start = i + 1;
	}
	return false;
}

/* Negative: the value is below the end, positive: above. */
static int
compare_end(const struct fleet_end *end, struct bytes value, const double *number)
{
	if (end->is_number && number != NULL)
		return *number < end->number ? -1 : *number > end->number ? 1 : 0;
	return compare(value, bytes_of_string(end->text));
}

/* With a number for an end only numbers are in the range. */
static bool
match_range(const struct fleet_term *term, struct bytes value)
{
	double number = 0;
	bool is_number = read_number(value, &number);
	int order;

	if (((term->low.is_there && term->low.is_number) ||
		(term->high.is_there && term->high.is_number)) &&
	    !is_number)
		return false;
	if (term->low.is_there) {
		order = compare_end(&term->low, value, is_number ? &number : NULL);
		if (order < 0 || (order == 0 && !term->low.is_taken_in))
			return false;
	}
	if (!term->high.is_there)
		return true;
	order = compare_end(&term->high, value, is_number ? &number : NULL);
	return order < 0 || (order == 0 && term->high.is_taken_in);
}

bool
fleet_term_matches(const struct fleet_term *term, struct bytes value)
{
	struct bytes text = buf_bytes(&term->text);
	double number;

	if (term->match == FLEET_MATCH_ALL)
		return true;
	if (term->match == FLEET_MATCH_RANGE)
		return match_range(term, value);
	if (term->is_number && read_number(value, &number) && number == term->number)
		return true;
	if (term->match == FLEET_MATCH_LITERAL)
		return compare(value, text) == 0;
	return match_wildcards(text, value) || (value.len > 0 && match_any_word(text, value));
}

/* --- shadows --- */

static bool match_json(const struct fleet_term *term, struct bytes value, int depth);

struct elements {
	const struct fleet_term *term;
	int depth;
	bool matched;
};

static bool
match_element(void *arg, struct bytes value)
{
	struct elements *elements = arg;

	elements->matched = match_json(elements->term, value, elements->depth);
	return !elements->matched;
}

static bool
match_string(const struct fleet_term *term, struct bytes value)
{
	struct buf text = { 0 };
	bool matched;

	if (memchr(value.data, '\\', value.len) == NULL)
		return fleet_term_matches(term, bytes_of(value.data + 1, value.len - 2));
	json_text_unescape(value, &text);
	matched = fleet_term_matches(term, buf_bytes(&text));
	buf_clear(&text);
	return matched;
}

/* Of an array, one element is enough; of an object, that it is there. */
static bool
match_json(const struct fleet_term *term, struct bytes value, int depth)
{
	struct elements elements = { .term = term, .depth = depth + 1 };
	size_t at;

	switch (json_text_kind(value)) {
	case JSON_TEXT_OBJECT:
		return term->match == FLEET_MATCH_ALL;
	case JSON_TEXT_ARRAY:
		if (term->match == FLEET_MATCH_ALL)
			return true;
		if (depth < FLEET_DEPTH_MAX)
			(void)json_text_elements(value, match_element, &elements, &at);
		return elements.matched;
	case JSON_TEXT_STRING:
		return match_string(term, value);
	case JSON_TEXT_NULL:
	case JSON_TEXT_FALSE:
	case JSON_TEXT_TRUE:
	case JSON_TEXT_NUMBER:
		return fleet_term_matches(term, value);
	}
	return false;
}

static struct bytes
member(struct bytes object, struct bytes name)
{
	if (object.len == 0 || json_text_kind(object) != JSON_TEXT_OBJECT)
		return bytes_of(NULL, 0);
	return json_text_member(object, name);
}

bool
fleet_term_matches_shadow(const struct fleet_term *term, struct bytes document)
{
	const char *at = term->path;
	struct bytes value = member(document, bytes_of_string("state"));

	while (value.len > 0 && *at != '\0') {
		size_t len = strcspn(at, ".");

		value = member(value, bytes_of(at, len));
		at += len + (at[len] == '.' ? 1 : 0);
	}
	return value.len > 0 && match_json(term, value, 0);
}
