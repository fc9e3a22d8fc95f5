/* SPDX-License-Identifier: MIT
 * MQTT 5 properties of messages that are published or read by HTTP, under the names that AWS IoT's
 * data plane gives them: contentType and responseTopic in the query, the rest in headers
 * x-amz-mqtt5-*.
 */
#ifndef RUNTIME_API_PUBLISH_HEADERS_H
#define RUNTIME_API_PUBLISH_HEADERS_H

#include "lib/bytes.h"
#include "lib/err.h"

struct http_exchange;

/* Appends the request's properties, as struct message has them. -1: one is wrong; `err` names it.
 */
int publish_headers_read(const struct http_exchange *exchange, struct buf *out, struct err *err)
    __attribute__((warn_unused_result));

/* Appends the user properties among a message's as AWS tells them: base64 of a JSON array of
 * objects with one member each. Nothing where there are none. */
void publish_headers_user(struct bytes properties, struct buf *out);

#endif
