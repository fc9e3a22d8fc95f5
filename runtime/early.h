/* SPDX-License-Identifier: MIT
 * What a host that root starts takes before it becomes an ordinary user, for later it could not:
 * its sockets, and the contents of files of keys and certificates.
 */
#ifndef RUNTIME_EARLY_H
#define RUNTIME_EARLY_H

#include "lib/bytes.h"
#include "lib/err.h"
#include "runtime/options.h"
#include "runtime/privilege.h"

struct early_file {
	char *folder; /* that was named, where the file stands in one; else NULL */
	char *path;
	struct buf text;
};

/* All zero is none. */
struct early {
	struct early_file *files;
	size_t count;
};

/* Where there is somebody to become: binds the sockets that options name, which become "fd:N"
 * there, reads the files that they name (what cannot be read is left to who wants it, and tells),
 * and drops root's rights. To be called before anything is opened in the data folder: whoever owns
 * that must not have root act there. -1: an address cannot be bound, or see privilege_drop. */
int early_settle(struct early *early, const struct privilege *privilege, struct options *options,
    struct err *err) __attribute__((warn_unused_result));
void early_clear(struct early *early); /* texts are wiped */

/* Appends a file's content: as it was taken, or else as it is. -1: it cannot be read. */
int early_read(const struct early *early, const char *path, struct buf *out, struct err *err)
    __attribute__((warn_unused_result));
/* The paths of what was taken out of a folder, in no order; NULL at the end. `*at` starts at 0. */
const char *early_next(const struct early *early, const char *folder, size_t *at);

#endif
