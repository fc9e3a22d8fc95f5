/* SPDX-License-Identifier: MIT
 * Fault points: counts how often the chosen one was passed.
 */
#define FAULTS 1
#include "lib/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void
fault(const char *point)
{
	static atomic_int passed;
	const char *chosen = getenv("FAULT_AT");
	size_t len = strlen(point);

	if (chosen == NULL || strncmp(chosen, point, len) != 0 || chosen[len] != ':')
		return;
	if (atomic_fetch_add(&passed, 1) + 1 == atoi(chosen + len + 1))
		(void)raise(SIGKILL);
}
