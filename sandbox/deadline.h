/* SPDX-License-Identifier: MIT
 * The deadline that ends any code: a tick by the process's CPU time compares the clock, and jumps
 * out of whatever runs, a C loop inside string.find too. Nothing of libc's may be in use then:
 * what must not be cut short stands between deadline_hold and deadline_release.
 *
 *      if (sigsetjmp(*deadline_jump(), 0) == 0) {
 *              deadline_arm(at_us);
 *              ... run ...
 *              deadline_disarm();
 *      } else {
 *              ... it overran; the stage is forgotten ...
 *      }
 */
#ifndef SANDBOX_DEADLINE_H
#define SANDBOX_DEADLINE_H

#include <setjmp.h>
#include <stdint.h>

#include "lib/err.h"

int deadline_start(struct err *err) __attribute__((warn_unused_result)); /* once */
int64_t deadline_now_us(void);						 /* monotonic */
sigjmp_buf *deadline_jump(void);
void deadline_arm(int64_t at_us);
void deadline_disarm(void);
void deadline_hold(void);
void deadline_release(void); /* jumps where the deadline passed meanwhile */

#endif
