/* SPDX-License-Identifier: MIT
 * What functions that are no more have left in the store: events that wait, timers, states, how far
 * they had followed what. It stays, for the file may come back; it goes when somebody says so
 * (moonlet forget), or when the function has been away for `forget_after` and nothing waits to be
 * run. Only the time in which the host runs counts: clocks jump, and hosts stand in cupboards.
 */
#ifndef RUNTIME_LEFTOVERS_H
#define RUNTIME_LEFTOVERS_H

#include "runtime/host.h"
#include "store/leftovers.h"

struct leftovers;

struct leftover {
	char *name;
	int64_t gone_ms; /* as far as it has been noted */
	struct leftover_sum sum;
};

struct leftovers *leftovers_new(struct host *host);
void leftovers_stop(struct leftovers *leftovers);  /* takes NULL */
void leftovers_free(struct leftovers *leftovers);  /* after store_close; takes NULL */
void leftovers_start(struct leftovers *leftovers); /* functions are loaded */

/* Events, changes and timers of it that wait to be run. */
uint64_t leftover_waits(const struct leftover *leftover);

/* Looks, and calls `done` once with all of them; NULL and the error where the store failed. */
typedef void leftovers_done_fn(
    void *arg, const struct leftover *list, size_t count, const struct err *err);
void leftovers_list(struct leftovers *leftovers, leftovers_done_fn *done, void *arg);

/* Deletes all that a function has left. `done` is called once: NULL, or why not (all). */
void leftovers_forget_function(struct leftovers *leftovers, const char *name,
    void (*done)(void *arg, const struct err *err), void *arg);

struct leftovers_figures {
	uint64_t functions;
	uint64_t waiting; /* what of theirs waits to be run */
};
struct leftovers_figures leftovers_figures(const struct leftovers *leftovers); /* takes NULL */

#endif
