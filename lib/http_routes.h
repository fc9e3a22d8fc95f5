/* SPDX-License-Identifier: MIT
 * Which handler a method and a path lead to. A pattern is a path whose segments are words or
 * {names} that stand for one segment: "/things/{thing}/shadow". The last may be a {name...}, which
 * stands for all that follows, slashes included: "/topics/{topic...}". A word wins over a name, a
 * name over the rest. Pure.
 */
#ifndef LIB_HTTP_ROUTES_H
#define LIB_HTTP_ROUTES_H

#include "lib/err.h"
#include "lib/http_parse.h"

struct http_routes;

struct http_routes *http_routes_new(void);
/* `drop` is called with each target that is left; may be NULL. `routes` may be NULL. */
void http_routes_free(struct http_routes *routes, void (*drop)(void *target));

/* 0, or -1 with what is wrong with the pattern. */
int http_routes_check(const char *pattern, struct err *err) __attribute__((warn_unused_result));
/* What stands on this route; patterns that differ only in their names are one route. NULL: nothing.
 * The pattern must check. */
void *http_routes_find(struct http_routes *routes, enum http_method method, const char *pattern);
/* The pattern must check and its route be free. `target` is not NULL. */
void http_routes_add(
    struct http_routes *routes, enum http_method method, const char *pattern, void *target);
/* Nothing happens where nothing is there. */
void http_routes_remove(struct http_routes *routes, enum http_method method, const char *pattern);

/* What a request leads to. */
struct http_match {
	void *target;		    /* NULL: nothing for this method */
	bool allowed[HTTP_METHODS]; /* which methods lead somewhere; set where target is NULL */
	size_t param_count;
	struct {
		const char *name; /* of the route: valid until the route is removed */
		size_t at, len;	  /* of the decoded value in `text` */
	} params[HTTP_SEGMENTS_MAX];
	struct buf text;
};

/* `match` must be all zero. `path` is encoded. -1 where it cannot be decoded: 400. HEAD is led
 * where GET is, unless it has its own. */
int http_routes_match(struct http_routes *routes, enum http_method method, struct bytes path,
    struct http_match *match) __attribute__((warn_unused_result));
void http_match_clear(struct http_match *match);
/* The decoded value of a name of the pattern; `.data` is NULL where it has none. */
struct bytes http_match_param(const struct http_match *match, const char *name);

#endif
