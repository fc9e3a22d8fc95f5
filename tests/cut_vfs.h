/* SPDX-License-Identifier: MIT
 * A file layer for SQLite that fails on demand: the n-th call gives an error, or the power is cut
 * at it. A cut undoes what was not synced, sector by sector as a die falls, and from then on
 * everything fails until cut_heal. Syncs are counted and not made: the tests have no power to lose.
 */
#ifndef TESTS_CUT_VFS_H
#define TESTS_CUT_VFS_H

#include <stdbool.h>

enum cut_kind {
	CUT_NONE,
	CUT_POWER,    /* everything unsynced is dropped, kept or torn */
	CUT_FULL,     /* a write finds no space */
	CUT_IO,	      /* a write or sync fails */
	CUT_IO_STICKY /* and all that follow, until cut_heal */
};

void cut_install(void); /* once; becomes the default file layer */
/* The `calls`-th write, truncation or sync from now on fails. */
void cut_at(enum cut_kind kind, long calls, unsigned seed);
void cut_heal(void);
bool cut_happened(void);
long cut_calls(void); /* since cut_at or cut_heal */

#endif
