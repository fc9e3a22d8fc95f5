/* SPDX-License-Identifier: MIT
 * What /healthz makes of the host's state.
 */
#include "tests/unit.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "lib/protocol.h"
#include "runtime/api/web.h"

#define CAGED (CAGE_RLIMITS | CAGE_NO_NEW_PRIVS | CAGE_SECCOMP)

static const struct {
	struct health health;
	const char *status;
} states[] = {
	{ { .workers = 2, .workers_wanted = 2, .cage_layers = CAGED }, "ok" },
	{ { .workers = 2,
	      .workers_wanted = 2,
	      .cage_layers = CAGED,
	      .broker_count = 1,
	      .brokers = { { "b", "connected", true } } },
	    "ok" },
	{ { .workers = 2,
	      .workers_wanted = 2,
	      .cage_layers = CAGED,
	      .broker_count = 1,
	      .brokers = { { "b", "connecting", false } } },
	    "degraded" },
	{ { .workers = 1, .workers_wanted = 2, .cage_layers = CAGED }, "degraded" },
	{ { .workers = 1, .workers_wanted = 1, .cage_layers = CAGE_RLIMITS }, "degraded" },
	{ { .workers = 1, .workers_wanted = 1, .cage_layers = CAGED, .lua_is_systems = true },
	    "degraded" },
	{ { .workers = 1, .workers_wanted = 1, .cage_layers = CAGED, .functions_failed = 1 },
	    "degraded" },
	{ { .workers = 1, .workers_wanted = 1, .cage_layers = CAGED, .store = STORE_DISK_FULL },
	    "degraded" },
	{ { .workers = 1, .workers_wanted = 1, .cage_layers = CAGED, .store = STORE_RED },
	    "failing" },
	{ { .workers = 0, .workers_wanted = 1 }, "failing" },
	{ { .workers = 1, .workers_wanted = 1, .cage_layers = CAGED, .draining = true },
	    "failing" },
};

static void
status_follows_from_the_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		assert_string_equal(health_status(&states[i].health), states[i].status);
}

static void
object_tells_all_parts(void **state)
{
	struct health health = states[1].health;
	cJSON *object;
	char *out;

	(void)state;
	health.lua_version = "Lua 5.4.9";
	object = health_object(&health, 61500);
	out = cJSON_PrintUnformatted(object);
	assert_non_null(out);
	assert_non_null(strstr(out, "{\"status\":\"ok\",\"version\":\"" PACKAGE_VERSION
				    "\",\"uptime_s\":61,\"lua\":\"Lua 5.4.9\","));
	assert_non_null(strstr(out, "\"cage\":[\"rlimits\",\"no_new_privs\",\"seccomp\"]"));
	assert_non_null(strstr(out, "\"brokers\":[{\"name\":\"b\",\"state\":\"connected\"}]"));
	assert_null(strstr(out, "lua_warning"));
	cJSON_free(out);
	cJSON_Delete(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_follows_from_the_parts),
		cmocka_unit_test(object_tells_all_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
