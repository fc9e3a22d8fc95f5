/* SPDX-License-Identifier: MIT
 * The system call filter of a worker.
 */
#ifndef SANDBOX_CAGE_FILTER_H
#define SANDBOX_CAGE_FILTER_H

#include <stdint.h>
#include <sys/resource.h>

/* CAGE_SECCOMP, or 0 where the kernel has none. */
uint32_t cage_filter(int channel);
/* How much address space a worker may have; RLIM_INFINITY where it cannot be bounded. */
rlim_t cage_address_bytes_max(void);

#endif
