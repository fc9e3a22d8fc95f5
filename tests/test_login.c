/* SPDX-License-Identifier: MIT
 * By what failed logins are counted.
 */
#include "runtime/access/login.h"

#include "tests/unit.h"

static bool
count_together(const char *one, const char *other)
{
	struct buf a = { 0 }, b = { 0 };
	bool same;

	login_network(one, &a);
	login_network(other, &b);
	same = bytes_equal(buf_bytes(&a), buf_bytes(&b));
	buf_clear(&a);
	buf_clear(&b);
	return same;
}

static void
failures_count_by_address_and_by_the_half_of_ipv6(void **state)
{
	static const struct {
		const char *one, *other;
		bool together;
	} cases[] = {
		{ "192.0.2.7:5000", "192.0.2.7:5001", true },
		{ "192.0.2.7:5000", "192.0.2.8:5000", false },
		{ "[::ffff:192.0.2.7]:5000", "192.0.2.7:1", true },
		{ "[::ffff:192.0.2.7]:5000", "[::ffff:192.0.2.8]:5000", false },
		{ "[2001:db8:1:2::7]:5000", "[2001:db8:1:2:ffff::8]:1", true },
		{ "[2001:db8:1:2::7]:5000", "[2001:db8:1:3::7]:5000", false },
		{ "[fe80::1%eth0]:5000", "[fe80::2%eth0]:5000", true },
		{ "[::1]:5000", "127.0.0.1:5000", false },
		{ "local", "local", true },
		{ "local", "unknown", false },
		{ "", "local", false },
		{ "[", "[]", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (count_together(cases[i].one, cases[i].other) != cases[i].together)
			fail_msg("%s and %s", cases[i].one, cases[i].other);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_count_by_address_and_by_the_half_of_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
