/* SPDX-License-Identifier: MIT
 * Gives the broker back what an earlier run left in the store.
 */
#ifndef RUNTIME_RESTORE_H
#define RUNTIME_RESTORE_H

#include "net/broker.h"
#include "store/store.h"

struct restore_figures {
	size_t rows[SPACE_COUNT];
	size_t unreadable; /* rows that did not decode: they stay where they are */
};

/* Before anybody connects. The store thread reads the next page while this thread takes the one
 * before. -1: the database could not be read. */
int restore_broker(struct store *store, struct broker *broker, struct restore_figures *figures,
    struct err *err) __attribute__((warn_unused_result));

#endif
