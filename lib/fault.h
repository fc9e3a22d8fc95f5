/* SPDX-License-Identifier: MIT
 * Named points at which a test can end the process as a crash would. They are compiled in with
 * --enable-faults and into the tests' own copy of the store; elsewhere they are nothing.
 *
 * FAULT_AT="commit-before-sync:3" ends the process by SIGKILL the third time that the point
 * is passed.
 */
#ifndef LIB_FAULT_H
#define LIB_FAULT_H

#ifdef FAULTS
void fault(const char *point);
#else
static inline void
fault(const char *point)
{
	(void)point;
}
#endif

#endif
