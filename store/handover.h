/* SPDX-License-Identifier: MIT
 * Handing jobs from one thread to another, neither of which ever waits for the other: no lock is
 * held by a thread that the system has put aside.
 *
 * A pile is a list that one thread puts jobs on the top of and the other takes whole. While one
 * puts, the other can only empty it, so putting is tried twice at most.
 */
#ifndef STORE_HANDOVER_H
#define STORE_HANDOVER_H

#include "store/store.h"

struct pile {
	struct store_job *top; /* the job that came last; each leads to the one before it */
};

/* One thread's. Puts the list's jobs on it, in their order; the list is empty then. */
void pile_put(struct pile *pile, struct store_jobs *jobs);
/* The other's. Appends all that is on it, in the order in which it came; how many those are. */
size_t pile_take(struct pile *pile, struct store_jobs *jobs);
bool pile_is_empty(const struct pile *pile);

/* Whether the thread that takes sleeps: a word that the kernel lets it sleep on (futex(2)). */
struct bed {
	uint32_t asleep;
};

/* Sleeps until somebody wakes it, unless `*stopping` is set or there is something on the pile. May
 * return without reason. */
void bed_sleep(struct bed *bed, const struct pile *pile, const bool *stopping);
/* After putting or setting. Whether it slept; else nothing is asked of the system. */
bool bed_wake(struct bed *bed);

#endif
