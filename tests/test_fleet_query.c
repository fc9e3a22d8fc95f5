/* SPDX-License-Identifier: MIT
 * Queries over a fleet: what matches, what is refused and where.
 */
#include "tests/unit.h"

#include <string.h>

#include "lib/fleet_query.h"

/* A thing of the fleet, fixed; fields by name. */
static const struct {
	enum fleet_field field;
	const char *name;
	const char *value;
} values[] = {
	{ FLEET_THING_NAME, NULL, "Audi22" },
	{ FLEET_TYPE_NAME, NULL, "car" },
	{ FLEET_GROUP_NAMES, NULL, "fleet" },
	{ FLEET_GROUP_NAMES, NULL, "north" },
	{ FLEET_ATTRIBUTE, "model", "audi a4 avant" },
	{ FLEET_ATTRIBUTE, "year", "2022" },
	{ FLEET_ATTRIBUTE, "a:b", "c" },
	{ FLEET_CONNECTED, NULL, "true" },
	{ FLEET_TIMESTAMP, NULL, "1700000000000" },
};

static const char shadow[] =
    "{\"state\":{\"reported\":{\"speed\":42.5,\"doors\":[\"open\",\"shut\"],"
    "\"stats\":{\"battery\":70},\"on\":true,\"q\":\"a\\\"b\"}},\"version\":3}";

static enum fleet_truth
ask(void *arg, size_t place)
{
	const struct fleet_term *term = fleet_query_term(arg, place);

	if (term->field == FLEET_SHADOW)
		return term->name[0] == '\0' &&
			       fleet_term_matches_shadow(term, bytes_of_string(shadow))
			   ? FLEET_YES
			   : FLEET_NO;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		bool is_field = term->field == values[i].field &&
				(term->name == NULL || strcmp(term->name, values[i].name) == 0);

		if ((is_field ||
			(term->field == FLEET_ANY && values[i].field <= FLEET_ATTRIBUTE)) &&
		    fleet_term_matches(term, bytes_of_string(values[i].value)))
			return FLEET_YES;
	}
	return FLEET_NO;
}

static bool
matches(const char *text)
{
	struct err err;
	struct fleet_query *query = fleet_query_parse(bytes_of_string(text), &err);
	bool result;

	if (query == NULL)
		fail_msg("%s: %s", text, err.text);
	result = fleet_query_decide(query, ask, query) == FLEET_YES;
	fleet_query_free(query);
	return result;
}

static const struct {
	const char *query;
	bool matches;
} queries[] = {
	{ "", true },
	{ "  ", true },
	{ "*", true },
	{ "audi22", true },
	{ "vw1", false },
	{ "2022", true },
	{ "thingName:audi22", true },
	{ "thingName:AUDI22", true },
	{ "thingName:audi", false },
	{ "thingName:audi*", true },
	{ "thingName:*22", true },
	{ "thingName:a*2*2", true },
	{ "thingName:audi2?", true },
	{ "thingName:audi?", false },
	{ "thingName:\"audi*\"", false },
	{ "thingName:audi\\*", false },
	{ "thingName:*", true },
	{ "thingTypeName:car", true },
	{ "thingGroupNames:north", true },
	{ "thingGroupNames:south", false },
	{ "attributes.model:avant", true },
	{ "attributes.model:av*", true },
	{ "attributes.model:\"audi a4 avant\"", true },
	{ "attributes.model:\"audi a4\"", false },
	{ "attributes.missing:*", false },
	{ "NOT attributes.missing:*", true },
	{ "attributes.a\\:b:c", true },
	{ "attributes.year:2022.0", true },
	{ "attributes.year:[2020 TO 2022]", true },
	{ "attributes.year:[2020 TO 2022}", false },
	{ "attributes.year:{2021 TO *]", true },
	{ "attributes.year:{2022 TO *]", false },
	{ "attributes.year:[* TO 2021]", false },
	{ "attributes.year:[3 TO 30000]", true },
	{ "attributes.model:[audi TO b]", true },
	{ "attributes.model:[1 TO 5]", false },
	{ "attributes.year>2021", true },
	{ "attributes.year>=2022", true },
	{ "attributes.year<2022", false },
	{ "attributes.year<=2022", true },
	{ "attributes.year:>2021", true },
	{ "attributes.year> 2021", true },
	{ "connectivity.connected:true", true },
	{ "connectivity.connected:false", false },
	{ "connectivity.timestamp>1600000000000", true },
	{ "connectivity.disconnectReason:*", false },
	{ "thingName:audi22 AND attributes.year:2022", true },
	{ "thingName:audi22 attributes.year:2021", false },
	{ "thingName:x OR attributes.year:2022", true },
	{ "thingName:x OR thingName:y", false },
	{ "thingName:x AND thingName:y OR thingTypeName:car", true },
	{ "thingTypeName:car OR thingName:x AND thingName:y", true },
	{ "(thingTypeName:car OR thingName:x) AND thingName:y", false },
	{ "-thingName:x", true },
	{ "NOT NOT thingName:audi22", true },
	{ "thingTypeName:car -attributes.year:2022", false },
	{ "thingName:(audi* AND -audi23)", true },
	{ "thingName:(vw* OR audi22)", true },
	{ "thingName:(vw* OR (audi* audi2?))", true },
	{ "attributes.year:(2021 OR [2022 TO 2023])", true },
	{ "NOT (thingName:x OR thingTypeName:car)", false },
	{ "shadow.reported.speed>42", true },
	{ "shadow.reported.speed:42.5", true },
	{ "shadow.reported.stats.battery:[60 TO 80]", true },
	{ "shadow.reported.stats.battery:{70 TO 80]", false },
	{ "shadow.reported.stats:*", true },
	{ "shadow.reported.stats:70", false },
	{ "shadow.reported.doors:shut", true },
	{ "shadow.reported.doors:gone", false },
	{ "shadow.reported.on:true", true },
	{ "shadow.reported.q:\"a\\\"b\"", true },
	{ "shadow.desired.speed:*", false },
	{ "shadow.name.cabin.reported.warm:true", false },
	{ "thingName:audi-22", false },
	{ "ORANGE", false },
	{ "NOTHING OR ANDROID", false },
};

static void
things_match_as_the_language_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		if (matches(queries[i].query) != queries[i].matches)
			fail_msg("%s", queries[i].query);
	}
}

static void
wrong_queries_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "(a", "character 3: a ) is missing" },
		{ "a)", "character 2: a ) that nothing opened" },
		{ "thingName:", "character 11: a value is missing" },
		{ "a AND", "character 6: a value is missing" },
		{ "a OR OR b", "a value is missing before" },
		{ "NOT", "a value is missing" },
		{ "name:x", "character 1: name is no field" },
		{ "attributes.:x", "no field" },
		{ "shadow.x:1", "no field" },
		{ "shadow.name.:1", "no field" },
		{ "shadow.name.a.x:1", "no field" },
		{ "attributes.y:[1 2]", "TO is missing" },
		{ "attributes.y:[1 TO 2", "ends with ]" },
		{ "attributes.y:[a* TO b]", "wildcards" },
		{ "\"abc", "a quote has no end" },
		{ "thingName:(a", "a ) is missing" },
		{ "((((((((((((((((((a))))))))))))))))))", "too many" },
		{ "a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a a", "32 terms" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fleet_query *query =
		    fleet_query_parse(bytes_of_string(cases[i].query), &err);

		if (query != NULL)
			fail_msg("%s: taken", cases[i].query);
		if (strstr(err.text, cases[i].expected) == NULL)
			fail_msg("%s: %s", cases[i].query, err.text);
		fleet_query_free(query);
	}
}

static enum fleet_truth
ask_unknown(void *arg, size_t place)
{
	const struct fleet_term *term = fleet_query_term(arg, place);

	return term->field == FLEET_SHADOW ? FLEET_UNKNOWN : ask(arg, place);
}

static void
unknown_terms_matter_only_where_they_decide(void **state)
{
	static const struct {
		const char *query;
		enum fleet_truth truth;
	} cases[] = {
		{ "shadow.reported.x:1", FLEET_UNKNOWN },
		{ "NOT shadow.reported.x:1", FLEET_UNKNOWN },
		{ "thingName:audi22 shadow.reported.x:1", FLEET_UNKNOWN },
		{ "shadow.reported.x:1 thingName:vw", FLEET_NO },
		{ "thingName:vw shadow.reported.x:1", FLEET_NO },
		{ "shadow.reported.x:1 OR thingName:audi22", FLEET_YES },
		{ "shadow.reported.x:1 OR thingName:vw", FLEET_UNKNOWN },
		{ "NOT (shadow.reported.x:1 OR thingName:audi22)", FLEET_NO },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fleet_query *query =
		    fleet_query_parse(bytes_of_string(cases[i].query), &err);

		assert_non_null(query);
		assert_int_equal(fleet_query_decide(query, ask_unknown, query), cases[i].truth);
		fleet_query_free(query);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(things_match_as_the_language_says),
		cmocka_unit_test(wrong_queries_are_refused_with_their_place),
		cmocka_unit_test(unknown_terms_matter_only_where_they_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
