/* SPDX-License-Identifier: MIT
 * Functions that run for files, and what handlers read of files. Which version of a file a function
 * has handled stands in the store (SPACE_FILE) and is written in the transaction of the handler's
 * effects: it runs once for each version, also over a restart.
 */
#ifndef RUNTIME_FILES_FILES_H
#define RUNTIME_FILES_FILES_H

#include "runtime/host.h"

struct files;

/* `text` names the folders (runtime/files/file_folders.h). One without a name may be missing as
 * long as no function wants files. NULL: the text is wrong, or a folder with a name cannot be used.
 */
struct files *files_new(struct host *host, const char *text, struct err *err)
    __attribute__((warn_unused_result));
void files_stop(struct files *files); /* nothing more is submitted */
/* After dispatch_free, and when the store has nothing of theirs any more. Takes NULL. */
void files_free(struct files *files);
void files_start(struct files *files); /* the host is ready */

/* NULL with the error: the folders cannot be watched, the pattern names none of them, or the
 * function has the pattern twice. */
struct file_binding *files_attach(struct files *files, struct function *function,
    const char *pattern, struct err *err) __attribute__((warn_unused_result));
void files_detach(struct file_binding *binding);

struct files_read {
	struct bytes path;
	int64_t offset;
	size_t length; /* at most FILE_READ_BYTES_MAX */
	/* Once: `ok` with the bytes and the file's size, or with the reason why not. */
	void (*done)(void *arg, bool ok, struct bytes content, int64_t size);
	void *arg;
};
void files_read(struct files *files, const struct files_read *read);

#endif
