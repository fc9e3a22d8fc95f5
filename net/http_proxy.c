/* SPDX-License-Identifier: MIT
 * The proxy variables, as curl reads them. They are read here because the egress check must know
 * whether an address is the proxy's or the target's.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http_transfer.h"

static const char *
variable(const char *lower, const char *upper)
{
	const char *value = getenv(lower);

	if (value == NULL && upper != NULL)
		value = getenv(upper);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* "example.com" and ".example.com" stand for the name and all below it. */
static bool
excludes(const char *entry, size_t len, const char *host)
{
	size_t host_len = strlen(host);

	if (len > 0 && entry[0] == '.') {
		entry++;
		len--;
	}
	if (len == 1 && entry[0] == '*')
		return true;
	if (len == 0 || len > host_len || strncasecmp(host + host_len - len, entry, len) != 0)
		return false;
	return len == host_len || host[host_len - len - 1] == '.';
}

static bool
is_excluded(const char *host)
{
	const char *list = variable("no_proxy", "NO_PROXY");
	char bare[256];
	size_t len = strlen(host);

	if (host[0] == '[' && len > 2 && len - 2 < sizeof(bare)) {
		memcpy(bare, host + 1, len - 2);
		bare[len - 2] = '\0';
		host = bare;
	}
	while (list != NULL && *list != '\0') {
		size_t word = strcspn(list, ", ");

		if (excludes(list, word, host))
			return true;
		list += word;
		list += strspn(list, ", ");
	}
	return false;
}

const char *
proxy_for(const struct egress_target *target)
{
	/* HTTP_PROXY in capitals is not read: a CGI-like parent could let a client set it. */
	const char *proxy = strcmp(target->scheme, "https") == 0
				? variable("https_proxy", "HTTPS_PROXY")
				: variable("http_proxy", NULL);

	if (proxy == NULL)
		proxy = variable("all_proxy", "ALL_PROXY");
	return proxy != NULL && !is_excluded(target->host) ? proxy : NULL;
}
