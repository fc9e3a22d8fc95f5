/* SPDX-License-Identifier: MIT
 * Changes the owner of what root has left in a folder that another user writes in.
 */
#ifndef RUNTIME_GIVE_FOLDER_H
#define RUNTIME_GIVE_FOLDER_H

#include <sys/types.h>

#include "lib/err.h"

/* Gives the folder, which is made where it is missing, and what is in it, as far as root owns it,
 * to the user. As that user may have written there before, or above it, nothing is followed that
 * leads elsewhere: no symbolic link, in the path neither, no file with a second name, no other file
 * system. */
int give_folder(const char *path, uid_t uid, gid_t gid, struct err *err)
    __attribute__((warn_unused_result));

#endif
