/* SPDX-License-Identifier: MIT
 * What the database must at least hold, beside it in moonlet.mark: the number of the last
 * transaction that was committed. A journal (WAL) whose frames are damaged ends before them as far
 * as SQLite can tell; only who knows how far it went sees that acknowledged transactions are gone.
 *
 * The mark is written after each commit and never synced: after a kill it is exact, after a power
 * cut it may be behind, and it is never ahead. It names its database by an id, so that another one
 * in its place (a backup) is not measured by it. One line of text:
 *
 *   moonlet <id, 32 hexadecimal digits> <number, 20 digits> open|shut <sum, 16 hexadecimal digits>
 */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum { MARK_ID_LEN = 32 };

struct mark {
	int fd;	       /* -1: not being written */
	bool is_there; /* what follows was read */
	char id[MARK_ID_LEN + 1];
	uint64_t version;
	bool shut; /* the host ended by itself, nothing was left in the journal */
};

/* Reads what stands in the folder. -1: it is there and damaged; `err` names it and the remedy. */
int mark_read(struct mark *mark, const char *folder, struct err *err)
    __attribute__((warn_unused_result));
/* Begins to write it (synced this once), with its id and version. */
int mark_start(struct mark *mark, const char *folder, struct err *err)
    __attribute__((warn_unused_result));
/* Up to `version` all is committed. A failure leaves the mark behind, which is allowed. */
void mark_note(struct mark *mark, uint64_t version);
/* Ends writing: `shut` as in the struct. */
void mark_end(struct mark *mark, bool shut);

#endif
