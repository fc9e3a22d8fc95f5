/* SPDX-License-Identifier: MIT
 * Confinement of a worker, in layers. What the kernel does not let us have is left out and shows
 * in the bits (enum cage_layer of lib/protocol.h) that the host puts into its log.
 */
#ifndef SANDBOX_CAGE_H
#define SANDBOX_CAGE_H

#include <stdint.h>

#include "lib/err.h"

/* In the zygote, once: namespaces for its children, and an empty root. Returns the layers. The
 * caller must fork after it: a new process namespace begins with the next child. */
uint32_t cage_namespaces(void);
/* After that fork, in the first process of the namespaces: the empty, read-only root. */
uint32_t cage_empty_root(void);

/* In a worker, with everything opened that it needs: closes all descriptors but `channel`, and
 * takes away all that is not reading, writing and allocating. Returns the layers; -1 in `err` only
 * where what must never be missing (no_new_privs) is. */
int cage_close(int channel, uint32_t *layers, struct err *err) __attribute__((warn_unused_result));

#endif
