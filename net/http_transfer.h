/* SPDX-License-Identifier: MIT
 * One request of the HTTP client, hop by hop: inside of net/http_client.c.
 */
#ifndef NET_HTTP_TRANSFER_H
#define NET_HTTP_TRANSFER_H

#include "lib/queue.h"
#include "net/late_curl.h"
#include "net/http_client.h"

enum { TRANSFER_HEADERS_MAX = 100, TRANSFER_HEADER_BYTES_MAX = 65536 };

struct http_transfer {
	TAILQ_ENTRY(http_transfer) link;
	struct http_client *client;
	struct http_owner *owner;
	enum egress_grant (*permit)(void *arg, const struct egress_target *target);
	void (*done)(void *arg, const struct http_response *response, const char *error);
	void *arg;

	char *method;
	CURLU *url;
	char *url_text;
	char *shown_url; /* the same for errors, without what may be secret */
	struct curl_slist *headers;
	struct buf body;
	unsigned redirects_left;
	bool redirects_wanted;
	bool keeps_method;
	uint32_t timeout_ms;
	struct timer deadline;

	CURL *easy;
	bool running; /* in the client's list of running ones and in curl's multi handle */
	enum egress_grant grant;
	bool by_proxy;
	bool resolved;	   /* this hop needs no resolver any more */
	char refused[256]; /* why we ended the hop ourselves; empty: we did not */
	char curl_error[CURL_ERROR_SIZE];

	size_t response_bytes_max;
	struct buf response_headers; /* names and values, one after another */
	struct {
		size_t at, name_len, value_len;
	} header_at[TRANSFER_HEADERS_MAX];
	size_t header_count;
	struct buf response_body;
};

/* NULL where the request is wrong or not permitted. */
struct http_transfer *transfer_new(const struct http_request *request, struct err *err);
void transfer_free(struct http_transfer *transfer);

/* Makes `easy` ready for the hop that `url` names. */
int transfer_prepare(struct http_transfer *transfer, const char *ca_file, struct err *err);
/* Where the response is a redirect that is to be followed: moves the request there. 1: prepare and
 * run again; 0: the response stands; -1: it may not go there. */
int transfer_redirect(struct http_transfer *transfer, struct err *err);
/* The text of a failure, into err. */
void transfer_explain(const struct http_transfer *transfer, CURLcode code, struct err *err);
/* Calls done with the response. */
void transfer_respond(struct http_transfer *transfer);

/* The proxy for this URL by the environment's variables; NULL: none. */
const char *proxy_for(const struct egress_target *target);

#endif
