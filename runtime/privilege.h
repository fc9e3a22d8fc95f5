/* SPDX-License-Identifier: MIT
 * What the host may do on its machine: it never gains rights, is not dumped, and where it was
 * started by root it becomes an ordinary user as soon as its sockets are bound and its files are
 * read.
 */
#ifndef RUNTIME_PRIVILEGE_H
#define RUNTIME_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"
#include "runtime/options.h"

enum { PRIVILEGE_NAME_MAX = 64 };

struct privilege {
	bool change; /* there is somebody to become */
	uid_t uid;
	gid_t gid;
	char name[PRIVILEGE_NAME_MAX];
};

/* Before any thread is started: sets no_new_privs, forbids core dumps, and finds whom to become by
 * the option `user`. -1: there is no such user, or only root could become it. */
int privilege_begin(struct privilege *privilege, const struct options *options, struct err *err)
    __attribute__((warn_unused_result));

/* Before the store is opened: becomes the user for good, in all threads: its groups instead of
 * ours, no capability. What root owns in the data folder is given to the user first. Nothing
 * happens where there is nobody to become. -1: it did not work, or the user cannot write in the
 * data folder; do not go on. */
int privilege_drop(const struct privilege *privilege, const char *data, struct err *err)
    __attribute__((warn_unused_result));

/* Where the text says that permission is denied: adds who this process is since its start. */
void privilege_explain(const struct privilege *privilege, struct err *err);

#endif
