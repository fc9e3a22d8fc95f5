/* SPDX-License-Identifier: MIT
 * Who may connect.
 */
#include "net/gate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/unit.h"

static int64_t now_us = 1000000000;
static struct sys moved_sys;

static int64_t
moved_monotonic_us(void)
{
	return now_us;
}

struct world {
	struct loop *loop;
	struct gate *gate;
	struct gate_config config;
};

static int
set_up(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	struct err err;

	moved_sys = sys_posix;
	moved_sys.monotonic_us = moved_monotonic_us;
	world->loop = loop_new(&moved_sys, &err);
	world->gate = gate_new(world->loop);
	world->config.exempt = "none";
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	gate_free(world->gate);
	loop_free(world->loop);
	free(world);
	return 0;
}

static void
configure(struct world *world)
{
	struct err err;

	assert_int_equal(gate_configure(world->gate, &world->config, &err), 0);
}

/* Time passes: the loop reads the clock once a turn. */
static void
pass(struct world *world, int64_t by_us)
{
	struct err err;

	now_us += by_us;
	assert_int_equal(loop_turn(world->loop, false, &err), 0);
}

struct guest {
	struct gate_address *from;
	enum gate_verdict verdict;
};

static bool
enter(struct world *world, const char *address, struct guest *guest)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	const struct sockaddr *peer = (const struct sockaddr *)&four;

	if (inet_pton(AF_INET, address, &four.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
		peer = (const struct sockaddr *)&six;
	}
	*guest = (struct guest){ 0 };
	return gate_enter(world->gate, peer, &guest->from, &guest->verdict);
}

static void
leave(struct guest *guest)
{
	gate_leave(guest->from, guest->verdict);
}

static void
an_address_has_so_many_connections(void **state)
{
	struct world *world = *state;
	struct guest a, b, other, mapped;

	world->config.address_connections_max = 2;
	configure(world);
	assert_true(enter(world, "192.0.2.1", &a) && a.verdict == GATE_OPEN);
	assert_true(enter(world, "192.0.2.1", &b) && b.verdict == GATE_OPEN);
	/* IPv4 is the same as IPv6's form of it. */
	assert_true(enter(world, "::ffff:192.0.2.1", &mapped) && mapped.verdict == GATE_TOO_MANY);
	assert_true(enter(world, "192.0.2.2", &other) && other.verdict == GATE_OPEN);
	leave(&mapped);
	leave(&b);
	assert_true(enter(world, "192.0.2.1", &b) && b.verdict == GATE_OPEN);
	assert_int_equal(gate_figures(world->gate)->too_many, 1);
	assert_int_equal(gate_figures(world->gate)->open, 3);
	leave(&a);
	leave(&b);
	leave(&other);
	assert_int_equal(gate_figures(world->gate)->open, 0);
}

static void
an_address_connects_so_often_whoever_has_left(void **state)
{
	struct world *world = *state;
	struct guest guest;

	world->config.address_connects_per_s_max = 10;
	configure(world);
	for (int i = 0; i < 10; i++) {
		assert_true(enter(world, "192.0.2.1", &guest) && guest.verdict == GATE_OPEN);
		leave(&guest);
	}
	assert_true(enter(world, "192.0.2.1", &guest) && guest.verdict == GATE_TOO_QUICK);
	leave(&guest);
	assert_true(enter(world, "192.0.2.9", &guest) && guest.verdict == GATE_OPEN);
	leave(&guest);
	pass(world, 150000);
	assert_true(enter(world, "192.0.2.1", &guest) && guest.verdict == GATE_OPEN);
	leave(&guest);
	assert_int_equal(gate_figures(world->gate)->too_quick, 1);
}

static void
an_ipv6_address_counts_by_its_first_half(void **state)
{
	struct world *world = *state;
	struct guest a, b, c;

	world->config.address_connections_max = 1;
	configure(world);
	assert_true(enter(world, "2001:db8:0:1::1", &a) && a.verdict == GATE_OPEN);
	assert_true(enter(world, "2001:db8:0:1:ffff::2", &b) && b.verdict == GATE_TOO_MANY);
	assert_true(enter(world, "2001:db8:0:2::1", &c) && c.verdict == GATE_OPEN);
	leave(&a);
	leave(&b);
	leave(&c);
}

static void
addresses_are_forgotten(void **state)
{
	struct world *world = *state;
	struct guest guest;
	char address[32];

	world->config.address_connects_per_s_max = 10;
	configure(world);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(address, sizeof(address), "10.0.%d.%d", i / 250, i % 250);
		assert_true(enter(world, address, &guest));
		leave(&guest);
		pass(world, 10000);
	}
	assert_true(gate_figures(world->gate)->addresses < 20);
}

static void
exempt_networks_have_no_limit_of_their_own(void **state)
{
	static const struct {
		const char *address;
		bool exempt;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "127.9.9.9", true },
		{ "128.0.0.1", false },
		{ "::1", true },
		{ "::2", false },
		{ "::ffff:127.0.0.1", true },
		{ "10.1.2.3", true },
		{ "11.1.2.3", false },
		{ "192.0.2.127", true },
		{ "192.0.2.128", false },
		{ "198.51.100.7", true },
		{ "198.51.100.8", false },
		{ "2001:db8:ffff::1", true },
		{ "2001:db9::1", false },
	};
	struct world *world = *state;
	struct guest first, second;

	world->config.address_connections_max = 1;
	world->config.exempt = "loopback,10.0.0.0/8, 192.0.2.0/25 198.51.100.7,2001:db8::/32";
	configure(world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(enter(world, cases[i].address, &first));
		assert_true(enter(world, cases[i].address, &second));
		assert_int_equal(second.verdict == GATE_OPEN, cases[i].exempt);
		leave(&first);
		leave(&second);
	}
}

static void
what_is_no_network_is_refused_by_name(void **state)
{
	static const char *const wrong[] = { "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x",
		"1.2.3", "::/129", "10.0.0.0/-1" };
	struct world *world = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		world->config.exempt = wrong[i];
		assert_int_equal(gate_configure(world->gate, &world->config, &err), -1);
		assert_non_null(strstr(err.text, wrong[i]));
	}
}

static void
all_together_wait_where_they_are_too_many_or_too_quick(void **state)
{
	struct world *world = *state;
	struct guest guests[4];

	world->config.connections_max = 4;
	world->config.exempt = "loopback"; /* has its place among all */
	configure(world);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(gate_wait_us(world->gate), 0);
		assert_true(enter(world, "127.0.0.1", &guests[i]));
	}
	assert_true(gate_wait_us(world->gate) > 0);
	leave(&guests[0]);
	assert_int_equal(gate_wait_us(world->gate), 0);
	world->config.connections_max = 0;
	world->config.connects_per_s_max = 2;
	configure(world);
	assert_true(enter(world, "127.0.0.1", &guests[0]));
	leave(&guests[0]);
	assert_true(enter(world, "127.0.0.1", &guests[0]));
	assert_true(gate_wait_us(world->gate) > 0);
	pass(world, 510000);
	assert_int_equal(gate_wait_us(world->gate), 0);
	for (int i = 0; i < 4; i++)
		leave(&guests[i]);
}

static void
only_some_are_let_in_to_be_told_why_not(void **state)
{
	struct world *world = *state;
	struct guest first, guests[2000];
	int told = 0;

	world->config.address_connections_max = 1;
	configure(world);
	assert_true(enter(world, "192.0.2.1", &first));
	while (told < 2000 && enter(world, "192.0.2.1", &guests[told]))
		told++;
	assert_in_range(told, 10, 1000);
	for (int i = 0; i < told; i++)
		leave(&guests[i]);
	assert_true(enter(world, "192.0.2.1", &guests[0]));
	leave(&guests[0]);
	leave(&first);
}

static void
it_lasts_as_long_as_its_connections(void **state)
{
	struct world *world = *state;
	struct guest guest;

	configure(world);
	assert_true(enter(world, "192.0.2.1", &guest));
	gate_free(world->gate);
	world->gate = NULL;
	leave(&guest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    an_address_has_so_many_connections, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    an_address_connects_so_often_whoever_has_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    an_ipv6_address_counts_by_its_first_half, set_up, tear_down),
		cmocka_unit_test_setup_teardown(addresses_are_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    exempt_networks_have_no_limit_of_their_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    what_is_no_network_is_refused_by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    all_together_wait_where_they_are_too_many_or_too_quick, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    only_some_are_let_in_to_be_told_why_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    it_lasts_as_long_as_its_connections, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
