/* SPDX-License-Identifier: MIT
 * Rows that belong to a function and one of its ordering keys: states and timers. Their key is
 * <function> \0 <ordering key> \0 <name>, where only the ordering key may hold bytes 0.
 */
#ifndef STORE_KEYED_H
#define STORE_KEYED_H

#include "store/txn.h"

struct keyed {
	struct bytes function;
	struct bytes key;
	struct bytes name;
};

/* Appends what stands before the name. */
void keyed_prefix(struct buf *out, struct bytes function, struct bytes key);
/* Views into the row's key. False: it is not of this form. */
bool keyed_read(struct bytes row_key, struct keyed *keyed);

/* Inside a job: -1 with an error where there are more than `most` rows of this prefix. `what` names
 * them in it. */
struct keyed_bound {
	enum space space;
	const char *what;
	size_t most;
};
int keyed_check_bound(const struct keyed_bound *bound, struct bytes prefix, struct txn *txn,
    struct err *err) __attribute__((warn_unused_result));

#endif
