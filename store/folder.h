/* SPDX-License-Identifier: MIT
 * The data folder: makes it, and holds the lock that keeps a second host out.
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "lib/err.h"

/* Returns a descriptor whose closing gives the folder free again, or -1. */
int folder_lock(const char *folder, struct err *err) __attribute__((warn_unused_result));

#endif
