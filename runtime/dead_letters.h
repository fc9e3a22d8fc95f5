/* SPDX-License-Identifier: MIT
 * The dead letters: events given up, in one transaction with the records of it that their functions
 * ask for (`on_failure`), and bounded by their number and age.
 */
#ifndef RUNTIME_DEAD_LETTERS_H
#define RUNTIME_DEAD_LETTERS_H

#include "runtime/dispatch.h"

struct dead_letters;

struct dead_letters *dead_letters_new(struct host *host);
void dead_letters_free(struct dead_letters *letters); /* takes NULL */

/* Gives up an event that nobody waits for. Ends in dispatch_give_up. */
void dead_letter_begin(struct invocation *invocation, const struct outcome *outcome);

/* Gives a dead letter its id and time, and sees to the bounds. */
void dead_letter_stamp(struct host *host, struct failed_row *failed);

/* How many left because there were too many, or they were too old. */
uint64_t dead_letters_dropped(const struct dead_letters *letters);

#endif
