/* SPDX-License-Identifier: MIT
 * What a custom authorizer is given: the connection's data as AWS IoT hands them to its authorizers
 * (AWS IoT Core Developer Guide, "Defining your Lambda function"):
 *
 *   { "connectionMetadata": { "id" }, "protocols": ["mqtt", "tls"], "signatureVerified": false,
 *     "token", "protocolData": { "tls": { "serverName" },
 *       "http": { "headers": {}, "queryString": "?a=b" },
 *       "mqtt": { "username", "password" (base64), "clientId" } } }
 *
 * and which parts of it are secrets, so that they stand in no log and no trace.
 */
#ifndef RUNTIME_ACCESS_AUTHORIZER_EVENT_H
#define RUNTIME_ACCESS_AUTHORIZER_EVENT_H

#include "lib/bytes.h"
#include "lib/err.h"

struct login;

enum { AUTHORIZER_SECRETS_MAX = 32 };

struct authorizer_event {
	uint32_t refs;
	struct buf json;
	size_t differs; /* so many bytes at its beginning are another time others */
	struct buf secrets[AUTHORIZER_SECRETS_MAX];
	size_t secret_count;
	bool is_opaque; /* something secret in it is too short, or no text, to be found again */
};

/* With one reference. NULL: a text in it is no UTF-8. */
struct authorizer_event *authorizer_event_new(const struct login *login, struct err *err)
    __attribute__((warn_unused_result));
struct authorizer_event *authorizer_event_ref(struct authorizer_event *event);
void authorizer_event_unref(struct authorizer_event *event); /* takes NULL */

/* Asterisks over what of it is secret, wherever it stands in the text, as it is and as JSON has it;
 * of three characters or more. For happening.mask. */
void authorizer_event_mask(const struct authorizer_event *event, uint8_t *text, size_t len);

/* The name of the authorizer that the login asks for (x-amz-customauthorizer-name in the user name,
 * behind a question mark; in the query; as a header). Appends; false: it names none. */
bool authorizer_named(const struct login *login, struct buf *name);

#endif
