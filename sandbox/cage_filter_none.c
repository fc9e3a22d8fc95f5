/* SPDX-License-Identifier: MIT
 * No filter: the sanitizers need system calls of their own.
 */
#include "sandbox/cage_filter.h"

uint32_t
cage_filter(int channel)
{
	(void)channel;
	return 0;
}

rlim_t
cage_address_bytes_max(void)
{
	return RLIM_INFINITY;
}
