/* SPDX-License-Identifier: MIT
 * Between HTTP and handlers: what a request becomes in a handler's `context`, and how what the
 * handler returned becomes the response.
 *
 * A handler returns
 *   nothing                            204
 *   a string                           200, text/plain
 *   { status=, headers=, body= }       that; the body is a string (text/plain)
 *   { status=, headers=, json= }       that; the body is the value as JSON
 *   any other value                    200, the value as JSON
 */
#ifndef RUNTIME_HTTP_REPLY_H
#define RUNTIME_HTTP_REPLY_H

#include <cjson/cJSON.h>

#include "lib/protocol.h"
#include "net/http_server.h"

/* Appends a JSON object: method, path, client_address, and the objects query, headers (names in
 * lower case), params. Called while the route's handler is. */
void http_reply_context(const struct http_exchange *exchange, struct buf *out);

/* Adds the headers to an object: names in lower case, values as text. */
void http_reply_headers(const struct http_head *head, cJSON *object);

/* Answers. -1 where the handler's value is no response; it has then been answered with 500, and
 * `err` says why, for the function's log. */
int http_reply_send(struct http_exchange *exchange, enum result_kind kind, struct bytes result,
    struct err *err) __attribute__((warn_unused_result));

#endif
