/* SPDX-License-Identifier: MIT
 * Where handlers may send HTTP requests: patterns that a function declares (`allow.http`), and
 * which addresses are too dangerous to be reached by accident. Pure.
 *
 * A pattern is "*" (everything public) or scheme://host[:port][/path]:
 *   scheme  "http" or "https"
 *   host    a name or an address as in a URL; "*.example.com" is every name below it; "*" is any
 *   port    "*" is any; without it the scheme's own (80, 443)
 *   path    stands for itself and for what is below it; one "*" at its end matches any rest
 */
#ifndef LIB_EGRESS_H
#define LIB_EGRESS_H

#include <sys/socket.h>

#include "lib/bytes.h"
#include "lib/err.h"

/* The parts of a URL, as the client that will use it has parsed them. */
struct egress_target {
	const char *scheme; /* lower case */
	const char *host;   /* an IPv6 address stands in brackets */
	uint16_t port;
	const char *path; /* "/" at least */
};

/* The parts of a URL that leaves no doubt about them, with room for their text. */
struct egress_url {
	char host[256];
	char path[1024];
	struct egress_target target; /* points into the others */
};

/* False: the URL is wrong, or not plain (a user's name, escapes, dots in its path, ...): only the
 * client that will use it knows where it leads. */
bool egress_url_read(struct bytes url, struct egress_url *out);

/* How much a pattern grants. Each grants what stands before it too. */
enum egress_grant {
	EGRESS_REFUSED,
	EGRESS_PUBLIC,	/* by a wildcard: all but loopback and link-local */
	EGRESS_NAMED,	/* the host is named: loopback too */
	EGRESS_ADDRESS, /* an address is named: link-local and cloud metadata too */
};

/* 0, or -1 with what is wrong with the pattern. */
int egress_pattern_check(struct bytes pattern, struct err *err) __attribute__((warn_unused_result));
/* A pattern that does not check grants nothing. */
enum egress_grant egress_pattern_match(struct bytes pattern, const struct egress_target *target);

/* The least grant that reaches this address. EGRESS_REFUSED: none does (unspecified, multicast,
 * another family). IPv4 inside IPv6 (mapped, NAT64, 6to4) counts as the IPv4 address. */
enum egress_grant egress_address_needs(const struct sockaddr *address);
/* The same for a URL's host where it is a literal address; EGRESS_PUBLIC for a name. */
enum egress_grant egress_host_needs(const char *host);

#endif
