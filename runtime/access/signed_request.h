/* SPDX-License-Identifier: MIT
 * Requests as AWS's clients sign them (Signature Version 4). The host knows none of their keys: a
 * signature proves nothing here and is not looked at. But the session token that is sent beside it
 * may be one of ours, so that AWS's CLI and SDKs can show one.
 */
#ifndef RUNTIME_ACCESS_SIGNED_REQUEST_H
#define RUNTIME_ACCESS_SIGNED_REQUEST_H

#include "lib/http_parse.h"

/* Whether the Authorization header's value is a signature. */
bool signed_request_is(struct bytes authorization);
/* Appends a token of ours that stands for the session token: X-Amz-Security-Token, in the head or
 * in the query. False: there is none, or one that is not ours; then nothing is appended. */
bool signed_request_token(const struct http_head *head, struct buf *token);

#endif
