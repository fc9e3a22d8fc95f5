/* SPDX-License-Identifier: MIT
 * Whether a web page may use what a request asks for (RFC 6454): browsers name the page's origin in
 * a header, and send requests that no page of the host has made.
 */
#ifndef LIB_HTTP_ORIGIN_H
#define LIB_HTTP_ORIGIN_H

#include "lib/http_parse.h"

/* `allowed`: origins, separated by spaces ("https://a.example"); "same": pages of the host that is
 * asked; "any": all. Who names no origin is no page.
 *
 * `by_address`: "same" counts only where the host is asked by an address or as localhost. For
 * requests of this machine without TLS: a name that an attacker owns may have been made to mean
 * this machine after his page was loaded. */
bool http_origin_is_allowed(const struct http_head *head, const char *allowed, bool by_address);

#endif
