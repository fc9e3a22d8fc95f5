/* SPDX-License-Identifier: MIT
 * HTTP requests to elsewhere, on libcurl and the loop: HTTP/1.1 and HTTP/2, connections re-used,
 * TLS verified against the system's roots, proxy variables (http_proxy, https_proxy, all_proxy,
 * no_proxy) honoured. Names are resolved on curl's own threads.
 *
 * Each hop of a request, redirects too, asks the caller's `permit` with the parsed URL, and each
 * address that a name resolves to is checked against what permit granted before anything is sent
 * to it (lib/egress.h). Where a proxy stands between, only the URL can be checked.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "lib/bytes.h"
#include "lib/egress.h"
#include "lib/err.h"
#include "lib/http_parse.h"
#include "net/loop.h"

struct http_client_config {
	unsigned parallel_max;	     /* requests under way; later ones wait in a queue */
	unsigned queued_max;	     /* length of that queue */
	unsigned owner_parallel_max; /* the same for the requests of one owner */
	unsigned owner_queued_max;
	size_t response_bytes_max; /* body */
	const char *ca_file;	   /* roots to trust instead of the system's; NULL: the system's */
};

struct http_response {
	int status;
	const struct http_header *headers; /* of the last hop */
	size_t header_count;
	struct bytes body;
	const char *url; /* of the last hop */
};

struct http_request {
	uint64_t owner; /* who waits behind whom: owners take turns, so that none starves another */
	const char *method;
	const char *url;
	const struct http_header *headers;
	size_t header_count;
	struct bytes body;
	uint32_t timeout_ms; /* from the call to the end of the response, waiting included; > 0 */
	unsigned redirects_max; /* 0: a redirect is the response */
	bool keeps_method;	/* also over 301 and 302, where else a POST becomes a GET */
	enum egress_grant (*permit)(void *arg, const struct egress_target *target);
	/* Once, from the loop, never from within http_client_start: exactly one of `response` and
	 * `error` is NULL; both are borrowed. Not called for what was aborted. */
	void (*done)(void *arg, const struct http_response *response, const char *error);
	void *arg;
};

struct http_client;
struct http_transfer;

struct http_client *http_client_new(struct loop *loop, const struct http_client_config *config);
/* Loads libcurl now rather than at the first request: some milliseconds. -1: it cannot be used. */
int http_client_prepare(struct http_client *client, struct err *err)
    __attribute__((warn_unused_result));
void http_client_free(struct http_client *client); /* aborts all; takes NULL */

/* Copies what the request borrows. NULL where it is refused at once: the URL or a header is wrong,
 * permit says no, a queue is full. */
struct http_transfer *http_client_start(struct http_client *client,
    const struct http_request *request, struct err *err) __attribute__((warn_unused_result));
/* Whether the URL and the headers can be sent, and permit says yes. */
int http_client_check(const struct http_request *request, struct err *err)
    __attribute__((warn_unused_result));
void http_transfer_abort(struct http_transfer *transfer); /* before `done` only; takes NULL */

unsigned http_client_active(const struct http_client *client); /* under way and queued */

#endif
