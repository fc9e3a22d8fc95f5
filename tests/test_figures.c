/* SPDX-License-Identifier: MIT
 * Figures as text.
 */
#include "tests/unit.h"

#include <math.h>
#include <string.h>

#include "runtime/figures.h"

static void
family_and_samples_have_their_form(void **state)
{
	struct buf out = { 0 }, labels = { 0 };

	(void)state;
	figures_label(&labels, "function", bytes_of_string("a\"b\\c\nd"));
	figures_label(&labels, "le", bytes_of_string("+Inf"));
	figures_family(&out, "x_total", FIGURE_COUNTER, "Some x.");
	figures_sample(&out, "x_total", buf_string(&labels), 3);
	figures_sample(&out, "x_total", "", 0.25);
	figures_sample(&out, "x_total", "", INFINITY);
	assert_string_equal(buf_string(&out),
	    "# HELP x_total Some x.\n# TYPE x_total counter\n"
	    "x_total{function=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 3\nx_total 0.25\nx_total +Inf\n");
	buf_clear(&out);
	buf_clear(&labels);
}

static void
counters_of_the_broker_stand_under_their_names(void **state)
{
	struct broker_metrics metrics = { .messages_in = 7, .protocol_errors = 8, .clients = 9 };
	struct buf out = { 0 };

	(void)state;
	figures_broker(&out, &metrics);
	assert_non_null(strstr(buf_string(&out), "\nmoonlet_mqtt_messages_received_total 7\n"));
	assert_non_null(strstr(buf_string(&out), "\nmoonlet_mqtt_protocol_errors_total 8\n"));
	assert_non_null(strstr(buf_string(&out), "\nmoonlet_mqtt_clients 9\n"));
	buf_clear(&out);
}

static void
process_knows_its_memory(void **state)
{
	struct buf out = { 0 };

	(void)state;
	figures_process(&out);
	assert_non_null(strstr(buf_string(&out), "\nprocess_resident_memory_bytes "));
	assert_null(strstr(buf_string(&out), "\nprocess_resident_memory_bytes 0\n"));
	assert_non_null(strstr(buf_string(&out), "\nprocess_cpu_seconds_total "));
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(family_and_samples_have_their_form),
		cmocka_unit_test(counters_of_the_broker_stand_under_their_names),
		cmocka_unit_test(process_knows_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
