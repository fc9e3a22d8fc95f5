/* SPDX-License-Identifier: MIT
 * Which URLs a pattern grants, and which addresses need more than a wildcard.
 */
#include "tests/unit.h"

#include "lib/egress.h"

static const struct {
	const char *pattern;
	struct egress_target target;
	enum egress_grant grant;
} matches[] = {
	{ "*", { "http", "a.com", 80, "/" }, EGRESS_PUBLIC },
	{ "*", { "https", "127.0.0.1", 1, "/x" }, EGRESS_PUBLIC },
	{ "https://a.com", { "https", "a.com", 443, "/" }, EGRESS_NAMED },
	{ "https://a.com", { "https", "A.com", 443, "/x/y" }, EGRESS_NAMED },
	{ "https://a.com/", { "https", "a.com", 443, "/x/y" }, EGRESS_NAMED },
	{ "https://a.com", { "http", "a.com", 443, "/" }, EGRESS_REFUSED },
	{ "https://a.com", { "https", "a.com", 8443, "/" }, EGRESS_REFUSED },
	{ "https://a.com:8443", { "https", "a.com", 8443, "/" }, EGRESS_NAMED },
	{ "https://a.com:*", { "https", "a.com", 8443, "/" }, EGRESS_NAMED },
	{ "https://a.com", { "https", "b.a.com", 443, "/" }, EGRESS_REFUSED },
	{ "https://a.com", { "https", "a.com.evil.com", 443, "/" }, EGRESS_REFUSED },
	{ "https://*.a.com", { "https", "b.a.com", 443, "/" }, EGRESS_PUBLIC },
	{ "https://*.a.com", { "https", "c.b.a.com", 443, "/" }, EGRESS_PUBLIC },
	{ "https://*.a.com", { "https", "a.com", 443, "/" }, EGRESS_REFUSED },
	{ "https://*.a.com", { "https", "bada.com", 443, "/" }, EGRESS_REFUSED },
	{ "http://*", { "http", "localhost", 80, "/" }, EGRESS_PUBLIC },
	{ "http://*:*", { "http", "localhost", 81, "/" }, EGRESS_PUBLIC },
	{ "http://localhost:9000", { "http", "localhost", 9000, "/" }, EGRESS_NAMED },
	{ "http://127.0.0.1:9000", { "http", "127.0.0.1", 9000, "/" }, EGRESS_ADDRESS },
	{ "http://[::1]:9000", { "http", "[::1]", 9000, "/" }, EGRESS_ADDRESS },
	{ "http://[::1]", { "http", "[::1]", 80, "/" }, EGRESS_ADDRESS },
	{ "https://a.com/x", { "https", "a.com", 443, "/x" }, EGRESS_NAMED },
	{ "https://a.com/x", { "https", "a.com", 443, "/x/y" }, EGRESS_NAMED },
	{ "https://a.com/x", { "https", "a.com", 443, "/xy" }, EGRESS_REFUSED },
	{ "https://a.com/x", { "https", "a.com", 443, "/" }, EGRESS_REFUSED },
	{ "https://a.com/x/", { "https", "a.com", 443, "/x/y" }, EGRESS_NAMED },
	{ "https://a.com/x*", { "https", "a.com", 443, "/xy" }, EGRESS_NAMED },
	{ "nonsense", { "https", "a.com", 443, "/" }, EGRESS_REFUSED },
};

static void
pattern_grants_what_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		enum egress_grant grant =
		    egress_pattern_match(bytes_of_string(matches[i].pattern), &matches[i].target);

		if (grant != matches[i].grant)
			fail_msg("%s on %s%s: %d", matches[i].pattern, matches[i].target.host,
			    matches[i].target.path, (int)grant);
	}
}

static const struct {
	const char *pattern;
	bool good;
} patterns[] = {
	{ "*", true },
	{ "https://a.com", true },
	{ "https://*.a.com:*/b/*", true },
	{ "http://[fe80::1]:80/", true },
	{ "", false },
	{ "a.com", false },
	{ "https", false },
	{ "https:", false },
	{ "https:/a", false },
	{ "https://", false },
	{ "https:///x", false },
	{ "ftp://a.com", false },
	{ "HTTPS://a.com", false },
	{ "https://a.*.com", false },
	{ "https://*a.com", false },
	{ "https://u@a.com", false },
	{ "https://a b.com", false },
	{ "https://a.com:0", false },
	{ "https://a.com:65536", false },
	{ "https://a.com:99999999999999", false },
	{ "https://a.com:", false },
	{ "https://a.com:8x", false },
	{ "https://[::1", false },
	{ "https://[::1]x", false },
	{ "https://a.com/*/b", false },
	{ "https://a.com/?q", false },
};

static void
wrong_patterns_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct err err;
		int status = egress_pattern_check(bytes_of_string(patterns[i].pattern), &err);

		if ((status == 0) != patterns[i].good)
			fail_msg("%s", patterns[i].pattern);
	}
}

static const struct {
	const char *host;
	enum egress_grant needs;
} hosts[] = {
	{ "example.com", EGRESS_PUBLIC },
	{ "8.8.8.8", EGRESS_PUBLIC },
	{ "10.0.0.1", EGRESS_PUBLIC },
	{ "192.168.1.1", EGRESS_PUBLIC },
	{ "127.0.0.1", EGRESS_NAMED },
	{ "127.255.255.254", EGRESS_NAMED },
	{ "169.254.169.254", EGRESS_ADDRESS },
	{ "100.100.100.200", EGRESS_ADDRESS },
	{ "100.100.100.201", EGRESS_PUBLIC },
	{ "0.0.0.0", EGRESS_REFUSED },
	{ "224.0.0.1", EGRESS_REFUSED },
	{ "255.255.255.255", EGRESS_REFUSED },
	{ "[2001:db8::1]", EGRESS_PUBLIC },
	{ "2001:db8::1", EGRESS_PUBLIC },
	{ "[::1]", EGRESS_NAMED },
	{ "::1", EGRESS_NAMED },
	{ "[::]", EGRESS_REFUSED },
	{ "[::ffff:127.0.0.1]", EGRESS_NAMED },
	{ "[::ffff:169.254.169.254]", EGRESS_ADDRESS },
	{ "[64:ff9b::7f00:1]", EGRESS_NAMED },
	{ "[2002:7f00:1::]", EGRESS_NAMED },
	{ "[fe80::1]", EGRESS_ADDRESS },
	{ "[febf::1]", EGRESS_ADDRESS },
	{ "[fec0::1]", EGRESS_PUBLIC },
	{ "[fd00:ec2::254]", EGRESS_ADDRESS },
	{ "[ff02::1]", EGRESS_REFUSED },
	{ "[]", EGRESS_REFUSED },
	{ "[x]", EGRESS_REFUSED },
	{ "", EGRESS_REFUSED },
};

static void
dangerous_addresses_need_to_be_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (egress_host_needs(hosts[i].host) != hosts[i].needs)
			fail_msg("%s: %d", hosts[i].host, (int)egress_host_needs(hosts[i].host));
	}
}

static const struct {
	const char *url, *host, *path;
	int port;
} urls[] = {
	{ "https://a.com", "a.com", "/", 443 },
	{ "http://a.com:81/x/y?q=1#z", "a.com", "/x/y", 81 },
	{ "https://127.0.0.1/", "127.0.0.1", "/", 443 },
	{ "http://A-b.com/a.b", "A-b.com", "/a.b", 80 },
	{ "HTTP://a.com", NULL, NULL, 0 },
	{ "ftp://a.com", NULL, NULL, 0 },
	{ "http://", NULL, NULL, 0 },
	{ "http://u@a.com", NULL, NULL, 0 },
	{ "http://a.com:x", NULL, NULL, 0 },
	{ "http://a.com:*/", NULL, NULL, 0 },
	{ "http://*/", NULL, NULL, 0 },
	{ "http://*.a.com/", NULL, NULL, 0 },
	{ "http://127.1/", NULL, NULL, 0 },
	{ "http://0x7f000001/", NULL, NULL, 0 },
	{ "http://[::1]/", NULL, NULL, 0 },
	{ "http://a.com./", NULL, NULL, 0 },
	{ "http://a.com/x/../y", NULL, NULL, 0 },
	{ "http://a.com/%78", NULL, NULL, 0 },
	{ "http://a\xc3\xb6.com/", NULL, NULL, 0 },
	{ "http://a.com\\@b.com/", NULL, NULL, 0 },
};

static void
plain_urls_are_taken_apart(void **state)
{
	char much[1400] = "http://a.com/";
	struct egress_url url;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		bool plain = egress_url_read(bytes_of_string(urls[i].url), &url);

		if (plain != (urls[i].host != NULL))
			fail_msg("%s", urls[i].url);
		if (!plain)
			continue;
		assert_string_equal(url.target.host, urls[i].host);
		assert_string_equal(url.target.path, urls[i].path);
		assert_int_equal(url.target.port, urls[i].port);
	}
	memset(much + 13, 'x', sizeof(much) - 14);
	assert_false(egress_url_read(bytes_of_string(much), &url));
	memset(much + 7, 'x', sizeof(much) - 8);
	assert_false(egress_url_read(bytes_of_string(much), &url));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_grants_what_the_table_says),
		cmocka_unit_test(plain_urls_are_taken_apart),
		cmocka_unit_test(wrong_patterns_are_named),
		cmocka_unit_test(dangerous_addresses_need_to_be_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
