/* SPDX-License-Identifier: MIT
 * Patterns are matched part by part; addresses by a table of networks.
 */
#include "lib/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

struct pattern {
	struct bytes scheme;
	struct bytes host;
	struct bytes path; /* empty: all */
	uint32_t port;	   /* PORT_ANY or a port */
};

enum { PORT_ANY = 65536, HOST_BYTES_MAX = 255 };

static bool
any_case_equal(struct bytes a, const char *b)
{
	return a.len == strlen(b) && strncasecmp((const char *)a.data, b, a.len) == 0;
}

static struct bytes
from(struct bytes text, size_t at)
{
	return bytes_of(text.data + at, text.len - at);
}

static int
parse_port(struct bytes text, uint32_t *port, struct err *err)
{
	uint32_t value = 0;

	if (bytes_equal_string(text, "*")) {
		*port = PORT_ANY;
		return 0;
	}
	for (size_t i = 0; i < text.len && value < 65536; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return err_set(err, "the port is neither a number nor '*'");
		value = value * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (value == 0 || value > 65535)
		return err_set(err, "the port is not between 1 and 65535");
	*port = value;
	return 0;
}

static int
check_host(struct bytes host, struct err *err)
{
	if (host.len == 0 || host.len > HOST_BYTES_MAX)
		return err_set(err, "the host is missing or too long");
	if (bytes_equal_string(host, "*"))
		return 0;
	if (host.len > 2 && host.data[0] == '*' && host.data[1] == '.')
		host = from(host, 2);
	for (size_t i = 0; i < host.len; i++) {
		if (host.data[i] <= 0x20 || strchr("*?#@\\\"<>%{}|^`", host.data[i]) != NULL)
			return err_set(err,
			    "the host may hold '*' only as \"*\" or in front, as in "
			    "\"*.example.com\", and no user name or space");
	}
	return 0;
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static int
parse_authority(struct bytes authority, struct pattern *out, struct err *err)
{
	size_t end = 0;

	if (authority.len > 0 && authority.data[0] == '[') {
		while (end < authority.len && authority.data[end] != ']')
			end++;
		if (end == authority.len)
			return err_set(err, "the address has no ']'");
		end++;
	} else {
		while (end < authority.len && authority.data[end] != ':')
			end++;
	}
	out->host = bytes_of(authority.data, end);
	if (check_host(out->host, err) < 0)
		return -1;
	if (end == authority.len)
		return 0;
	if (authority.data[end] != ':')
		return err_set(err, "something stands between the address and the port");
	return parse_port(from(authority, end + 1), &out->port, err);
}

static int
check_path(struct bytes path, struct err *err)
{
	for (size_t i = 0; i < path.len; i++) {
		if (path.data[i] <= 0x20 || path.data[i] == '?' || path.data[i] == '#')
			return err_set(err, "the path holds a space, '?' or '#'");
		if (path.data[i] == '*' && i + 1 < path.len)
			return err_set(err, "'*' may stand only at the end of the path");
	}
	return 0;
}

static int
parse(struct bytes text, struct pattern *out, struct err *err)
{
	size_t scheme = 0, slash;

	while (scheme < text.len && text.data[scheme] != ':')
		scheme++;
	out->scheme = bytes_of(text.data, scheme);
	if (!bytes_equal_string(out->scheme, "http") && !bytes_equal_string(out->scheme, "https"))
		return err_set(err, "it does not start with http:// or https://");
	if (text.len - scheme < 3 || memcmp(text.data + scheme, "://", 3) != 0)
		return err_set(err, "it does not start with http:// or https://");
	text = from(text, scheme + 3);
	for (slash = 0; slash < text.len && text.data[slash] != '/';)
		slash++;
	out->port = out->scheme.len == 5 ? 443 : 80;
	out->path = from(text, slash);
	if (parse_authority(bytes_of(text.data, slash), out, err) < 0)
		return -1;
	return check_path(out->path, err);
}

static bool is_address(const char *host);

/* Clients have other ways to write an address, which they all take for the same. */
static bool
host_is_plain(struct bytes host)
{
	char text[HOST_BYTES_MAX + 1];

	memcpy(text, host.data, host.len);
	text[host.len] = '\0';
	if (text[0] == '[' || host.data[host.len - 1] == '.')
		return false;
	return text[0] < '0' || text[0] > '9' || is_address(text);
}

static bool
is_plain(const struct pattern *parsed)
{
	if (!host_is_plain(parsed->host))
		return false;
	for (size_t i = 0; i < parsed->host.len; i++) {
		if (parsed->host.data[i] >= 0x80 || strchr("*;&", parsed->host.data[i]) != NULL)
			return false;
	}
	for (size_t i = 0; i < parsed->path.len; i++) {
		uint8_t byte = parsed->path.data[i];

		if (byte >= 0x80 || strchr("%\\*;", byte) != NULL ||
		    (byte == '/' && i + 1 < parsed->path.len && parsed->path.data[i + 1] == '.'))
			return false;
	}
	return parsed->port != PORT_ANY;
}

bool
egress_url_read(struct bytes url, struct egress_url *out)
{
	struct pattern parsed;
	struct err err;
	size_t end = 0;

	while (end < url.len && url.data[end] != '?' && url.data[end] != '#' && url.data[end] != 0)
		end++;
	if (parse(bytes_of(url.data, end), &parsed, &err) < 0 || !is_plain(&parsed) ||
	    parsed.host.len >= sizeof(out->host) || parsed.path.len >= sizeof(out->path))
		return false;
	memcpy(out->host, parsed.host.data, parsed.host.len);
	out->host[parsed.host.len] = '\0';
	memcpy(out->path, parsed.path.len > 0 ? (const char *)parsed.path.data : "/",
	    parsed.path.len > 0 ? parsed.path.len : 1);
	out->path[parsed.path.len > 0 ? parsed.path.len : 1] = '\0';
	out->target = (struct egress_target){ .scheme = parsed.scheme.len == 5 ? "https" : "http",
		.host = out->host,
		.port = (uint16_t)parsed.port,
		.path = out->path };
	return true;
}

int
egress_pattern_check(struct bytes pattern, struct err *err)
{
	struct pattern parsed;

	if (bytes_equal_string(pattern, "*"))
		return 0;
	if (parse(pattern, &parsed, err) < 0)
		return err_prefix(err, "\"%.*s\" is no URL pattern", (int)pattern.len,
		    pattern.len > 0 ? (const char *)pattern.data : "");
	return 0;
}

static bool
path_matches(struct bytes pattern, const char *path)
{
	size_t len = strlen(path);

	if (pattern.len == 0 || bytes_equal_string(pattern, "/"))
		return true;
	if (pattern.data[pattern.len - 1] == '*')
		return len >= pattern.len - 1 && memcmp(path, pattern.data, pattern.len - 1) == 0;
	if (len < pattern.len || memcmp(path, pattern.data, pattern.len) != 0)
		return false;
	return len == pattern.len || path[pattern.len] == '/' ||
	       pattern.data[pattern.len - 1] == '/';
}

static bool
is_address(const char *host)
{
	uint8_t scratch[16];

	return host[0] == '[' || inet_pton(AF_INET, host, scratch) == 1;
}

static enum egress_grant
match_host(struct bytes pattern, const char *host)
{
	size_t len = strlen(host);

	if (bytes_equal_string(pattern, "*"))
		return EGRESS_PUBLIC;
	if (pattern.len > 2 && pattern.data[0] == '*') {
		struct bytes tail = from(pattern, 1); /* with its dot */

		return len > tail.len && any_case_equal(tail, host + len - tail.len)
			   ? EGRESS_PUBLIC
			   : EGRESS_REFUSED;
	}
	if (!any_case_equal(pattern, host))
		return EGRESS_REFUSED;
	return is_address(host) ? EGRESS_ADDRESS : EGRESS_NAMED;
}

enum egress_grant
egress_pattern_match(struct bytes text, const struct egress_target *target)
{
	struct pattern pattern;
	struct err err;

	if (bytes_equal_string(text, "*"))
		return EGRESS_PUBLIC;
	if (parse(text, &pattern, &err) < 0 || !bytes_equal_string(pattern.scheme, target->scheme))
		return EGRESS_REFUSED;
	if (pattern.port != PORT_ANY && pattern.port != target->port)
		return EGRESS_REFUSED;
	if (!path_matches(pattern.path, target->path))
		return EGRESS_REFUSED;
	return match_host(pattern.host, target->host);
}

/* The first network that holds the address decides; the rest needs EGRESS_PUBLIC. */
struct network {
	uint8_t address[16];
	uint8_t bits;
	enum egress_grant needs;
};

static const struct network networks4[] = {
	{ { 0 }, 8, EGRESS_REFUSED },			/* "this host": connects to loopback */
	{ { 127 }, 8, EGRESS_NAMED },			/* loopback */
	{ { 169, 254 }, 16, EGRESS_ADDRESS },		/* link-local, most clouds' metadata */
	{ { 100, 100, 100, 200 }, 32, EGRESS_ADDRESS }, /* metadata at Alibaba */
	{ { 192, 0, 0, 192 }, 32, EGRESS_ADDRESS },	/* metadata at Oracle */
	{ { 168, 63, 129, 16 }, 32, EGRESS_ADDRESS },	/* Azure's wire server */
	{ { 224 }, 3, EGRESS_REFUSED },			/* multicast, reserved, broadcast */
};

static const struct network networks6[] = {
	{ { 0 }, 128, EGRESS_REFUSED },		/* unspecified */
	{ { [15] = 1 }, 128, EGRESS_NAMED },	/* loopback */
	{ { 0xfe, 0x80 }, 10, EGRESS_ADDRESS }, /* link-local */
	{ { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, 128, EGRESS_ADDRESS }, /* AWS */
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 }, 128, EGRESS_ADDRESS }, /* GCP */
	{ { 0xff }, 8, EGRESS_REFUSED }, /* multicast */
};

/* IPv6 networks that carry an IPv4 address, and where it stands. */
static const struct {
	uint8_t address[16];
	uint8_t bits;
	uint8_t offset;
} carriers[] = {
	{ { [10] = 0xff, [11] = 0xff }, 96, 12 }, /* IPv4-mapped */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12 },	  /* NAT64 */
	{ { 0x20, 0x02 }, 16, 2 },		  /* 6to4 */
};

static bool
is_within(const uint8_t *address, const uint8_t *network, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, network, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ network[whole]) >> (8 - rest) == 0;
}

static enum egress_grant
look_up(const uint8_t *address, const struct network *networks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_within(address, networks[i].address, networks[i].bits))
			return networks[i].needs;
	}
	return EGRESS_PUBLIC;
}

static enum egress_grant
needs4(const uint8_t *address)
{
	return look_up(address, networks4, sizeof(networks4) / sizeof(networks4[0]));
}

static enum egress_grant
needs6(const uint8_t *address)
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		if (is_within(address, carriers[i].address, carriers[i].bits))
			return needs4(address + carriers[i].offset);
	}
	return look_up(address, networks6, sizeof(networks6) / sizeof(networks6[0]));
}

enum egress_grant
egress_address_needs(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return needs4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return needs6((const uint8_t *)&((const struct sockaddr_in6 *)address)->sin6_addr);
	return EGRESS_REFUSED;
}

enum egress_grant
egress_host_needs(const char *host)
{
	char bare[INET6_ADDRSTRLEN];
	uint8_t address[16];
	size_t len = strlen(host);

	if (inet_pton(AF_INET, host, address) == 1)
		return needs4(address);
	if (len > 0 && host[0] != '[')
		return inet_pton(AF_INET6, host, address) == 1 ? needs6(address) : EGRESS_PUBLIC;
	if (len < 3 || len - 2 >= sizeof(bare))
		return EGRESS_REFUSED;
	memcpy(bare, host + 1, len - 2);
	bare[len - 2] = '\0';
	return inet_pton(AF_INET6, bare, address) == 1 ? needs6(address) : EGRESS_REFUSED;
}
