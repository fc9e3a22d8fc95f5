/* SPDX-License-Identifier: MIT
 * Queries over a fleet: the first line is a query, the second a value, the rest a shadow's
 * document. What is taken must decide the same twice, its opposite the opposite, and a query that
 * is refused must say why.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fleet_query.h"
#include "lib/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct world {
	const struct fleet_query *query;
	struct bytes value;
	struct bytes document;
};

static struct bytes
take_line(struct bytes *rest)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	struct bytes line = bytes_of(rest->data, len);

	if (end != NULL)
		len++;
	*rest = bytes_of(rest->data + len, rest->len - len);
	return line;
}

static enum fleet_truth
ask(void *arg, size_t place)
{
	const struct world *world = arg;
	const struct fleet_term *term = fleet_query_term(world->query, place);
	bool matched = term->field == FLEET_SHADOW
			   ? fleet_term_matches_shadow(term, world->document)
			   : fleet_term_matches(term, world->value);

	return matched ? FLEET_YES : FLEET_NO;
}

static enum fleet_truth
decide(struct bytes text, struct world *world)
{
	struct err err = { "" };
	struct fleet_query *query = fleet_query_parse(text, &err);
	enum fleet_truth truth;

	if (query == NULL) {
		assert(err.text[0] != '\0');
		return FLEET_UNKNOWN;
	}
	world->query = query;
	truth = fleet_query_decide(query, ask, world);
	assert(truth != FLEET_UNKNOWN);
	assert(fleet_query_decide(query, ask, world) == truth);
	fleet_query_free(query);
	return truth;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes rest = bytes_of(data, len), query = take_line(&rest);
	struct world world = { .value = take_line(&rest) };
	struct buf opposite = { 0 };
	enum fleet_truth truth, other;
	size_t at;

	if (json_text_is_valid(rest, &at) && json_text_kind(rest) == JSON_TEXT_OBJECT)
		world.document = rest;
	truth = decide(query, &world);
	buf_printf(&opposite, "NOT (");
	buf_append_bytes(&opposite, query);
	buf_append_u8(&opposite, ')');
	other = decide(buf_bytes(&opposite), &world);
	if (truth != FLEET_UNKNOWN && other != FLEET_UNKNOWN)
		assert(truth != other);
	buf_clear(&opposite);
	return 0;
}
