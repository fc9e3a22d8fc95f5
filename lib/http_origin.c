/* SPDX-License-Identifier: MIT
 * Origins are compared as they are sent: scheme, host, port.
 */
#include "lib/http_origin.h"

#include <ctype.h>
#include <string.h>

/* Without its port: "127.0.0.1:8080", "[::1]:8080", "localhost". */
static bool
is_address(struct bytes host)
{
	const uint8_t *colon = host.len > 0 ? memrchr(host.data, ':', host.len) : NULL;

	if (host.len > 0 && host.data[0] == '[')
		return true;
	if (colon != NULL)
		host.len = (size_t)(colon - host.data);
	if (bytes_equal_string(host, "localhost"))
		return true;
	for (size_t i = 0; i < host.len; i++) {
		if (!isdigit(host.data[i]) && host.data[i] != '.')
			return false;
	}
	return host.len > 0;
}

/* "https://a.example:8443" names the host that was asked. */
static bool
is_same_host(const struct http_head *head, struct bytes origin, bool by_address)
{
	struct bytes host = http_header_find(head, "Host");
	const char *at = memmem(origin.data, origin.len, "://", 3);
	size_t skip = at != NULL ? (size_t)(at + 3 - (const char *)origin.data) : 0;

	return at != NULL && bytes_equal(bytes_of(origin.data + skip, origin.len - skip), host) &&
	       (!by_address || is_address(host));
}

bool
http_origin_is_allowed(const struct http_head *head, const char *allowed, bool by_address)
{
	struct bytes origin = http_header_find(head, "Origin");
	const char *at = allowed;

	if (origin.data == NULL)
		return true;
	while (*at != '\0') {
		size_t len = strcspn(at, " ");
		struct bytes word = bytes_of(at, len);

		if (bytes_equal_string(word, "any") || bytes_equal(word, origin) ||
		    (bytes_equal_string(word, "same") && is_same_host(head, origin, by_address)))
			return true;
		at += len;
		at += strspn(at, " ");
	}
	return false;
}
