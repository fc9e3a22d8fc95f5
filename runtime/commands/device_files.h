/* SPDX-License-Identifier: MIT
 * A device's key and certificate as files, made by a command: the key is never sent to the host.
 */
#ifndef RUNTIME_COMMANDS_DEVICE_FILES_H
#define RUNTIME_COMMANDS_DEVICE_FILES_H

#include "runtime/commands/command.h"

/* All zero is a valid empty one. */
struct device_files {
	struct buf key; /* path; empty: a request was signed, there is no key */
	struct buf certificate;
	struct buf authority;
	struct buf pem; /* the certificate itself */
};

/* Makes NAME.key (mode 0600) and NAME.pem in the folder of --out, signed by the authority in the
 * data folder, which is made at its first use; --days and --csr as moonlet cert create says. Files
 * that are there are replaced only where `replace` is set. */
int device_files_make(const struct command_call *call, const char *name, bool replace,
    struct device_files *files, struct err *err) __attribute__((warn_unused_result));
/* Removes key and certificate again. */
void device_files_unlink(struct device_files *files);
void device_files_clear(struct device_files *files);
/* "data/tls/ca.pem" */
void device_files_authority(const struct command_call *call, struct buf *path);

#endif
