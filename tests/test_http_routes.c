/* SPDX-License-Identifier: MIT
 * Where requests lead.
 */
#include "tests/unit.h"

#include "lib/http_routes.h"

static const struct {
	enum http_method method;
	const char *pattern;
} routes[] = {
	{ HTTP_GET, "/" },
	{ HTTP_GET, "/things" },
	{ HTTP_POST, "/things/{thing}" },
	{ HTTP_GET, "/things/{id}" },
	{ HTTP_GET, "/things/all" },
	{ HTTP_GET, "/things/{thing}/shadow" },
	{ HTTP_GET, "/{a}/{b}/{c}" },
	{ HTTP_GET, "/things/all/x/y" },
	{ HTTP_PUT, "/caf\xc3\xa9/{x}" },
	{ HTTP_POST, "/topics/{topic...}" },
	{ HTTP_POST, "/topics/{one}" },
};

static const struct {
	enum http_method method;
	const char *path;
	int route; /* -1: none; -2: refused */
	const char *params;
} requests[] = {
	{ HTTP_GET, "/", 0, "" },
	{ HTTP_HEAD, "/", 0, "" },
	{ HTTP_GET, "/things", 1, "" },
	{ HTTP_GET, "/things/", -1, NULL },
	{ HTTP_GET, "/things/a", 3, "id=a " },
	{ HTTP_POST, "/things/a", 2, "thing=a " },
	{ HTTP_GET, "/things/all", 4, "" },
	{ HTTP_POST, "/things/all", 2, "thing=all " },
	{ HTTP_GET, "/things/a%2Fb%20c", 3, "id=a/b c " },
	{ HTTP_GET, "/things/all/shadow", 5, "thing=all " },
	{ HTTP_GET, "/things/all/other", 6, "a=things b=all c=other " },
	{ HTTP_GET, "/things/all/x/z", -1, NULL },
	{ HTTP_PUT, "/caf%c3%a9/1", 8, "x=1 " },
	{ HTTP_POST, "/topics/a%20b/c%2Fd/e", 9, "topic=a b/c/d/e " },
	{ HTTP_POST, "/topics/a/", 9, "topic=a/ " },
	{ HTTP_POST, "/topics//a", 9, "topic=/a " },
	{ HTTP_POST, "/topics/a", 10, "one=a " },
	{ HTTP_POST, "/topics/", -1, NULL },
	{ HTTP_GET, "/topics/a/b/c", -1, NULL },
	{ HTTP_POST, "/topics/a/../b", -2, NULL },
	{ HTTP_PUT, "/nothing", -1, NULL },
	{ HTTP_PUT, "/a%zz", -2, NULL },
	{ HTTP_PUT, "/a/../b", -2, NULL },
	{ HTTP_OPTIONS, "*", -1, NULL },
};

static void
fill(struct http_routes *table)
{
	struct err err;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		assert_int_equal(http_routes_check(routes[i].pattern, &err), 0);
		assert_null(http_routes_find(table, routes[i].method, routes[i].pattern));
		http_routes_add(table, routes[i].method, routes[i].pattern, (void *)&routes[i]);
		assert_ptr_equal(
		    http_routes_find(table, routes[i].method, routes[i].pattern), &routes[i]);
	}
}

static void
requests_lead_where_the_table_says(void **state)
{
	struct http_routes *table = http_routes_new();

	(void)state;
	fill(table);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct http_match match = { 0 };
		struct buf params = { 0 };
		int status = http_routes_match(
		    table, requests[i].method, bytes_of_string(requests[i].path), &match);

		assert_int_equal(status, requests[i].route == -2 ? -1 : 0);
		if (requests[i].route >= 0) {
			assert_ptr_equal(match.target, &routes[requests[i].route]);
			for (size_t k = 0; k < match.param_count; k++) {
				struct bytes value = http_match_param(&match, match.params[k].name);

				buf_printf(&params, "%s=%.*s ", match.params[k].name,
				    (int)value.len, (const char *)value.data);
			}
			assert_string_equal(buf_string(&params), requests[i].params);
		} else {
			assert_null(match.target);
		}
		buf_clear(&params);
		http_match_clear(&match);
	}
	http_routes_free(table, NULL);
}

static void
other_methods_of_a_path_are_told(void **state)
{
	struct http_routes *table = http_routes_new();
	struct http_match match = { 0 };

	(void)state;
	fill(table);
	assert_int_equal(
	    http_routes_match(table, HTTP_DELETE, bytes_of_string("/things/a"), &match), 0);
	assert_null(match.target);
	assert_true(
	    match.allowed[HTTP_GET] && match.allowed[HTTP_HEAD] && match.allowed[HTTP_POST]);
	assert_false(match.allowed[HTTP_PUT] || match.allowed[HTTP_DELETE]);
	http_match_clear(&match);
	http_routes_free(table, NULL);
}

static void
names_do_not_make_another_route(void **state)
{
	struct http_routes *table = http_routes_new();

	(void)state;
	fill(table);
	assert_ptr_equal(http_routes_find(table, HTTP_GET, "/things/{x}"), &routes[3]);
	assert_null(http_routes_find(table, HTTP_DELETE, "/things/{x}"));
	http_routes_free(table, NULL);
}

static void
removed_routes_lead_nowhere(void **state)
{
	struct http_routes *table = http_routes_new();
	struct http_match match = { 0 };

	(void)state;
	fill(table);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		http_routes_remove(table, routes[i].method, routes[i].pattern);
	http_routes_remove(table, HTTP_GET, "/never/there");
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		assert_null(http_routes_find(table, routes[i].method, routes[i].pattern));
	assert_int_equal(http_routes_match(table, HTTP_GET, bytes_of_string("/"), &match), 0);
	assert_null(match.target);
	http_match_clear(&match);
	http_routes_free(table, NULL);
}

static void
wrong_patterns_are_refused(void **state)
{
	static const char *const wrong[] = { "", "a", "/a b", "/a{b}", "/{b", "/{}", "/{a-b}",
		"/../a", "/%41", "/a?b", "/*", "/{a}/{a}" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(http_routes_check(wrong[i], &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_lead_where_the_table_says),
		cmocka_unit_test(other_methods_of_a_path_are_told),
		cmocka_unit_test(names_do_not_make_another_route),
		cmocka_unit_test(removed_routes_lead_nowhere),
		cmocka_unit_test(wrong_patterns_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
