/* SPDX-License-Identifier: MIT
 * Runs of failed events, all of a function's, again: the oldest first, at a rate, until those are
 * through that had failed when the replay began. A stopped host forgets the replay, not the events:
 * each is either among the failed ones or in the queue.
 */
#ifndef RUNTIME_REPLAYS_H
#define RUNTIME_REPLAYS_H

#include "runtime/host.h"

enum { REPLAYS_MAX = 64 };

struct replays;

struct replays *replays_new(struct host *host);
void replays_free(struct replays *replays); /* takes NULL */

/* Begins one. `per_minute` 0: as fast as it goes. 0: there are too many already; else its number.
 */
unsigned replays_begin(struct replays *replays, struct bytes function_name, unsigned per_minute);

struct replay_progress {
	uint64_t replayed;
	bool finished;
	const char *problem; /* why it ended before; NULL: nothing */
};
/* False: there is none of that number. One that has finished is there for a minute. */
bool replays_progress(
    const struct replays *replays, unsigned number, struct replay_progress *progress);
bool replays_stop(struct replays *replays, unsigned number);

/* A dead letter, as JSON, stands in its queue again, in this place: it goes on. */
void replay_go_on(struct host *host, struct bytes letter, uint64_t sequence, int64_t now_ms);

#endif
