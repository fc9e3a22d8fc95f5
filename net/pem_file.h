/* SPDX-License-Identifier: MIT
 * Small files whole: certificates and keys.
 */
#ifndef NET_PEM_FILE_H
#define NET_PEM_FILE_H

#include <sys/types.h>

#include "lib/bytes.h"
#include "lib/err.h"

/* Appends the file, of at most a MiB. The error names it. */
int pem_file_read(const char *path, struct buf *out, struct err *err)
    __attribute__((warn_unused_result));
/* Replaces the file as a whole; it is on the disk on return. `mode` 0600 for keys. */
int pem_file_write(const char *path, struct bytes bytes, mode_t mode, struct err *err)
    __attribute__((warn_unused_result));

#endif
