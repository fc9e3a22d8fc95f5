/* SPDX-License-Identifier: MIT
 * What the routes of the registry share: one change that answers a request.
 */
#ifndef RUNTIME_API_API_REGISTRY_H
#define RUNTIME_API_API_REGISTRY_H

#include "runtime/api/api_parts.h"
#include "runtime/registry/registry.h"

/* A request to change the registry. */
struct api_change {
	struct registry *registry;
	struct http_exchange *exchange;
	struct registry_change *change;
	const cJSON *body; /* {} where none was wanted */
};

/* Takes the steps: 0, or -1 with the error. */
typedef int api_steps(const struct api_change *api_change, struct err *err);

/* The steps as one change; the request is answered {} when it is durable, or with what refused it.
 * `has_body`: one is wanted. */
void api_change(struct api *api, struct http_exchange *exchange, bool has_body, api_steps *steps);
/* A parameter of the route as an owned string. */
char *api_param(const struct http_exchange *exchange, const char *name);
/* The HTTP status for a refusal: 400, 404, 409, 503. */
int api_refusal_status(enum registry_refusal refusal);

/* A page of certificates. */
struct certificate_page {
	uint64_t after;	   /* a serial; moves on */
	const char *state; /* NULL: any */
	size_t limit;
	struct registry_certificate **list;
	size_t count;
	uint64_t next; /* where the next page begins; 0: there is none */
};

/* Fills `list`, to be freed. A page may have less than `limit`, and others behind it: it looks at
 * so many certificates as take about a millisecond. */
void certificate_page_fill(struct certificate_page *page, const struct registry *registry);

#endif
