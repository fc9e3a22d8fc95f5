/* SPDX-License-Identifier: MIT
 * Web pages on the data plane: which may send requests, and that their browser lets them read the
 * answers (Fetch §3.2, "CORS protocol").
 */
#ifndef RUNTIME_API_CROSS_ORIGIN_H
#define RUNTIME_API_CROSS_ORIGIN_H

#include "net/http_server.h"

struct host;

/* Whether the page that a request names, if any, may send it. If so it may read the answer too. */
bool cross_origin_permits(const struct host *host, struct http_exchange *exchange);
/* Answers OPTIONS on the path of this pattern: what it takes, and with what headers a page may send
 * it. The page is permitted. */
void cross_origin_preflight(
    const struct host *host, struct http_exchange *exchange, const char *pattern);

#endif
