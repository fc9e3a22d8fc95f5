/* SPDX-License-Identifier: MIT
 * Searches for things by queries (lib/fleet_query.h) over registry, connectivity and shadows.
 *
 * A search goes through the things in their order, a slice of at most about a millisecond in each
 * turn of the loop. What registry and connectivity decide is decided there; what hangs on shadows
 * is gathered and asked of the store, some hundred things in a job.
 */
#ifndef RUNTIME_REGISTRY_THING_SEARCH_H
#define RUNTIME_REGISTRY_THING_SEARCH_H

#include "runtime/registry/registry.h"

struct host;
struct thing_searches;

enum { THING_SEARCHES_MAX = 16, THING_PAGE_MAX = 1000 };

struct thing_searches *thing_searches_new(struct host *host);
/* Ends those under way with an error; before the store is closed. Takes NULL. */
void thing_searches_stop(struct thing_searches *searches);
void thing_searches_free(struct thing_searches *searches); /* after it; takes NULL */

struct thing_wanted {
	struct bytes query;
	uint64_t after; /* a page's `next`; 0: from the beginning */
	size_t limit;	/* of the page: 1 to THING_PAGE_MAX */
};

/* Borrowed for the call. */
struct thing_page {
	struct thing *const *things;
	size_t count;
	uint64_t next; /* where the next page begins; 0: there is none */
};

/* `done` is called once: with a page, or with NULL and why not; in the call only where the query is
 * wrong or there are too many searches. */
typedef void thing_search_done(void *arg, const struct thing_page *page, const struct err *err);
void thing_search(struct thing_searches *searches, const struct thing_wanted *wanted,
    thing_search_done *done, void *arg);

#endif
