/* SPDX-License-Identifier: MIT
 * Pages of other hosts.
 */
#include "runtime/api/cross_origin.h"

#include "lib/http_origin.h"
#include "runtime/host.h"

bool
cross_origin_permits(const struct host *host, struct http_exchange *exchange)
{
	if (!http_origin_is_allowed(http_exchange_head(exchange),
		options_text(host->options, OPTION_WS_ORIGINS), http_exchange_is_local(exchange)))
		return false;
	http_exchange_share(exchange);
	return true;
}

/* "GET, POST" */
static void
list_methods(struct http_server *server, const char *pattern, struct buf *out)
{
	for (int i = 0; i < HTTP_METHODS; i++) {
		if (http_server_find(server, (enum http_method)i, pattern) != NULL)
			buf_printf(out, "%s%s", out->len > 0 ? ", " : "",
			    http_method_name((enum http_method)i));
	}
}

/* Whatever headers it asks for: a page that is permitted may send any. */
void
cross_origin_preflight(const struct host *host, struct http_exchange *exchange, const char *pattern)
{
	const struct http_head *head = http_exchange_head(exchange);
	struct bytes wanted = http_header_find(head, "Access-Control-Request-Headers");
	struct buf methods = { 0 };
	struct http_header headers[4];
	size_t count = 0;

	list_methods(host->http_server, pattern, &methods);
	headers[count++] = (struct http_header){ bytes_of_string("Allow"), buf_bytes(&methods) };
	if (http_header_find(head, "Access-Control-Request-Method").len > 0) {
		headers[count++] =
		    (struct http_header){ bytes_of_string("Access-Control-Allow-Methods"),
			    buf_bytes(&methods) };
		headers[count++] = (struct http_header){ bytes_of_string("Access-Control-Max-Age"),
			bytes_of_string("600") };
	}
	if (wanted.len > 0)
		headers[count++] =
		    (struct http_header){ bytes_of_string("Access-Control-Allow-Headers"), wanted };
	http_exchange_respond(exchange,
	    &(struct http_answer){ .status = 204, .headers = headers, .header_count = count });
	buf_clear(&methods);
}
