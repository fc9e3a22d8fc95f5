/* SPDX-License-Identifier: MIT
 * HTTP requests of the command line to the running host, over its Unix socket. They wait.
 */
#ifndef NET_HTTP_LOCAL_H
#define NET_HTTP_LOCAL_H

#include "lib/bytes.h"
#include "lib/err.h"

struct http_local_request {
	const char *socket_path;
	const char *method;
	const char *target; /* "/v1/status": encoded, with its query */
	struct bytes body;  /* JSON; empty: none */
	/* The response's body as it comes, once its status is known. Returns 0, or -1 to end here
	 * (the request has then succeeded). NULL: not wanted. */
	int (*data)(void *arg, int status, struct bytes piece);
	void *arg;
};

/* Returns the response's status, or -1: nobody listens there, or the connection broke. A response
 * without end (a log that is followed) ends when `data` says so. */
int http_local_request(const struct http_local_request *request, struct err *err)
    __attribute__((warn_unused_result));

/* Appends `text` to `out`, percent-encoded for a path segment or a query's value. */
void http_local_encode(struct buf *out, const char *text);

#endif
