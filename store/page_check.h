/* SPDX-License-Identifier: MIT
 * A file layer over SQLite's own: every page of a database carries a checksum in its last eight
 * bytes, written with the page and checked when it is read, so that what a disk or a foreign hand
 * has changed is an error and never data.
 *
 * The bytes are SQLite's "reserved" ones: any SQLite reads such a file. SQLite sees them as zeros,
 * so a page that another program moved from the journal into the file has zeros there, not a wrong
 * sum. The journal (WAL) has sums of its own. A file without reserved bytes is not checked.
 */
#ifndef STORE_PAGE_CHECK_H
#define STORE_PAGE_CHECK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_CHECK_BYTES = 8 };

/* Makes the layer known (over the default one of that moment) and returns its name, for
 * sqlite3_open_v2. Each handle of it must be told to reserve the bytes in
 * what is made anew (page_check_reserve) before it writes. */
const char *page_check_name(void);
void page_check_reserve(sqlite3 *db);

/* Whether the pages of this database are checked; known once it has been read. */
bool page_check_is_on(sqlite3 *db);

/* While `bare` is set, pages without a sum (zeros) are taken as they are. */
void page_check_take_bare(sqlite3 *db, bool bare);

/* Whether this code of SQLite's says that a page does not have its sum. */
bool page_check_failed(int code);

/* Gives each page of the file that has none its sum, in place, and syncs. No connection may write
 * meanwhile. Returns how many, -1 with errno. */
int64_t page_check_stamp(const char *path);

/* The sum of page `number` (from 1); the last eight bytes are not part of it. Never 0. */
uint64_t page_check_sum(const uint8_t *page, size_t page_bytes, uint64_t number);

#endif
