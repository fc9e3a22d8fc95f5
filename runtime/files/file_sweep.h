/* SPDX-License-Identifier: MIT
 * Forgets files that are gone without anybody having been told: removed while the host was down, or
 * with more events than the kernel keeps. All rows of SPACE_FILE are gone through page by page,
 * each file is looked for, and the rows of those that are away are deleted.
 */
#ifndef RUNTIME_FILES_FILE_SWEEP_H
#define RUNTIME_FILES_FILE_SWEEP_H

#include "runtime/files/file_thread.h"
#include "store/store.h"

struct file_sweep;

struct file_sweep *file_sweep_new(struct store *store, struct file_thread *thread);
void file_sweep_stop(struct file_sweep *sweep); /* takes NULL */
void file_sweep_free(struct file_sweep *sweep); /* the store has nothing of its; takes NULL */

void file_sweep_start(struct file_sweep *sweep); /* once more where one is under way */
/* FILE_CHECKED, which the sweep has asked for. */
void file_sweep_take(struct file_sweep *sweep, const struct file_news *news);

#endif
