/* SPDX-License-Identifier: MIT
 * A handler's HTTP request: from a worker's CALL_HTTP to the client and back to the fields of a
 * HOST_REPLY (lib/protocol.h).
 */
#ifndef RUNTIME_HTTP_CALL_H
#define RUNTIME_HTTP_CALL_H

#include "net/http_client.h"

enum {
	HTTP_CALL_TIMEOUT_MS = 30000, /* where the handler gives none */
	HTTP_CALL_REDIRECTS_MAX = 10,
};

struct options;

/* The client that all handlers' requests go through, with the operator's limits. */
struct http_client *http_call_client(struct loop *loop, const struct options *options);

struct http_call;

struct http_call_terms {
	struct http_client *client;
	uint64_t owner; /* the function: functions take turns */
	/* What the function may reach: usually egress_pattern_match over its allow.http. */
	enum egress_grant (*permit)(void *arg, const struct egress_target *target);
	/* Sent as Idempotency-Key with what is no GET or HEAD, unless the handler sets that header:
	 * a run again sends the same. NULL: none. */
	const char *idempotency_key;
	uint32_t timeout_ms_max; /* what is left of the invocation's time */
	bool keeps_method;	 /* as in http_request */
	/* Once, on the loop, never from within http_call_start. `fields` are those of the reply
	 * behind its u8 ok: for ok false a byte string with the message. */
	void (*done)(void *arg, bool ok, struct bytes fields);
	void *arg;
};

enum http_call_result {
	HTTP_CALL_STARTED,
	HTTP_CALL_REFUSED,   /* `err` is what the handler is told */
	HTTP_CALL_MALFORMED, /* the worker sent what does not decode: it is to be ended */
};

/* `fields` are those of CALL_HTTP, all of them. `*call` is set on STARTED, and valid until `done`.
 */
enum http_call_result http_call_start(const struct http_call_terms *terms, struct bytes fields,
    struct http_call **call, struct err *err) __attribute__((warn_unused_result));
/* Whether the fields are those of a request that may be sent. -1: what is wrong. */
int http_call_check(struct bytes fields,
    enum egress_grant (*permit)(void *arg, const struct egress_target *target), void *arg,
    struct err *err) __attribute__((warn_unused_result));
void http_call_abort(struct http_call *call); /* takes NULL; `done` is not called */

#endif
